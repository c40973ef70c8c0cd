"""Names of containers and images."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlc_patched.errors import UsageError
from mlc_patched.names.containers import check_container_name, container_tag, short_name
from mlc_patched.names.images import committed_reference, is_committed_for, parse_reference

HEX = "0123456789abcdef" * 4


@pytest.mark.parametrize("name", ["a", "A1", "my-project", "my_project", "9", "a" * 115])
def test_valid_names(name: str) -> None:
    assert container_tag(name, 1722830498) == f"{name}._.1722830498"


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("", "empty"),
        ("../x", "not a valid container name"),
        ("-rf", "not a valid container name"),
        ("_x", "not a valid container name"),
        ("a.*", "not a valid container name"),
        ("a b", "not a valid container name"),
        ("a\n", "not a valid container name"),
        ("a\0b", "not a valid container name"),
        ("\u202eabc", "not a valid container name"),
        ("ä", "not a valid container name"),
        ("a._.0", "not a valid container name"),
        ("a#1", "'#', which Docker does not allow"),
        ("a" * 116, "at most 115"),
    ],
)
def test_invalid_names(name: str, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        check_container_name(name, 1722830498)


@given(st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]{0,100}", fullmatch=True), st.integers(0, 2**32 - 2))
def test_short_name_reverses_container_tag(name: str, uid: int) -> None:
    assert short_name(container_tag(name, uid)) == name


def test_a_plain_name_is_its_own_short_name() -> None:
    assert short_name("old") == "old"


@pytest.mark.parametrize(
    ("reference", "parts"),
    [
        ("image", ("image", None, None)),
        ("hub/image:1.0", ("hub/image", "1.0", None)),
        ("host:5000/img", ("host:5000/img", None, None)),
        ("host:5000/x/y:tag", ("host:5000/x/y", "tag", None)),
        (f"host:5000/x/y:tag@sha256:{HEX}", ("host:5000/x/y", "tag", f"sha256:{HEX}")),
        (f"x@sha256:{HEX}", ("x", None, f"sha256:{HEX}")),
    ],
)
def test_parsed_references(reference: str, parts: tuple[object, ...]) -> None:
    found = parse_reference(reference)
    assert (found.repository, found.tag, found.digest) == parts


@pytest.mark.parametrize(
    ("image", "names", "repository"),
    [
        ("aimehub/pytorch-2.8.0-cuda12.6.3", (), "aimehub/pytorch-2.8.0-cuda12.6.3"),
        (f"host:5000/x/y:tag@sha256:{HEX}", (), "host:5000/x/y"),
        (f"sha256:{HEX}", ("a/b:1", "c:2"), "a/b"),
        (HEX, (), "mlc-image"),
    ],
)
def test_the_legacy_flow_s_image(image: str, names: tuple[str, ...], repository: str) -> None:
    assert committed_reference(image, names, "n._.1") == (repository, "n._.1")


def test_only_the_container_s_own_tag_is_its_committed_image() -> None:
    assert is_committed_for("aimehub/x:n._.1001", "n._.1001")
    assert is_committed_for("host:5000/x:n._.1001", "n._.1001")
    assert not is_committed_for("aimehub/x:n._.10011", "n._.1001")
    assert not is_committed_for("aimehub/x:an._.1001", "n._.1001")
    assert not is_committed_for("aimehub/x", "n._.1001")

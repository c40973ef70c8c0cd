"""Image references, and names of committed images."""

from __future__ import annotations

import pytest

from mlc_patched.errors import (
    UsageError,
)
from mlc_patched.names.images import (
    account_image,
    account_image_of,
    check_reference,
    check_registry,
    check_tag,
    committed_repository,
    committed_uid,
    is_committed_for,
    is_image_id,
    parse_reference,
)

HEX = "0123456789abcdef" * 4


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
def test_a_reference_is_divided_into_repository_tag_and_digest(
    reference: str, parts: tuple[object, ...]
) -> None:
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
    assert committed_repository(image, names) == repository


def test_the_legacy_flow_s_image_of_one_given_by_a_short_id() -> None:
    assert committed_repository("0123", ("hub/x:1",), f"sha256:{HEX}") == "hub/x"
    assert committed_repository("0123", ("0123:latest",), f"sha256:{HEX}") == "0123"
    assert committed_repository("hub/x:1", ("hub/x:1",), f"sha256:{HEX}") == "hub/x"


def test_only_the_container_s_own_tag_is_its_committed_image() -> None:
    assert is_committed_for("aimehub/x:n._.1001", "n._.1001")
    assert is_committed_for("host:5000/x:n._.1001", "n._.1001")
    assert not is_committed_for("aimehub/x:n._.10011", "n._.1001")
    assert not is_committed_for("aimehub/x:an._.1001", "n._.1001")
    assert not is_committed_for("aimehub/x", "n._.1001")


@pytest.mark.parametrize(
    "name", ["registry:5000", "registry.lab.org", "localhost", "10.0.0.1:5000/a/b-c", "a.b/"]
)
def test_a_valid_registry_name_is_taken_without_its_last_slash(name: str) -> None:
    assert check_registry(name) == name.rstrip("/")


@pytest.mark.parametrize(
    "name", ["", "registry", "https://registry:5000", "-f:1", "a.b/UP", "a.b:x", "a.b c", "a.b//c"]
)
def test_an_invalid_registry_name_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="HOST:PORT"):
        check_registry(name)


@pytest.mark.parametrize(
    "reference",
    ["a", "a:1", f"a@sha256:{HEX}", f"host:5000/x/y:tag@sha256:{HEX}", "a:" + "t" * 128],
)
def test_a_valid_reference_is_written_as_it_was_read(reference: str) -> None:
    assert str(check_reference(reference)) == reference


@pytest.mark.parametrize("reference", [HEX, f"sha256:{HEX}", f"sha256:{HEX[:12]}", HEX[:12]])
def test_an_image_can_be_named_by_its_id(reference: str) -> None:
    assert str(check_reference(reference)) == reference


def test_only_what_cannot_be_a_name_is_an_id() -> None:
    assert is_image_id(HEX)
    assert is_image_id(f"sha256:{HEX[:12]}")
    assert not is_image_id(HEX[:12])
    assert not is_image_id(f"sha256:{HEX[:11]}")
    assert not is_image_id(f"hub/{HEX}")


@pytest.mark.parametrize(
    "reference",
    ["", "A", "a:", "a/", "/a", "a//b", "../a", "a:" + "t" * 129, "a@sha256:0", "a b", "a\n", "-a"],
)
def test_what_docker_would_refuse_is_no_image_name(reference: str) -> None:
    with pytest.raises(UsageError, match="not a valid image name"):
        check_reference(reference)


def test_a_repository_has_at_most_255_characters() -> None:
    assert check_reference(f"{'r' * 255}:1").repository == "r" * 255
    with pytest.raises(UsageError, match="not a valid image name"):
        check_reference(f"{'r' * 256}:1")


def test_a_tag_is_taken_or_refused_with_advice() -> None:
    for tag in ("1", "_a.b-C", "t" * 128):
        assert check_tag(tag) == tag
    for tag in ("", "-a", ".a", "a:b", "t" * 129, "a\n"):
        with pytest.raises(UsageError, match="is not a valid tag") as refused:
            check_tag(tag, "Leave it out.")
        assert str(refused.value).endswith("characters. Leave it out.")
    with pytest.raises(UsageError, match=r"characters\.$"):
        check_tag("")


def test_the_image_of_an_account_says_whose_and_of_which_base_it_is() -> None:
    repository, tag = account_image(f"sha256:{HEX}", 1001)
    assert (repository, tag) == ("mlc-account-1001", HEX)
    assert account_image_of(f"{repository}:{tag}") == (1001, f"sha256:{HEX}")
    for other in (f"mlc-account-x:{HEX}", f"mlc-account-1001:{HEX[1:]}", "hub/a", repository):
        assert account_image_of(other) is None


@pytest.mark.parametrize(
    ("reference", "uid"),
    [
        ("hub/a:n._.1001", 1001),
        ("hub/a:n._.m._.1001", 1001),
        ("hub/a:n._.x", None),
        ("hub/a:1001", None),
        ("hub/a:latest", None),
        ("hub/a", None),
    ],
)
def test_a_committed_image_is_the_user_s_whose_uid_ends_its_tag(
    reference: str, uid: int | None
) -> None:
    assert committed_uid(reference) == uid


def test_blanks_around_a_registry_s_name_do_not_count() -> None:
    assert check_registry(" registry:5000// ") == "registry:5000"

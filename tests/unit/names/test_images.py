"""Image references, and names of committed images."""

from __future__ import annotations

import pytest

from mlc_patched.errors import (
    UsageError,
)
from mlc_patched.names.images import (
    check_registry,
    committed_repository,
    is_committed_for,
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

"""Remove containers and their committed images, through the Python API."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support.accounts import OWN, own_image
from support.base_images import BASE
from support.fakes.engine import FakeEngine, FakeImage

import mlc_patched
from mlc_patched.containers.remove import KeptVolume
from mlc_patched.context import Context
from mlc_patched.errors import EngineError, MlcError

COMMITTED = "mlc-test/base:n._.1001"


def test_an_image_another_container_uses_is_kept(fake: FakeEngine, context: Context) -> None:
    fake.add_image(BASE)
    mlc_patched.create("n", "Pytorch", "2.8.0", context=context)
    mlc_patched.create("m", image=COMMITTED, context=context)
    removed = mlc_patched.remove("n", context=context)
    assert removed.image_removed is None
    assert "m._.1001" in removed.image_kept
    assert fake.image(COMMITTED) is not None


def test_an_image_is_kept_on_request(fake: FakeEngine, context: Context) -> None:
    fake.add_image(BASE)
    mlc_patched.create("n", "Pytorch", "2.8.0", context=context)
    assert "as requested" in mlc_patched.remove("n", keep_image=True, context=context).image_kept
    assert fake.image(COMMITTED) is not None


def test_a_running_container_is_not_removed(fake: FakeEngine, context: Context) -> None:
    own_image(fake)
    mlc_patched.create("n", image=OWN, context=context)
    assert mlc_patched.start("n", context=context).was_running is False
    assert mlc_patched.start("n", context=context).was_running is True
    with pytest.raises(MlcError, match="mlc stop n"):
        mlc_patched.remove("n", context=context)
    assert mlc_patched.stop("n", context=context).was_running is True
    assert mlc_patched.stop("n", context=context).was_running is False
    mlc_patched.remove("n", context=context)
    assert not fake.made


def with_volumes(fake: FakeEngine, *paths: str) -> FakeImage:
    """Have the user's image declare volumes."""
    own_image(fake)
    found = fake._find_image(OWN)
    assert found is not None
    found.image = replace(found.image, volumes=paths)
    return found


def test_a_volume_with_files_that_no_image_has_is_kept(fake: FakeEngine, context: Context) -> None:
    made = with_volumes(fake, "/srv", "/opt")
    made.directories = {"/srv": {"shipped": b"1"}, "/opt": {"shipped": b"1"}}
    mlc_patched.create("n", image=OWN, context=context)
    assert mlc_patched.remove("n", context=context).volumes_kept == ()
    assert fake.volumes == {}
    mlc_patched.create("n", image=OWN, context=context)
    [container] = fake.made.values()
    srv = container.volumes["/srv"]
    fake.volumes[srv]["mine"] = b"2"
    removed = mlc_patched.remove("n", context=context)
    assert removed.volumes_kept == (KeptVolume(srv, "/srv"),)
    assert fake.volumes == {srv: {"shipped": b"1", "mine": b"2"}}


def test_volumes_that_cannot_be_read_are_kept(
    fake: FakeEngine, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For instance because a directory of the host is gone that was mounted in the container."""
    with_volumes(fake, "/srv")
    mlc_patched.create("n", image=OWN, context=context)

    def refuse(container: str, path: str) -> str:
        raise EngineError("bind source path does not exist")

    monkeypatch.setattr(fake, "real_path", refuse)
    assert [each.path for each in mlc_patched.remove("n", context=context).volumes_kept] == ["/srv"]
    assert len(fake.volumes) == 1

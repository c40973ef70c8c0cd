"""Remove containers and their committed images, through the Python API."""

from __future__ import annotations

import pytest
from support.accounts import OWN, own_image
from support.base_images import BASE
from support.fakes.engine import FakeEngine

import mlc_patched
from mlc_patched.context import Context
from mlc_patched.errors import (
    MlcError,
)

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

"""Import a container from a file, through the Python API."""

from __future__ import annotations

import pytest
from support.accounts import OWN, own_image
from support.fakes.engine import FakeEngine

import mlc_patched
from mlc_patched.context import Context
from mlc_patched.engine.interface import Engine
from mlc_patched.errors import (
    EngineError,
)


def faulty(engine: Engine, call: str, occurrence: int, after: bool, error: Exception) -> None:
    """Make the n-th use of a method fail, before or after it has done its work."""
    real, count = getattr(engine, call), 0

    def instead(*arguments: object, **named: object) -> object:
        nonlocal count
        count += 1
        if count != occurrence:
            return real(*arguments, **named)
        if after:
            real(*arguments, **named)
        raise error

    setattr(engine, call, instead)


@pytest.mark.parametrize("call", ["import_image", "create_container", "commit"])
def test_an_import_that_fails_leaves_nothing(
    fake: FakeEngine, context: Context, tmp_path: object, call: str
) -> None:
    own_image(fake)
    mlc_patched.create("n", image=OWN, context=context)
    file = mlc_patched.export("n", f"{tmp_path}/n", context=context).file
    images, made = dict(fake.images), dict(fake.made)
    faulty(fake, call, 1, False, EngineError("fault"))
    with pytest.raises(EngineError):
        mlc_patched.import_(file, "copy", context=context)
    assert (fake.images, fake.made) == (images, made)

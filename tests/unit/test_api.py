"""The Python API on a fake engine: the calls it makes, and what a failure leaves."""

from __future__ import annotations

import pytest
from support.accounts import OWN, AccountOfThisProcess, own_image
from support.base_images import CATALOG
from support.fakes.engine import FakeEngine

import mlc_patched
from mlc_patched.context import Context
from mlc_patched.errors import (
    NotFoundError,
    UsageError,
)


@pytest.mark.parametrize("verb", ["open", "start", "stop", "remove", "export"])
def test_a_container_that_is_not_there(context: Context, verb: str) -> None:
    with pytest.raises(NotFoundError, match="mlc list -a"):
        getattr(mlc_patched, verb)("n", context=context)
    with pytest.raises(UsageError):
        getattr(mlc_patched, verb)("a.*", context=context)


def test_another_user_s_container_of_the_name_is_not_touched(
    fake: FakeEngine, context: Context
) -> None:
    own_image(fake)
    created = mlc_patched.create("n", image=OWN, context=context)
    context.__dict__["account"] = AccountOfThisProcess("bob", 1002, 1002, context.account.home)
    for verb in ("stop", "remove", "start"):
        with pytest.raises(NotFoundError):
            getattr(mlc_patched, verb)("n", context=context)
    assert list(fake.made) == [created.id]
    assert mlc_patched.list_containers(context=context) == []
    assert [each.name for each in mlc_patched.list_containers(all_users=True, context=context)]


def test_listing_is_two_calls(fake: FakeEngine, context: Context) -> None:
    own_image(fake)
    for name in ("c", "a", "b"):
        mlc_patched.create(name, image=OWN, context=context)
    fake.calls.clear()
    assert [each.name for each in mlc_patched.list_containers(context=context)] == ["b", "a", "c"]
    assert fake.calls == ["containers", "containers"]


def test_the_catalog_of_these_tests_is_read(context: Context) -> None:
    assert len(context.catalog.rows) == len(CATALOG.splitlines())

"""Fixtures of several folders of engine tests."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from support import worker
from support.engine_state import sweep
from support.image_commands import BUILDERS, QUICK, ImageUser, clean_home
from support.users import User

from mlc_patched.images.build.environment import Builder


def _commands(user: User, path: str = QUICK, buildkit: str = "") -> Iterator[ImageUser]:
    clean_home(user)
    made = ImageUser(user, path, buildkit)
    yield made
    left = made.leftovers()
    sweep(user)
    clean_home(user)
    assert left == set()


@pytest.fixture
def commands(alice_account: User) -> Iterator[ImageUser]:
    """The image commands as the everyday user, with the fastest client."""
    yield from _commands(alice_account)


@pytest.fixture
def ldap_commands(ldap_account: User) -> Iterator[ImageUser]:
    """The same as the LDAP user."""
    yield from _commands(ldap_account)


@pytest.fixture(params=list(BUILDERS), ids=lambda builder: builder.name.lower())
def each_builder(request: pytest.FixtureRequest) -> Iterator[ImageUser]:
    """The LDAP user, or the only one, with each builder of this machine in turn."""
    buildkit = "0" if request.param is Builder.CLASSIC else ""
    account = "alice_account" if os.environ.get(worker.OWNER) else "ldap_account"
    user = request.getfixturevalue(account)
    yield from _commands(user, BUILDERS[request.param], buildkit)

"""Users and images for the tests of the container commands.

These are other users than those of other engine tests, and the tests examine only what belongs to
them: other uses of the engine make no difference.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.base_images import BASE
from support.engine_fixtures import needs_another_user, owner
from support.engine_state import docker, sweep
from support.users import User, new_user

from mlc_patched.engine.interface import Engine

# Most of what an export would have to read and write, and nothing that an account needs.
SLIM = """
rm -rf /usr/share/[a-z]* /usr/lib/python3* /usr/lib/git-core /usr/lib/gcc /var/cache /var/lib/dpkg
rm -rf /usr/lib/*-linux-gnu/perl* /usr/lib/*-linux-gnu/libpython* /usr/bin/perl* /usr/bin/git*
printf '#!/bin/sh\\n' > /usr/bin/git; chmod 755 /usr/bin/git
"""


@pytest.fixture(scope="session")
def slim(engine: Engine) -> Iterator[str]:
    """An image that is a third of the usual one."""
    name = "mlc-test/slim:1"
    maker = docker("create", "--network=host", BASE, "sh", "-ec", SLIM)
    docker("start", "-a", maker)
    docker("commit", "--change=CMD bash", maker, name)
    docker("rm", maker)
    yield name
    docker("rmi", name)


@pytest.fixture(scope="session")
def carol_accounts(tree: Path, user_environ: dict[str, str]) -> Iterator[dict[str, User]]:
    """An everyday user and one of a directory server."""
    if only := owner(tree, user_environ):
        yield {"plain": only}
        return
    uid = 1722830503
    plain = new_user("mlc-carol", 1003, 2003, tree, user_environ)
    ldap_user = new_user("c.arol@hertie-school.lan", uid, uid, tree, user_environ)
    with plain as carol, ldap_user as ldap:
        yield {"plain": carol, "ldap": ldap}


@pytest.fixture
def carol(carol_accounts: dict[str, User]) -> Iterator[User]:
    """The everyday user, whose things are gone after the test."""
    yield carol_accounts["plain"]
    sweep(carol_accounts["plain"])


@pytest.fixture(params=["plain", "ldap"])
def each_user(request: pytest.FixtureRequest, carol_accounts: dict[str, User]) -> Iterator[User]:
    """Each of the two users in turn."""
    if request.param == "ldap":
        needs_another_user()
    yield carol_accounts[request.param]
    sweep(carol_accounts[request.param])


@pytest.fixture(scope="session")
def account_images() -> Iterator[dict[int, str]]:
    """Images with a user's account in them, by UID, made when first asked for."""
    made: dict[int, str] = {}
    yield made
    for name in made.values():
        docker("rmi", name, check=False)


@pytest.fixture
def project(account_images: dict[int, str]) -> Callable[..., str]:
    """Make the image of a user's project: `project(user, name)` returns the image's name."""

    def make(user: User, name: str = "project") -> str:
        if user.uid not in account_images:
            done = user.mlc("create", "set-up", "Pytorch", "2.8.0", "-s")
            assert done.returncode == 0, done.stderr
            own = f"mlc-test/set-up:{user.uid}"
            docker("tag", f"{BASE.partition(':')[0]}:{user.tag('set-up')}", own)
            assert user.mlc("remove", "set-up", "-s").returncode == 0
            account_images[user.uid] = own
        image = f"ds01-{user.uid}/{name}:latest"
        docker("tag", account_images[user.uid], image)
        return image

    return make

"""What the tests of the container commands share: users of their own, and their own things.

Other users than those of the other engine tests: only what these have is looked at, so that
whatever else uses the engine meanwhile makes no difference.
"""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mlc_patched.engine.interface import Engine
from support.base_images import BASE
from support.engine_state import container_names, docker, sweep
from support.users import User, new_user


@pytest.fixture(scope="session")
def carol_accounts(
    engine: Engine, tree: Path, user_environ: dict[str, str]
) -> Iterator[dict[str, User]]:
    """An everyday user and one of a directory server."""
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
def either(request: pytest.FixtureRequest, carol_accounts: dict[str, User]) -> Iterator[User]:
    """Each of the two in turn."""
    yield carol_accounts[request.param]
    sweep(carol_accounts[request.param])


@pytest.fixture(scope="session")
def set_up_images() -> Iterator[dict[int, str]]:
    """Images with a user's account in them, by UID, made when first asked for."""
    made: dict[int, str] = {}
    yield made
    for name in made.values():
        docker("rmi", name, check=False)


@pytest.fixture
def project(set_up_images: dict[int, str]) -> Callable[..., str]:
    """Make the image of a user's project: `project(user, name)` returns the image's name."""

    def make(user: User, name: str = "project") -> str:
        if user.uid not in set_up_images:
            done = user.mlc("create", "set-up", "Pytorch", "2.8.0", "-s")
            assert done.returncode == 0, done.stderr
            own = f"mlc-test/set-up:{user.uid}"
            docker("tag", f"{BASE.partition(':')[0]}:{user.tag('set-up')}", own)
            assert user.mlc("remove", "set-up", "-s").returncode == 0
            set_up_images[user.uid] = own
        image = f"ds01-{user.uid}/{name}:latest"
        docker("tag", set_up_images[user.uid], image)
        return image

    return make


def command(
    user: User, name: str, *arguments: str | Path, **options: object
) -> subprocess.CompletedProcess[str]:
    """Run a documented command as a user, without a terminal."""
    return user.run(user.tree / "bin" / "user" / name, *arguments, **options)


def things(user: User) -> tuple[set[str], set[str]]:
    """Return the names of a user's containers and images, those on their way included."""
    uid = str(user.uid)
    images = docker("images", "--format", "{{.Repository}}:{{.Tag}}").split()
    return (
        {name for name in container_names() if uid in name},
        {name for name in images if uid in name},
    )


@contextlib.contextmanager
def as_before(user: User) -> Iterator[None]:
    """Check that a block leaves a user's containers and images as they were."""
    before = things(user)
    yield
    assert things(user) == before

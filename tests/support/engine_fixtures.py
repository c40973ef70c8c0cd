"""Fixtures for tests with the real engine: the engine, ordinary users, and their images.

A pytest plugin, registered by tests/conftest.py. Everything starts when a test asks for it.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from mlc_patched.context import Context
from mlc_patched.engine.address import resolve
from mlc_patched.engine.connect import connect
from mlc_patched.engine.interface import Engine
from mlc_patched.errors import EngineError
from mlc_patched.host.account import Account
from mlc_patched.images.account.commit import commit_with_account
from mlc_patched.undo import Undo
from support import worker
from support.base_images import BASE, CATALOG
from support.devices import unchanged_devices
from support.engine_proxy import Recording, recording
from support.engine_state import docker, sweep
from support.skips import NO_SKIPS
from support.users import ROOT, User, new_user, readable_tree


def address_variables() -> dict[str, str]:
    """Return the variables that select the engine for commands."""
    host = os.environ.get(worker.COMMAND_ENGINE) or os.environ.get("DOCKER_HOST")
    names = ("DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH", "DOCKER_BUILDKIT")
    more = {name: os.environ[name] for name in names if name in os.environ}
    if path := os.environ.get("MLC_TEST_PATH"):  # with the ssh of the tests
        os.environ["PATH"] = more["PATH"] = path
    return {**({"DOCKER_HOST": host} if host else {}), **more}


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    """The worker's real engine, started if it does not run."""
    with worker.own_engine() if os.geteuid() == 0 else contextlib.nullcontext():
        yield _connected()


def _connected() -> Engine:
    try:
        real = connect(resolve(address_variables()))
    except EngineError as error:
        if NO_SKIPS in os.environ:
            raise
        pytest.skip(f"no engine: {error}")
    if os.geteuid() != 0:
        pytest.skip("engine tests make users, which takes root")
    if real.image(BASE) is None:
        pytest.fail(f"{BASE} is missing: run tools/base-images.sh")
    return real


@pytest.fixture(autouse=True)
def _devices_stay(request: pytest.FixtureRequest) -> Iterator[None]:
    """Keep the host's devices unchanged while a test uses the engine."""
    with unchanged_devices() if "real_engine" in request.keywords else contextlib.nullcontext():
        yield


@pytest.fixture(scope="session")
def tree() -> Iterator[Path]:
    """The program's tree, readable by every user."""
    with readable_tree() as tree:
        yield tree


@pytest.fixture(scope="session")
def catalog_file(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A catalog of this machine's images."""
    path = Path(f"/var/tmp/mlc-test-{os.getpid()}.repo")
    path.write_text(CATALOG)
    path.chmod(0o644)
    yield path
    path.unlink()


@pytest.fixture(scope="session")
def user_environ(engine: Engine, catalog_file: Path) -> dict[str, str]:
    """Variables for all users' commands."""
    return {
        "MLC_CATALOG": str(catalog_file),
        "MLC_ARCH": "CUDA_ADA",
        **address_variables(),
    }


@pytest.fixture(scope="session")
def everybody() -> list[User]:
    """The users below, as soon as a test has asked for them."""
    return []


@pytest.fixture(scope="session")
def alice_account(
    tree: Path, user_environ: dict[str, str], everybody: list[User]
) -> Iterator[User]:
    """A user with a common UID, and a GID that differs from it; the only user of a rootless
    engine."""
    only = owner(tree, user_environ)
    new = new_user("mlc-alice", 1001, 2001, tree, user_environ)
    with contextlib.nullcontext(only) if only else new as user:
        everybody.append(user)
        sweep(user)  # what a killed run left
        yield user


def owner(tree: Path, environ: Mapping[str, str]) -> User | None:
    """Return the only user of a rootless engine, or None if the engine is everybody's."""
    if not (login := os.environ.get(worker.OWNER)):
        return None
    entry = pwd.getpwnam(login)
    user = User(login, entry.pw_uid, entry.pw_gid, Path(entry.pw_dir), tree, environ)
    user.have_workspace()
    return user


def needs_another_user() -> None:
    """Skip a test on an engine that has one user."""
    if os.environ.get(worker.OWNER):
        pytest.skip(worker.ONE_USER)


@pytest.fixture(scope="session")
def ldap_account(tree: Path, user_environ: dict[str, str], everybody: list[User]) -> Iterator[User]:
    """The design document's user: a login that is not a valid account name, and an LDAP UID."""
    needs_another_user()
    uid = 1722830498
    with new_user("h.baker@hertie-school.lan", uid, uid, tree, user_environ) as user:
        everybody.append(user)
        sweep(user)
        yield user


@pytest.fixture
def alice(alice_account: User) -> Iterator[User]:
    """The common user; containers and images are removed after the test."""
    yield alice_account
    sweep(alice_account)
    alice_account.have_workspace()


@pytest.fixture
def ldap_user(ldap_account: User) -> Iterator[User]:
    """The LDAP user; containers and images are removed after the test."""
    yield ldap_account
    sweep(ldap_account)


@pytest.fixture(params=["alice", "ldap"])
def user(request: pytest.FixtureRequest) -> Iterator[User]:
    """Each of the two users in turn."""
    account = request.getfixturevalue(f"{request.param}_account")
    yield account
    sweep(account)


@pytest.fixture(scope="session")
def image_with_account(engine: Engine) -> Iterator[Callable[[User], str]]:
    """Return an image with a user's account; it is made once per user."""
    made: dict[int, str] = {}

    def make(user: User) -> str:
        if user.uid not in made:
            account = Account(user.login, user.uid, user.gid, str(user.home))
            base = engine.image(BASE)
            assert base is not None
            context = Context(make_engine=lambda: engine)
            context.account = account
            tag = f"labelled-{user.uid}"
            committed = commit_with_account(base, BASE, tag, Undo(context.report), context)
            made[user.uid] = committed.reference
        return made[user.uid]

    yield make
    for reference in made.values():
        engine.remove_image(reference)


@pytest.fixture
def labelled(
    engine: Engine, image_with_account: Callable[[User], str], everybody: list[User]
) -> Iterator[Callable[..., str]]:
    """Tag a labelled image for a user: `labelled(user)` returns its name."""
    made: list[str] = []

    def make(user: User, project: str = "project") -> str:
        name = f"ds01-{user.uid}/{project}:latest"
        docker("tag", image_with_account(user), name)
        made.append(name)
        return name

    yield make
    sweep(*everybody)
    for name in made:
        engine.remove_image(name)


@pytest.fixture(scope="session")
def sparse(engine: Engine) -> str:
    """An image whose useradd fills lastlog and faillog; made on first use."""
    made = subprocess.run(
        [str(ROOT / "tools/base-images.sh"), "sparse"], capture_output=True, text=True, check=True
    )
    return made.stdout.split()[-1]


@pytest.fixture
def image_from(everybody: list[User]) -> Iterator[Callable[..., str]]:
    """Make an image: `image_from("shell script", "LABEL a=b", base=BASE)` returns its name."""
    made: list[str] = []

    def make(script: str, *changes: str, base: str = BASE) -> str:
        name = f"mlc-test/variant-{len(made)}:1"
        container = docker("create", "--network=host", "--entrypoint=", base, "sh", "-ec", script)
        try:
            if script:
                docker("start", "-a", container)
            # Without this, Cmd would be the command of the container.
            changes = ("CMD bash", "ENTRYPOINT []", *changes)
            docker("commit", *(f"--change={change}" for change in changes), container, name)
        finally:
            docker("rm", "-f", container)
        made.append(name)
        return name

    yield make
    sweep(*everybody)
    for name in made:
        docker("rmi", name)


@pytest.fixture
def engine_calls(engine: Engine) -> Iterator[Recording]:
    """Records the requests to the engine of commands that use its address."""
    with recording() as record:
        yield record

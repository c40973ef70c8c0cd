"""Directories that are mounted in a container."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from support.fakes.engine import FakeEngine
from support.plans import CATALOG, REQUEST

from mlc_patched.context import Context
from mlc_patched.engine.observations import MountsAndDevices
from mlc_patched.engine.specification import ContainerSpecification
from mlc_patched.errors import MlcError, NotAllowedError, NotFoundError, UsageError
from mlc_patched.host.account import Account
from mlc_patched.host.hardware import elsewhere
from mlc_patched.plan import directories
from mlc_patched.plan.container import Plan, make_plan
from mlc_patched.plan.directories import (
    Directories,
    check_mount,
    check_owner,
    resolve,
    x11_sockets,
)
from mlc_patched.settings.model import Settings


def test_directories_are_absolute_and_must_exist(account: Account, tmp_path: Path) -> None:
    found = directories.resolve("~/workspace", None, None, account)
    assert found.workspace == f"{account.home}/workspace"
    with pytest.raises(NotFoundError, match="mkdir -p"):
        directories.resolve("~/nowhere", None, None, account)
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(MlcError, match="not a directory"):
        directories.resolve(None, str(file), None, account)
    for odd in ("", "a\nb", "a\0b"):
        with pytest.raises(UsageError):
            directories.resolve(None, odd, None, account)


@pytest.mark.parametrize("said", [None, "~/workspace", "~/workspace/"])
def test_only_the_default_workspace_is_created(tmp_path: Path, said: str | None) -> None:
    account = Account("new", os.getuid(), os.getgid(), str(tmp_path))
    assert directories.resolve(said, None, None, account).workspace == f"{tmp_path}/workspace"
    assert (tmp_path / "workspace").is_dir()


def test_a_broken_link_in_place_of_the_workspace_is_kept(tmp_path: Path) -> None:
    (tmp_path / "workspace").symlink_to(tmp_path / "elsewhere")
    account = Account("new", os.getuid(), os.getgid(), str(tmp_path))
    with pytest.raises(MlcError, match="cannot be created"):
        directories.resolve(None, None, None, account)
    assert not (tmp_path / "elsewhere").exists()


def test_a_home_that_cannot_be_looked_into_is_named(tmp_path: Path) -> None:
    account = Account("new", os.getuid(), os.getgid(), str(tmp_path / ("x" * 300)))
    with pytest.raises(MlcError, match="/workspace cannot be created"):
        directories.resolve(None, None, None, account)


def far_plan(account: Account, **fields: object) -> Plan:
    request = replace(REQUEST, **fields)
    host = elsewhere(("nvidia", "runc"))
    return make_plan(request, account, host, {}, lambda: CATALOG, is_local=False)


def test_a_relative_path_in_a_directory_that_was_deleted(
    account: Account, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    with pytest.raises(NotFoundError, match="data cannot be found: the current directory was del"):
        directories.expand("data", account)


def test_directories_on_another_host_are_neither_checked_nor_created(tmp_path: Path) -> None:
    account = Account("alice", 1001, 2001, str(tmp_path / "home"))
    found = far_plan(account, architecture="CUDA_ADA", data="/there/only", models="~/models")
    assert found.directories == directories.Directories(
        f"{account.home}/workspace", "/there/only", f"{account.home}/models"
    )
    assert list(tmp_path.iterdir()) == []
    for path in ("here", "./here", "", "a\nb"):
        with pytest.raises(UsageError, match="workspace directory"):
            far_plan(account, architecture="CUDA_ADA", workspace=path)


root_alone = pytest.mark.skipif(os.getuid() != 0, reason="only root can work for others")
STRICT = Settings(privileged=False)


@pytest.fixture
def user(open_place: Path) -> Account:
    """A user for whom root works, with a home."""
    home = open_place / "home"
    home.mkdir()
    os.chown(home, 65534, 65534)
    return Account("nobody", 65534, 65534, str(home))


def own(user: Account, *names: str) -> None:
    for name in names:
        place = Path(user.home, name)
        place.mkdir(parents=True)
        os.chown(place, *user.file_ids)


@root_alone
def test_under_sudo_directories_are_resolved_with_the_user_s_rights(
    user: Account, open_place: Path
) -> None:
    own(user, "work", "data")
    secret = open_place / "secret"
    (secret / "sub").mkdir(parents=True)
    secret.chmod(0o700)
    links = {"link": "work", "out": str(secret), "deep": str(secret / "sub"), "home": user.home}
    for name, target in links.items():
        Path(user.home, name).symlink_to(target)
    found = resolve("~/home/work", "~/data/../data", None, user)
    assert found == Directories(f"{user.home}/work", f"{user.home}/data", None)
    for named in ("~/link", "~/link/", "~/out", "~/deep", "~/home/link", "~/out/sub", str(secret)):
        for what in ({"workspace": named}, {"data": named}, {"models": named}):
            with pytest.raises(MlcError, match=r"is a link|Permission denied"):
                resolve(**{"workspace": None, "data": None, "models": None, **what}, account=user)
    # The default workspace, too.
    shutil.rmtree(f"{user.home}/workspace")
    Path(user.home, "workspace").symlink_to(secret)
    with pytest.raises(MlcError, match=r"is a link|Permission denied"):
        resolve(None, None, None, user)


@root_alone
def test_without_privileges_only_one_s_own_directories_and_listed_ones_are_mounted_under_sudo(
    user: Account, open_place: Path
) -> None:
    """Whoever is root inside reaches everything below, whatever its mode."""
    own(user, "mine")
    check_owner("data", f"{user.home}/mine", user, STRICT)
    shared = Settings(privileged=False, directories=("/usr/share",))
    for path in ("/usr/share", "/usr/share/doc"):
        check_owner("data", path, user, shared)
    for path in ("/", "/etc", "/home", "/usr/share", str(open_place)):
        with pytest.raises(NotAllowedError, match=r"container\.directories"):
            check_owner("data", path, user, STRICT)
        check_owner("data", path, user, Settings())
    with pytest.raises(NotAllowedError):
        check_owner("data", "/usr", user, shared)


@root_alone
def test_a_directory_that_became_a_link_is_not_mounted_again(
    user: Account, open_place: Path
) -> None:
    own(user, "work", "other")
    secret = open_place / "secret"
    secret.mkdir(0o700)
    path = f"{user.home}/work"
    for settings in (Settings(), STRICT):
        check_mount(path, user, settings)
        check_mount("/etc", user, settings)  # which only root's tools mount
    Path(path).rename(f"{user.home}/moved")
    with pytest.raises(NotFoundError, match="mkdir"):
        check_mount(path, user, Settings())
    Path(path).symlink_to(secret)
    for settings in (Settings(), STRICT):
        with pytest.raises(MlcError, match="Permission denied"):
            check_mount(path, user, settings)
    Path(path).unlink()
    Path(path).symlink_to(f"{user.home}/other")
    check_mount(path, user, Settings())
    with pytest.raises(MlcError, match="is a link"):
        check_mount(path, user, STRICT)


@root_alone
def test_under_sudo_x11_sockets_are_mounted_only_from_a_directory_of_root_s(
    user: Account, open_place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a server without X, anybody may make /tmp/.X11-unix, as a link to anything."""
    place = open_place / "x11"
    monkeypatch.setattr("mlc_patched.plan.directories.X11_SOCKETS", str(place))
    assert not x11_sockets(user, make=False)
    assert x11_sockets(user, make=True)
    assert place.stat().st_mode & 0o7777 == 0o1777
    check_mount(str(place), user, STRICT)
    place.rmdir()
    place.symlink_to("/root")
    assert not x11_sockets(user, make=True)
    assert x11_sockets(Account("root", 0, 0, "/root"), make=True), "nobody but root is there"
    with pytest.raises(MlcError, match="does not belong to root"):
        check_mount(str(place), user, Settings())


@root_alone
def test_a_directory_that_is_exchanged_while_a_container_starts_ends_it(
    user: Account, context: Context, fake: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The engine follows the path again, after the check."""
    own(user, "work", "other")
    context.__dict__["account"] = user
    place, status = f"{user.home}/work", Path(user.home, "work").stat()
    identity = status.st_dev, status.st_ino
    assert check_mount(place, user, Settings()) == identity
    found = MountsAndDevices((), (place,), {place: "/workspace"}, os.getpid())
    monkeypatch.setattr(fake, "mounts_and_devices", lambda container: found)
    seen: list[object] = []

    def is_mounted(*arguments: object) -> bool:
        seen.append(arguments)
        return len(seen) == 1

    monkeypatch.setattr("mlc_patched.host.directories.is_mounted", is_mounted)
    container = fake.create_container(
        ContainerSpecification(name="x", image=fake.add_image("x:1").id)
    )
    context.start(container)
    assert seen == [(os.getpid(), "/workspace", identity)]
    with pytest.raises(MlcError, match="was exchanged while the container was started"):
        context.start(container)
    assert fake.container("x").state == "exited"

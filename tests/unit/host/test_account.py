"""The user who runs a command, also under sudo."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest

from mlc_patched.errors import MlcError, NotAllowedError, UsageError
from mlc_patched.host.account import (
    Account,
    account_of,
    caller,
    known_elsewhere,
    read_id,
    refuse_root,
)

USERS = {
    0: ("root", "/root"),
    1001: ("alice", "/home/alice"),
    1722830498: ("h.baker@hertie-school.lan", "/home/h.baker@hertie-school.lan"),
}


def database(uid: int) -> pwd.struct_passwd:
    login, home = USERS[uid]
    return pwd.struct_passwd((login, "x", uid, uid, "", home, "/bin/bash"))


def who(uid: int, gid: int, **environ: str) -> Account:
    return caller(environ, uid=uid, gid=gid, user_database=database)


def test_the_user_of_the_process() -> None:
    assert who(1001, 2001) == Account("alice", 1001, 2001, "/home/alice")


def test_the_user_who_ran_sudo() -> None:
    account = who(0, 0, SUDO_UID="1722830498", SUDO_GID="100", SUDO_USER="root", HOME="/root")
    assert account.login == "h.baker@hertie-school.lan"
    assert (account.uid, account.gid) == (1722830498, 100)
    assert account.home == "/home/h.baker@hertie-school.lan"
    assert account.container_name == "h-baker-at-hertie-school-lan"


def test_only_root_can_act_for_another_user() -> None:
    assert who(1001, 2001, SUDO_UID="0", SUDO_GID="0").uid == 1001


@pytest.mark.parametrize("environ", [{}, {"SUDO_UID": "0", "SUDO_GID": "0"}, {"SUDO_UID": ""}])
def test_root_without_sudo(environ: dict[str, str]) -> None:
    account = who(0, 0, **environ)
    assert (account.uid, account.is_root, account.container_name) == (0, True, "root")


@pytest.mark.parametrize("value", ["x", "-1", "1 ", "4294967295", "²", "1e3", "9" * 5000])
def test_invalid_sudo_variables_are_refused(value: str) -> None:
    with pytest.raises(MlcError, match="SUDO_UID"):
        who(0, 0, SUDO_UID=value, SUDO_GID="1")
    with pytest.raises(MlcError, match="SUDO_GID"):
        who(0, 0, SUDO_UID="1001", SUDO_GID=value)
    with pytest.raises(MlcError, match="SUDO_GID is '', not an ID"):
        who(0, 0, SUDO_UID="1001")


def test_a_user_missing_from_the_database() -> None:
    assert who(4242, 1, HOME="/somewhere") == Account("4242", 4242, 1, "/somewhere")
    assert who(4242, 1).container_name == "u-4242"
    assert who(4242, 1).home == "/"


def test_a_missing_user_behind_sudo_has_no_home_but_their_own(tmp_path: Path) -> None:
    """HOME is root's then, or whatever sudo kept."""
    sudo = {"SUDO_UID": str(4242 if os.getuid() == 0 else os.getuid()), "SUDO_GID": "1"}

    def missing(uid: int) -> pwd.struct_passwd:
        raise KeyError(uid)

    def home(path: str) -> str:
        return caller({**sudo, "HOME": path}, uid=0, gid=0, user_database=missing).home

    assert home("/") == home("/gone") == home("/etc") == "/nonexistent"
    if os.getuid() == 0:
        os.chown(tmp_path, 4242, 1)
    assert home(str(tmp_path)) == str(tmp_path)


def test_a_login_name_without_a_usable_character() -> None:
    with pytest.raises(MlcError, match="turned into an account name"):
        _ = Account("...", 1, 1, "/").container_name


MINE = Account("alice", 1001, 2001, "/home/alice")


def test_on_a_remote_engine_as_gives_the_ids_and_local_files_keep_theirs() -> None:
    found = known_elsewhere(MINE, "7001:7002", is_local=False, is_login_of_root=False)
    assert (found.login, found.uid, found.gid, found.home) == ("alice", 7001, 7002, MINE.home)
    assert found.file_ids == (1001, 2001)
    assert MINE.file_ids == (1001, 2001)


@pytest.mark.parametrize("said", ["", "7001", "a:b", "1:2:3", "-1:5", "0:0", "0:5", f"{2**32}:1"])
def test_an_invalid_as_is_refused(said: str) -> None:
    with pytest.raises(UsageError) as refused:
        known_elsewhere(MINE, said, is_local=False, is_login_of_root=True)
    is_root = said.startswith("0:")
    assert ("cannot belong to root" if is_root else "is not an account") in str(refused.value)
    assert ("your own UID" if is_root else "--as 1001:1001") in str(refused.value.hint)


def test_on_this_host_another_uid_is_another_user() -> None:
    with pytest.raises(NotAllowedError, match="is another user"):
        known_elsewhere(MINE, "7001:7002", is_local=True, is_login_of_root=False)
    assert known_elsewhere(MINE, "1001:2001", is_local=True, is_login_of_root=False) is MINE

    def database(uid: int) -> pwd.struct_passwd:
        if uid != 7001:
            raise KeyError(uid)
        return pwd.struct_passwd(("bob", "x", 7001, 7002, "", "/home/bob", "/bin/sh"))

    def as_root(said: str) -> Account:
        return known_elsewhere(
            MINE, said, is_local=True, is_login_of_root=True, user_database=database
        )

    assert as_root("7001:7002") == Account("bob", 7001, 7002, "/home/bob")
    with pytest.raises(
        UsageError, match=r"UID 7003 .* setpriv --reuid=7003 --regid=1 --groups=docker mlc"
    ):
        as_root("7003:1")


def test_ids_are_read_up_to_the_highest() -> None:
    assert [read_id(text) for text in ("0", "4294967294", "0000001001")] == [0, 2**32 - 2, 1001]
    assert [read_id(text) for text in ("4294967295", "00000001001", "", "1.0", "١")] == [None] * 5


def test_the_process_s_own_ids_and_environment_are_the_default(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = caller({})
    assert found == caller({}, uid=os.getuid(), gid=os.getgid())
    assert (found.login, found.uid) == (account_of(os.getuid()).login, os.getuid())
    monkeypatch.setenv("SUDO_UID", "1001")
    monkeypatch.setenv("SUDO_GID", "2001")
    assert caller(uid=0, gid=0, user_database=database).gid == 2001


def test_on_a_remote_engine_one_of_the_ids_may_be_the_same() -> None:
    for said, ids in (("1001:5", (1001, 5)), ("5:2001", (5, 2001))):
        found = known_elsewhere(MINE, said, is_local=False, is_login_of_root=False)
        assert ((found.uid, found.gid), found.ids_here) == (ids, (1001, 2001))


def test_root_is_refused_where_an_account_is_needed() -> None:
    refuse_root(MINE)
    with pytest.raises(MlcError, match="You are root"):
        refuse_root(Account("root", 0, 0, "/root"))

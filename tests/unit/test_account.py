"""Who calls: the real user, also under sudo."""

from __future__ import annotations

import pwd

import pytest

from mlc_patched.account import Account, caller
from mlc_patched.errors import MlcError

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


def test_the_process_s_own_user() -> None:
    assert who(1001, 2001) == Account("alice", 1001, 2001, "/home/alice")


def test_under_sudo_the_one_who_called_it() -> None:
    account = who(0, 0, SUDO_UID="1722830498", SUDO_GID="100", SUDO_USER="root", HOME="/root")
    assert account.login == "h.baker@hertie-school.lan"
    assert (account.uid, account.gid) == (1722830498, 100)
    assert account.home == "/home/h.baker@hertie-school.lan"
    assert account.container_name == "h-baker-at-hertie-school-lan"


def test_only_root_can_speak_for_another() -> None:
    assert who(1001, 2001, SUDO_UID="0", SUDO_GID="0").uid == 1001


@pytest.mark.parametrize("environ", [{}, {"SUDO_UID": "0", "SUDO_GID": "0"}, {"SUDO_UID": ""}])
def test_root_itself(environ: dict[str, str]) -> None:
    account = who(0, 0, **environ)
    assert (account.uid, account.is_root, account.container_name) == (0, True, "root")


@pytest.mark.parametrize("value", ["x", "-1", "1 ", "4294967295", "²", "1e3"])
def test_sudo_s_variables_are_not_believed_blindly(value: str) -> None:
    with pytest.raises(MlcError, match="SUDO_UID"):
        who(0, 0, SUDO_UID=value, SUDO_GID="1")
    with pytest.raises(MlcError, match="SUDO_GID"):
        who(0, 0, SUDO_UID="1001", SUDO_GID=value)
    with pytest.raises(MlcError, match="SUDO_GID"):
        who(0, 0, SUDO_UID="1001")


def test_a_user_the_database_does_not_know() -> None:
    assert who(4242, 1, HOME="/somewhere") == Account("4242", 4242, 1, "/somewhere")
    assert who(4242, 1).container_name == "u-4242"


def test_a_login_of_which_nothing_is_left() -> None:
    with pytest.raises(MlcError, match="no account name"):
        _ = Account("...", 1, 1, "/").container_name

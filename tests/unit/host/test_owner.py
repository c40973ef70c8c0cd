"""As whom root runs what other users can change."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mlc_patched.host.account import Account, caller
from mlc_patched.host.owner import account_for, as_account, environment_of

only_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can work for others")
NOBODY = 65534
UNKNOWN = 2**31 - 7  # no user of this host


@pytest.fixture
def place(open_place: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory of root's with files of different owners; root works for itself."""
    for name, uid in (("roots", 0), ("nobodys", NOBODY), ("unknowns", UNKNOWN), ("open", 0)):
        (open_place / name).touch(0o644)
        os.chown(open_place / name, uid, uid)
    (open_place / "open").chmod(0o666)
    (open_place / "link").symlink_to("roots")
    monkeypatch.delenv("SUDO_UID", raising=False)
    return open_place


def test_who_is_not_root_runs_everything_as_themselves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1001)
    assert account_for(tmp_path) is None
    assert as_account(None) == {}
    assert environment_of(None, {"HOME": "/h"}) == {"HOME": "/h"}


@only_root
@pytest.mark.parametrize(
    ("names", "uid"),
    [
        (("roots",), None),
        (("gone",), None),
        (("roots", "nobodys"), NOBODY),
        (("gone", "unknowns", "nobodys"), UNKNOWN),
        (("open",), None),  # root itself trusts what it made
        (("link",), None),
    ],
)
def test_root_runs_what_a_user_owns_as_the_user(
    place: Path, names: tuple[str, ...], uid: int | None
) -> None:
    found = account_for(*(place / name for name in names))
    assert (None if found is None else found.uid) == uid


@only_root
@pytest.mark.parametrize(
    ("name", "is_callers"),
    [
        ("roots", False),
        ("gone", False),
        ("open", True),
        ("nobodys", True),
        ("unknowns", True),
        ("link", True),
    ],
)
def test_under_sudo_root_runs_what_others_can_change_as_the_caller(
    place: Path, monkeypatch: pytest.MonkeyPatch, name: str, is_callers: bool
) -> None:
    for variable in ("SUDO_UID", "SUDO_GID"):
        monkeypatch.setenv(variable, str(NOBODY))
    assert account_for(place / name) == (caller() if is_callers else None)


@only_root
def test_a_user_that_the_host_does_not_know_has_no_home(place: Path) -> None:
    found = account_for(place / "unknowns")
    assert found == Account(str(UNKNOWN), UNKNOWN, UNKNOWN, "/nonexistent")
    environ = environment_of(found, {"HOME": "/root", "LANG": "C"})
    assert environ["HOME"] == "/nonexistent"
    assert environ["USER"] == environ["LOGNAME"] == str(UNKNOWN)
    assert environ["LANG"] == "C"
    assert as_account(found) == {"user": UNKNOWN, "group": UNKNOWN, "extra_groups": [UNKNOWN]}

"""Editing a Dockerfile in the user's editor, which is a script here."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mlc_patched.errors import MlcError
from mlc_patched.host.account import Account
from mlc_patched.images.editor import edited

ME = Account("me", os.getuid(), os.getgid(), "/home/me")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory for editors, beside that for temporary files, which ends empty."""
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    return tmp_path


def editor(place: Path, script: str, name: str = "my editor") -> Path:
    program = place / name
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return program


def test_the_text_is_what_the_user_made_of_it(place: Path) -> None:
    program = editor(
        place, 'echo "$1 $OF" >>"$2"; case $2 in */demo.Dockerfile) ;; *) exit 1; esac'
    )
    environ = {"VISUAL": f"'{program}' --wait", "EDITOR": "/nowhere", "OF": "the user"}
    text = edited("FROM é\r\n", "demo.Dockerfile", ME, {**environ, "PATH": "/usr/bin:/bin"})
    assert text == "FROM é\r\n--wait the user\n"
    assert list((place / "tmp").iterdir()) == []


def test_a_byte_order_mark_of_the_editors_is_no_part_of_the_text(place: Path) -> None:
    program = editor(place, 'printf "\\357\\273\\277FROM x\\n" >"$1"', "editor")
    assert edited("FROM x\n", "x", ME, {"EDITOR": str(program)}) == "FROM x\n"


def test_a_usual_editor_is_taken_if_none_is_named(place: Path) -> None:
    editor(place, 'echo by nano >>"$1"', "nano")
    editor(place, 'echo by vi >>"$1"', "vi")
    assert edited("", "x", ME, {"PATH": str(place), "EDITOR": ""}) == "by nano\n"


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        ({"EDITOR": "false"}, "The editor false ended with exit status 1. Nothing was changed."),
        ({"EDITOR": "/there/is/none"}, "The editor /there/is/none did not start: No such file"),
        ({"VISUAL": " "}, "VISUAL is ' ', which names no program"),
        ({"EDITOR": "vi 'x"}, "EDITOR is .*, which cannot be parsed: No closing quotation"),
        ({"EDITOR": "truncate -s 0"}, "The edited demo.Dockerfile is empty. Nothing was changed."),
        ({"PATH": "/nowhere"}, "No editor was found. Name one in the environment variable EDITOR"),
    ],
)
def test_an_editor_that_does_not_work_is_named(
    place: Path, environ: dict[str, str], message: str
) -> None:
    with pytest.raises(MlcError, match=message):
        edited("FROM x\n", "demo.Dockerfile", ME, {"PATH": "/usr/bin:/bin", **environ})
    assert list((place / "tmp").iterdir()) == []


@pytest.mark.skipif(os.getuid() != 0, reason="only root can work for others")
def test_under_sudo_the_editor_is_the_users_and_gives_no_file_of_roots(
    open_place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = Account("nobody", 65534, 65534, "/home/of/nobody")
    monkeypatch.setattr("tempfile.tempdir", str(open_place))
    environ = {"PATH": "/usr/bin:/bin", "HOME": "/root"}
    writes = editor(open_place, 'echo "$(id -u) $HOME" >"$1"', "writes")
    assert edited("", "x", user, {**environ, "EDITOR": str(writes)}) == "65534 /home/of/nobody\n"
    secret = open_place / "secret"
    secret.write_text("of root")
    secret.chmod(0o600)
    links = editor(open_place, f'rm "$1"; ln -s {secret} "$1"', "links")
    with pytest.raises(MlcError, match="edited text"):
        edited("", "x", user, {**environ, "EDITOR": str(links)})

"""What mlc-patch decides: versions, conditions, stand-ins, and where our program is."""

from __future__ import annotations

import itertools
import subprocess
from pathlib import Path

import pytest
from support.aime_checkout import PROGRAM, V1

from mlc_patched.cli.commands.patch import through_current
from mlc_patched.errors import MlcError, NotFoundError
from mlc_patched.patch import store as patch_store
from mlc_patched.patch.checkout import Form, is_known, recognise, version_of
from mlc_patched.patch.layout import checkout_of
from mlc_patched.patch.standin import is_stand_in, stand_in
from mlc_patched.patch.state import Condition, FileState, condition
from mlc_patched.plan.catalog import locate

SHELL = b"#!/bin/bash\necho hello\n"


@pytest.mark.parametrize(
    ("form", "text", "version", "known"),
    [
        (Form.V2, PROGRAM.format(version="2.2.0").encode(), "2.2.0", True),
        (Form.V2, b'VERSION = "2.2"\n', "2.2", True),  # the same version, by packaging's rules
        (Form.V2, b"__mlc_version = 1\nmlc_version='v2.3.0'\n", "2.3.0", False),
        (Form.V2, b"mlc_version = f()\n", "", False),
        (Form.V2, b'mlc_version = "2.2.0-odd!"\n', "2.2.0-odd!", False),
        (Form.V1, V1["mlc-create"].encode(), "3", True),
        (Form.V1, b"MLC_VERSION='4'; x=1\n", "4", False),
        (Form.V1, b"", "", False),
    ],
)
def test_the_version_is_read_and_compared(
    form: Form, text: bytes, version: str, known: bool
) -> None:
    assert version_of(form, text) == version
    assert is_known(form, version) is known


def test_what_is_no_checkout_says_what_it_lacks(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="is no directory"):
        recognise(tmp_path / "none")
    with pytest.raises(NotFoundError, match=r"no ml_images\.repo and no mlc\.py or mlc-create"):
        recognise(tmp_path)
    (tmp_path / "ml_images.repo").write_text("")
    (tmp_path / "mlc-create").symlink_to("/bin/true")
    with pytest.raises(MlcError, match="mlc-create are links"):
        recognise(tmp_path)


@pytest.mark.parametrize(
    ("has_store", "active", "whole", "ours"),
    list(itertools.product((False, True), repeat=4)),
)
def test_the_switch_alone_decides_whose_the_commands_are(
    has_store: bool, active: bool, whole: bool, ours: bool
) -> None:
    state = FileState.OURS if ours else FileState.AIME
    found = condition(has_store=has_store, active=active, whole=whole, files={"mlc": state})
    if not has_store:
        assert found is Condition.AIME
    elif not active:
        assert found is Condition.INTERRUPTED
    else:
        assert found is (Condition.PATCHED if whole and ours else Condition.DAMAGED)


def test_stand_ins_are_told_from_everything_else() -> None:
    for name, text in (("mlc-list", SHELL), ("mlc.py", b"#!/usr/bin/env python3\n")):
        made = stand_in(name, text)
        assert is_stand_in(made)
        assert not is_stand_in(text)
        assert not is_stand_in(made.replace(b"\n", b"\n\n", 1))
        assert b"list" in made or name == "mlc.py"


def place(directory: Path, name: str, original: bytes) -> Path:
    command = directory / name
    command.write_bytes(stand_in(name, original))
    command.chmod(0o755)
    (directory / ".mlc-patched/original").mkdir(parents=True, exist_ok=True)
    (directory / ".mlc-patched/original" / name).write_bytes(original)
    return command


def said(*argv: object) -> tuple[int, str]:
    done = subprocess.run(list(map(str, argv)), capture_output=True, text=True, check=False)
    return done.returncode, (done.stdout + done.stderr).strip()


def test_without_the_switch_a_shell_command_is_the_original_to_the_letter(tmp_path: Path) -> None:
    original = b'#!/bin/bash\necho "$0|$#|$2"\nexit 7\n'
    command = place(tmp_path, "mlc-list", original)
    (tmp_path / "link").symlink_to(command)
    assert said(command, "a", "b  c") == (7, f"{command}|2|b  c")
    assert said(tmp_path / "link", "a") == (7, f"{tmp_path}/link|1|")


def test_without_the_switch_a_python_command_is_the_original_to_the_letter(
    tmp_path: Path,
) -> None:
    original = b"import sys\nprint(__name__, __file__, sys.argv)\n"
    command = place(tmp_path, "mlc.py", original)
    assert said("python3", command, "a b") == (0, f"__main__ {command} ['{command}', 'a b']")
    imported = said("env", f"PYTHONPATH={tmp_path}", "python3", "-c", "import mlc")
    assert imported == (0, f"mlc {command} ['-c']")


def test_with_the_switch_arguments_arrive_as_they_were_given(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text("import sys\nprint(sys.argv)\n")
    commands = [place(tmp_path, name, SHELL) for name in ("mlc", "mlc-open")]
    commands.append(place(tmp_path, "mlc.py", b"#!/usr/bin/env python3\n"))
    store = tmp_path / ".mlc-patched"
    (store / "mlc.py").symlink_to(program)
    (store / "active").write_text("/no/such/python\n")
    for command, verb in zip(commands, ([], ["open"], []), strict=True):
        wanted = [f"{store}/mlc.py", *verb, "a  b", "", "*", "'"]
        assert said(command, "a  b", "", "*", "'") == (0, str(wanted)), command


def test_a_program_or_an_original_that_is_gone_is_told(tmp_path: Path) -> None:
    for name, original in (("mlc-list", SHELL), ("mlc.py", b"#!/usr/bin/env python3\n")):
        command = place(tmp_path, name, original)
        (tmp_path / ".mlc-patched/original" / name).unlink()
        status, text = said(command)
        assert (status, "git checkout" in text) == (1, True), text
        (tmp_path / ".mlc-patched/active").write_text("python3\n")
        status, text = said(command)
        assert (status, "which this checkout uses, is gone" in text) == (1, True), text
        (tmp_path / ".mlc-patched/active").unlink()


def test_the_checkouts_own_catalog_counts(tmp_path: Path) -> None:
    store = tmp_path / ".mlc-patched"
    store.mkdir()
    (tmp_path / "ml_images.repo").write_text("")
    assert checkout_of(store / "mlc.py") == tmp_path
    assert checkout_of(tmp_path / "mlc.py") is None
    assert locate(store / "mlc.py", {}) == tmp_path / "ml_images.repo"


def test_an_installed_program_is_named_through_current(tmp_path: Path) -> None:
    release = tmp_path / "0.1-abc"
    (release / "bin").mkdir(parents=True)
    assert through_current(release / "bin/x.py") == release / "bin/x.py"
    (tmp_path / "current").symlink_to("0.1-abc")
    assert through_current(release / "bin/x.py") == tmp_path / "current/bin/x.py"
    assert through_current(tmp_path / "0.2-def/bin/x.py") == tmp_path / "0.2-def/bin/x.py"


def test_only_one_works_on_a_checkout_at_a_time(tmp_path: Path) -> None:
    with (
        patch_store.locked(tmp_path),
        pytest.raises(MlcError, match="Another mlc-patch"),
        patch_store.locked(tmp_path),
    ):
        pass
    with patch_store.locked(tmp_path):
        pass


def test_a_manifest_that_cannot_be_read_says_how_to_go_on(tmp_path: Path) -> None:
    generation = tmp_path / ".mlc-patched/original"
    generation.mkdir(parents=True)
    (generation / patch_store.MANIFEST).write_text('{"files": [{}]}')
    with pytest.raises(MlcError, match="Give AIME's files back by git"):
        patch_store.read_manifest(tmp_path)

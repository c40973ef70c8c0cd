"""mlc-patch: versions, conditions, shims, and the path of our program."""

from __future__ import annotations

import errno
import itertools
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support.aime_checkout import PROGRAM, V1

from mlc_patched.cli.commands.patch import through_current
from mlc_patched.errors import MlcError, NotFoundError
from mlc_patched.patch import store as patch_store
from mlc_patched.patch.checkout import (
    Form,
    edited,
    in_history,
    is_known,
    recognise,
    version_of,
)
from mlc_patched.patch.layout import ORIGINAL, STORE, checkout_of
from mlc_patched.patch.layout import PROGRAM as PROGRAM_LINK
from mlc_patched.patch.shim import is_shim, shim
from mlc_patched.patch.state import SHIMS, Condition, FileState, condition, examine
from mlc_patched.patch.store import Kept, Manifest
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


def test_the_message_says_what_a_directory_lacks_to_be_a_checkout(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="is not a directory"):
        recognise(tmp_path / "none")
    with pytest.raises(NotFoundError, match=r"has no ml_images\.repo and no mlc\.py or mlc-create"):
        recognise(tmp_path)
    (tmp_path / "ml_images.repo").write_text("")
    (tmp_path / "mlc-create").symlink_to("/bin/true")
    with pytest.raises(MlcError, match="mlc-create should be files but are links"):
        recognise(tmp_path)


@pytest.mark.parametrize(
    ("has_store", "active", "whole", "state"),
    list(itertools.product((False, True), (False, True), (False, True), FileState)),
)
def test_the_marker_alone_switches_the_commands(
    has_store: bool, active: bool, whole: bool, state: FileState
) -> None:
    found = condition(has_store=has_store, active=active, whole=whole, files={"mlc": state})
    if not has_store:
        assert found is Condition.AIME
    elif not active:
        assert found is Condition.INTERRUPTED
    else:
        assert found is (Condition.PATCHED if whole and state in SHIMS else Condition.DAMAGED)


NAMES = ("mlc.py", "mlc", "mlc-list")


@pytest.fixture
def patched(tmp_path: Path) -> Path:
    """Return a checkout that is patched; each test spoils one thing."""
    path, program = tmp_path / "aime", tmp_path / "program.py"
    path.mkdir()
    program.touch()
    (path / "ml_images.repo").touch()
    for name in NAMES:
        (path / name).write_bytes(b'mlc_version = "2.2.0"\n' if name == "mlc.py" else SHELL)
        (path / name).chmod(0o755)
    originals = {name: patch_store.read_original(path / name) for name in NAMES}
    kept = tuple(Kept(name, patch_store.digest(o.text), o.mode) for name, o in originals.items())
    patch_store.open_store(path)
    patch_store.keep(path, Manifest("v2", "2.2.0", kept), originals)
    for name, original in originals.items():
        (path / name).write_bytes(shim(name, original.text))
    patch_store.link(path / STORE / PROGRAM_LINK, str(program))
    patch_store.activate(path, "python3")
    return path


def test_a_program_that_the_user_cannot_reach_is_no_error(
    patched: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link, usual = patched / STORE / PROGRAM_LINK, Path.stat

    def stat(path: Path, *, follow_symlinks: bool = True) -> os.stat_result:
        if path == link and follow_symlinks:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return usual(path, follow_symlinks=follow_symlinks)

    monkeypatch.setattr(Path, "stat", stat)
    state = examine(patched)
    assert state.condition is Condition.DAMAGED
    program = patched.parent / "program.py"
    assert state.faults() == [f"not every user who can read the commands can read {program}"]


def test_a_patched_checkout_is_examined_whole(patched: Path) -> None:
    state = examine(patched)
    assert state.condition is Condition.PATCHED
    assert state.checkout == recognise(patched)
    assert state.manifest == patch_store.read_manifest(patched)
    assert state.files == dict.fromkeys(NAMES, FileState.OURS)
    assert state.program == str(patched.parent / "program.py")
    assert state.broken_originals == ()
    assert state.named(FileState.AIME, FileState.OURS) == NAMES
    assert state.named(FileState.AIME) == ()


def test_a_checkout_without_the_store_is_aimes(patched: Path) -> None:
    for name in NAMES:
        (patched / name).write_bytes((patched / STORE / ORIGINAL / name).read_bytes())
    patch_store.remove(patched)
    state = examine(patched)
    assert state.condition is Condition.AIME
    assert state.files == dict.fromkeys(NAMES, FileState.AIME)
    assert (state.manifest, state.program, state.broken_originals) == (None, "", ())


def test_an_interrupted_patch_is_told_by_the_missing_marker(patched: Path) -> None:
    patch_store.deactivate(patched)
    assert examine(patched).condition is Condition.INTERRUPTED


def test_a_checkout_whose_program_is_gone_is_damaged(patched: Path) -> None:
    (patched.parent / "program.py").unlink()
    state = examine(patched)
    assert state.condition is Condition.DAMAGED
    assert state.program == str(patched.parent / "program.py"), "say which program is missing"
    (patched / STORE / PROGRAM_LINK).unlink()
    assert (examine(patched).condition, examine(patched).program) == (Condition.DAMAGED, "")


def test_every_original_that_is_not_as_it_was_kept_is_named(patched: Path) -> None:
    originals = patched / STORE / ORIGINAL
    (originals / "mlc-list").chmod(0o644)
    state = examine(patched)
    assert (state.condition, state.broken_originals) == (Condition.DAMAGED, ("mlc-list",))
    (originals / "mlc.py").write_text("edited\n")
    assert examine(patched).broken_originals == ("mlc.py", "mlc-list")
    # AIME's file is back, and its original is gone.
    (patched / "mlc").write_bytes(SHELL)
    (originals / "mlc").unlink()
    assert examine(patched).broken_originals == ("mlc.py", "mlc", "mlc-list")


def test_a_checkout_without_its_manifest_is_damaged(patched: Path) -> None:
    (patched / STORE / ORIGINAL / patch_store.MANIFEST).unlink()
    state = examine(patched)
    assert (state.condition, state.manifest) == (Condition.DAMAGED, None)
    assert state.broken_originals == ()


def test_what_each_command_s_file_holds_is_told(patched: Path) -> None:
    (patched / "mlc").write_bytes(shim("mlc", SHELL) + b"# of another version\n")
    state = examine(patched)
    assert (state.condition, state.files["mlc"]) == (Condition.PATCHED, FileState.OLDER)
    (patched / "mlc").write_bytes(SHELL)
    state = examine(patched)
    assert (state.condition, state.files["mlc"]) == (Condition.DAMAGED, FileState.AIME)
    (patched / "mlc").write_bytes(SHELL + b"# edited\n")
    assert examine(patched).files["mlc"] is FileState.CHANGED
    (patched / "mlc-open").write_bytes(SHELL)  # a command that AIME added since
    assert examine(patched).files["mlc-open"] is FileState.CHANGED
    assert examine(patched).named(FileState.CHANGED) == ("mlc", "mlc-open")


def test_shims_are_recognised_and_nothing_else_is() -> None:
    earlier = b"#!/bin/bash\n# mlc-patched stands in for AIME's mlc-list here. AIME's comes back\n"
    assert is_shim(earlier)
    for name, text in (("mlc-list", SHELL), ("mlc.py", b"#!/usr/bin/env python3\n")):
        made = shim(name, text)
        assert is_shim(made)
        assert not is_shim(text)
        assert not is_shim(made.replace(b"\n", b"\n\n", 1))
        assert b"list" in made or name == "mlc.py"


def place(directory: Path, name: str, original: bytes) -> Path:
    command = directory / name
    command.write_bytes(shim(name, original))
    command.chmod(0o755)
    (directory / ".mlc-patched/original").mkdir(parents=True, exist_ok=True)
    (directory / ".mlc-patched/original" / name).write_bytes(original)
    return command


def said(*argv: object, **options: Any) -> tuple[int, str]:
    line = list(map(str, argv))
    done = subprocess.run(line, capture_output=True, text=True, check=False, **options)
    return done.returncode, (done.stdout + done.stderr).strip()


def test_without_the_marker_a_shell_shim_runs_the_original(tmp_path: Path) -> None:
    original = b'#!/bin/bash\necho "$0|$#|$2"\nexit 7\n'
    command = place(tmp_path, "mlc-list", original)
    (tmp_path / "link").symlink_to(command)
    assert said(command, "a", "b  c") == (7, f"{command}|2|b  c")
    assert said(tmp_path / "link", "a") == (7, f"{tmp_path}/link|1|")


def test_without_the_marker_a_python_shim_runs_the_original(
    tmp_path: Path,
) -> None:
    original = b"import sys\nprint(__name__, __file__, sys.argv)\n"
    command = place(tmp_path, "mlc.py", original)
    assert said("python3", command, "a b") == (0, f"__main__ {command} ['{command}', 'a b']")
    imported = said("env", f"PYTHONPATH={tmp_path}", "python3", "-c", "import mlc")
    assert imported == (0, f"mlc {command} ['-c']")


def test_shims_pass_arguments_on_unchanged(tmp_path: Path) -> None:
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


def test_shims_run_our_program_without_the_callers_python_variables(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text("import json\nprint('ours')\n")
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "json.py").write_text("raise SystemExit('theirs')\n")
    command = place(tmp_path, "mlc", SHELL)
    other = place(tmp_path, "mlc.py", b"#!/usr/bin/env python3\n")
    (tmp_path / ".mlc-patched/mlc.py").symlink_to(program)
    (tmp_path / ".mlc-patched/active").write_text(f"{sys.executable}\n")
    assert said("env", "PYTHONHOME=/none", command) == (0, "ours")
    for each in (command, other):
        assert said("env", f"PYTHONPATH={theirs}", each) == (0, "ours")


@pytest.mark.parametrize("closed", ["", "active"])
def test_what_users_cannot_read_in_the_store_is_reported(open_place: Path, closed: str) -> None:
    commands = [
        place(open_place, "mlc-list", SHELL),
        place(open_place, "mlc.py", b"#!/usr/bin/env python3\n"),
    ]
    store = open_place / ".mlc-patched"
    (store / "active").write_text("python3\n")
    (store / closed).chmod(0)
    try:
        for command in commands:
            status, text = said(command, user=65534 if os.geteuid() == 0 else None)
            assert (status, text.count("\n")) == (1, 0), text
            assert text.startswith(f"Error: {store}/active cannot be read")
            assert text.endswith(f"mlc-patch apply {open_place}")
    finally:
        (store / closed).chmod(0o755)


def test_a_missing_program_or_original_is_reported(tmp_path: Path) -> None:
    for name, original in (("mlc-list", SHELL), ("mlc.py", b"#!/usr/bin/env python3\n")):
        command = place(tmp_path, name, original)
        (tmp_path / ".mlc-patched/original" / name).unlink()
        status, text = said(command)
        assert (status, "git checkout" in text) == (1, True), text
        (tmp_path / ".mlc-patched/active").write_text("python3\n")
        status, text = said(command)
        assert (status, "which this checkout runs, is missing" in text) == (1, True), text
        (tmp_path / ".mlc-patched/active").unlink()


def test_the_catalog_of_the_checkout_is_used(tmp_path: Path) -> None:
    store = tmp_path / ".mlc-patched"
    store.mkdir()
    (tmp_path / "ml_images.repo").write_text("")
    assert checkout_of(str(store / "mlc.py")) == tmp_path
    assert checkout_of(str(tmp_path / "mlc.py")) is None
    assert locate(store / "mlc.py", {}) == tmp_path / "ml_images.repo"


def test_an_installed_program_is_referred_to_through_current(tmp_path: Path) -> None:
    release = tmp_path / "0.1-abc"
    (release / "bin").mkdir(parents=True)
    assert through_current(release / "bin/x.py") == release / "bin/x.py"
    (tmp_path / "current").symlink_to("0.1-abc")
    assert through_current(release / "bin/x.py") == tmp_path / "current/bin/x.py"
    assert through_current(tmp_path / "0.2-def/bin/x.py") == tmp_path / "0.2-def/bin/x.py"


def test_only_one_command_changes_a_checkout_at_a_time(tmp_path: Path) -> None:
    with (
        patch_store.locked(tmp_path),
        pytest.raises(MlcError, match="Another mlc-patch"),
        patch_store.locked(tmp_path),
    ):
        pass
    with patch_store.locked(tmp_path):
        pass


def test_a_manifest_that_cannot_be_read_is_reported_and_a_damaged_one_is_as_none(
    tmp_path: Path,
) -> None:
    generation = tmp_path / ".mlc-patched/original"
    generation.mkdir(parents=True)
    manifest = generation / patch_store.MANIFEST
    for text in ('{"files": [{}]}', "", "\0" * 100):
        manifest.write_text(text)
        assert patch_store.read_manifest(tmp_path) is None
    manifest.unlink()
    manifest.mkdir()
    with pytest.raises(MlcError, match=f"{manifest} cannot be read: Is a directory"):
        patch_store.read_manifest(tmp_path)


@pytest.mark.parametrize("is_in_git", [False, True])
def test_the_reason_why_edits_are_unknown_is_said(
    patched: Path, monkeypatch: pytest.MonkeyPatch, is_in_git: bool
) -> None:
    def refuse(*arguments: object, **options: object) -> str:
        raise MlcError("git ls-tree failed: fatal: dubious ownership\n\n\tgit config --add X")

    monkeypatch.setattr("mlc_patched.patch.checkout.git", refuse)
    if is_in_git:
        (patched / ".git").mkdir()
    said = (
        "because git ls-tree failed: fatal: dubious ownership git config --add X$"
        if is_in_git
        else "^its files are not in git"
    )
    with pytest.raises(MlcError, match=said):
        edited(recognise(patched))
    assert not in_history(patched, "mlc-list", SHELL), "so the stored original is kept"

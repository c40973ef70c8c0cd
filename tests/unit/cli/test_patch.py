"""mlc-patch on the command line: what it says, asks and exits with, and what it leaves as it is."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from support.aime_checkout import AimeCheckout, fingerprint
from support.run_command import Outcome, call

from mlc_patched.cli.commands.patch import our_program
from mlc_patched.context import Context
from mlc_patched.lean import replace
from mlc_patched.patch import apply as patching
from mlc_patched.patch import checkout as patch_checkout
from mlc_patched.patch import store as patch_store
from mlc_patched.patch.layout import MARKER, ORIGINAL, PROGRAM, STORE
from mlc_patched.patch.state import Condition, examine

Run = Callable[..., Outcome]


@pytest.fixture
def run(
    v2: AimeCheckout, shell_program: Path, context: Context, monkeypatch: pytest.MonkeyPatch
) -> Run:
    """Run mlc-patch: `run("apply", "-y")`; it finds the checkout through PATH."""
    monkeypatch.setattr(sys, "executable", "/bin/sh")
    environ = {**context.environ, "PATH": f"/nowhere:{v2.path}"}
    found = replace(context, environ=environ, program=shell_program)

    def run(*words: str, code: int = 0) -> Outcome:
        done = call(["mlc-patch", *words], found)
        assert done.code == code, done
        return done

    return run


def test_a_checkout_from_status_to_revert(v2: AimeCheckout, run: Run, shell_program: Path) -> None:
    before, count = fingerprint(v2.path), len(v2.names())
    shown = run("status").out
    assert f"{v2.path}: AIME MLC 2.2.0 (v2), {Condition.AIME.value}" in shown
    assert f"Patch it with: mlc-patch apply {v2.path}" in shown
    assert "is not patched correctly: it is not patched." in run("verify", code=1).err
    assert "nothing was done" in run("revert").out

    shown = run("apply", "--dry-run").out
    assert "mlc.py, mlc, mlc-create" in shown
    assert f"run {shell_program}" in shown
    assert fingerprint(v2.path) == before

    done = run("apply").out
    assert f"{v2.path} is patched: {count} commands run mlc-patched" in done
    assert f"mlc-patch revert {v2.path}" in done
    assert "already patched" in run("apply").out
    assert f"all {count} commands work" in run("verify").out
    shown = run("status").out
    assert f"runs: {shell_program}" in shown
    assert "mlc-patch apply" not in shown

    assert "mlc-list" in run("revert", "-n").out
    assert examine(v2.path).condition is Condition.PATCHED
    assert f"{count} files restored" in run("revert").out
    assert fingerprint(v2.path) == before
    assert "it is not patched" in run("revert", "-n").out


def test_the_same_in_json(v2: AimeCheckout, run: Run) -> None:
    def said(*words: str, code: int = 0) -> dict[str, object]:
        found = json.loads(run(*words, "--json", code=code).out)
        assert found["checkout"] == str(v2.path)
        return dict(found)

    names = v2.names()
    status = said("status")
    assert (status["condition"], status["tested"], status["edited"]) == ("aime", True, [])
    assert said("verify", code=1)["wrong"] == ["it is not patched"]
    assert set(said("apply", "-n")["would_replace"]) == set(names)  # type: ignore[call-overload]
    assert said("status")["condition"] == "aime"
    applied = said("apply")
    assert (applied["condition"], len(applied["replaced"])) == ("patched", len(names))  # type: ignore[arg-type]
    assert said("apply")["replaced"] == []
    assert said("verify")["wrong"] == []
    assert len(said("revert", "-n")["would_restore"]) == len(names)  # type: ignore[arg-type]
    assert said("revert")["condition"] == "aime"
    assert said("revert")["replaced"] == []


def test_a_dry_run_says_what_would_be_done_to_a_patched_checkout(
    v2: AimeCheckout, run: Run, shell_program: Path
) -> None:
    run("apply")
    assert "is already patched; nothing would be done" in run("apply", "-n").out
    assert json.loads(run("apply", "-n", "--json").out)["would_replace"] == []
    (v2.path / "mlc-list").unlink()
    assert f"Would replace in {v2.path}: mlc-list\n" in run("apply", "-n").out
    run("apply")
    (v2.path / STORE / MARKER).chmod(0o600)
    assert f"Would replace in {v2.path}: no command\n" in run("apply", "-n").out
    (v2.path / "mlc-list").write_text("#!/bin/sh\n")
    assert "mlc-list was edited" in run("apply", "-n", code=1).last
    assert "mlc-list in " in run("revert", "-n", code=1).last
    assert "mlc-open" in run("revert", "-f", "-n").out


def test_a_checkout_that_another_program_takes_over_is_said(
    v2: AimeCheckout, run: Run, shell_program: Path, answer: Callable[..., object]
) -> None:
    run("apply")
    other = shell_program.with_name("other.py")
    shutil.copy(shell_program, other)
    patch_store.link(v2.path / STORE / PROGRAM, str(other))
    shown = run("apply", "-n").out
    assert f"Commands would run {shell_program}, no longer {other}." in shown
    answer("n")
    asked = run("apply", code=1).out
    assert f"Make {v2.path} run {shell_program}, not {other}?" in asked
    done = run("apply", "-y").out
    assert done == f"{v2.path} runs {shell_program} now, no longer {other}.\n"
    patch_store.link(v2.path / STORE / PROGRAM, str(other))
    told = json.loads(run("apply", "-y", "--json").out)
    assert (told["former_program"], told["program"]) == (str(other), str(shell_program))


def test_a_person_is_asked_and_may_refuse(
    v2: AimeCheckout, run: Run, answer: Callable[..., object]
) -> None:
    answer("n")
    asked = run("apply", code=1)
    assert f"Make {v2.path} run mlc-patched" in asked.out
    assert examine(v2.path).condition is Condition.AIME
    answer("")
    run("apply")
    answer("no")
    assert f"Restore AIME's mlc in {v2.path}?" in run("revert", code=1).out
    assert examine(v2.path).condition is Condition.PATCHED
    answer()
    run("revert", "-y")
    assert examine(v2.path).condition is Condition.AIME


def test_status_says_what_is_unusual(v2: AimeCheckout, run: Run) -> None:
    (v2.path / "mlc-list").write_text("#!/bin/sh\n")
    (v2.path / "mlc.py").write_text("#!/usr/bin/env python3\n")
    shown = run("status").out
    assert "AIME MLC (version unknown)" in shown
    assert "not tested with this version, only with 2.2.0" in shown
    assert "edited: mlc.py, mlc-list" in shown
    (v2.path / ".git").rename(v2.path.parent / "git")
    assert "not in git, so edits cannot be detected" in run("status").out
    run("apply", "--force")
    (v2.path / "mlc-list").write_text("#!/bin/sh\necho edited\n")
    (v2.path / STORE / ORIGINAL / "mlc-open").write_text("spoilt\n")
    shown = run("status").out
    assert "  mlc-list is " in shown
    assert "  the stored original of mlc-open is damaged" in shown
    assert f"Fix it with: mlc-patch apply {v2.path}" in shown


def test_status_says_what_is_damaged(v2: AimeCheckout, run: Run, shell_program: Path) -> None:
    run("apply")
    patch_store.link(v2.path / STORE / PROGRAM, "/gone/mlc-patched.py")
    fault = "our program /gone/mlc-patched.py is missing"
    assert f"  {fault}\n" in run("status").out
    assert json.loads(run("status", "--json").out)["wrong"] == [fault]
    run("apply")
    assert json.loads(run("status", "--json").out)["wrong"] == []


def test_flags_of_a_change_are_refused_where_nothing_changes(run: Run) -> None:
    for action in ("status", "verify"):
        for flag in ("-f", "-n", "-y"):
            assert "apply and revert only" in run(action, flag, code=2).last
    run("repair", code=2)


def test_an_empty_directory_is_not_that_of_the_path(v2: AimeCheckout, run: Run) -> None:
    run("apply")
    for action in ("status", "verify", "apply", "revert"):
        assert "DIRECTORY is empty" in run(action, "", code=2).last
    assert examine(v2.path).condition is Condition.PATCHED


def test_a_checkout_is_named_or_found(
    v2: AimeCheckout, context: Context, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(patch_checkout, "AIME_DIRECTORY", v2.path)
    assert call(["mlc-patch", "status"], context).out.startswith(f"{v2.path}: ")
    link = tmp_path / "link"
    link.symlink_to(v2.path)
    assert call(["mlc-patch", "status", str(link)], context).out.startswith(f"{v2.path}: ")
    monkeypatch.setattr(patch_checkout, "AIME_DIRECTORY", tmp_path)
    for action in ("status", "apply", "verify", "revert"):
        for named in ([], [str(tmp_path)], [str(tmp_path / "none")]):
            done = call(["mlc-patch", action, *named], context)
            assert (done.code, f"mlc-patch {action} DIRECTORY" in done.last) == (1, True)


def test_a_checkout_in_a_directory_that_was_deleted_is_not_found(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (gone := tmp_path / "gone").mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert "x cannot be found: the current directory was deleted" in run("status", "x", code=1).last


def test_a_failure_of_the_disk_says_which_program_runs(
    v2: AimeCheckout, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device", str(v2.path / "mlc-list"))

    monkeypatch.setattr(patching, "_replace", full)
    failed = run("apply", code=1).last
    assert f"{v2.path}/mlc-list: No space left on device" in failed
    assert "check with: mlc-patch status" in failed


def test_called_by_pip_s_script_it_uses_the_program_of_its_tree(
    context: Context, shell_program: Path
) -> None:
    tree = Path(__file__).parents[3] / "bin/docker/mlc-patched.py"
    for program in (None, Path("/usr/bin/mlc-patch")):
        assert our_program(replace(context, program=program)) == tree
    assert our_program(replace(context, program=shell_program)) == shell_program

"""update-sys on the command line: what it shows, asks and exits with, and when it needs sudo."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from support.aime_checkout import AimeCheckout
from support.run_command import Outcome, call

from mlc_patched.cli import prompts
from mlc_patched.context import Context
from mlc_patched.lean import replace

Run = Callable[..., Outcome]
CATALOG = "Pytorch, 2.9.0, [CUDA_ADA], hub/pytorch\n"


@pytest.fixture
def run(v2: AimeCheckout, context: Context) -> Run:
    """Run update-sys of a checkout that is two commits behind its remote."""
    v2.publish("Fix the first thing", {"ml_images.repo": CATALOG})
    v2.publish("Fix the second thing", {"README.md": "second\n"})
    found = replace(context, program=f"{v2.path}/mlc.py")

    def run(*words: str, code: int = 0) -> Outcome:
        done = call(["mlc", "update-sys", *words], found)
        assert done.code == code, done
        return done

    return run


def subject(v2: AimeCheckout) -> str:
    return v2.git("log", "-1", "--format=%s")


def test_new_commits_are_shown_and_taken(v2: AimeCheckout, run: Run) -> None:
    shown = run("-f").out
    assert [line.split(None, 1)[-1] for line in shown.splitlines()[1:3]] == [
        "Fix the second thing",
        "Fix the first thing",
    ]
    assert shown.splitlines()[3] == f"{v2.path}: updated, 2 new commits."
    assert (v2.path / "ml_images.repo").read_text() == CATALOG
    assert run("-f").out == f"{v2.path} is up to date.\n"


def test_json_is_all_of_standard_output(v2: AimeCheckout, run: Run) -> None:
    done = run("--json", "-f")
    updated = json.loads(done.out)["updated"]
    assert (updated["checkout"], len(updated["changes"])) == (str(v2.path), 2)
    assert "Fix the first thing" in done.err


@pytest.mark.parametrize(("said", "code"), [("", 0), ("y", 0), ("n", 1)])
def test_a_person_decides(
    v2: AimeCheckout, run: Run, answer: Callable[..., object], said: str, code: int
) -> None:
    answer(said)
    assert "Update now?" in run(code=code).out
    assert subject(v2) == ("as it was" if code else "Fix the second thing")


def test_nobody_to_ask_is_no_consent(v2: AimeCheckout, run: Run) -> None:
    assert "pass -f to confirm" in run(code=2).last
    assert subject(v2) == "as it was"


@pytest.fixture
def roots(context: Context, monkeypatch: pytest.MonkeyPatch) -> Context:
    """A patched checkout of root's, called by somebody else."""
    assert Path("/usr").stat().st_uid == 0
    monkeypatch.setattr(os, "geteuid", lambda: 1001)
    return replace(context, program="/usr/.mlc-patched/mlc.py")


def test_roots_checkout_needs_an_administrator(roots: Context) -> None:
    done = call(["mlc", "update-sys", "-Y", "--json"], roots)
    assert done.code == 1
    assert "/usr belongs to root, so you cannot update it." in done.err
    assert done.last.endswith("sudo /usr/mlc-update-sys -f --json")


def test_on_a_terminal_sudo_asks_for_the_password(
    roots: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[tuple[str, list[str]]] = []

    class Replaced(BaseException):
        """This process would be another program now."""

    def execute(program: str, argv: list[str]) -> None:
        started.append((program, argv))
        raise Replaced

    monkeypatch.setattr(prompts, "on_terminal", lambda: True)
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(os, "execv", execute)
    with pytest.raises(Replaced):
        call(["mlc", "update-sys", "-f"], roots)
    assert started == [("/usr/bin/sudo", ["/usr/bin/sudo", "/usr/mlc-update-sys", "-f"])]

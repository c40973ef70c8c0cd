"""mlc doctor on the command line: what can be repaired is repaired after a yes only."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from support.fakes.engine import FakeEngine
from support.run_command import call

from mlc_patched.context import Context
from mlc_patched.errors import EngineError, EngineUnreachableError, MlcError
from mlc_patched.maintenance import doctor

Answer = Callable[..., object]


@pytest.fixture
def workspace(context: Context) -> Path:
    """The workspace, which is missing."""
    path = Path(context.account.home, "workspace")
    path.rmdir()
    return path


def test_a_repair_is_shown_confirmed_and_checked(
    context: Context, workspace: Path, answer: Answer
) -> None:
    answer("n")
    done = call(["mlc", "doctor", "--repair"], context)
    assert "Would fix workspace: " in done.err
    assert "Fix these " in done.out
    assert (done.code, workspace.exists()) == (1, False)
    answer("")
    done = call(["mlc", "doctor", "--repair"], context)
    assert "After the repair:" in done.out
    assert workspace.is_dir()
    done = call(["mlc", "doctor", "--repair"], context)
    assert "There is nothing that can be fixed automatically." in done.err


def test_json_has_the_findings_once(context: Context, workspace: Path) -> None:
    for flags in ((), ("--repair", "-y")):
        found = json.loads(call(["mlc", "doctor", "--json", *flags], context).out)["findings"]
        (of_it,) = [each for each in found if each["check"] == "workspace"]
        assert (of_it["repairable"], workspace.exists()) == (not flags, bool(flags))


def test_one_check_that_cannot_be_made_does_not_keep_the_others(
    fake: FakeEngine, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(error: MlcError) -> Callable[[object], None]:
        def a_check(machine: object) -> None:
            raise error

        return a_check

    checks = (fails(MlcError("unreadable")), fails(EngineError("gone")), *doctor.CHECKS)
    monkeypatch.setattr(doctor, "CHECKS", checks)
    done = call(["mlc", "doctor"], context)
    assert done.code == 1
    assert "not checked: unreadable" in done.out
    assert "it stopped answering: gone" in done.out
    assert "workspace" in done.out


def test_an_engine_that_does_not_answer_is_a_finding(
    fake: FakeEngine, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away() -> None:
        raise EngineUnreachableError("nobody listens")

    monkeypatch.setattr(fake, "info", away)
    done = call(["mlc", "doctor"], context)
    assert (done.code, "nobody listens" in done.out) == (1, True)
    assert "workspace" in done.out

"""When a container ran and what runs in it, from the engine's answers."""

from __future__ import annotations

from typing import Any

import pytest

from mlc_patched.engine.answers import activity_of, command_ids_of, running_command_of
from mlc_patched.engine.observations import Activity
from mlc_patched.errors import EngineError

NEVER = "0001-01-01T00:00:00Z"


@pytest.mark.parametrize(
    ("state", "activity"),
    [
        ({"Running": False, "StartedAt": NEVER, "FinishedAt": NEVER, "ExitCode": 0}, Activity()),
        (
            {"Running": True, "StartedAt": "2026-01-02T03:04:05.123456789Z", "FinishedAt": NEVER},
            Activity(started=1767323045),
        ),
        (
            {
                "Running": False,
                "StartedAt": "2026-01-02T04:04:05.1+01:00",  # Podman's
                "FinishedAt": "2026-01-02T03:04:06Z",
                "ExitCode": 137,
            },
            Activity(1767323045, 1767323046, 137),
        ),
    ],
)
def test_times_are_seconds_since_1970(state: dict[str, Any], activity: Activity) -> None:
    assert activity_of({"State": state}, ()) == activity


def test_nothing_that_runs_is_null_for_docker() -> None:
    assert command_ids_of({"ExecIDs": None}) == command_ids_of({}) == ()
    assert command_ids_of({"ExecIDs": ["a", "b"]}) == ("a", "b")


def test_a_command_is_its_program_with_its_arguments() -> None:
    process = {"entrypoint": "sh", "arguments": ["-c", "x"]}
    assert running_command_of({"Running": True, "ProcessConfig": process}) == ("sh", "-c", "x")
    assert running_command_of({"Running": False, "ProcessConfig": process}) is None
    alone = {"entrypoint": "ls", "arguments": None}
    assert running_command_of({"Running": True, "ProcessConfig": alone}) == ("ls",)


@pytest.mark.parametrize("answer", [{}, {"State": None}, {"State": {"StartedAt": 3}}])
def test_an_answer_of_another_form_is_the_engines_error(answer: dict[str, Any]) -> None:
    with pytest.raises(EngineError):
        activity_of(answer, ())

"""Commands in a container through Docker's client, which is a script here."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from support.fakes.engine import FakeContainer, FakeEngine

from mlc_patched.containers import shell
from mlc_patched.containers.shell import (
    HANG_UP,
    forward_signals,
    hang_up,
    run_captured,
    run_inside,
    run_shown,
)
from mlc_patched.context import Context
from mlc_patched.errors import EngineError

PRINTS = 'printf "%s\\n" "$@"'


def client(place: Path, script: str) -> dict[str, str]:
    """Make a client; return an environment with it."""
    (place / "bin").mkdir()
    program = place / "bin" / "docker"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return {"PATH": f"{place / 'bin'}:/usr/bin:/bin"}


def test_the_command_runs_as_the_user_with_the_callers_display(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    environ = {**client(tmp_path, f"{PRINTS}; exit 3"), "DISPLAY": ":0", "SECRET": "x"}
    status = run_inside("it._.1", ("bash", "-c", "a b"), "1:2", environ, token="t0")
    assert status == 3
    assert capfd.readouterr().out.splitlines() == [
        *("exec", "-i", "--user", "1:2", "--env", "DISPLAY", "--env", "MLC_SHELL=t0"),
        *("it._.1", "bash", "-c", "a b"),
    ]


def test_on_a_terminal_the_command_has_one(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "isatty", lambda number: True)
    run_inside("it", ("true",), "1:2", client(tmp_path, PRINTS))
    assert capfd.readouterr().out.splitlines()[1] == "-it"


def test_a_killed_client_is_reported_as_a_shell_would(tmp_path: Path) -> None:
    told: list[str] = []
    environ = client(tmp_path, "kill -KILL $$")
    status = run_inside(
        "it", ("true",), "1:2", environ, when_cut_off=lambda: told.append("cut off")
    )
    assert (status, told) == (137, ["cut off"])


def test_a_command_that_ended_by_itself_was_not_cut_off(tmp_path: Path) -> None:
    told: list[str] = []
    environ = client(tmp_path, "exit 130")
    run_inside("it", ("true",), "1:2", environ, when_cut_off=lambda: told.append("cut off"))
    assert told == []


def test_a_program_without_standard_streams_can_run_a_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a daemon, or one that was called with <&- and >&-."""
    for name in ("stdin", "stdout", "stderr"):
        monkeypatch.setattr(sys, name, None)
    said = tmp_path / "said"
    environ = client(tmp_path, f"cat >{said}; {PRINTS} >>{said}; exit 3")
    assert run_inside("it", ("true",), "1:2", environ) == 3
    assert said.read_text().splitlines()[:2] == ["exec", "-i"]


@pytest.mark.parametrize("is_terminal", [True, False])
def test_signals_are_forwarded_to_the_client_and_keys_are_left_to_it(
    is_terminal: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shell, "on_terminal", lambda: is_terminal)
    numbers = (signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGHUP)
    usual = [signal.getsignal(each) for each in numbers]
    script = "trap : INT; trap 'kill $!; exit 7' TERM; sleep 60 & echo ready; wait; wait"
    with subprocess.Popen(["sh", "-c", script], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        with forward_signals(process) as forwarded:
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGQUIT)
            assert forwarded == ([] if is_terminal else [signal.SIGINT])
            signal.raise_signal(signal.SIGTERM)
            assert process.wait() == 7
    assert forwarded[-1] == signal.SIGTERM
    assert [signal.getsignal(each) for each in numbers] == usual


def test_a_thread_of_a_program_can_run_a_command(tmp_path: Path) -> None:
    """Only the main thread may handle signals."""
    statuses: list[int] = []
    environ = client(tmp_path, "exit 4")
    thread = threading.Thread(
        target=lambda: statuses.append(run_inside("it", ("true",), "1:2", environ))
    )
    thread.start()
    thread.join()
    assert statuses == [4]


def test_without_a_client_it_says_how_to_get_one() -> None:
    with pytest.raises(EngineError, match="a shell in a container needs it"):
        run_inside("it", ("true",), "1:2", {"PATH": "/nowhere"})


def test_a_command_is_given_its_input_and_its_output_is_captured(
    started: FakeContainer, context: Context, tmp_path: Path
) -> None:
    context.environ = client(tmp_path, f"{PRINTS}; cat; echo no >&2; exit 5")
    done = run_captured(context.get("it"), ("wc",), context, input=b"in\n")
    assert (done.returncode, done.stderr) == (5, b"no\n")
    lines = done.stdout.decode().splitlines()
    assert lines[:4] == ["exec", "-i", "--user", "1001:2001"]
    assert lines[-3:] == ["it._.1001", "wc", "in"]
    done = run_captured(context.get("it"), ("wc",), context)
    assert done.stdout.decode().splitlines()[1] == "--user", "it has no input"


def test_a_command_that_is_not_waited_for_any_more_is_hung_up(
    started: FakeContainer, context: Context, tmp_path: Path
) -> None:
    context.environ = client(tmp_path, "exec sleep 60")
    with pytest.raises(subprocess.TimeoutExpired):
        run_captured(context.get("it"), ("wc",), context, timeout=0.05)
    command, user = started.commands[-1]
    assert command[:3] == ("sh", "-c", HANG_UP)
    assert user == "1001:2001"


def test_a_command_that_reads_nothing_leaves_standard_input_and_signals_to_the_caller(
    started: FakeContainer,
    context: Context,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "isatty", lambda number: True)
    context.environ = client(tmp_path, f"{PRINTS}; cat; kill -TERM $PPID; sleep 0.1; exit 3")
    handled: list[int] = []
    usual = signal.signal(signal.SIGTERM, lambda number, frame: handled.append(number))
    read, write = os.pipe()
    os.write(write, b"of the caller\n")
    os.close(write)
    kept = os.dup(0)
    os.dup2(read, 0)
    try:
        assert run_shown(context.get("it"), ("wc",), "t0", context) == 3
        assert os.read(0, 99) == b"of the caller\n"
    finally:
        os.dup2(kept, 0)
        signal.signal(signal.SIGTERM, usual)
    assert handled == [signal.SIGTERM]
    assert capfd.readouterr().out.splitlines() == [
        *("exec", "--user", "1001:2001", "--env", "MLC_SHELL=t0", "it._.1001", "wc")
    ]
    assert not any(HANG_UP in command for command, _ in started.commands)


def test_ctrl_c_hangs_up_a_command_that_reads_nothing(
    started: FakeContainer, context: Context, tmp_path: Path
) -> None:
    context.environ = client(tmp_path, "sleep 0.3; kill -INT $PPID; exec sleep 60")
    with pytest.raises(KeyboardInterrupt):
        run_shown(context.get("it"), ("wc",), "t0", context)
    assert started.commands[-1][0][-2:] == ("sh", "t0")


def test_hanging_up_what_has_ended_is_no_error(
    started: FakeContainer, context: Context, fake: FakeEngine
) -> None:
    container = context.get("it")
    hang_up(container, "t0", context)
    sent = [(("sh", "-c", HANG_UP, "sh", "t0"), "1001:2001")]
    assert started.commands == sent
    fake.stop(started.id)
    hang_up(container, "t0", context)
    fake.remove_container(started.id)
    hang_up(container, "t0", context)
    assert started.commands == sent
    assert fake.calls.count("exec_detached") == 3

"""The scripts of jobs, run by this machine's shells as in a container."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from mlc_patched.containers.jobs import job_command

SHELLS = [
    pytest.param(name, marks=pytest.mark.skipif(not shutil.which(name), reason=f"no {name} here"))
    for name in ("dash", "bash", "busybox")
]
Script = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(params=SHELLS)
def script(
    request: pytest.FixtureRequest, tmp_path: Path, applets: Path, monkeypatch: pytest.MonkeyPatch
) -> Script:
    """Runs a script of jobs with one of the shells; with BusyBox's, with its programs, too."""
    shell = [shutil.which(request.param), *(["sh"] if request.param == "busybox" else [])]
    if request.param == "busybox":
        monkeypatch.setenv("PATH", str(applets))

    def run(verb: str, *arguments: str, lasts: bool = False) -> object:
        command = job_command(verb, str(tmp_path / "jobs"), *arguments)
        argv = [*shell, *command[1:]]
        if lasts:
            return subprocess.Popen(argv, start_new_session=True, text=True, stdout=subprocess.PIPE)
        return subprocess.run(
            argv, start_new_session=True, capture_output=True, text=True, check=False, timeout=60
        )

    return run


def content(tmp_path: Path, name: str) -> str:
    return (tmp_path / "jobs" / name).read_text()


def eventually(true: Callable[[], bool]) -> None:
    """Wait for something to come true."""
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_job_has_its_output_and_exit_status_recorded(script: Script, tmp_path: Path) -> None:
    words = ("sh", "-c", 'echo "$@"; echo bad >&2; exit 3', "x", "a  b", "*", "'\"\n$HOME")
    assert script("prepare", "20", "kind", *words).stdout == "1\n"
    assert script("run", "1", *words).returncode == 0
    assert content(tmp_path, "1.log") == "a  b * '\"\n$HOME\nbad\n"
    assert content(tmp_path, "records/1/command") == "".join(f"{word}\0" for word in words)
    assert content(tmp_path, "records/1/kind") == "kind\n"
    status, ended = content(tmp_path, "records/1/status").split()
    started, pid, ticks = content(tmp_path, "records/1/started").split()
    assert status == "3"
    assert int(pid) > 0
    assert int(ticks) > 0
    assert 0 <= int(ended) - int(started) < 60


@pytest.mark.parametrize(
    ("line", "status"), [("true", "0"), ("kill -9 $$", "137"), ("kill -TERM 0", "143")]
)
def test_the_exit_status_is_the_commands(
    script: Script, tmp_path: Path, line: str, status: str
) -> None:
    script("prepare", "20", "", line)
    script("run", "1", "sh", "-c", line)
    assert content(tmp_path, "records/1/status").split()[0] == status


def test_a_program_that_does_not_exist_is_127(script: Script, tmp_path: Path) -> None:
    script("prepare", "20", "", "nope")
    script("run", "1", "no-such-program")
    assert content(tmp_path, "records/1/status").split()[0] == "127"
    assert "no-such-program" in content(tmp_path, "1.log")


def test_only_the_last_jobs_are_kept_and_those_that_run(script: Script, tmp_path: Path) -> None:
    script("prepare", "3", "", "first")
    first = script("run", "1", "sleep", "60", lasts=True)
    eventually((tmp_path / "jobs/records/1/started").exists)
    for number in range(2, 7):
        assert script("prepare", "3", "", "x").stdout == f"{number}\n"
        script("run", str(number), "true")
    kept = sorted(path.name for path in (tmp_path / "jobs/records").iterdir())
    assert kept == ["1", "4", "5", "6"]
    assert sorted(path.name for path in (tmp_path / "jobs").glob("*.log")) == [
        *("1.log", "4.log", "5.log", "6.log")
    ]
    script("end", "1")
    assert first.wait(timeout=30) == 0
    assert content(tmp_path, "records/1/status").split()[0] == "143"


def test_jobs_prepared_at_once_have_different_numbers(script: Script) -> None:
    children = [script("prepare", "20", "", "x", lasts=True) for _ in range(6)]
    numbers = sorted(int(child.communicate(timeout=60)[0]) for child in children)
    assert numbers == [1, 2, 3, 4, 5, 6]


def test_following_prints_what_comes_until_the_job_ends(script: Script, tmp_path: Path) -> None:
    script("prepare", "20", "", "x")
    go = tmp_path / "go"
    line = f"seq 3; while [ ! -e {go} ]; do sleep 0.05; done; seq 4 5; exit 1"
    running = script("run", "1", "sh", "-c", line, lasts=True)
    all_of_it = script("follow", "1", "all", lasts=True)
    assert [all_of_it.stdout.readline() for _ in range(3)] == ["1\n", "2\n", "3\n"]
    last = script("follow", "1", "1", lasts=True)
    assert last.stdout.readline() == "3\n"
    waiting = script("follow", "1", "none", lasts=True)
    go.touch()
    assert all_of_it.communicate(timeout=30)[0] == "4\n5\n"
    assert last.communicate(timeout=30)[0] == "4\n5\n"
    assert waiting.communicate(timeout=30)[0] == ""
    running.communicate(timeout=30)
    assert script("follow", "1", "2").stdout == "4\n5\n"


def test_following_ends_with_a_job_that_was_killed(script: Script, tmp_path: Path) -> None:
    script("prepare", "20", "", "x")
    running = script("run", "1", "sleep", "60", lasts=True)
    eventually((tmp_path / "jobs/records/1/started").exists)
    following = script("follow", "1", "all", lasts=True)
    running.kill()
    running.communicate()
    assert following.wait(timeout=30) == 0
    following.stdout.close()
    with contextlib.suppress(ProcessLookupError):
        os.killpg(running.pid, signal.SIGKILL)  # its command goes on, if it was started


def test_watching_a_job_that_runs_ends_in_time(script: Script, tmp_path: Path) -> None:
    script("prepare", "20", "", "x")
    running = script("run", "1", "sleep", "60", lasts=True)
    script("watch", "1", "2")
    assert running.poll() is None
    script("end", "1")
    running.communicate(timeout=30)
    script("watch", "1", "9999")


def test_a_process_that_ignores_the_end_of_its_job_is_killed(
    script: Script, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fast = tmp_path / "bin/sleep"
    fast.parent.mkdir()
    fast.write_text("#!/bin/sh\nexec /bin/sleep 0.01\n")
    fast.chmod(0o755)
    script("prepare", "20", "", "x")
    line = "trap '' TERM; echo up; while :; do /bin/sleep 1; done"
    running = script("run", "1", "sh", "-c", line, lasts=True)
    eventually(lambda: (tmp_path / "jobs/1.log").exists() and content(tmp_path, "1.log") == "up\n")
    monkeypatch.setenv("PATH", f"{fast.parent}:{os.environ['PATH']}")
    script("end", "1")
    assert running.wait(timeout=30) == -9
    running.stdout.close()


def test_a_home_that_cannot_be_written_is_said(script: Script, tmp_path: Path) -> None:
    (tmp_path / "jobs").write_text("a file")
    done = script("prepare", "20", "", "x")
    assert done.returncode == 1
    assert "jobs" in done.stderr

"""The programs that `pip install` makes."""

from __future__ import annotations

import configparser
import os
import runpy
import signal
import subprocess
import sys

import pytest
from support.users import ROOT

from mlc_patched.cli import main
from mlc_patched.errors import Terminated


def test_pip_makes_every_program_of_bin() -> None:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    lines = setup["options.entry_points"]["console_scripts"].strip().splitlines()
    made = dict(line.split(" = ") for line in lines)
    programs = [*(ROOT / "bin").glob("mlc*"), *(ROOT / "bin/user").iterdir()]
    assert made == {each.name: "mlc_patched.cli.main:program" for each in programs}


@pytest.mark.parametrize(
    ("name", "usage"),
    [
        ("mlc", "usage: mlc [-h]"),
        ("mlc-list", "usage: mlc list"),
        ("mlc-update-sys", "usage: mlc update-sys"),
        ("mlc-patch", "usage: mlc-patch"),
        ("image-create", "usage: image-create"),
    ],
)
def test_a_program_runs_the_command_of_its_name(
    name: str, usage: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", [f"/somewhere/bin/{name}", "-h"])
    with pytest.raises(SystemExit) as ended:
        main.program()
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith(usage)


def test_python_m_is_mlc(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["mlc", "no-such-command"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_module("mlc_patched", run_name="__main__", alter_sys=True)
    assert ended.value.code == 2
    assert "there is no command 'no-such-command'" in capsys.readouterr().err


def redirected(redirection: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run mlc with its streams redirected by a shell."""
    line = f'exec "$@" {redirection}'
    argv = ["sh", "-c", line, "sh", sys.executable, "-m", "mlc_patched", *arguments]
    environ = {**os.environ, "PYTHONUNBUFFERED": ""}
    return subprocess.run(argv, capture_output=True, text=True, check=False, cwd=ROOT, env=environ)


@pytest.mark.parametrize("redirection", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize(("command", "status"), [("complete frameworks", 0), ("list --no -q", 2)])
def test_streams_may_be_closed(redirection: str, command: str, status: int) -> None:
    done = redirected(redirection, *command.split())
    assert done.returncode == status
    assert "Traceback" not in done.stderr
    assert (done.stdout == "") is (">&- 2" in redirection or redirection == ">&-" or status > 0)


@pytest.mark.parametrize("command", ["-h", "--version", "complete frameworks", "list --no --json"])
def test_output_that_cannot_be_written_is_a_failure(command: str) -> None:
    done = redirected(">/dev/full", *command.split())
    assert done.returncode == 1
    last = "Error: Standard output cannot be written: No space left on device."
    assert done.stderr.splitlines()[-1] == last
    assert "Traceback" not in done.stderr
    unread = redirected("| true", *command.split())
    assert "Error: " not in unread.stderr
    assert "Exception" not in unread.stderr


def test_a_message_that_cannot_be_written_does_not_change_the_exit_code() -> None:
    assert redirected("2>/dev/full", "list", "--no").returncode == 2


def test_an_interrupt_before_the_command_begins_is_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for raised, status in ((KeyboardInterrupt(), 130), (Terminated(signal.SIGHUP), 129)):

        def interrupted(*arguments: object, raised: BaseException = raised) -> int:
            raise raised

        monkeypatch.setattr(main, "parse", interrupted)
        with pytest.raises(SystemExit) as ended:
            main.main(["list"])
        assert ended.value.code == status
    assert capsys.readouterr().err == ""


def test_an_interrupt_while_the_program_is_loaded_ends_it_at_once() -> None:
    script = """
import os, runpy, signal, sys
class Interrupting:
    def find_spec(self, name, *more):
        if name == "mlc_patched":
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Interrupting())
sys.executable = os.path.join(os.path.dirname(sys.argv[1]), "../../.venv/bin/python")
runpy.run_path(sys.argv[1], run_name="__main__")
"""
    argv = [sys.executable, "-c", script, str(ROOT / "bin/docker/mlc-patched.py")]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (-signal.SIGINT, "")

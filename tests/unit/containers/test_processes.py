"""What runs in a container, in its user's words."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.accounts import OWN, own_image
from support.fakes.engine import FakeEngine
from support.run_command import call

import mlc_patched
from mlc_patched.containers.processes import _LOOK, _TICKS, name_of, processes_in, read_processes
from mlc_patched.context import Context
from mlc_patched.errors import ConflictError, EngineError


def said(*processes: tuple[int, int, int, str]) -> str:
    """Return what a container prints on (PID, parent, seconds, words) an hour after the boot."""
    stat = "".join(
        f"{pid} (a b) S {parent} 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 {(3600 - age) * 100} 0\n"
        for pid, parent, age, _ in processes
    )
    lines = "".join(
        "\n==> /proc/{}/cmdline <==\n{}\0".format(pid, words.replace("|", "\0"))
        for pid, *_, words in processes
    )
    return f"3600.00 1.00\n{stat}\n{lines[1:]}"


@pytest.fixture
def running(fake: FakeEngine, context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    """The container `it`, in which a shell, two jobs and JupyterLab run."""
    own_image(fake)
    mlc_patched.create("it", image=OWN, context=context)
    mlc_patched.start("it", context=context)
    processes = said(
        (1, 0, 3000, "bash"),
        (10, 0, 900, "bash"),  # a shell, with JupyterLab in it
        (11, 10, 850, "/usr/bin/python3|/usr/local/bin/jupyter-lab|--no-browser"),
        (12, 11, 800, "python3|-m|ipykernel"),
        (20, 0, 7300, "/bin/sh|-c|log=|mlc-job|run|/d|1|bash|-c|x"),
        (21, 20, 7300, "bash|-c|cd src && python3 train.py"),
        (22, 21, 7300, "python3|train.py"),
        (30, 1, 100, "nohup-ed"),
        (40, 0, 0, "/bin/sh|-c|(cat)|mlc-processes"),
        (41, 40, 0, "cat|/proc/uptime"),
        (50, 0, 5, "-bash"),  # an idle shell
        (60, 0, 5, "/bin/sh|-c|verb=|mlc-job|follow|/d|1|all"),  # mlc logs -f
        (61, 60, 0, "sleep|0.5"),
    )
    monkeypatch.setattr(fake, "exec_run", lambda *arguments: (0, processes))


EXPECTED = [
    "[it] cd src && python3 train.py has run for 2 hours and will end.",
    "[it] jupyter-lab has run for 14 minutes and will end.",
    "[it] nohup-ed has run for 100 seconds and will end.",
]


@pytest.mark.usefixtures("running")
def test_stopping_names_what_ends_before_it_asks(context: Context) -> None:
    said = call(["mlc", "stop", "it"], context).err
    assert said.splitlines()[:3] == EXPECTED
    assert said.count("will end") == 3
    assert call(["container-retire", "it"], context).err.splitlines()[:3] == EXPECTED
    assert call(["mlc", "stop", "it", "-f"], context).err == "Stopping it._.1001 …\n"


@pytest.mark.usefixtures("running")
def test_what_runs_is_named_when_a_removal_is_refused(context: Context) -> None:
    outcome = call(["mlc", "remove", "it", "-s"], context)
    assert outcome.code == 1
    assert "jupyter-lab has run for 14 minutes." in outcome.err
    assert outcome.last.endswith("Stop it first with: mlc stop it")


@pytest.mark.usefixtures("running")
def test_what_cannot_be_looked_at_is_stopped_all_the_same(
    fake: FakeEngine, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(*arguments: object) -> None:
        raise ConflictError("Container is paused")

    monkeypatch.setattr(fake, "exec_run", refuses)
    assert "pass -f to confirm" in call(["mlc", "stop", "it"], context).last


@pytest.mark.parametrize(
    "failed",
    [
        (127, 'OCI runtime exec failed: exec: "/bin/sh": no such file or directory: unknown'),
        (2, "/bin/sh: 1: Cannot fork\n"),
        (0, ""),
        (2, said((1, 0, 3000, "bash"))),  # of the programs of _LOOK, one could not be run
    ],
)
def test_a_container_in_which_nothing_can_be_run_is_stopped_all_the_same(
    fake: FakeEngine,
    context: Context,
    monkeypatch: pytest.MonkeyPatch,
    failed: tuple[int, str],
) -> None:
    own_image(fake)
    mlc_patched.create("it", image=OWN, context=context)
    mlc_patched.start("it", context=context)
    monkeypatch.setattr(fake, "exec_run", lambda *arguments: failed)
    with pytest.raises(EngineError, match="processes in it cannot be listed"):
        processes_in(context.get("it"), context)
    assert "pass -f to confirm" in call(["mlc", "stop", "it"], context).last
    assert call(["mlc", "remove", "it", "-s"], context).last.startswith(
        "Error: The container it is"
    )


def _uptime() -> float:
    return float(Path("/proc/uptime").read_text().split()[0])


@pytest.mark.parametrize(
    "shell",
    [
        "sh",
        pytest.param(
            "busybox",
            marks=pytest.mark.skipif(not shutil.which("busybox"), reason="no busybox here"),
        ),
    ],
)
def test_the_processes_of_this_machine_are_read(shell: str, applets: Path) -> None:
    """As in a container, with GNU's programs and BusyBox's."""
    words = ("/bin/sleep", "60 ", "\n", "")
    before = _uptime()
    with subprocess.Popen([sys.executable, "-c", "input()", *words], stdin=-1) as child:
        path = "/usr/bin:/bin" if shell == "sh" else str(applets)
        argv = [shutil.which(shell), *(["sh"] if shell == "busybox" else []), "-c", _LOOK]
        done = subprocess.run(argv, capture_output=True, env={"PATH": path}, check=False)
        later = _uptime()
        assert done.returncode == 0
        found = {each.pid: each for each in read_processes(done.stdout.decode(errors="replace"))}
        child.communicate(b"\n")
    assert found[child.pid].parent == os.getpid()
    assert found[child.pid].words[1:6] == ("-c", "input()", *words[:3])
    # Linux rounds the start down to a tick.
    assert 0 <= found[child.pid].seconds <= later - before + 1 / _TICKS
    start = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
    assert found[os.getpid()].started == start


@pytest.mark.parametrize(
    ("words", "name"),
    [
        ("python3|train.py|--epochs|3", "python3 train.py"),
        ("/opt/venv/bin/python3.12|/opt/venv/bin/torchrun|--n=4|x.py", "torchrun"),
        ("/usr/bin/python3|-m|http.server|8000", "python3 -m http.server 8000"),
        ("sh|-c|a; b", "a; b"),
        ("/usr/bin/sleep|1000", "sleep 1000"),
        (f"x|{'y' * 60}", f"x {'y' * 37}…"),
    ],
)
def test_a_process_has_the_name_that_its_user_knows(words: str, name: str) -> None:
    assert name_of(tuple(words.split("|"))) == name

"""The examples of docs/api.md and docs/scripting.md, as they stand there."""

from __future__ import annotations

import pytest
from support.documented_steps import python_blocks, shell_blocks
from support.engine_state import nothing_left
from support.users import ROOT, SYSTEM_PATH, User

pytestmark = pytest.mark.real_engine


def test_the_page_of_the_python_api(alice: User, labelled) -> None:
    labelled(alice, "thesis")
    script = python_blocks(ROOT / "docs" / "api.md")
    with nothing_left():
        python = alice.tree / ".venv/bin/python"
        done = alice.run(python, "-c", script, PYTHONPATH=str(alice.tree))
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == f"thesis running {alice.workspace}"
    assert lines[1] == "1 running"
    assert lines[2].startswith("You have a container 'thesis' already. Open it with:")
    assert done.stderr == ""


def test_the_page_of_scripts(alice: User, labelled) -> None:
    labelled(alice, "thesis")
    script = "set -eu\n" + shell_blocks(ROOT / "docs" / "scripting.md")
    path = f"{alice.tree}/bin/user:{alice.tree}/bin:{SYSTEM_PATH}"
    with nothing_left():
        done = alice.run("bash", "-c", script, PATH=path)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert done.stdout.splitlines() == [
        "[thesis] started. Open a shell with: mlc open thesis",
        "there is thesis",
        "[thesis] stopped.",
        "[thesis] removed.",
        str(alice.workspace),
        "thesis",
        "thesis",
        "true",
        "[no-such-container] does not exist.",
        "[no-such-project] does not exist.",
        "second",
        "[thesis] is already running. Open a shell with: mlc open thesis",
        "[second] started. Open a shell with: mlc open second",
        "thesis",
        "second",
        "[second] removed.",
        "[third] does not exist.",
        "[thesis] job 1: exit 0.",
        "trained",
        "two words",
        "[thesis] removed.",
    ]

"""The examples of docs/api.md, as they stand there."""

from __future__ import annotations

import pytest
from support.documented_steps import python_blocks
from support.engine_state import nothing_left
from support.users import ROOT, User

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

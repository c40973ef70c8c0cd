"""The user guide: its blocks run as they stand, and print what the page shows."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.base_images import BASE
from support.documented_steps import GUIDE, shown_steps
from support.image_commands import HOST_CERTIFICATES, QUICK
from support.users import User

pytestmark = pytest.mark.real_engine

PAGES = [page for page in sorted(GUIDE.glob("*.md")) if [*shown_steps(page)]]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_of_the_guide(page: Path, alice: User) -> None:
    """The base stands for Ubuntu's, and for that of PyTorch, which is in the tests' catalog."""
    path = f"{alice.tree}/bin:{alice.tree}/bin/user:{QUICK}"
    environ = (
        {"DS01_CA_CERTIFICATE": HOST_CERTIFICATES} if Path(HOST_CERTIFICATES).is_file() else {}
    )
    alice.run("mkdir", "-p", alice.workspace)
    for step in shown_steps(page):
        script = step.script.replace("ubuntu:24.04", BASE)
        done = alice.run(
            *("bash", "-euo", "pipefail", "-c", script), cwd=alice.home, PATH=path, **environ
        )
        output = done.stdout + done.stderr
        assert (done.returncode != 0) == step.fails, f"{step.script}\n{output}"
        assert step.missing(output) is None, f"{step.script}\n{output}"

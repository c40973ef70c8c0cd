"""`mlc jupyter` with a real JupyterLab, as a user sees it in a real browser (headless Chromium).

JupyterLab is installed once, into a directory of the host that containers mount as /models.
"""

from __future__ import annotations

import json
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from support.base_images import BASE
from support.engine_state import docker
from support.users import User

pytestmark = pytest.mark.real_engine
CACHE = Path("/var/cache/mlc-patched/jupyterlab")
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
INSTALL = "python3 -m venv /models/venv && /models/venv/bin/pip install -q jupyterlab"


@contextmanager
def browser() -> Iterator[Any]:
    """Yield a page of Debian's Chromium."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        flags = ["--no-sandbox", "--disable-gpu", "--no-proxy-server"]
        chromium = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=flags)
        page = chromium.new_page()
        page.set_default_timeout(120_000)
        yield page
        chromium.close()


@pytest.fixture
def alices(alice: User, labelled) -> User:
    """The everyday user with the container `lab`, in which JupyterLab is installed."""
    if shutil.which("chromium") is None:
        pytest.skip("there is no chromium: make test-tools installs it")
    if not (CACHE / "venv/bin/jupyter-lab").exists():
        shutil.rmtree(CACHE, ignore_errors=True)
        CACHE.mkdir(parents=True)
        mounts = (f"-v={CACHE}:/models", f"-v={CERTIFICATES}:/ca.crt:ro", "-e=PIP_CERT=/ca.crt")
        docker("run", "--rm", "--network=host", *mounts, BASE, "sh", "-c", INSTALL)
    made = alice.mlc("create", "lab", "--image", labelled(alice), "-m", CACHE, "-g", "none", "-s")
    assert made.returncode == 0, made.stderr
    return alice


def ok(user: User, *argv: str) -> str:
    """Run mlc, which must succeed, and return its output."""
    done = user.mlc(*argv)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_cell_in_the_browser_runs_as_the_user(alices: User) -> None:
    missing = alices.mlc("jupyter", "lab")
    assert missing.returncode == 1
    assert "image-update project --add jupyterlab" in missing.stderr
    ok(alices, "exec", "lab", "--", "sh", "-c", "ln -s /models/venv/bin/jupyter-lab ~/.local/bin")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        in_use = alices.mlc("jupyter", "lab", "--port", port)
        assert in_use.returncode == 1
        assert port in in_use.stderr
    said = ok(alices, "jupyter", "lab")
    found = json.loads(ok(alices, "jupyter", "lab", "--json"))["jupyter"]
    assert found["was_running"]
    assert found["lab"]["url"] in said
    assert f"ssh -L {found['lab']['port']}:127.0.0.1:{found['lab']['port']} {alices.login}@" in said
    assert "running: jupyter-lab (" in ok(alices, "list")
    with browser() as page:
        page.goto(found["lab"]["url"].partition("?")[0])
        assert "/login" in page.url  # nobody gets in without the token
        page.goto(found["lab"]["url"])
        page.get_by_title("Python 3 (ipykernel)").first.click()
        cell = page.locator(".jp-Notebook .jp-Cell .cm-content").first
        page.get_by_text("| Idle").wait_for()  # JupyterLab drops a cell that is run before that
        cell.click()
        page.keyboard.type("!id -u")
        page.keyboard.press("Shift+Enter")
        printed = page.locator(".jp-OutputArea-output pre").first
        printed.wait_for()
        assert printed.inner_text().strip() == str(alices.uid)
    assert (alices.workspace / "Untitled.ipynb").owner() == alices.login
    ok(alices, "jupyter", "lab", "--stop")
    assert "jupyter" not in docker("top", alices.tag("lab"))
    assert "was not running" in ok(alices, "jupyter", "lab", "--stop")

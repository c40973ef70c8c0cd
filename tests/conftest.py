"""What all tests need. It needs no root, no engine and no Docker client itself.

Fixtures of the real engine are in support/engine_fixtures.py; nothing of them runs unless a test
asks for one.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path

import hypothesis
import pytest
from support import worker
from support.accounts import AccountOfThisProcess, path_with_gpu_hook
from support.base_images import CATALOG
from support.fakes.engine import FakeEngine

from mlc_patched.context import Context
from mlc_patched.host.hardware import Host

pytest_plugins = ["support.skips", "support.reliability", "support.engine_fixtures"]
# A busy machine fails no test; another Python than the main one gets fewer examples.
hypothesis.settings.register_profile(
    "ours", deadline=None, max_examples=int(os.environ.get("MLC_TEST_EXAMPLES", "100"))
)
hypothesis.settings.load_profile("ours")
# Its tests are one container's life, so they cannot be divided between workers.
collect_ignore = ["products"] if worker.IS_PARALLEL else []
if "MLC_TEST_APPTAINER" not in os.environ:  # only `make apptainer` makes what it needs
    collect_ignore.append("apptainer")

# What `make install` reads; tests that install set it themselves.
for _of_install in ("PREFIX", "BINDIR", "SHAREDIR", "SYSCONFDIR", "ZSHDIR", "REPLACE", "KEEP"):
    os.environ.pop(_of_install, None)


def pytest_configure() -> None:
    """Reset signals to what a program that is started from a terminal finds.

    A shell that starts pytest in the background, or nohup, ignores some of them, and programs
    that the tests interrupt would inherit that.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGHUP, signal.SIGQUIT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)


@pytest.fixture
def fake() -> FakeEngine:
    """An engine in memory."""
    return FakeEngine()


@pytest.fixture
def context(fake: FakeEngine, tmp_path: Path) -> Context:
    """A context with the fake engine, and with a user and home of the test's own."""
    home = tmp_path / "home"
    (home / "workspace").mkdir(parents=True)
    catalog = tmp_path / "ml_images.repo"
    catalog.write_text(CATALOG)
    environ = {
        "HOME": str(home),
        "PATH": path_with_gpu_hook(tmp_path),
        "TMPDIR": str(tmp_path),  # not the files of what runs beside the tests
        "MLC_CATALOG": str(catalog),
        "MLC_ARCH": "CUDA_ADA",
    }
    made = Context(environ=environ, make_engine=lambda: fake)
    # These are cached properties: values set here replace what they would ask of the system.
    made.__dict__["account"] = AccountOfThisProcess("alice", 1001, 2001, str(home))
    made.__dict__["host"] = Host("CUDA_ADA", True, frozenset({"/dev/snd", "/dev/video0"}))
    return made

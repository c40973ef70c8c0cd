"""Run the unit tests on every supported Python that is found: `nox`.

Pythons are found on PATH and among pyenv's versions; one that is missing is left out.
`nox -s unit-3.12` runs one of them, and words after `--` are pytest's: `nox -- -x`.
"""

from __future__ import annotations

import os
from pathlib import Path

import nox

VERSIONS = ["3.10", "3.11", "3.12", "3.13", "3.14"]

nox.options.default_venv_backend = "uv|virtualenv"
nox.options.reuse_venv = "yes"
nox.options.error_on_missing_interpreters = False
nox.options.download_python = "never"

_pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
os.environ["PATH"] = os.pathsep.join(
    [*map(str, sorted(_pyenv.glob("versions/*/bin"))), os.environ["PATH"]]
)


@nox.session(python=VERSIONS)
def unit(session: nox.Session) -> None:
    """Run the unit tests, and the contract suites on the fake engine."""
    ready = Path(session.virtualenv.location, "ready")
    if not ready.exists() or ready.stat().st_mtime < Path("setup.cfg").stat().st_mtime:
        session.install("-q", "-e", ".[test]")
        ready.touch()
    session.run(
        *("pytest", "tests/unit", "tests/contract", "-m", "not real_engine", "-q"),
        *("-p", "no:cacheprovider", *session.posargs),
        env={"MLC_TEST_EXAMPLES": "20"},
    )

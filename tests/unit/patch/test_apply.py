"""apply on checkouts that were patched before."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from support.aime_checkout import checkout, v2_files

from mlc_patched.errors import MlcError
from mlc_patched.patch.apply import apply
from mlc_patched.patch.state import Condition, examine
from mlc_patched.report import SilentReporter

PROGRAM = Path(__file__).parents[3] / "bin/docker/mlc-patched.py"
ROW = "Pytorch, 2.8.0, [CUDA_ADA], hub/pytorch\n"


def patched(path: Path, *, force: bool = False) -> Condition:
    made = apply(path, PROGRAM, sys.executable, SilentReporter(), force=force)
    return made.state.condition


def test_a_version_that_was_patched_before_needs_no_force(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlc_patched.patch.apply._check_program", lambda *arguments: None)
    with checkout(v2_files(ROW, "2.7")) as made:
        with pytest.raises(MlcError, match=r"not tested with its version 2\.7"):
            patched(made.path)
        assert patched(made.path, force=True) is Condition.PATCHED
        made.git("checkout", ".")
        assert examine(made.path).condition is Condition.DAMAGED
        assert patched(made.path) is Condition.PATCHED
        # Another version, or files that are edited, are still refused.
        made.git("checkout", ".")
        (made.path / "mlc-list").write_text("#!/bin/sh\n")
        with pytest.raises(MlcError, match="mlc-list was edited"):
            patched(made.path)
        made.git("checkout", ".")
        (made.path / "mlc.py").write_text(v2_files(ROW, "2.8")["mlc.py"])
        made.git("commit", "-qam", "2.8")
        with pytest.raises(MlcError, match=r"not tested with its version 2\.8"):
            patched(made.path)

"""The machine that doctor's checks examine."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.findings import INFO

from mlc_patched.context import Context
from mlc_patched.engine.address import EngineAddress
from mlc_patched.maintenance import checks_host as host
from mlc_patched.maintenance.checks import Machine


@pytest.fixture
def machine(context: Context, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """The fake engine's machine, without a GPU driver and NVIDIA's tools."""
    context.__dict__["address"] = EngineAddress()
    monkeypatch.setattr(host, "_DRIVER", Path("/nonexistent"))
    return Machine(context, INFO)

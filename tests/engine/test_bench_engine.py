"""The engines that make bench starts beside this machine's own."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).resolve().parents[2] / "tools/bench"))

from engines import BRIDGE, own_engine

pytestmark = pytest.mark.real_engine


def interfaces() -> set[str]:
    return {name for _, name in socket.if_nameindex()}


def test_one_with_a_network_leaves_the_bridge_of_the_machines_engine() -> None:
    """`dockerd --bridge none` removes docker0, without which no container of that engine starts."""
    assert "docker0" in interfaces()
    with own_engine(Path("/var/tmp"), has_network=True):
        assert "docker0" in interfaces()
    assert "docker0" in interfaces()
    assert BRIDGE not in interfaces()

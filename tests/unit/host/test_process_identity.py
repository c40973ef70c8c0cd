"""A process is told from others that have had, or will have, its PID."""

from __future__ import annotations

import os

import pytest

from mlc_patched.host import process_identity
from mlc_patched.host.process_identity import is_alive, this_process


def test_a_process_is_alive_until_another_has_its_pid() -> None:
    boot, pid, started = this_process().split()
    assert is_alive(this_process())
    gone = (f"other-boot {pid} {started}", f"{boot} 4194305 1", f"{boot} {pid} 1", "nonsense", "")
    # Anybody can write a label.
    gone += (f"{boot} {9**30} 1", f"{boot} ² 1", f"{boot} {'9' * 5000} 1")
    assert not any(map(is_alive, gone))


def test_another_users_process_is_taken_as_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    def kill(pid: int, number: int) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "kill", kill)
    monkeypatch.setattr(process_identity, "_started", lambda pid: "")  # hidepid
    boot = this_process().split()[0]
    assert is_alive(f"{boot} 1 99")

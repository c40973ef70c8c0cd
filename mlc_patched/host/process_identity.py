"""What tells a process from any other of this host, also after its PID was given to another."""

from __future__ import annotations

import os
from pathlib import Path


def this_process() -> str:
    """Return what tells this process from any other of the host: boot, PID, and start."""
    return f"{_boot()} {os.getpid()} {_started(os.getpid())}"


def is_alive(identity: str) -> bool:
    """Whether the process that `this_process` described lives; in doubt it does."""
    boot, _, rest = identity.partition(" ")
    pid, _, started = rest.partition(" ")
    if boot != _boot() or not pid.isdigit():
        return False
    try:
        os.kill(int(pid), 0)
    except (ProcessLookupError, OverflowError, ValueError):  # gone, or no PID
        return False
    except PermissionError:
        pass  # another user's, and possibly hidden in /proc
    now = _started(int(pid))
    return not now or now == started


def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def _started(pid: int) -> str:
    """Return when a process started, in ticks since the boot; empty if that cannot be read."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return stat.rpartition(")")[2].split()[19]

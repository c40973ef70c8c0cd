"""Which container a process of this host is in, by its control groups."""

from __future__ import annotations

import re
from pathlib import Path

_ID = re.compile(r"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")


def container_ids(pid: int, root: Path = Path("/proc")) -> tuple[str, ...]:
    """Return the IDs of containers in the names of a process's control groups, outermost first.

    Docker and Podman put the ID there, with either cgroup driver and version: `/docker/ID`,
    `/system.slice/docker-ID.scope`, `/machine.slice/libpod-ID.scope/container`. Empty for a process
    outside containers, and for one that has ended.
    """
    try:
        text = (root / str(pid) / "cgroup").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ()
    return tuple(dict.fromkeys(_ID.findall(text)))


def owner(pid: int, root: Path = Path("/proc")) -> str | None:
    """Return the login name of a process's user, its UID if that has none, or None."""
    import pwd

    try:
        uid = (root / str(pid)).stat().st_uid
    except OSError:
        return None
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)

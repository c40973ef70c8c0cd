"""The host's devices that AIME's containers get, created where the host lacks them.

Several test runs can share a host. While one of them has created devices, no other runs a test
with the engine, because containers get the devices of the host.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

# Numbers of linux/Documentation/admin-guide/devices.txt; nothing ever opens these nodes.
_NODES = {
    "/dev/video0": (81, 0),
    "/dev/snd": {"seq": (116, 1)},
    "/dev/kfd": (511, 0),
    "/dev/dri": {"renderD128": (226, 128)},
}


_LOCK, _GATE = "/run/lock/mlc-test-devices", "/run/lock/mlc-test-devices-gate"


class _HostDevices:
    """The lock on the host's devices, as this process holds it."""

    def __init__(self) -> None:
        self._file: int | None = None
        self._held = fcntl.LOCK_UN

    @contextlib.contextmanager
    def held(self, how: int) -> Iterator[None]:
        """Hold the lock this way (LOCK_SH, LOCK_EX), and afterwards as it was held before."""
        before = self._held
        if before == fcntl.LOCK_EX:
            yield
            return
        self._take(how)
        try:
            yield
        finally:
            self._take(before)

    def _take(self, how: int) -> None:
        if self._file is None:
            self._file = os.open(_LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._file, fcntl.LOCK_UN)
        # Whoever waits for the exclusive lock holds the gate, so that no newcomer gets in first.
        with Path(_GATE).open("w") as gate:
            fcntl.flock(gate, fcntl.LOCK_EX)
            fcntl.flock(self._file, how)
        self._held = how


_host_devices = _HostDevices()


def unchanged_devices() -> contextlib.AbstractContextManager[None]:
    """Keep other test runs from changing the host's devices."""
    return _host_devices.held(fcntl.LOCK_SH)


@contextlib.contextmanager
def devices(*paths: str) -> Iterator[None]:
    """Create those of these devices that the host lacks, and remove them at the end.

    Args:
        paths: paths of devices, or of directories that hold some; of a directory that is there,
            too, the missing devices are created.
    """
    with _host_devices.held(fcntl.LOCK_EX), contextlib.ExitStack() as made:
        for path in map(Path, paths):
            numbers = _NODES[str(path)]
            if isinstance(numbers, tuple):
                made.enter_context(_node(path, numbers))
                continue
            if not path.exists():
                path.mkdir()
                made.callback(shutil.rmtree, path)
            for name, number in numbers.items():
                made.enter_context(_node(path / name, number))
        yield


@contextlib.contextmanager
def _node(path: Path, number: tuple[int, int]) -> Iterator[None]:
    if path.exists():
        yield
        return
    os.mknod(path, stat.S_IFCHR | 0o660, os.makedev(*number))
    try:
        yield
    finally:
        path.unlink(missing_ok=True)

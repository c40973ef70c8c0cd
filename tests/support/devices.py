"""The host's devices that AIME's containers are given, made where the host has none.

Several runs of the tests may share a host: while one has made devices no other runs a test
with the engine, since containers get what the host has.
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
    """This process's part in the lock on the host's devices."""

    def __init__(self) -> None:
        self._file: int | None = None
        self._held = fcntl.LOCK_UN

    @contextlib.contextmanager
    def held(self, how: int) -> Iterator[None]:
        """Hold the lock this way; what was held before is held again afterwards."""
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
        with Path(_GATE).open("w") as gate:  # who waits to be alone lets nobody else in
            fcntl.flock(gate, fcntl.LOCK_EX)
            fcntl.flock(self._file, how)
        self._held = how


_host_devices = _HostDevices()


def unchanged_devices() -> contextlib.AbstractContextManager[None]:
    """Keep other runs of the tests from changing the host's devices."""
    return _host_devices.held(fcntl.LOCK_SH)


@contextlib.contextmanager
def devices(*paths: str) -> Iterator[None]:
    """Have these devices, and take away again those that were not there."""
    with _host_devices.held(fcntl.LOCK_EX):
        yield from _made(paths)


def _made(paths: tuple[str, ...]) -> Iterator[None]:
    made = [Path(path) for path in paths if not Path(path).exists()]
    try:
        for path in made:
            numbers = _NODES[str(path)]
            if isinstance(numbers, dict):
                path.mkdir()
                for name, number in numbers.items():
                    _node(path / name, number)
            else:
                _node(path, numbers)
        yield
    finally:
        for path in made:
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)


def _node(path: Path, number: tuple[int, int]) -> None:
    os.mknod(path, stat.S_IFCHR | 0o660, os.makedev(*number))

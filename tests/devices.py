"""The host's devices that AIME's containers are given, made where the host has none."""

from __future__ import annotations

import contextlib
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


@contextlib.contextmanager
def devices(*paths: str) -> Iterator[None]:
    """Have these devices, and take away again those that were not there."""
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

"""The programs that this process starts, from audit events (PEP 578)."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator

_STARTS = {"subprocess.Popen", "os.exec", "os.posix_spawn", "os.spawn", "os.system"}
_started: list[str] = []


def _hear(event: str, about: tuple[object, ...]) -> None:
    if event in _STARTS:
        _started.append(f"{event} {about[:2]}")


sys.addaudithook(_hear)


@contextlib.contextmanager
def starting_no_program() -> Iterator[None]:
    """Check that a block starts no program."""
    _started.clear()
    yield
    assert _started == [], _started

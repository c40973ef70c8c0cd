"""The output of a container or command, as the engine sends it (Docker Engine API,
"ContainerAttach", stream format)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ..errors import EngineUnreachableError

_HEADER = 8  # bytes: the stream, three zeros, and the length of what follows


def payloads(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield what standard output and standard error carried, of a command without a terminal.

    Raises EngineUnreachableError if it was cut off.
    """
    rest = b""
    for piece in pieces:
        rest += piece
        while len(rest) >= _HEADER:
            end = _HEADER + int.from_bytes(rest[4:_HEADER], "big")
            if len(rest) < end:
                break
            yield rest[_HEADER:end]
            rest = rest[end:]
    if rest:
        raise EngineUnreachableError("The Docker Engine's answer was cut off.")


def lines(pieces: Iterable[bytes]) -> Iterator[str]:
    """Yield lines as they arrive, without their ends."""
    rest = b""
    for piece in pieces:
        *whole, rest = (rest + piece).split(b"\n")
        yield from (line.decode(errors="replace").rstrip() for line in whole)
    if rest:
        yield rest.decode(errors="replace").rstrip()

"""Files of a container, looked at without starting it (Docker Engine API, "ContainerArchive")."""

from __future__ import annotations

import binascii
import io
from typing import Any
from urllib.parse import quote

from ..errors import EngineError, NotFoundError
from ..json_text import parsed
from .connection import EngineConnection

_TAR_SPACE = 64 * 1024  # what a tar archive of one file adds to its content, at most
_NOT_A_FILE = 1 << 31 | 1 << 27 | 1 << 26 | 1 << 25 | 1 << 24
"""Directory, link, device, pipe and socket, as Go's `os.FileMode` writes them in a stat."""


def read_file(connection: EngineConnection, container: str, path: str, limit: int) -> bytes | None:
    """See Engine.read_file."""
    found = _looked_at(connection, container, path, limit + _TAR_SPACE)
    if found is None or found[0]["size"] > limit:
        return None
    import tarfile

    try:
        with tarfile.open(fileobj=io.BytesIO(found[1])) as tar:
            member = tar.next()
            file = tar.extractfile(member) if member is not None and member.isreg() else None
            return None if file is None else file.read(limit)
    except tarfile.TarError as error:
        raise EngineError(f"The archive of {path} broke off: {error}") from error


def file_size(connection: EngineConnection, container: str, path: str) -> int | None:
    """See Engine.file_size."""
    found = _looked_at(connection, container, path, 1)
    return None if found is None else int(found[0]["size"])


def _looked_at(
    connection: EngineConnection, container: str, path: str, most: int
) -> tuple[Any, bytes] | None:
    """Return what the engine says of a regular file, and the first bytes of its archive."""
    target = f"/containers/{quote(container, safe='/:')}/archive"
    try:
        answer = connection.ask("GET", target, {"path": path}, most=most)
    except NotFoundError:
        return None
    stat = parsed(binascii.a2b_base64(answer.headers["x-docker-container-path-stat"]))
    return None if stat["mode"] & _NOT_A_FILE else (stat, answer.body)

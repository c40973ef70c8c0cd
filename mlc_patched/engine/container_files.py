"""Files of a container by the engine's archive requests (Docker Engine API, "ContainerArchive")."""

from __future__ import annotations

import binascii
import contextlib
import io
import posixpath
from collections.abc import Callable

from ..errors import EngineError, NotFoundError, SetupError
from ..json_text import parsed, string
from .answers import validated
from .http import Answer, quoted

ACCOUNTS = ("/etc/passwd", "/etc/group")
_TAR_SPACE = 64 * 1024  # the most that a tar archive of one file adds to its content
_NOT_A_FILE = 1 << 31 | 1 << 27 | 1 << 26 | 1 << 25 | 1 << 24
"""Directory, link, device, pipe and socket, as in the mode bits of Go's `os.FileMode`."""


def content(ask: Callable[..., Answer], container: str, path: str, limit: int) -> bytes | None:
    """Return the content of a regular file of at most `limit` bytes, or None without one."""
    found = _regular_file(ask, container, path, limit + _TAR_SPACE)
    if found is None or found[0] > limit:
        return None
    import tarfile

    try:
        with tarfile.open(fileobj=io.BytesIO(found[1])) as tar:
            member = tar.next()
            file = tar.extractfile(member) if member is not None and member.isreg() else None
            return None if file is None else file.read(limit)
    except tarfile.TarError as error:
        raise EngineError(f"The archive of {path} was cut off: {error}") from error


def size(ask: Callable[..., Answer], container: str, path: str) -> int | None:
    """Return the size of a regular file in bytes, or None without one."""
    found = _regular_file(ask, container, path, 1)
    return None if found is None else found[0]


def below(
    ask: Callable[..., Answer], container: str, path: str, limit: int
) -> dict[str, bytes] | None:
    """Return the regular files below a directory, or None without one; see Engine.files_below."""
    from .archive import files_in

    try:
        return files_in(ask("GET", _target(container), {"path": path}, most=limit).body)
    except NotFoundError:
        return None


def real_path(ask: Callable[..., Answer], container: str, path: str) -> str:
    """Return a path without links in it.

    Raises:
        NotFoundError: it does not exist.
    """
    real = "/"
    for part in filter(None, path.split("/")):
        real = posixpath.join(real, part)
        answer = ask("HEAD", _target(container), {"path": real})
        real = _stat(answer)[2] or real
    return real


def refuse_accounts_that_hang(ask: Callable[..., Answer], container: str) -> None:
    """Refuse to start a container whose lists of accounts are no regular files.

    The engine reads them to find the user's groups. Of a pipe it waits for ever, and with it every
    request about that container, such as each list of all containers.
    """
    for path in ACCOUNTS:
        with contextlib.suppress(EngineError, NotFoundError):  # without it the start says why
            mode, _, target = _stat(ask("HEAD", _target(container), {"path": path}))
            if target:
                mode, *_ = _stat(ask("HEAD", _target(container), {"path": target}))
            if mode & _NOT_A_FILE:
                break
    else:
        return
    raise SetupError(
        f"{path} is not a regular file. The container was not started: the engine would hang.",
        "Use another image.",
    )


def _regular_file(
    ask: Callable[..., Answer], container: str, path: str, most: int
) -> tuple[int, bytes] | None:
    """Return the size of a regular file and the first `most` bytes of its tar archive."""
    try:
        answer = ask("GET", _target(container), {"path": path}, most=most)
    except NotFoundError:
        return None
    mode, length, _ = _stat(answer)
    return None if mode & _NOT_A_FILE else (length, answer.body)


@validated
def _stat(answer: Answer) -> tuple[int, int, str]:
    """Return a path's mode bits, size and, of a link, the path that it leads to."""
    found = parsed(binascii.a2b_base64(answer.headers["x-docker-container-path-stat"]))
    return int(found["mode"]), int(found["size"]), string(found.get("linkTarget") or "")


def _target(container: str) -> str:
    return f"/containers/{quoted(container)}/archive"

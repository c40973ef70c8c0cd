"""Plain requests to the Docker Engine over its Unix socket, without the SDK.

Importing the SDK takes five times as long as creating a container, so the requests that every
command makes go this way: one request, one answer, one connection. The SDK handles streams and
registries; `remote` handles engines that are not behind a socket of this host.
"""

from __future__ import annotations

import socket

from .http import Answer, Connection


def ask(
    path: str,
    method: str,
    target: str,
    body: bytes | None = None,
    *,
    seconds: float | None = None,
    most: int | None = None,
) -> Answer:
    """Send a request to the engine's socket and return the answer.

    `seconds` is the timeout, None to wait for ever; for the rest, and for errors, see
    `Connection.exchange`. Raises OSError if nobody listens.
    """
    connection = Connection(dial(path, seconds))
    try:
        return connection.exchange(method, target, body, most=most)
    finally:
        connection.close()


def dial(path: str, seconds: float | None) -> socket.socket:
    """Return a socket that is connected to the engine's; `seconds` is its timeout."""
    sock = socket.socket(socket.AF_UNIX)
    try:
        sock.settimeout(seconds)
        sock.connect(path)
    except BaseException:
        sock.close()
        raise
    return sock

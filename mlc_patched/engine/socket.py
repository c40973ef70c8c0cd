"""Plain requests to the Docker Engine over its Unix socket, with the standard library alone.

Importing the SDK takes five times as long as creating a container, so the requests that every
command makes go this way: one HTTP request, one answer, one connection. The SDK handles streams
and registries; `remote` handles engines that are not behind a socket of this host.
"""

from __future__ import annotations

import contextlib
import http.client
import socket
from collections.abc import Mapping
from typing import NamedTuple


class Answer(NamedTuple):
    """What the engine answered. Header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class BrokenAnswerError(OSError):
    """The answer was cut off, or is not HTTP."""


class _SocketConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: str, seconds: float | None) -> None:
        super().__init__("docker", timeout=seconds)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


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

    `target` is a quoted path and query, `body` JSON. `seconds` is the timeout, None to wait for
    ever, and `most` how many bytes of the body to read, None for all. Raises TimeoutError, or
    another OSError if nobody listens or the answer was cut off.
    """
    connection = _SocketConnection(path, seconds)
    try:
        return exchange(connection, method, target, body, most=most)
    finally:
        connection.close()


def exchange(
    connection: http.client.HTTPConnection,
    method: str,
    target: str,
    body: bytes | None = None,
    *,
    most: int | None = None,
    keep: bool = False,
) -> Answer:
    """Send a request over a connection and return the answer.

    Arguments and errors are those of `ask`. With `keep` the connection can be used for another
    request, but not with `most`, which closes it.
    """
    headers = {} if keep and most is None else {"Connection": "close"}
    if body is not None:
        headers["Content-Type"] = "application/json"
    try:
        with contextlib.suppress(BrokenPipeError):
            # The engine may refuse and disconnect before the whole request was sent.
            connection.request(method, target, body, headers)
        response = connection.getresponse()
        found = {name.lower(): value for name, value in response.getheaders()}
        answer = Answer(response.status, found, response.read(most))
    except (http.client.HTTPException, ValueError) as error:
        raise BrokenAnswerError("the answer was cut off or is not HTTP") from error
    if most is not None:
        connection.close()
    return answer

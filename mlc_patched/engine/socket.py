"""Plain questions to the Docker Engine over its Unix socket, by the standard library alone.

Importing the SDK takes five times as long as creating a container. So what every command
asks goes this way: one HTTP request, one answer, one connection. Streams and registries are
the SDK's; engines that are not behind a socket of this host are `engine_remote`'s.
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
    """The connection ended before the answer did, or it is no answer at all."""


class _SocketConnection(http.client.HTTPConnection):
    """HTTP to a Unix socket's path instead of a host and port."""

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
    """Send a request and return the answer.

    Args:
        path: where the socket is.
        method: `GET`, `POST` …
        target: path and query, quoted.
        body: JSON to send.
        seconds: how long to wait for the engine; None is for ever.
        most: how many bytes of the answer's body are wanted, None for all; the rest of a
            longer one is not read.

    Raises:
        TimeoutError: there was no answer in time.
        OSError: there is nobody there, or the answer broke off.
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

    Args:
        connection: where to.
        method: `GET`, `POST` …
        target: path and query, quoted.
        body: JSON to send.
        most: as for `ask`; the connection is closed then.
        keep: whether the connection is wanted for another request.

    Raises:
        TimeoutError: there was no answer in time.
        OSError: there is nobody there, or the answer broke off.
    """
    headers = {} if keep and most is None else {"Connection": "close"}
    if body is not None:
        headers["Content-Type"] = "application/json"
    try:
        with contextlib.suppress(BrokenPipeError):
            # A refusal may come, and its sender be gone, before all of the request was sent.
            connection.request(method, target, body, headers)
        response = connection.getresponse()
        found = {name.lower(): value for name, value in response.getheaders()}
        answer = Answer(response.status, found, response.read(most))
    except (http.client.HTTPException, ValueError) as error:
        raise BrokenAnswerError("the answer broke off or is no HTTP") from error
    if most is not None:
        connection.close()
    return answer

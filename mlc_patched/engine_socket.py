"""Plain questions to the Docker Engine over its Unix socket, by the standard library alone.

Importing the SDK takes five times as long as creating a container. So what every command
asks goes this way: one HTTP request, one answer, one connection. Streams, registries and
engines elsewhere (DOCKER_HOST with tcp or ssh) are the SDK's.
"""

from __future__ import annotations

import http.client
import socket
from collections.abc import Mapping
from typing import NamedTuple

DEFAULT = "/var/run/docker.sock"
_SCHEME = "unix://"


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


def path_of(environ: Mapping[str, str]) -> str | None:
    """Return the path of the socket that DOCKER_HOST names, or None where it is no socket."""
    address = environ.get("DOCKER_HOST") or _SCHEME + DEFAULT
    path = address.removeprefix(_SCHEME)
    return path if address.startswith(_SCHEME) and path.startswith("/") else None


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
    headers = {"Connection": "close"}
    if body is not None:
        headers["Content-Type"] = "application/json"
    try:
        connection.request(method, target, body, headers)
        response = connection.getresponse()
        found = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, found, response.read(most))
    except (http.client.HTTPException, ValueError) as error:
        raise BrokenAnswerError(f"the answer from {path} broke off or is no HTTP") from error
    finally:
        connection.close()

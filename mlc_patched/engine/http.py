"""HTTP/1.1 over a connected socket: one request, one answer.

The standard library's http.client imports email and ssl, which takes longer than the requests of
most commands. RFC 9112 is the source of the rules here.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Mapping
from typing import NamedTuple

_LONGEST_LINE = 65536  # bytes; http.client's limits
_MOST_HEADERS = 100
_PIECE = 1024**2  # bytes; what is allocated at once, whatever length the answer claims


class Answer(NamedTuple):
    """What the engine answered. Header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class BrokenAnswerError(OSError):
    """The answer was cut off, or is not HTTP."""


class Connection:
    """A connection to an engine; `sock` is connected, and its timeout is that of each step."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.is_reusable = True
        self._received = sock.makefile("rb")

    def close(self) -> None:
        """Close the socket."""
        self._received.close()
        self.sock.close()

    def exchange(
        self,
        method: str,
        target: str,
        body: bytes | None = None,
        *,
        most: int | None = None,
        keep: bool = False,
    ) -> Answer:
        """Send a request and return the answer.

        `target` is a quoted path and query, `body` JSON, and `most` how many bytes of the answer's
        body to read, None for all. With `keep` the engine is not asked to disconnect;
        `is_reusable` then says whether the connection can carry another request.

        Raises TimeoutError, or another OSError if the answer was cut off.
        """
        self.is_reusable = keep and most is None
        try:
            with contextlib.suppress(BrokenPipeError):
                # The engine may refuse and disconnect before the whole request was sent.
                self.sock.sendall(_request(method, target, body, close=not self.is_reusable))
            status = 100
            while status < 200:  # interim answers, such as "100 Continue"
                status, headers = self._head()
            if method == "HEAD" or status in (204, 304):
                return Answer(status, headers, b"")
            return Answer(status, headers, self._body(headers, most))
        except ValueError as error:
            raise BrokenAnswerError("the answer was cut off or is not HTTP") from error

    def _head(self) -> tuple[int, dict[str, str]]:
        version, _, rest = self._line().partition(" ")
        if not version.startswith("HTTP/1."):
            raise ValueError(version)
        headers: dict[str, str] = {}
        while line := self._line():
            name, colon, value = line.partition(":")
            if not colon or len(headers) == _MOST_HEADERS:
                raise ValueError(line)
            headers[name.lower()] = value.strip()
        if version == "HTTP/1.0" or headers.get("connection", "").lower() == "close":
            self.is_reusable = False
        return int(rest[:3]), headers

    def _line(self) -> str:
        line = self._received.readline(_LONGEST_LINE)
        if not line.endswith(b"\n"):
            raise ValueError(line)
        return line.decode("latin-1").rstrip("\r\n")

    def _body(self, headers: Mapping[str, str], most: int | None) -> bytes:
        if headers.get("transfer-encoding", "").lower() == "chunked":
            return self._chunks(most)
        if "content-length" in headers:
            length = _length(headers["content-length"], 10)
            return self._exactly(length if most is None else min(length, most))
        self.is_reusable = False  # the body ends where the connection does
        return self._received.read(-1 if most is None else most)

    def _chunks(self, most: int | None) -> bytes:
        pieces, total = [], 0
        while length := _length(self._line().partition(";")[0], 16):
            wanted = length if most is None else min(length, most - total)
            pieces.append(self._exactly(wanted))
            total += wanted
            if total == most:
                return b"".join(pieces)
            if self._line():
                raise ValueError("a chunk is longer than it says")
        while self._line():
            pass  # headers after the body
        return b"".join(pieces)

    def _exactly(self, length: int) -> bytes:
        pieces = []
        while length:
            piece = self._received.read(min(length, _PIECE))
            if not piece:
                raise ValueError("the answer was cut off")
            pieces.append(piece)
            length -= len(piece)
        return b"".join(pieces)


def _request(method: str, target: str, body: bytes | None, *, close: bool) -> bytes:
    if not target.isprintable() or " " in target:
        raise ValueError(target)
    lines = [f"{method} {target} HTTP/1.1", "Host: docker"]
    if close:
        lines.append("Connection: close")
    if body is not None:
        lines.append("Content-Type: application/json")
    if body is not None or method in ("POST", "PUT"):
        lines.append(f"Content-Length: {len(body or b'')}")
    return "\r\n".join([*lines, "", ""]).encode("ascii") + (body or b"")


def _length(text: str, base: int) -> int:
    length = int(text, base)
    if length < 0:
        raise ValueError(text)
    return length

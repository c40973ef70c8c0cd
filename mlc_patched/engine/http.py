"""HTTP/1.1 over a connected socket: one request, one answer.

The standard library's http.client imports email and ssl, and urllib.parse ipaddress, which takes
longer than the requests of most commands. RFC 9112 and RFC 3986 are the sources of the rules here.
"""

from __future__ import annotations

import contextlib
import re
import socket
from collections.abc import Iterator, Mapping, Sequence

from ..lean import dataclass, replace

_LONGEST_LINE = 65536  # bytes; http.client's limits
_MOST_HEADERS = 100
_PIECE = 65536  # bytes; what is read at once, whatever length the answer claims
_LARGEST = 256 * 1024**2  # bytes of an answer that is read as a whole; real ones have a few MB
_TO_QUOTE = re.compile(r"[^A-Za-z0-9_.~/:-]+")


@dataclass(frozen=True)
class Answer:
    """What the engine answered. Header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class BrokenAnswerError(OSError):
    """The answer was cut off, or is not HTTP."""

    def __init__(self, why: str = "the answer was cut off or is not HTTP") -> None:
        super().__init__(why)


def quoted(text: str) -> str:
    """Return a text percent-encoded for a path, where `/` and `:` stay, or the value of a query."""
    return _TO_QUOTE.sub(lambda found: "".join(f"%{n:02X}" for n in found[0].encode()), text)


def query_of(values: Mapping[str, str | Sequence[str]]) -> str:
    """Return the query of a target; a name with several values is repeated."""
    pairs = []
    for name, value in values.items():
        pairs += [(name, each) for each in ([value] if isinstance(value, str) else value)]
    return "&".join(f"{name}={quoted(value)}" for name, value in pairs)


class Connection:
    """A connection to an engine; `sock` is connected, and its timeout is that of each step.

    Every method raises TimeoutError, or another OSError if the answer was cut off.
    """

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
        """
        head = self.send(method, target, body, keep=keep and most is None)
        read, length = [], 0
        for piece in self.pieces(head):
            read.append(piece)
            length += len(piece)
            if most is not None and length >= most:
                break
            if most is None and length > _LARGEST:
                raise BrokenAnswerError("the answer is larger than 256 MiB")
        return replace(head, body=b"".join(read)[:most])

    def send(
        self, method: str, target: str, body: bytes | None = None, *, keep: bool = False
    ) -> Answer:
        """Send a request and return the answer, whose body is still to be read: see `pieces`."""
        self.is_reusable, self._has_body = keep, method != "HEAD"
        with contextlib.suppress(BrokenPipeError):
            # The engine may refuse and disconnect before the whole request was sent.
            self.sock.sendall(_request(method, target, body, close=not keep))
        while (head := self._head()).status < 200:
            pass  # interim answers, such as "100 Continue"
        return head

    def pieces(self, head: Answer) -> Iterator[bytes]:
        """Yield the body of an answer as it arrives."""
        if not self._has_body or head.status in (204, 304):
            return
        if head.headers.get("transfer-encoding", "").lower() == "chunked":
            while length := _number(self._line().partition(";")[0], 16):
                yield from self._exactly(length)
                if self._line():
                    raise BrokenAnswerError
            while self._line():
                pass  # headers after the body
        elif "content-length" in head.headers:
            yield from self._exactly(_number(head.headers["content-length"], 10))
        else:
            self.is_reusable = False  # the body ends where the connection does
            while piece := self._received.read1(_PIECE):
                yield piece

    def _head(self) -> Answer:
        version, _, rest = self._line().partition(" ")
        if not version.startswith("HTTP/1."):
            raise BrokenAnswerError
        headers: dict[str, str] = {}
        for _ in range(_MOST_HEADERS):
            if not (line := self._line()):
                break
            name, colon, value = line.partition(":")
            if not colon:
                raise BrokenAnswerError
            headers[name.lower()] = value.strip()
        else:
            raise BrokenAnswerError
        if version == "HTTP/1.0" or headers.get("connection", "").lower() == "close":
            self.is_reusable = False
        return Answer(_number(rest[:3], 10), headers, b"")

    def _line(self) -> str:
        line = self._received.readline(_LONGEST_LINE)
        if not line.endswith(b"\n"):
            raise BrokenAnswerError
        return line.decode("latin-1").rstrip("\r\n")

    def _exactly(self, length: int) -> Iterator[bytes]:
        while length:
            piece = self._received.read1(min(length, _PIECE))
            if not piece:
                raise BrokenAnswerError
            length -= len(piece)
            yield piece


def _request(method: str, target: str, body: bytes | None, *, close: bool) -> bytes:
    if not (target.isascii() and target.isprintable()) or " " in target:
        raise BrokenAnswerError(f"{target!r} is not a quoted path")
    lines = [f"{method} {target} HTTP/1.1", "Host: docker"]
    if close:
        lines.append("Connection: close")
    if body is not None:
        lines.append("Content-Type: application/json")
    if body is not None or method in ("POST", "PUT"):
        lines.append(f"Content-Length: {len(body or b'')}")
    return "\r\n".join([*lines, "", ""]).encode() + (body or b"")


def _number(text: str, base: int) -> int:
    try:
        number = int(text, base)
    except ValueError as error:
        raise BrokenAnswerError from error
    if number < 0:
        raise BrokenAnswerError
    return number

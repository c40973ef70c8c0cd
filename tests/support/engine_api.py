"""A server that answers requests of Docker's Engine API as a test says, and records them.

It takes the place of an engine where a test is about the requests or about rare answers. Whether
engines answer like this is what the contract suite (tests/contract) checks.
"""

from __future__ import annotations

import contextlib
import json
import socketserver
import ssl
import sys
import threading
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

VERSION = "1.43"
"""The newest API version that the server offers: Docker 24.0's."""
_POLL_SECONDS = 0.01  # how soon it notices that it should end
NO_SUCH_PATH = "page not found"


@dataclass(frozen=True)
class Request:
    """A request: `path` is unquoted and without API version; a value of `query` that was sent
    several times is a list."""

    method: str
    path: str
    query: Mapping[str, Any]
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Reply:
    """An answer. `body` is bytes, an object sent as JSON, or a list or generator of bytes, each
    sent as a chunk. With `breaks_off` the end of the body is missing."""

    status: int = 200
    body: object = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    breaks_off: bool = False


def refusal(status: int, message: str) -> Reply:
    """Return an engine's answer to a request that it refuses."""
    return Reply(status, {"message": message})


Answer = Reply | Callable[[Request], Reply] | object


@dataclass
class EngineApi:
    """The server: its address, and the requests that it has got, without pings, over how many
    connections."""

    address: str
    connections: int = 0
    requests: list[Request] = field(default_factory=list)
    ping: dict[str, str] = field(
        default_factory=lambda: {"Api-Version": VERSION, "Server": "Docker/24.0 (linux)"}
    )
    """Headers of the answer to /_ping."""
    _answers: dict[str, list[Answer]] = field(default_factory=dict)

    def on(self, call: str, *answers: Answer) -> None:
        """Answer `METHOD /path` with these, one after the other; the last one stays.

        What is neither a Reply nor a function that returns one is sent as JSON.
        """
        self._answers[call] = list(answers)

    @property
    def calls(self) -> list[str]:
        """The requests as `METHOD /path`."""
        return [f"{each.method} {each.path}" for each in self.requests]

    def sent(self, call: str) -> Request:
        """Return the only request of a kind."""
        (found,) = [each for each in self.requests if f"{each.method} {each.path}" == call]
        return found

    def reply(self, request: Request) -> Reply:
        """Record a request and return the answer."""
        if request.path == "/_ping":
            return Reply(200, b"OK", self.ping)
        self.requests.append(request)
        answers = self._answers.get(f"{request.method} {request.path}")
        if answers is None:
            return refusal(404, NO_SUCH_PATH)
        found = answers[0] if len(answers) == 1 else answers.pop(0)
        if callable(found):
            return found(request)  # type: ignore[no-any-return]
        return found if isinstance(found, Reply) else Reply(200, found)


class _Server(socketserver.ThreadingMixIn, socketserver.BaseServer):
    daemon_threads = True
    block_on_close = False
    api: EngineApi

    def handle_error(self, *_arguments: object) -> None:
        """Do not print that a client disconnected before the end of an answer."""
        if not isinstance(sys.exc_info()[1], ConnectionError | ssl.SSLError):
            raise  # noqa: PLE0704 - socketserver calls this while it handles the exception


class _UnixServer(_Server, socketserver.UnixStreamServer):
    pass


class _TcpServer(_Server, socketserver.TCPServer):
    pass


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def setup(self) -> None:
        self.server.api.connections += 1
        super().setup()

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        path = unquote(parts.path)
        if path.startswith("/v1."):
            path = path[path.index("/", 1) :]
        query = {
            name: values if len(values) > 1 else values[0]
            for name, values in parse_qs(parts.query, keep_blank_values=True).items()
        }
        request = Request(self.command, path, query, dict(self.headers), self._body())
        self._send(self.server.api.reply(request))

    do_HEAD = do_POST = do_PUT = do_DELETE = do_GET  # noqa: N815 - what http.server calls

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = b""
        while length := int(self.rfile.readline(), 16):
            body += self.rfile.read(length)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _send(self, reply: Reply) -> None:
        body = reply.body
        pieces: Generator[bytes, None, None] | None = None
        if isinstance(body, Generator):
            pieces = body
        elif isinstance(body, list) and body and isinstance(body[0], bytes):
            pieces = (each for each in body)
        content = body if isinstance(body, bytes) else b"" if pieces else json.dumps(body).encode()
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        if pieces is None:
            self.send_header("Content-Length", str(len(content) + reply.breaks_off))
        else:
            self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        if self.command == "HEAD":
            pass
        elif pieces is None:
            self.wfile.write(content)
        else:
            with contextlib.closing(pieces):
                for piece in pieces:
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            self.wfile.write(b"" if reply.breaks_off else b"0\r\n\r\n")
        self.close_connection = self.close_connection or reply.breaks_off

    def log_message(self, *_arguments: object) -> None:
        pass


@contextlib.contextmanager
def serving(
    socket: Path | None = None, *, tls: ssl.SSLContext | None = None
) -> Iterator[EngineApi]:
    """Serve on a Unix socket, or else on a port of this host, with TLS if given."""
    server: _UnixServer | _TcpServer
    if socket is None:
        server = _TcpServer(("127.0.0.1", 0), _Handler)
        if tls is not None:
            server.socket = tls.wrap_socket(
                server.socket, server_side=True, do_handshake_on_connect=False
            )
        server.api = EngineApi(f"tcp://127.0.0.1:{server.server_address[1]}")
    else:
        server = _UnixServer(str(socket), _Handler)
        server.api = EngineApi(f"unix://{socket}")
    with server:
        threading.Thread(target=server.serve_forever, args=(_POLL_SECONDS,), daemon=True).start()
        try:
            yield server.api
        finally:
            server.shutdown()

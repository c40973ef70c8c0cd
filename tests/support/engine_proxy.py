"""A proxy for the real engine that records requests, and can refuse them."""

from __future__ import annotations

import contextlib
import re
import shutil
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from support.engine_requests import engine_socket

_REQUEST = re.compile(rb"(?:\A|\r\n)(GET|HEAD|POST|PUT|DELETE) (?:/v[\d.]+)?(/\S*) HTTP/1\.1\r\n")
_REFUSAL = b'{"message":"refused by the test"}'
_ANSWER = (
    b"HTTP/1.1 500 Internal Server Error\r\nContent-Type: application/json\r\n"
    b"Connection: close\r\nContent-Length: %d\r\n\r\n%s" % (len(_REFUSAL), _REFUSAL)
)


@dataclass
class Recording:
    """The requests sent to the engine through `address`, as `METHOD /path` without API version.

    A request that matches the pattern `refuse` is answered with status 500 and not forwarded.
    `before` maps patterns to functions that are called once, before such a request is forwarded.
    """

    address: str
    calls: list[str] = field(default_factory=list)
    refuse: str | None = None
    before: dict[str, Callable[[], object]] = field(default_factory=dict)

    def paths(self) -> list[str]:
        """Return the requests without their query, and without the ping that every client sends."""
        return [call.partition("?")[0] for call in self.calls if "/_ping" not in call]


@contextlib.contextmanager
def recording(engine: str | None = None) -> Iterator[Recording]:
    """Listen on a socket that every user can open, and forward everything to the engine.

    Args:
        engine: the path of its socket; by default, the tests' engine.
    """
    directory = Path(tempfile.mkdtemp(prefix="mlc-test-socket-", dir="/var/tmp"))
    directory.chmod(0o755)
    path = directory / "docker.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        path.chmod(0o666)
        listener.listen()
        record = Recording(f"unix://{path}")
        threading.Thread(
            target=_accept, args=(listener, engine or engine_socket(), record), daemon=True
        ).start()
        try:
            yield record
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            shutil.rmtree(directory)


def _accept(listener: socket.socket, path: str, record: Recording) -> None:
    with contextlib.suppress(OSError):  # shut down
        while True:
            client, _ = listener.accept()
            engine = socket.socket(socket.AF_UNIX)
            try:
                engine.connect(path)
            except OSError:  # the engine is down: the client sees a closed connection
                client.close()
                continue
            for source, sink, notes in ((client, engine, record), (engine, client, None)):
                threading.Thread(target=_pass_on, args=(source, sink, notes), daemon=True).start()


def _pass_on(source: socket.socket, sink: socket.socket, record: Recording | None) -> None:
    try:
        while chunk := source.recv(65536):
            if record is not None and not _allowed(chunk, record):
                source.sendall(_ANSWER)
                source.shutdown(socket.SHUT_RDWR)
                break
            sink.sendall(chunk)
    except OSError:
        # One side has disconnected: disconnect the other one, even while it sends.
        with contextlib.suppress(OSError):
            source.shutdown(socket.SHUT_RDWR)
    finally:
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)


def _allowed(chunk: bytes, record: Recording) -> bool:
    for method, path in _REQUEST.findall(chunk):
        call = f"{method.decode()} {path.decode()}"
        record.calls.append(call)
        if record.refuse and re.search(record.refuse, call):
            return False
        for pattern in [each for each in record.before if re.search(each, call)]:
            record.before.pop(pattern)()
    return True

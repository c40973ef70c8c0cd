"""Plain requests over a Unix socket, and every kind of answer."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mlc_patched.engine.connection import EngineConnection
from mlc_patched.engine.docker import DockerEngine
from mlc_patched.engine.http import BrokenAnswerError, Connection
from mlc_patched.engine.socket import ask
from mlc_patched.errors import EngineError, EngineUnreachableError, ImageNotFoundError

PING = b"HTTP/1.1 200 OK\r\nApi-Version: 1.41\r\nContent-Length: 2\r\n\r\nOK"

Serve = Callable[..., tuple[str, list[bytes]]]


def whole_request(client: socket.socket) -> bytes:
    """Receive a request with its body, which may arrive in pieces."""
    received = b""
    while b"\r\n\r\n" not in received:
        received += client.recv(65536)
    head, _, body = received.partition(b"\r\n\r\n")
    lengths = [line for line in head.split(b"\r\n") if line.startswith(b"Content-Length: ")]
    while lengths and len(body) < int(lengths[0].split()[1]):
        body += client.recv(65536)
    return head + b"\r\n\r\n" + body


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Serve answers, one for each connection; returns the socket's path and the requests."""
    path = str(tmp_path / "engine.sock")
    listener = socket.socket(socket.AF_UNIX)
    requests: list[bytes] = []

    def start(*answers: bytes | None) -> tuple[str, list[bytes]]:
        listener.bind(path)
        listener.listen()

        def run() -> None:
            for answer in answers:
                client, _ = listener.accept()
                with client:
                    requests.append(whole_request(client))
                    if answer is None:
                        client.recv(1)  # until the client disconnects
                    else:
                        client.sendall(answer)

        threading.Thread(target=run, daemon=True).start()
        return path, requests

    yield start
    listener.close()


def test_each_request_has_a_connection_of_its_own(serve: Serve) -> None:
    path, requests = serve(b'HTTP/1.1 201 Created\r\nContent-Length: 7\r\nX-A: b\r\n\r\n{"a":1}')
    answer = ask(path, "POST", "/v1.41/x?y=z", b"{}")
    assert (answer.status, answer.headers["x-a"], answer.body) == (201, "b", b'{"a":1}')
    (request,) = requests
    assert request.startswith(b"POST /v1.41/x?y=z HTTP/1.1\r\nHost: docker\r\n")
    assert b"\r\nConnection: close\r\n" in request
    assert b"\r\nContent-Length: 2\r\n" in request
    assert request.endswith(b"\r\n\r\n{}")


def test_a_refusal_before_the_whole_request_was_sent_is_read(tmp_path: Path) -> None:
    path = str(tmp_path / "hasty.sock")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()

        def refuse() -> None:
            client, _ = listener.accept()
            with client:
                client.recv(100)
                client.sendall(b"HTTP/1.1 409 Conflict\r\nContent-Length: 2\r\n\r\n{}")
                client.shutdown(socket.SHUT_RDWR)

        thread = threading.Thread(target=refuse)
        thread.start()
        answer = ask(path, "POST", "/", b" " * 10_000_000)  # more than a socket buffers
        thread.join()
    assert (answer.status, answer.body) == (409, b"{}")


def test_a_chunked_body_is_joined(serve: Serve) -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    path, _ = serve(head + b"5;a=b\r\nabcde\r\nB\r\nfghijklmnop\r\n0\r\n\r\n")
    assert ask(path, "GET", "/").body == b"abcdefghijklmnop"


def test_headers_after_a_chunked_body_are_not_part_of_it(serve: Serve) -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    path, _ = serve(head + b"5\r\nabcde\r\n0\r\nX-A: b\r\nX-C: d\r\n\r\n")
    assert ask(path, "GET", "/").body == b"abcde"


@pytest.mark.parametrize(
    ("rest", "wanted"),
    [
        (b"Content-Length: 10\r\n\r\n0123456789", b"0123"),
        (b"Transfer-Encoding: chunked\r\n\r\n2\r\n01\r\n8\r\n23456789\r\n0\r\n\r\n", b"0123"),
        (b"\r\n0123456789", b"0123"),
    ],
)
def test_no_more_than_the_limit_is_read(serve: Serve, rest: bytes, wanted: bytes) -> None:
    path, _ = serve(b"HTTP/1.1 200 OK\r\n" + rest)
    assert ask(path, "GET", "/", most=4).body == wanted


def test_an_interim_answer_is_not_the_answer(serve: Serve) -> None:
    path, _ = serve(
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n"
    )
    assert ask(path, "POST", "/").status == 201


@pytest.mark.parametrize("target", ["/a b", "/a\r\nX: y", "/ä"])
def test_a_target_that_is_not_quoted_is_not_sent(target: str) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        connection = Connection(ours)
        with pytest.raises(BrokenAnswerError, match="not a quoted path"):
            connection.exchange("GET", target)
        connection.close()
        assert theirs.recv(100) == b""


@pytest.mark.parametrize("status", [b"204 No Content", b"304 Not Modified"])
def test_an_answer_can_have_no_body(serve: Serve, status: bytes) -> None:
    path, _ = serve(b"HTTP/1.1 " + status + b"\r\n\r\n")
    assert ask(path, "POST", "/").body == b""


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n01234",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
        b"hello, is it me you are looking for?\r\n",
        b"HTTP/1.1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno header\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA: " + b"b" * 70_000,
        b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 101 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-2\r\nab\r\n0\r\n\r\n",
    ],
)
def test_a_truncated_or_invalid_answer_is_an_error(serve: Serve, answer: bytes) -> None:
    path, _ = serve(answer)
    with pytest.raises(BrokenAnswerError):
        ask(path, "GET", "/")


def test_an_engine_that_does_not_answer_times_out(serve: Serve) -> None:
    path, _ = serve(None)
    with pytest.raises(TimeoutError):
        ask(path, "GET", "/", seconds=0.05)


def test_failures_of_the_engine_become_engine_errors(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusal = b'HTTP/1.1 500 Error\r\nContent-Length: 18\r\n\r\n{"message":"no!!"}'
    garbage = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n{ahh"
    path, requests = serve(PING, refusal, garbage, b"HTTP/1.1 2")
    monkeypatch.setenv("DOCKER_HOST", f"unix://{path}")
    engine = DockerEngine()
    with pytest.raises(EngineError, match="refused: no!!"):
        engine.image("x")
    with pytest.raises(EngineError, match="Invalid answer"):
        engine.image("x")
    with pytest.raises(EngineUnreachableError, match="cut off"):
        engine.image("x")
    assert requests[1].startswith(b"GET /v1.41/images/x/json HTTP/1.1")


def test_a_missing_socket_means_that_no_engine_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    with pytest.raises(EngineUnreachableError, match="No Docker Engine answers"):
        DockerEngine()


def test_names_are_quoted(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    missing = b'HTTP/1.1 404 Not Found\r\nContent-Length: 27\r\n\r\n{"message":"No such image"}'
    path, requests = serve(PING, missing)
    monkeypatch.setenv("DOCKER_HOST", f"unix://{path}")
    assert DockerEngine().image("host:5000/a b?c#\r\n") is None
    assert b"/images/host:5000/a%20b%3Fc%23%0D%0A/json HTTP" in requests[1]


def _chunked(*chunks: bytes) -> bytes:
    body = b"".join(b"%x\r\n%s\r\n" % (len(each), each) for each in (*chunks, b""))
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + body


@pytest.fixture
def engine(serve: Serve, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Any]:
    """Connect to an engine that gives these answers, without logins; the SDK must not be used."""

    def connect(*answers: bytes) -> tuple[DockerEngine, list[bytes]]:
        path, requests = serve(PING, *answers)
        monkeypatch.setenv("DOCKER_HOST", f"unix://{path}")
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.delenv("DOCKER_CONFIG", raising=False)
        monkeypatch.setattr(EngineConnection, "sdk", None)
        return DockerEngine(), requests

    return connect


def test_a_pull_without_logins_needs_no_sdk(engine: Callable[..., Any]) -> None:
    found, requests = engine(
        _chunked(
            b'{"status":"Downloading","id":"a","progress', b'Detail":{"current":5000000,"tot'
        ).replace(b"0\r\n\r\n", b"")
        + b'1a\r\nal":10000000}}\r\n{"status":\r\n9\r\n"Done"}\r\n\r\n0\r\n\r\n'
    )
    told: list[str] = []
    found.pull("host:5000/team/image", told.append)
    assert told == ["Downloading: 5 of 10 MB so far", "Done: 5 of 10 MB so far"]
    (_, request) = requests
    assert request.startswith(
        b"POST /v1.41/images/create?fromImage=host:5000/team/image&tag=latest HTTP"
    )


@pytest.mark.parametrize(
    "answer",
    [
        _chunked(b'{"error":"no such host"}'),
        b'HTTP/1.1 404 Not Found\r\nContent-Length: 26\r\n\r\n{"message":"no such host"}',
    ],
)
def test_a_pull_that_fails_says_why(engine: Callable[..., Any], answer: bytes) -> None:
    found, _ = engine(answer)
    with pytest.raises(ImageNotFoundError, match=r"^Pulling image failed: no such host$"):
        found.pull("image", print)


def test_a_pull_that_breaks_off_is_no_success(engine: Callable[..., Any]) -> None:
    found, _ = engine(_chunked(b'{"status":"Downloading"}\n')[:-5])
    with pytest.raises(EngineUnreachableError, match="cut off"):
        found.pull("image", print)


def _frame(stream: int, text: bytes) -> bytes:
    return bytes((stream, 0, 0, 0)) + len(text).to_bytes(4, "big") + text


def test_output_is_split_into_lines_wherever_it_is_cut(engine: Callable[..., Any]) -> None:
    output = _frame(1, b"one\ntw") + _frame(2, b"o\n") + _frame(1, b"") + _frame(1, b"three")
    pieces = [output[at : at + 5] for at in range(0, len(output), 5)]
    inspected = b'HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n{"Config":{}}'
    found, _ = engine(inspected, _chunked(*pieces), inspected, _chunked(output[:-1]))
    assert list(found.logs("c", follow=True)) == ["one", "two", "three"]
    with pytest.raises(EngineUnreachableError, match="cut off"):
        list(found.logs("c"))

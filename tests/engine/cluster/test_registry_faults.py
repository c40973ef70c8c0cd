"""A registry that answers nonsense: the pull fails with its reason, and nothing is made."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator

import pytest
from support.engine_state import nothing_left
from support.reliability import Counted
from support.users import User

pytestmark = pytest.mark.real_engine

ANSWERS = {
    "no JSON": (200, b"<html>hello</html>"),
    "JSON of another kind": (200, b'{"hello": "world"}'),
    "nothing": (200, b""),
    "an error page": (500, b"\xff\xfe broken"),
    "noise": (200, bytes(range(256)) * 16),
}


@pytest.fixture(params=ANSWERS)
def registry(request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of a server whose every answer is the same; 127.0.0.1 needs no TLS."""
    status, body = ANSWERS[request.param]

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            manifest = "application/vnd.docker.distribution.manifest.v2+json"
            self.send_header("Content-Type", manifest)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def do_HEAD(self) -> None:
            self.do_GET()

        def log_message(self, *_arguments: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.promise("registry")
def test_a_pull_of_nonsense_fails_with_a_reason(
    alice: User, registry: str, counted: Counted
) -> None:
    with nothing_left():
        done = alice.mlc("create", "n", "--image", f"{registry}/some/image:1", "-s")
    assert done.returncode == 1
    assert "Unexpected" not in done.stderr
    assert f"Pulling {registry}/some/image:1 failed: " in done.stderr
    assert "could not be pulled" in done.stderr
    counted("answers of a broken registry")

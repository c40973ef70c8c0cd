"""A registry that answers nonsense or breaks off: a pull fails with its reason, and leaves nothing;
an image that is here remains usable."""

from __future__ import annotations

import contextlib
import hashlib
import http.server
import json
import os
import threading
from collections.abc import Iterator

import pytest
from support.base_images import BASE
from support.engine_state import docker, inspect, nothing_left
from support.reliability import Counted
from support.users import User

pytestmark = pytest.mark.real_engine

MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
Answer = tuple[int, bytes, int]
"""Status, body, and the length that its header promises."""


def whole(status: int, body: bytes) -> Answer:
    return status, body, len(body)


def broken_off(body: bytes) -> Answer:
    return 200, body[: len(body) // 2], len(body)


NONSENSE = {
    "no JSON": whole(200, b"<html>hello</html>"),
    "JSON of another kind": whole(200, b'{"hello": "world"}'),
    "nothing": whole(200, b""),
    "an error page": whole(500, b"\xff\xfe broken"),
    "noise": whole(200, bytes(range(256)) * 16),
    "half an answer": broken_off(b'{"schemaVersion": 2, "layers": []}'),
}


@contextlib.contextmanager
def registry(answers: dict[str, Answer]) -> Iterator[tuple[str, list[str]]]:
    """A server that answers by the end of the path, `` for any; 127.0.0.1 needs no TLS.

    Yields its address, and the paths that were asked for.
    """
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            name = self.path.rpartition("/")[2]
            status, body, length = answers.get(name) or answers[""]
            start = int(self.headers.get("Range", "=0-").strip("bytes=-"))
            self.send_response(206 if start else status)
            self.send_header("Content-Type", MANIFEST)
            self.send_header("Content-Length", str(length - start))
            if start:
                self.send_header("Content-Range", f"bytes {start}-{length - 1}/{length}")
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body[start:])

        def do_HEAD(self) -> None:
            self.do_GET()

        def log_message(self, *_arguments: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_port}", asked
        server.shutdown()


def breaking_off_in_a_layer() -> tuple[dict[str, Answer], str]:
    """Return the answers of a registry whose image is valid, but one blob never arrives whole, and
    the digest of that blob."""
    layer = os.urandom(2**20)
    config = json.dumps(
        {
            "architecture": docker("version", "--format", "{{.Server.Arch}}"),
            "os": "linux",
            "config": {},
            "rootfs": {"type": "layers", "diff_ids": [digest(layer)]},
        }
    ).encode()
    manifest = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": described(config, "application/vnd.docker.container.image.v1+json"),
            "layers": [described(layer, "application/vnd.docker.image.rootfs.diff.tar.gzip")],
        }
    ).encode()
    answers = {
        "": whole(200, b"{}"),
        "1": whole(200, manifest),
        digest(manifest): whole(200, manifest),
        digest(config): whole(200, config),
        digest(layer): broken_off(layer),
    }
    return answers, digest(layer)


def digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def described(content: bytes, kind: str) -> dict[str, object]:
    return {"mediaType": kind, "size": len(content), "digest": digest(content)}


def assert_refused(user: User, image: str, reason: str = "") -> None:
    with nothing_left():
        done = user.mlc("create", "n", "--image", image, "-s", timeout=200)
    assert done.returncode == 1
    assert "Unexpected" not in done.stderr
    assert f"Pulling {image} failed: " in done.stderr
    assert reason in done.stderr, done.stderr
    assert done.stderr.count("could not be pulled") == 1


@pytest.mark.promise("registry")
@pytest.mark.parametrize("answer", NONSENSE.values(), ids=NONSENSE)
def test_a_pull_of_nonsense_fails_with_a_reason(
    alice: User, answer: Answer, counted: Counted
) -> None:
    with registry({"": answer}) as (address, _):
        assert_refused(alice, f"{address}/some/image:1")
    counted("answers of a broken registry")


@pytest.mark.promise("registry")
def test_a_pull_that_breaks_off_in_a_layer_fails_with_a_reason(
    alice: User, counted: Counted
) -> None:
    """The engine tries again by itself, once in the tests' engine (tools/engine.sh)."""
    answers, layer = breaking_off_in_a_layer()
    with registry(answers) as (address, asked):
        assert_refused(alice, f"{address}/some/image:1", "unexpected EOF")
        assert any(path.endswith(layer) for path in asked)
    counted("answers of a broken registry")


@pytest.mark.promise("registry")
def test_an_image_that_is_here_is_used_if_its_registry_breaks_off(
    alice: User, counted: Counted
) -> None:
    with registry({"": NONSENSE["half an answer"]}) as (address, asked):
        image = f"{address}/some/image:1"
        catalog = alice.file("broken.repo", f"Pytorch, 2.8.0, [CUDA_ADA], {image}\n")
        docker("tag", BASE, image)
        try:
            here = inspect(image)["Id"]
            argv = ("create", "n", "Pytorch", "2.8.0", "-s")
            done = alice.mlc(*argv, MLC_CATALOG=str(catalog))
            assert done.returncode == 0, done.stderr
            assert f"Using the local {image}, as it could not be pulled: " in done.stderr
            assert any("manifests" in path for path in asked)
            assert inspect(image)["Id"] == here
            assert alice.mlc("start", "n", "true").returncode == 0
            assert alice.mlc("stop", "n", "-f").returncode == 0
            assert alice.mlc("remove", "n", "-f").returncode == 0
        finally:
            docker("rmi", image)
    counted("answers of a broken registry")

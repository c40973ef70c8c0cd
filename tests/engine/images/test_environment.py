"""Proxies, package indexes and certificates: they reach the build and stay out of the image."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import io
import ssl
import subprocess
import tempfile
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from support.base_images import BASE
from support.engine_state import docker
from support.image_commands import BUILDERS, ImageFrom, ImageUser, quickest_builder

from mlc_patched.images.build.environment import Builder

pytestmark = pytest.mark.real_engine

PASSWORD = "hush-hush-4711"
WHEEL = "mlc_private_thing-1.0-py3-none-any.whl"


def wheel() -> bytes:
    """Return a package that is in no public index."""
    info = "mlc_private_thing-1.0.dist-info"
    files = {
        "mlc_private_thing.py": "X = 1\n",
        f"{info}/METADATA": "Metadata-Version: 2.1\nName: mlc-private-thing\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{name},sha256={_digest(text)},{len(text)}\n" for name, text in files.items())
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in {**files, f"{info}/RECORD": f"{record}{info}/RECORD,,\n"}.items():
            archive.writestr(name, text)
    return buffer.getvalue()


def _digest(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


class Index(BaseHTTPRequestHandler):
    """A package index with one package, with or without a password; or one that refuses."""

    password = ""
    refuses = False

    def do_GET(self) -> None:
        if self.refuses:
            self.send_error(403)
            return
        wanted = base64.b64encode(f"me:{self.password}".encode()).decode()
        if self.password and self.headers.get("Authorization") != f"Basic {wanted}":
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="index"')
            self.end_headers()
            return
        body = wheel() if self.path.endswith(".whl") else f'<a href="/{WHEEL}">{WHEEL}</a>'.encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_HEAD = do_GET  # noqa: N815 - the name that http.server calls; uv asks for the size first

    def log_message(self, *args: object) -> None:
        pass


@contextlib.contextmanager
def serving(
    password: str = "", context: ssl.SSLContext | None = None, *, refuses: bool = False
) -> Iterator[int]:
    kind = type("H", (Index,), {"password": password, "refuses": refuses})
    server = ThreadingHTTPServer(("127.0.0.1", 0), kind)
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()


def everything_about(image: str) -> str:
    return docker("inspect", image) + docker("history", "--no-trunc", image)


def test_an_index_with_a_password_stays_a_secret(commands: ImageUser) -> None:
    if not {Builder.BUILDX, Builder.BUILDKIT} & set(BUILDERS):
        pytest.skip("no client with BuildKit here")
    with serving(PASSWORD) as port:
        commands.run(
            *("image-create", "demo", "--base", BASE, "-p", "mlc-private-thing", "-y"),
            PIP_EXTRA_INDEX_URL=f"http://me:{PASSWORD}@127.0.0.1:{port}/simple",
        )
    image = commands.image("demo")
    commands.run_in(image, "python3 -c 'import mlc_private_thing'")
    assert PASSWORD not in everything_about(image)
    assert f"127.0.0.1:{port}" not in everything_about(image)
    assert PASSWORD not in commands.dockerfile("demo").read_text()
    container = docker("create", image)
    try:
        files = subprocess.run(["docker", "export", container], capture_output=True, check=True)
    finally:
        docker("rm", container)
    assert PASSWORD.encode() not in files.stdout


@pytest.mark.any_engine
def test_the_classic_builder_takes_an_index_but_no_password(commands: ImageUser) -> None:
    if Builder.CLASSIC not in BUILDERS:
        pytest.skip("no client with the classic builder here")
    with serving() as port:
        flags = ("image-create", "demo", "--base", BASE, "-p", "mlc-private-thing", "-y")
        url = f"127.0.0.1:{port}/simple"
        classic = {"DOCKER_BUILDKIT": "0"}
        done = commands.run(
            *flags, ok=False, PIP_EXTRA_INDEX_URL=f"http://me:{PASSWORD}@{url}", **classic
        )
        assert "credentials" in done.stderr
        assert PASSWORD not in done.stderr
        commands.run(*flags, PIP_EXTRA_INDEX_URL=f"http://{url}", **classic)
    assert f"127.0.0.1:{port}" not in everything_about(commands.image("demo"))
    assert commands.run_in(commands.image("demo"), "ls -d /etc/ds01-build || echo gone") == "gone"


@pytest.mark.any_engine
def test_where_the_only_index_has_no_uv_pip_installs_unless_the_index_refuses(
    commands: ImageUser, image_from: ImageFrom
) -> None:
    it = commands
    # On this base no step is in the cache, which another index may have filled.
    base = image_from("date +%s%N >/made")
    flags = ("image-create", "demo", "--base", base, "-p", "mlc-private-thing", "-y")
    with serving(refuses=True) as port:
        site = {"PIP_INDEX_URL": f"http://127.0.0.1:{port}/simple"}
        failed = it.run(*flags, ok=False, **site)
    assert "Access to 127.0.0.1 was refused (HTTP 403)" in failed.stderr
    assert it.names() == set()
    with serving() as port:
        site = {"PIP_INDEX_URL": f"http://127.0.0.1:{port}/simple"}
        done = it.run(*flags, **site)
        assert "so pip installs the packages" in done.stderr
    found = it.run_in(it.image("demo"), "pip freeze; command -v uv || echo no uv")
    assert "mlc-private-thing==1.0" in found
    assert found.endswith("no uv")
    lock = it.dockerfile("demo").with_name("demo.lock").read_text()
    assert '"mlc-private-thing" = "1.0"' in lock


def test_proxies_reach_every_step_and_are_not_in_the_image(each_builder: ImageUser) -> None:
    it = each_builder
    proxy = f"http://me:{PASSWORD}@127.0.0.1:9"
    source = it.user.file(
        "source/Dockerfile",
        f'FROM {BASE}\nRUN test "$http_proxy" = {proxy!r} && test "$NO_PROXY"\n'.replace(
            PASSWORD, "$(echo " + PASSWORD[:5] + ")" + PASSWORD[5:]
        ).replace("'", '"'),
    )
    it.run(*("image-create", "demo", "--dockerfile", source, "-y"), http_proxy=proxy, NO_PROXY="*")
    assert PASSWORD not in everything_about(it.image("demo"))
    assert "NO_PROXY" not in everything_about(it.image("demo")).replace('test "$NO_PROXY"', "")


@pytest.fixture(scope="module")
def authority() -> Iterator[tuple[Path, ssl.SSLContext]]:
    """A site's certificate authority, and a server's TLS context with its certificate."""
    # Not pytest's own directory, which only root can read.
    with tempfile.TemporaryDirectory(prefix="mlc-test-ca-", dir="/var/tmp") as path:
        place = Path(path)
        place.chmod(0o755)
        yield _authority(place)


def _authority(place: Path) -> tuple[Path, ssl.SSLContext]:
    ca, key, crt = place / "ca.crt", place / "server.key", place / "server.crt"
    extensions = place / "extensions"
    extensions.write_text("subjectAltName=IP:127.0.0.1\n")
    for argv in (
        [
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-subj",
            "/CN=Site CA",
            "-days",
            "2",
            "-keyout",
            place / "ca.key",
            "-out",
            ca,
        ],
        [
            "req",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-subj",
            "/CN=127.0.0.1",
            "-keyout",
            key,
            "-out",
            place / "server.csr",
        ],
        [
            "x509",
            "-req",
            "-in",
            place / "server.csr",
            "-CA",
            ca,
            "-CAkey",
            place / "ca.key",
            "-CAcreateserial",
            "-days",
            "2",
            "-extfile",
            extensions,
            "-out",
            crt,
        ],
    ):
        subprocess.run(["openssl", *map(str, argv)], check=True, capture_output=True)
    ca.chmod(0o644)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(crt, key)
    return ca, context


@quickest_builder
@pytest.mark.parametrize("stays", [False, True], ids=["in-build", "in-image"])
def test_a_sites_certificate_is_trusted_in_the_build_and_if_wanted_in_the_image(
    each_builder: ImageUser, authority: tuple[Path, ssl.SSLContext], stays: bool
) -> None:
    it, (ca, context) = each_builder, authority
    ask = "import urllib.request as u; u.urlopen('https://127.0.0.1:{}/').read()"
    with serving(context=context) as port:
        source = it.user.file(
            "source/Dockerfile",
            f'FROM {BASE}\nRUN python3 -c "{ask.format(port)}"\n'
            f"RUN pip install --break-system-packages --no-cache-dir"
            f" -i https://127.0.0.1:{port}/simple mlc-private-thing\n",
        )
        flags = ("image-create", "demo", "--dockerfile", source, "-y")
        if not stays:
            assert "CERTIFICATE_VERIFY_FAILED" in it.run(*flags, ok=False).stderr
        setting = {"DS01_CA_IN_IMAGE": "1"} if stays else {}
        it.run(*flags, DS01_CA_CERTIFICATE=str(ca), **setting)
        inside = ["docker", "run", "--rm", "--network=host", it.image("demo"), "python3", "-c"]
        done = subprocess.run(
            [*inside, ask.format(port)], capture_output=True, text=True, check=False
        )
    assert (done.returncode == 0) == stays, done.stderr
    files = it.run_in(it.image("demo"), "ls /usr/local/share/ca-certificates /run/secrets; true")
    assert ("ds01-site-ca.crt" in files) == stays

"""Remote engines through TLS and ssh, simulated on this machine.

TLS uses a separate dockerd with certificates made by openssl. ssh uses an sshd on a port of this
host, and the tests' engine.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from support import worker
from support.users import COMMENT, ROOT, SYSTEM_PATH, accounts_locked, free_login

TLS_SLOT = 50 + worker.NUMBER
"""The number of the engine of tools/engine.sh that listens with TLS."""
START_SECONDS = 60
NOBODY = 65534


@dataclass(frozen=True)
class RemoteEngine:
    """A remote engine: its URL, its socket on its host, and further variables for clients."""

    url: str
    socket: str
    environ: dict[str, str] = field(default_factory=dict)

    @property
    def variables(self) -> dict[str, str]:
        """The variables that make commands use it."""
        return {"DOCKER_HOST": self.url, **self.environ}


def call(*argv: str | Path, **options: object) -> str:
    """Run a program that must succeed; return what it printed."""
    done = subprocess.run(
        list(map(str, argv)), capture_output=True, text=True, check=False, **options
    )
    assert done.returncode == 0, f"{argv}: {done.stdout}{done.stderr}"
    return done.stdout.strip()


def free_port() -> int:
    """Return an unused port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def make_certificates(place: Path) -> None:
    """Create an authority, and server and client certificates, each in its own directory."""
    server, client = place / "server", place / "client"
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-noenc", "-days", "2")
    authority = place / "ca.pem"
    name = ("-subj", "/CN=mlc-test")
    call(
        *("openssl", "req", "-x509", *curve, *name),
        *("-keyout", place / "ca.key"),
        "-out",
        authority,
    )
    for directory, extension in (
        (server, "subjectAltName=IP:127.0.0.1"),
        (client, "extendedKeyUsage=clientAuth"),
    ):
        directory.mkdir()
        (directory / "ca.pem").write_bytes(authority.read_bytes())
        call(
            *("openssl", "req", "-x509", *curve, *name, "-addext", extension),
            *("-CA", authority, "-CAkey", place / "ca.key"),
            *("-addext", "basicConstraints=critical,CA:FALSE"),
            *("-keyout", directory / "key.pem", "-out", directory / "cert.pem"),
        )
        directory.chmod(0o755)
    (client / "key.pem").chmod(0o644)  # every test user is that client


@contextlib.contextmanager
def open_place() -> Iterator[Path]:
    """Create a directory that every user can read; pytest's directories are private."""
    with tempfile.TemporaryDirectory(prefix="mlc-far-", dir="/var/tmp") as path:
        place = Path(path)
        place.chmod(0o755)
        yield place


@contextlib.contextmanager
def by_tls(
    place: Path,
    tool: Path = ROOT / "tools/engine.sh",
    number: int = TLS_SLOT,
    environ: Mapping[str, str] = os.environ,
) -> Iterator[RemoteEngine]:
    """Start an engine that listens on a port with TLS, and accepts only clients with a certificate.

    Args:
        place: a directory for the certificates.
        tool: tools/engine.sh or tools/modern-engine.sh, which starts and stops the engine.
        number: the tool's number for the engine.
        environ: variables for the tool.
    """
    make_certificates(place)
    server, port = place / "server", free_port()
    options = [
        *("--host", f"tcp://127.0.0.1:{port}", "--tlsverify", "--tlscacert", server / "ca.pem"),
        *("--tlscert", server / "cert.pem", "--tlskey", server / "key.pem"),
    ]
    environ = {**environ, "MLC_DOCKERD_OPTIONS": " ".join(map(str, options))}
    environ.pop("DOCKER_HOST", None)
    call(tool, "up", str(number), env=environ)
    try:
        address = call(tool, "address", str(number), env=environ)
        tls = {"DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": str(place / "client")}
        yield RemoteEngine(f"tcp://127.0.0.1:{port}", address, tls)
    finally:
        call(tool, "down", str(number), env=environ)


def copy_images(source: str, target: str, *names: str) -> None:
    """Copy images from one engine to another, unless they are there already."""
    there = call("docker", "-H", target, "images", "-q", "--no-trunc", *names[:1])
    if len(names) == 1 and there:
        return
    with subprocess.Popen(
        ["docker", "-H", source, "save", *names], stdout=subprocess.PIPE
    ) as saving:
        call("docker", "-H", target, "load", stdin=saving.stdout)
    assert saving.returncode == 0


@contextlib.contextmanager
def by_ssh(place: Path, engine: str) -> Iterator[RemoteEngine]:
    """Start an sshd that gives access to an engine; the `ssh` in `place` is set up for it."""
    port = free_port()
    with accounts_locked():
        login = free_login("mlc-gate")
        options = ("--no-create-home", "--home-dir", "/", "--groups", "docker", "-p", "*")
        call("useradd", *options, "-c", f"{COMMENT}{os.getpid()}", login)
    try:
        for key in ("host", "user"):
            call("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", place / key)
        known = (place / "host.pub").read_text().rsplit(" ", 1)[0]
        (place / "known").write_text(f"[127.0.0.1]:{port} {known}\n")
        (place / "sshd_config").write_text(
            f"ListenAddress 127.0.0.1:{port}\nHostKey {place}/host\nPidFile none\n"
            f"AuthorizedKeysFile {place}/user.pub\nStrictModes no\nPasswordAuthentication no\n"
            f"AllowUsers {login}\nSetEnv DOCKER_HOST={engine} PATH={SYSTEM_PATH}\n"
        )
        program = place / "bin" / "ssh"
        program.parent.mkdir()
        program.write_text(
            f"#!/bin/sh\nexec /usr/bin/ssh -F none -o UserKnownHostsFile={place}/known "
            f'-i {place}/user "$@"\n'
        )
        program.chmod(0o755)
        # ssh checks that a key is private only if the caller owns it.
        (place / "user").chmod(0o644)
        os.chown(place / "user", NOBODY, NOBODY)
        Path("/run/sshd").mkdir(exist_ok=True)
        log = place / "sshd.log"
        daemon = subprocess.Popen(
            ["/usr/sbin/sshd", "-D", "-f", place / "sshd_config", "-E", log],
        )
        try:
            wait_for(port, daemon, log)
            path = f"{place}/bin:{SYSTEM_PATH}"
            yield RemoteEngine(f"ssh://{login}@127.0.0.1:{port}", engine, {"PATH": path})
        finally:
            daemon.terminate()
            daemon.wait(timeout=30)
    finally:
        with accounts_locked():
            call("userdel", login)


def wait_for(port: int, daemon: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until a daemon listens on a port."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        assert daemon.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.05)

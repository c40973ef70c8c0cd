"""Remote engines: over TCP, TCP with TLS, and SSH.

`dial` returns a connected socket for each of them, so plain requests need the standard library
alone here as well, and the SDK neither paramiko nor an adapter for each transport.
"""

from __future__ import annotations

import select
import shutil
import socket
import time
from typing import Any
from urllib.parse import urlsplit

from ..errors import EngineUnreachableError
from .address import EngineAddress
from .http import Answer, BrokenAnswerError, Connection

CONNECT_SECONDS = 30
"""Timeout for a connection; the docker client's for SSH."""
_IDLE_SECONDS = 30
"""How long an idle connection is reused: shorter than the timeout of any router."""
_LAST_WORDS_SECONDS = 2


class _SshSocket(socket.socket):
    """Our end of a connection that an ssh client forwards to the engine."""

    client: Any = None

    def last_words(self) -> str:
        """Return what ssh wrote to stderr; it has exited, as the connection is closed."""
        from subprocess import TimeoutExpired

        try:
            _, written = self.client.communicate(timeout=_LAST_WORDS_SECONDS)
        except (TimeoutExpired, ValueError, OSError):
            return ""
        return str(written.decode(errors="replace").strip())


def dial(address: EngineAddress, seconds: float | None) -> socket.socket:
    """Return a socket that is connected to an engine; `seconds` is its timeout, None for none.

    Raises OSError if nobody listens, and EngineUnreachableError if certificates cannot be read, or
    ssh is not installed.
    """
    if address.is_ssh:
        made: socket.socket = _by_ssh(address)
    else:
        parts = urlsplit(address.url)
        place = (parts.hostname or "", parts.port or 0)
        try:
            made = socket.create_connection(place, CONNECT_SECONDS)
        except TimeoutError as error:
            raise ConnectionError(f"no connection within {CONNECT_SECONDS} seconds") from error
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        made = _with_tls(made, place[0], address)
    made.settimeout(seconds)
    return made


def _with_tls(plain: socket.socket, host: str, address: EngineAddress) -> socket.socket:
    if address.tls is None:
        return plain
    import ssl

    authority, certificate = address.tls.file("ca.pem"), address.tls.file("cert.pem")
    key = address.tls.file("key.pem")
    try:
        # Like the docker client: with a CA of its own, the system's CAs do not count.
        context = ssl.create_default_context(cafile=authority)
        if not address.tls.verify:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        # The default from Python 3.13 on, which rejects certificates made by Docker's own guide.
        context.verify_flags &= ~ssl.VerifyFlags.VERIFY_X509_STRICT
        if certificate and key:
            context.load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as error:
        plain.close()
        raise EngineUnreachableError(
            f"The certificates in {address.tls.directory} cannot be used: {error}.",
            "Put ca.pem, cert.pem and key.pem there, readable by you.",
        ) from error
    try:
        return context.wrap_socket(plain, server_hostname=host)
    except BaseException:
        plain.close()
        raise


def _by_ssh(address: EngineAddress) -> _SshSocket:
    import subprocess

    program = shutil.which("ssh")
    if program is None:
        raise EngineUnreachableError(
            f"{address.url} needs ssh, which is not on PATH.",
            "Install it with: apt-get install openssh-client",
        )
    ours, theirs = socket.socketpair()
    with theirs:
        client = subprocess.Popen(
            ssh_command(program, address.url),
            stdin=theirs.fileno(),
            stdout=theirs.fileno(),
            stderr=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C must not end it: rolling back needs it
        )
    made = _SshSocket(fileno=ours.detach())
    made.client = client
    return made


def ssh_command(program: str, url: str) -> list[str]:
    """Return the argv that connects standard input and output with a remote engine.

    It is the same as the docker client's (docker/cli, cli/connhelper), for a URL of the form
    `ssh://[USER@]HOST[:PORT][/SOCKET]`. Raises EngineUnreachableError if that is invalid.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not host or parts.password or parts.query or parts.fragment:
        raise EngineUnreachableError(
            f"{url} is not a valid address.", "Use ssh://USER@HOST[:PORT]."
        )
    argv = [program, "-o", f"ConnectTimeout={CONNECT_SECONDS}", "-T"]
    if parts.username:
        argv += ["-l", parts.username]
    if port:
        argv += ["-p", str(port)]
    remote = ["docker", "system", "dial-stdio"]
    if parts.path.strip("/"):
        import shlex  # the remote shell splits the command into words again

        remote[1:1] = ["--host", shlex.quote(f"unix://{parts.path}")]
    return [*argv, "--", host, *remote]


class RemoteConnection:
    """Plain requests to a remote engine; connections are reused."""

    def __init__(self, address: EngineAddress) -> None:
        self._address = address
        self._idle: list[tuple[float, Connection]] = []

    def ask(
        self,
        method: str,
        target: str,
        body: bytes | None = None,
        *,
        seconds: float | None = None,
        most: int | None = None,
    ) -> Answer:
        """Send a request and return the answer, as `socket.ask` does."""
        connection = self._connection(seconds)
        sock = connection.sock
        try:
            answer = connection.exchange(method, target, body, most=most, keep=True)
        except (BrokenAnswerError, ConnectionError) as error:
            reason = sock.last_words() if isinstance(sock, _SshSocket) else ""
            connection.close()
            raise BrokenAnswerError(reason or str(error)) from error
        except BaseException:
            connection.close()
            raise
        if connection.is_reusable:
            self._idle.append((time.monotonic(), connection))
        else:
            connection.close()
        return answer

    def _connection(self, seconds: float | None) -> Connection:
        while self._idle:
            since, connection = self._idle.pop()
            sock = connection.sock
            # An idle connection is readable only once it is closed.
            if time.monotonic() - since < _IDLE_SECONDS and not select.select([sock], [], [], 0)[0]:
                sock.settimeout(seconds)
                return connection
            connection.close()
        return Connection(dial(self._address, seconds))

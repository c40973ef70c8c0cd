"""Engines that are not behind a socket of this host: by tcp, by tcp with TLS, and by ssh.

`dial` returns a connected socket, whatever is between, so that plain questions need the
standard library alone here as well, and the SDK neither paramiko nor an adapter for each.
"""

from __future__ import annotations

import http.client
import select
import shutil
import socket
import time
from typing import Any
from urllib.parse import urlsplit

from ..errors import EngineUnreachableError
from .address import EngineAddress
from .socket import Answer, BrokenAnswerError, exchange

CONNECT_SECONDS = 30
"""How long a host may take to answer at all; the docker client's number for ssh."""
_IDLE_SECONDS = 30
"""How long a connection is kept for the next question: below what any router forgets."""
_LAST_WORDS_SECONDS = 2


class _SshSocket(socket.socket):
    """Our end of what an ssh client carries to the engine and back."""

    client: Any = None

    def last_words(self) -> str:
        """Return what ssh said; it has ended, as nothing comes any more."""
        from subprocess import TimeoutExpired

        try:
            _, said = self.client.communicate(timeout=_LAST_WORDS_SECONDS)
        except (TimeoutExpired, ValueError, OSError):
            return ""
        return str(said.decode(errors="replace").strip())


def dial(address: EngineAddress, seconds: float | None) -> socket.socket:
    """Return a socket that is connected to an engine.

    Args:
        address: where the engine is.
        seconds: how long an answer may take from then on; None is for ever.

    Raises:
        OSError: nobody is there.
        EngineUnreachableError: certificates cannot be read, or there is no ssh.
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
        # With an authority of its own none of the system's counts, as with the docker client.
        context = ssl.create_default_context(cafile=authority)
        if not address.tls.verify:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        # From Python 3.13 on; certificates made by Docker's own instructions do not pass it.
        context.verify_flags &= ~ssl.VerifyFlags.VERIFY_X509_STRICT
        if certificate and key:
            context.load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as error:
        plain.close()
        raise EngineUnreachableError(
            f"The certificates in {address.tls.directory} cannot be used: {error}. "
            "ca.pem, cert.pem and key.pem belong there, readable by you."
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
            f"{address.url} is reached by ssh, which is not on PATH. "
            "Install it with: apt-get install openssh-client"
        )
    ours, theirs = socket.socketpair()
    with theirs:
        client = subprocess.Popen(
            ssh_command(program, address.url),
            stdin=theirs.fileno(),
            stdout=theirs.fileno(),
            stderr=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is ours: what was begun is taken back over this line
        )
    made = _SshSocket(fileno=ours.detach())
    made.client = client
    return made


def ssh_command(program: str, url: str) -> list[str]:
    """Return the argv that joins its standard input and output with an engine elsewhere.

    It is the docker client's own (docker/cli, cli/connhelper).

    Args:
        program: path of ssh.
        url: `ssh://[USER@]HOST[:PORT][/SOCKET]`.

    Raises:
        EngineUnreachableError: the address is not understood.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not host or parts.password or parts.query or parts.fragment:
        raise EngineUnreachableError(f"{url} is not understood. Say: ssh://USER@HOST[:PORT]")
    argv = [program, "-o", f"ConnectTimeout={CONNECT_SECONDS}", "-T"]
    if parts.username:
        argv += ["-l", parts.username]
    if port:
        argv += ["-p", str(port)]
    remote = ["docker", "system", "dial-stdio"]
    if parts.path.strip("/"):
        import shlex  # ssh has the other side's shell read the words again

        remote[1:1] = ["--host", shlex.quote(f"unix://{parts.path}")]
    return [*argv, "--", host, *remote]


class RemoteLine:
    """Plain questions to an engine elsewhere; a connection serves several of them."""

    def __init__(self, address: EngineAddress) -> None:
        """Remember where the engine is; nothing is connected to yet."""
        self._address = address
        self._idle: list[tuple[float, http.client.HTTPConnection]] = []

    def ask(
        self,
        method: str,
        target: str,
        body: bytes | None = None,
        *,
        seconds: float | None = None,
        most: int | None = None,
    ) -> Answer:
        """See `engine_socket.ask`."""
        connection = self._connection(seconds)
        sock = connection.sock
        try:
            answer = exchange(connection, method, target, body, most=most, keep=True)
        except (BrokenAnswerError, ConnectionError) as error:
            words = sock.last_words() if isinstance(sock, _SshSocket) else ""
            connection.close()
            raise BrokenAnswerError(words or str(error)) from error
        except BaseException:
            connection.close()
            raise
        if connection.sock is not None:
            self._idle.append((time.monotonic(), connection))
        return answer

    def _connection(self, seconds: float | None) -> http.client.HTTPConnection:
        while self._idle:
            since, connection = self._idle.pop()
            sock = connection.sock
            # What is to be read from a line at rest can only be its end.
            if time.monotonic() - since < _IDLE_SECONDS and not select.select([sock], [], [], 0)[0]:
                sock.settimeout(seconds)
                return connection
            connection.close()
        connection = http.client.HTTPConnection("docker", timeout=seconds)
        connection.sock = dial(self._address, seconds)
        return connection

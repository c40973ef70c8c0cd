"""Engines on other hosts: over TCP, with TLS, and over ssh, which is a script here."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import ssl
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import support
from support.engine_api import EngineApi, Reply, refusal, serving

from mlc_patched.engine.address import EngineAddress, Tls
from mlc_patched.engine.connect import connect
from mlc_patched.engine.remote import RemoteConnection, dial, ssh_command
from mlc_patched.errors import EngineUnreachableError, NotFoundError

CERTIFICATE = Path(support.__file__).parent / "tls"
"""A certificate for 127.0.0.1 that signed itself, made for these tests alone, and its key."""
FORWARD = """\
import os, socket, sys, threading
engine = socket.socket(socket.AF_UNIX)
engine.connect(sys.argv[1])
def send():
    while data := os.read(0, 65536):
        engine.sendall(data)
    os._exit(0)
threading.Thread(target=send, daemon=True).start()
while data := engine.recv(65536):
    os.write(1, data)
"""
"""What `docker system dial-stdio` does on the other host."""

AFTER_A_REQUEST = "#!/bin/sh\nwhile read -r line && [ ${#line} -gt 1 ]; do :; done\n"
"""How a script begins that reads a request and does not answer it."""


@pytest.fixture
def far(api: EngineApi) -> Iterator[EngineApi]:
    """An engine's API on a port of this host."""
    with serving() as served:
        yield served


@pytest.fixture
def ssh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program on PATH in place of ssh, which the tests write; it notes its arguments."""
    program = tmp_path / "bin/ssh"
    program.parent.mkdir()
    program.touch(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    return program


def forward(ssh: Path, api: EngineApi) -> Path:
    """Make ssh lead to an engine; return the file that has its arguments."""
    script, told = ssh.with_name("forward.py"), ssh.with_name("arguments")
    script.write_text(FORWARD)
    place = api.address.removeprefix("unix://")
    ssh.write_text(f'#!/bin/sh\necho "$@" >>{told}\nexec {sys.executable} -ISE {script} {place}\n')
    return told


def test_requests_over_tcp_share_a_connection(far: EngineApi) -> None:
    far.on("GET /containers/json", [])
    far.on("GET /info", {"ServerVersion": "24.0"})
    engine = connect(EngineAddress(far.address))
    assert engine.containers() == []
    assert engine.info().version == "24.0"
    assert not engine.info().is_local
    assert far.connections == 1
    far.on("GET /containers/n/json", Reply(404, {"message": "no such"}, {"Connection": "close"}))
    for count in (1, 2):
        with pytest.raises(NotFoundError):
            engine.mounts_and_devices("n")
        assert far.connections == count, "the engine closed the one before"


def test_streams_over_tcp_have_connections_of_their_own(far: EngineApi) -> None:
    far.on("POST /images/create", Reply(200, [b'{"status":"Done"}\n']))
    far.on("GET /containers/c/export", Reply(200, [b"file ", b"system"]))
    engine = connect(EngineAddress(far.address))
    told: list[str] = []
    engine.pull("a:1", told.append)
    assert told == ["Done"]
    assert b"".join(engine.export("c")) == b"file system"
    far.on("GET /containers/c/export", refusal(404, "No such container: c"))
    with pytest.raises(NotFoundError, match="No such container: c"):
        list(engine.export("c"))


def test_a_connection_that_the_engine_closed_is_replaced() -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK"
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve_one() -> None:
            client, _ = listener.accept()
            with client:
                client.recv(65536)
                client.sendall(answer)

        connection = RemoteConnection(EngineAddress(f"tcp://127.0.0.1:{listener.getsockname()[1]}"))
        for _ in range(2):
            thread = threading.Thread(target=serve_one)
            thread.start()
            assert connection.ask("GET", "/").body == b"OK"
            thread.join()


def test_an_answer_that_does_not_come_times_out() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = EngineAddress(f"tcp://127.0.0.1:{listener.getsockname()[1]}")
        with pytest.raises(TimeoutError):
            RemoteConnection(address).ask("GET", "/", seconds=0.01)


@pytest.mark.parametrize(
    ("context", "named", "command"),
    [
        ("default", "", "docker --host {url} version"),
        ("lab", " of the context lab", "docker --context lab version"),
    ],
)
def test_an_engine_that_is_not_there_is_named_with_a_command_that_checks_it(
    context: str, named: str, command: str
) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"tcp://127.0.0.1:{closed.getsockname()[1]}"
        with pytest.raises(EngineUnreachableError) as caught:
            connect(EngineAddress(url, context))
    assert f"No Docker Engine answers at {url}{named}: " in caught.value.message
    assert "refused" in caught.value.message
    assert command.format(url=url) in caught.value.hint


def test_a_host_that_does_not_answer_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    def connecting(*_: object) -> None:
        raise TimeoutError

    monkeypatch.setattr(socket, "create_connection", connecting)
    with pytest.raises(EngineUnreachableError, match="no connection within 30 seconds"):
        connect(EngineAddress("tcp://192.0.2.1:2375"))


def test_an_answer_that_breaks_off_is_an_unreachable_engine(far: EngineApi) -> None:
    far.on("GET /info", Reply(200, b"{", breaks_off=True))
    with pytest.raises(EngineUnreachableError, match="cut off"):
        connect(EngineAddress(far.address)).info()


@pytest.mark.parametrize("name", ["ca.pem", "cert.pem"])
def test_certificates_that_cannot_be_used_are_named(
    far: EngineApi, tmp_path: Path, name: str
) -> None:
    for each in {name, "key.pem"}:
        (tmp_path / each).write_text("no certificate")
    with pytest.raises(EngineUnreachableError) as caught:
        connect(EngineAddress(far.address, tls=Tls(str(tmp_path))))
    assert f"The certificates in {tmp_path} cannot be used" in caught.value.message
    assert "readable by you" in caught.value.hint


@pytest.fixture
def secure() -> Iterator[EngineApi]:
    """An engine's API with TLS, for clients that have a certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE / "cert.pem", CERTIFICATE / "key.pem")
    context.load_verify_locations(CERTIFICATE / "cert.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    with serving(tls=context) as served:
        served.on("GET /info", {"ServerVersion": "24.0"})
        served.on("GET /containers/c/export", Reply(200, [b"file system"]))
        yield served


@pytest.mark.parametrize(
    ("authority", "verify", "error"),
    [
        (True, True, None),
        (False, True, "CERTIFICATE_VERIFY_FAILED"),  # nobody whom the client trusts signed it
        (False, False, None),
    ],
)
def test_an_engine_with_tls_is_used_only_if_its_certificate_is_trusted(
    secure: EngineApi, tmp_path: Path, authority: bool, verify: bool, error: str | None
) -> None:
    for name in ("cert.pem", "key.pem"):
        shutil.copy(CERTIFICATE / name, tmp_path)
    if authority:
        shutil.copy(CERTIFICATE / "cert.pem", tmp_path / "ca.pem")
    address = EngineAddress(secure.address, tls=Tls(str(tmp_path), verify))
    if error is not None:
        with pytest.raises(EngineUnreachableError, match=error):
            connect(address)
        assert secure.requests == []
        return
    engine = connect(address)
    assert engine.info().version == "24.0"
    assert b"".join(engine.export("c")) == b"file system"


def test_a_certificate_for_another_host_is_refused(secure: EngineApi, tmp_path: Path) -> None:
    for name, copy in (("cert.pem", "cert.pem"), ("key.pem", "key.pem"), ("cert.pem", "ca.pem")):
        shutil.copy(CERTIFICATE / name, tmp_path / copy)
    by_name = secure.address.replace("127.0.0.1", "localhost")
    with pytest.raises(EngineUnreachableError, match="CERTIFICATE_VERIFY_FAILED"):
        connect(EngineAddress(by_name, tls=Tls(str(tmp_path))))


def test_an_engine_that_wants_a_certificate_refuses_clients_without(
    secure: EngineApi, tmp_path: Path
) -> None:
    shutil.copy(CERTIFICATE / "cert.pem", tmp_path / "ca.pem")
    with pytest.raises(EngineUnreachableError, match=f"answers at {secure.address}"):
        connect(EngineAddress(secure.address, tls=Tls(str(tmp_path))))


@pytest.mark.parametrize("verify", [True, False])
def test_nothing_is_sent_to_an_engine_without_tls(
    far: EngineApi, tmp_path: Path, verify: bool
) -> None:
    with pytest.raises(EngineUnreachableError, match=r"answers at tcp://127\.0\.0\.1"):
        connect(EngineAddress(far.address, tls=Tls(str(tmp_path), verify)))
    assert far.requests == []


def test_an_engine_is_reached_over_ssh(api: EngineApi, ssh: Path) -> None:
    told = forward(ssh, api)
    api.on("GET /info", {"ServerVersion": "24.0"})
    api.on("GET /containers/c/export", Reply(200, [b"file system"]))
    engine = connect(EngineAddress("ssh://alice@server:2222"))
    assert engine.info().version == "24.0"
    assert b"".join(engine.export("c")) == b"file system"
    first, second = told.read_text().splitlines()  # all plain requests, and the stream
    assert first == second
    assert first.endswith("-l alice -p 2222 -- server docker system dial-stdio")


def test_what_ssh_says_is_the_reason(ssh: Path) -> None:
    ssh.write_text(f"{AFTER_A_REQUEST}echo 'Permission denied (publickey).' >&2\nexit 255\n")
    with pytest.raises(EngineUnreachableError, match=r"denied \(publickey\)\. ") as caught:
        connect(EngineAddress("ssh://server"))
    assert type(caught.value) is EngineUnreachableError, "the group docker would not help"
    ssh.write_text(AFTER_A_REQUEST)
    with pytest.raises(EngineUnreachableError, match="cut off"):
        connect(EngineAddress("ssh://server"))


def test_an_ssh_that_does_not_end_is_not_waited_for(
    ssh: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mlc_patched.engine.remote._LAST_WORDS_SECONDS", 0.01)
    ssh.write_text(f"{AFTER_A_REQUEST}echo $$ >{tmp_path}/pid\nexec sleep 60 >/dev/null <&1\n")
    with pytest.raises(EngineUnreachableError, match="cut off"):
        connect(EngineAddress("ssh://server"))
    os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)


def test_without_ssh_its_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EngineUnreachableError) as caught:
        dial(EngineAddress("ssh://server"), None)
    assert "needs ssh, which is not on PATH" in caught.value.message
    assert "apt-get install openssh-client" in caught.value.hint


def test_a_socket_on_the_other_host_is_quoted_for_its_shell() -> None:
    argv = ssh_command("ssh", "ssh://server/run/my docker.sock")
    assert argv[-5:] == ["docker", "--host", "'unix:///run/my docker.sock'", "system", "dial-stdio"]
    assert argv[-7:-5] == ["--", "server"]


@pytest.mark.parametrize(
    "url",
    [
        "ssh://",
        "ssh://alice:secret@server",
        "ssh://server?x",
        "ssh://server#x",
        "ssh://server:port",
        "ssh://[server",
    ],
)
def test_an_address_that_ssh_cannot_use_is_refused(url: str) -> None:
    with pytest.raises(EngineUnreachableError, match="not a valid address"):
        ssh_command("ssh", url)


def test_an_engine_of_another_kind_is_found_out_at_once(far: EngineApi) -> None:
    far.ping["Libpod-API-Version"] = "5.8.0"
    engine = connect(EngineAddress(far.address))
    assert engine.product == "Podman"

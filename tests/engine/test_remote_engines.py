"""Remote engines: by ssh, by tcp, and by tcp with TLS.

What every engine does is held to by the contract suite and `make engines`; here is what is
otherwise because the engine is elsewhere.
"""

from __future__ import annotations

import os
import re
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from support import worker
from support.base_images import BASE
from support.engine_state import container_names, docker, inspect
from support.remote_engine import RemoteEngine, by_ssh, by_tls, open_place
from support.users import User

from mlc_patched.engine.address import EngineAddress, Tls, resolve
from mlc_patched.engine.docker import DockerEngine
from mlc_patched.engine.interface import Engine
from mlc_patched.errors import EngineError, EngineUnreachableError

pytestmark = pytest.mark.real_engine


@pytest.fixture(scope="module")
def ssh(engine: Engine) -> Iterator[RemoteEngine]:
    """The engine of the tests, by ssh."""
    with open_place() as place, by_ssh(place, worker.engine_address()) as far:
        yield far


@pytest.fixture(scope="module")
def tls(engine: Engine) -> Iterator[RemoteEngine]:
    """An engine of its own, by TLS; it has no images."""
    with open_place() as place, by_tls(place) as far:
        yield far


def at(user: User, far: RemoteEngine) -> User:
    """Return a user whose commands use an engine elsewhere."""
    return replace(user, environ={**user.environ, **far.variables})


def test_a_container_is_used_by_ssh_from_create_to_remove(
    alice: User, labelled: Callable[..., str], ssh: RemoteEngine
) -> None:
    far, image = at(alice, ssh), labelled(alice)
    alice.file("workspace/")
    done = far.mlc("create", "it", "--image", image, "-s")
    assert done.returncode == 0, done.stderr
    assert "directly from" in done.stdout
    host = inspect(alice.tag("it"))["HostConfig"]
    assert not host["Binds"]
    assert [each["Target"] for each in host["Mounts"]] == ["/workspace"]
    assert "[it]" in far.mlc("list").stdout
    line = "id -u; touch /workspace/by-ssh; exit 3"
    done = far.mlc("start", "it", line, "-s")
    assert (done.returncode, done.stdout.split()[0]) == (3, str(alice.uid))
    assert (alice.workspace / "by-ssh").stat().st_uid == alice.uid
    shell = far.spawn(alice.tree / "bin/mlc", "open", "it")
    shell.expect_exact("/workspace")
    shell.sendline("echo $((6 * 7))")
    shell.expect_exact("42")
    shell.sendline("exit")
    shell.expect("stopped")
    assert far.mlc("remove", "it", "-f", "-s").returncode == 0
    assert alice.tag("it") not in container_names()


def test_a_directory_that_the_remote_host_lacks_is_not_created(
    alice: User, labelled: Callable[..., str], ssh: RemoteEngine, tmp_path: Path
) -> None:
    far, image, missing = at(alice, ssh), labelled(alice), tmp_path / "missing"
    for flag, path, target in (("-d", missing, "/data"), ("-w", alice.home / "no", "/workspace")):
        done = far.mlc("create", "it", "--image", image, "-s", flag, path)
        assert done.returncode == 1
        last = done.stderr.splitlines()[-1]
        assert f"no directory {path} to mount as {target}" in last
        assert f"mkdir -p {path}" in last
        assert not path.exists()
    assert alice.tag("it") not in container_names()


def test_another_uid_there_streams_and_commits_by_ssh(
    alice: User, labelled: Callable[..., str], ssh: RemoteEngine
) -> None:
    """The legacy flow: a set-up container, its output, a commit; then an export."""
    far, uid = at(alice, ssh), alice.uid + 500_000
    ids = f"{uid}:{uid + 1}"
    alice.file("workspace/")
    image = labelled(alice)
    done = far.mlc("create", "old", "--image", image, "-s", "--as", ids)
    assert done.returncode == 2
    assert f"built for {alice.uid}:{alice.gid}" in done.stderr
    done = alice.mlc("create", "old", "--image", BASE, "-s", "--as", ids)
    assert done.returncode == 1
    assert "is another user" in done.stderr
    try:
        done = far.mlc("--as", ids, "create", "old", "--image", BASE, "-s", timeout=300)
        assert done.returncode == 0, done.stderr
        done = far.mlc("start", "old", "echo $(id -u):$(id -g)", "-s", MLC_AS=ids)
        assert done.stdout.split()[0] == ids, done.stderr
        assert far.mlc("start", "old", "-s").returncode == 1  # not a container of UID here
        file = alice.home / "old.tar"
        done = far.mlc("export", "old", file, "-s", timeout=300, MLC_AS=ids)
        assert done.returncode == 0, done.stderr
        assert file.stat().st_size > 50_000_000
        assert file.stat().st_uid == alice.uid
        file.unlink()
    finally:
        far.mlc("stop", "old", "-f", "-s", MLC_AS=ids)
        done = far.mlc("remove", "old", "-f", "-s", MLC_AS=ids)
    assert done.returncode == 0, done.stderr
    assert f"old._.{uid}" not in container_names()


def test_an_image_is_built_on_the_engine_of_the_context(alice: User, ssh: RemoteEngine) -> None:
    """The docker client builds, and is given the same engine, whatever DOCKER_HOST says."""
    environ = {**ssh.environ, "DOCKER_HOST": "unix:///var/run/there-is-none.sock"}
    made = alice.run("docker", "context", "create", "far", "--docker", f"host={ssh.url}")
    assert made.returncode == 0, made.stderr
    done = alice.run(
        *(alice.tree / "bin/user/image-create", "built", "--base", BASE, "-y"),
        *("--context", "far"),
        timeout=300,
        **environ,
    )
    assert done.returncode == 0, done.stderr
    assert inspect(f"ds01-{alice.uid}/built:latest")
    names = alice.mlc("complete", "contexts").stdout.split()
    assert names == ["default", "far"]
    docker("rmi", f"ds01-{alice.uid}/built:latest")


def test_the_message_of_ssh_says_why_the_engine_is_unreachable(
    alice: User, ssh: RemoteEngine
) -> None:
    wrong = replace(ssh, url=ssh.url.replace("mlc-gate", "mlc-nobody"))
    done = at(alice, wrong).mlc("list")
    assert done.returncode == 1
    assert "Permission denied" in done.stderr
    assert wrong.url in done.stderr.splitlines()[-1]


def test_requests_and_streams_by_tls(alice: User, tls: RemoteEngine) -> None:
    far = at(alice, tls)
    done = far.mlc("list", "--json")
    assert done.returncode == 0, done.stderr
    assert '"containers": []' in done.stdout
    doctor = far.mlc("doctor").stdout
    assert re.search(rf"answers at {re.escape(tls.url)}, \d+\.\d ms away", doctor), doctor
    engine = DockerEngine(EngineAddress(tls.url, tls=Tls(tls.environ["DOCKER_CERT_PATH"])))
    copied = engine.import_image([_empty_archive()], "mlc-test/tls", "x")
    assert engine.image(copied) is not None
    assert engine.history(copied)
    engine.remove_image("mlc-test/tls:x")


def test_tls_requires_certificates(tls: RemoteEngine, tmp_path: Path) -> None:
    place = EngineAddress(tls.url, tls=Tls(str(tmp_path)))
    with pytest.raises(EngineUnreachableError, match="CERTIFICATE_VERIFY_FAILED"):
        DockerEngine(place)  # the system's authorities do not know it
    with pytest.raises(EngineUnreachableError, match=r"(?i)certificate|alert|reset|cut off"):
        DockerEngine(EngineAddress(tls.url, tls=Tls(str(tmp_path), verify=False)))
    (tmp_path / "ca.pem").write_text("not a certificate")
    with pytest.raises(EngineUnreachableError, match=r"ca.pem, cert.pem and key.pem"):
        DockerEngine(place)
    with pytest.raises(EngineError, match="HTTPS"):
        DockerEngine(EngineAddress(tls.url))


def _empty_archive() -> bytes:
    return subprocess.run(
        ["tar", "-cf", "-", "--files-from", "/dev/null"], capture_output=True, check=True
    ).stdout


@pytest.fixture
def by_tcp() -> Iterator[str]:
    """Make the engine available on a TCP port; return its address."""
    target = resolve(os.environ).socket_path
    listener = socket.create_server(("127.0.0.1", 0))

    def pass_on(source: socket.socket, sink: socket.socket) -> None:
        while chunk := source.recv(65536):
            sink.sendall(chunk)
        sink.shutdown(socket.SHUT_WR)

    def run() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            engine = socket.socket(socket.AF_UNIX)
            engine.connect(target)
            for ends in ((client, engine), (engine, client)):
                threading.Thread(target=pass_on, args=ends, daemon=True).start()

    threading.Thread(target=run, daemon=True).start()
    yield f"tcp://127.0.0.1:{listener.getsockname()[1]}"
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()


@pytest.mark.real_engine
def test_an_engine_on_a_tcp_port_gives_the_same_answers(
    engine: DockerEngine, by_tcp: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", by_tcp)
    far = DockerEngine()
    image = engine.image("mlc-test/base:bookworm")
    assert image is not None
    assert far.image("mlc-test/base:bookworm") == image
    assert far.image("mlc-test/none:x") is None
    assert far.find_images(names=(image.references[0],)) == engine.find_images(
        names=(image.references[0],)
    )
    assert far.containers(names=("mlc-test-none",)) == []

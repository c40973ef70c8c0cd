"""Several engines: images travel by a registry, and Docker Swarm runs containers.

Two hosts with one GPU each, set up by the blocks of docs/cluster.md as they stand there.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pexpect
import pytest
from support.base_images import BASE
from support.cluster_contract import cluster_holds, registry_holds
from support.cluster_hosts import hosts
from support.cluster_user import REGISTRY, Cluster
from support.documented_steps import steps
from support.users import new_user

from mlc_patched.engine.address import EngineAddress
from mlc_patched.engine.docker import DockerEngine
from mlc_patched.engine.interface import Engine

pytestmark = pytest.mark.real_engine
FULL = "MLC_TEST_CLUSTER"
"""Set by `make cluster`: the page's image is built as it says, of a real base."""
TOOLS = ("dockerd", "docker-registry", "htpasswd", "curl", "openssl", "ip")


@pytest.fixture(scope="module")
def cluster(engine: Engine, tree: Path, catalog_file: Path) -> Iterator[Cluster]:
    """The cluster of the page, after its blocks for administrators."""
    if os.geteuid() != 0:
        pytest.skip("hosts and users take root")
    if missing := [each for each in TOOLS if shutil.which(each) is None]:
        pytest.skip(f"no {', '.join(missing)}: make test-tools")
    environ = {"MLC_CATALOG": str(catalog_file), "MLC_ARCH": "CUDA_ADA"}
    with (
        hosts(["server-1", "server-2"]) as made,
        new_user("mlc-erin", 1005, 2005, tree, environ) as user,
    ):
        it = Cluster(made, user)
        before = ""
        for step in steps():
            if step.words[0] != "user":
                before = it.step(step, before)
        yield it


@pytest.fixture
def watchful(logged_in: Cluster) -> Iterator[Cluster]:
    """The same, but a node that is gone is noticed in six seconds, not in fifteen.

    For a test that needs it alone: a node that is merely slow would be taken for gone, too.
    """
    one = logged_in.one
    logged_in.docker(one, "swarm", "update", "--dispatcher-heartbeat", "2s")
    yield logged_in
    logged_in.docker(one, "swarm", "update", "--dispatcher-heartbeat", "5s")


@pytest.fixture
def logged_in(cluster: Cluster) -> Iterator[Cluster]:
    """The cluster, with a user who is logged in; what the test leaves there is gone after it."""
    cluster.log_in()
    yield cluster
    for service in cluster.docker(cluster.one, "service", "ls", "-q").split():
        cluster.docker(cluster.one, "service", "rm", service)
    for host in cluster.hosts.values():
        for container in cluster.docker(host, "ps", "-aq", check=False).split():
            cluster.docker(host, "rm", "-f", container, check=False)
        label = ("--label-rm", "ds01.context")
        cluster.docker(cluster.one, "node", "update", *label, host.name, check=False)
        for name in cluster.names(host):
            if name.startswith("ds01-"):
                cluster.docker(host, "rmi", name, check=False)
    (cluster.user.home / ".docker" / "config.json").unlink(missing_ok=True)


def test_the_commands_of_the_page(logged_in: Cluster) -> None:
    it = logged_in
    (it.user.home / ".docker" / "config.json").unlink()
    said = ""
    for step in steps():
        if step.words[0] != "user":
            continue
        if "build" in step.words and not os.environ.get(FULL):
            it.image("thesis")
            continue
        if "build" in step.words:
            load = f"docker save {BASE} | DOCKER_HOST={it.one.docker_host} docker load"
            subprocess.run(["bash", "-c", load], check=True, capture_output=True)
        said = it.step(step, "")
        if "third" in step.script and "deploy" in step.script:
            assert "waiting for a GPU, 0 ahead" in said, said
    assert "[thesis] saved as" in said
    assert it.listed() == {}
    assert it.ok("container-create", "kept", "--image", f"ds01-{it.user.uid}/thesis:kept")


def test_two_run_and_the_third_waits_until_one_is_retired(logged_in: Cluster) -> None:
    it = logged_in
    it.image("work")
    it.ok("image-push", "work")
    for name in ("work", "other"):
        done = it.ok("container-deploy", name, "--project", "work", "--cluster", "-g", "1")
        assert "running on server-" in done
    third = it.run("container-deploy", "third", "--project", "work", "--cluster", "--background")
    assert third.returncode == 0, third.stderr
    assert "waiting for a GPU, 0 ahead" in third.stdout
    fourth = it.ok(
        *("container-deploy", "fourth", "--project", "work", "--cluster", "--background", "--json")
    )
    assert json.loads(fourth)["container"]["ahead"] == 1
    found = it.listed()
    assert {found["work"]["node"], found["other"]["node"]} == {"server-1", "server-2"}
    assert {found["third"]["ahead"], found["fourth"]["ahead"]} == {0, 1}
    table = it.ok("container-list")
    assert "NODE" in table
    assert "waiting for a GPU, 1 ahead" in table
    # The image was built on one node only, and the other took it by its digest.
    assert f"ds01-{it.user.uid}/work:latest" not in it.names(it.two)
    for host in it.hosts.values():
        [container] = it.docker(host, "ps", "-q").split()
        it.docker(host, "exec", container, "touch", f"/workspace/by-{host.name}")
        written = (it.user.workspace / f"by-{host.name}").stat()
        assert (written.st_uid, written.st_gid) == (it.user.uid, it.user.gid)
        inspected = json.loads(it.docker(host, "inspect", container))[0]
        assert f"DOCKER_RESOURCE_NVIDIA-GPU=GPU-{host.name}" in inspected["Config"]["Env"]
        assert "aime.mlc" not in inspected["Config"]["Labels"]
    # Swarm may take any of those that wait, so one of them goes first.
    it.ok("container-retire", "fourth", "-y")
    gone = it.ok("container-retire", "work", "-y")
    assert "[work] removed" in gone
    it.until(lambda: it.listed()["third"]["state"] == "running")
    assert it.listed()["third"]["node"] == found["work"]["node"]


def test_a_shell_on_either_node_and_a_saved_container(logged_in: Cluster) -> None:
    it = logged_in
    it.image("shell")
    it.ok("image-push", "shell")
    # Before anything runs there: Swarm ends what has a GPU on a node that is changed.
    it.docker(it.one, "node", "update", "--label-add", "ds01.context=the-other", "server-2")
    it.ok("container-deploy", "shell", "--cluster", "--node", "server-2")
    missing = it.run("mlc", "open", "shell")
    assert missing.returncode == 1
    assert "docker context create the-other --docker host=ssh://server-2" in missing.stderr
    it.ok("docker", "context", "create", "the-other", "--docker", "host=ssh://server-2")
    child = pexpect.spawn(
        it.argv(it.one, "mlc", "open", "shell")[0],
        it.argv(it.one, "mlc", "open", "shell")[1:],
        encoding="utf-8",
        timeout=60,
        cwd="/",
    )
    child.sendline('echo "in $(hostname) as $(id -u):$(id -g)"; echo hello >~/notes')
    child.expect(f"in server-2 as {it.user.uid}:{it.user.gid}")
    child.sendline("exit")
    child.expect("left running")
    child.expect(pexpect.EOF)
    assert it.listed()["shell"]["state"] == "running"
    done = it.ok("container-retire", "shell", "--save", "v1", "-y", "--json")
    saved = json.loads(done)["retired"][0]["saved"]["image"]
    assert saved == f"ds01-{it.user.uid}/shell:v1"
    assert it.listed() == {}
    assert saved not in it.names(it.two)
    again = it.ok(
        *("container-deploy", "again", "--image", saved, "--cluster", "--node", "server-1"),
        *("--cpu-only", "--background", "--json"),
    )
    assert json.loads(again)["container"]["image"].startswith(f"{REGISTRY}/ds01-{it.user.uid}/")
    it.until(lambda: it.listed()["again"]["state"] == "running")
    [container] = it.docker(it.one, "ps", "-q").split()
    assert it.docker(it.one, "exec", container, "cat", f"/home/{it.account}/notes") == "hello"


def test_the_real_cluster_and_registry_meet_the_contract(
    logged_in: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    it = logged_in
    monkeypatch.setenv("DOCKER_CONFIG", str(it.user.home / ".docker"))
    engine = DockerEngine(EngineAddress(it.one.docker_host))
    name = it.image("contract")
    image = engine.image(name)
    assert image is not None
    # As often as it runs, the repository must be a new one.
    registry_holds(engine, image.id, f"{REGISTRY}/contract/{secrets.token_hex(8)}")
    it.ok("image-push", "contract")
    pushed = engine.registry().digest(f"{REGISTRY}/{name}")
    cluster_holds(engine.cluster(), f"{REGISTRY}/{name.removesuffix(':latest')}@{pushed}")
    assert it.contract("contract") == "Docker Swarm"


def test_what_a_node_lacks_is_reported_and_nothing_is_left(logged_in: Cluster) -> None:
    it = logged_in
    image = it.image("lacking")
    unpushed = it.run("container-deploy", "lacking", "--cluster")
    assert unpushed.returncode == 1
    assert "image-push lacking" in unpushed.stderr
    it.ok("image-push", "lacking")
    missing = it.run("container-deploy", "lacking", "--cluster", "-d", "/there/is/none")
    assert missing.returncode == 1
    assert "has no /there/is/none" in missing.stderr
    assert it.listed() == {}
    assert not Path("/there").exists()
    nowhere = it.ok(
        *("container-deploy", "lacking", "--cluster", "--gpu-kind", "h100", "--background")
    )
    assert "no node matches --node or --gpu-kind" in nowhere
    again = it.run("container-deploy", "lacking", "--cluster")
    assert again.returncode == 1
    assert "already" in again.stderr
    worker = it.run("container-deploy", "lacking", "--cluster", host=it.two)
    assert worker.returncode == 1
    assert "is not a Docker Swarm manager" in worker.stderr
    assert it.ok("container-list", host=it.two) is not None
    it.docker(it.one, "rmi", image)
    taken = it.run("container-create", "here", "--project", "lacking", "--json")
    assert taken.returncode == 0, taken.stderr
    assert f"Pulled {image} from {REGISTRY}/ds01-{it.user.uid}/lacking@sha256:" in (taken.stderr)
    assert json.loads(taken.stdout)["container"]["flow"] == "image"
    assert it.docker(it.one, "inspect", "-f", "{{.RepoTags}}", image) == f"[{image}]"
    it.ok("container-retire", "here", "-y")


def test_a_registry_that_refuses(logged_in: Cluster) -> None:
    it = logged_in
    it.image("kept")
    before = it.names(it.one)
    elsewhere = it.run("image-push", "kept", "127.0.0.1:9")
    assert elsewhere.returncode == 1
    assert "cannot reach it" in elsewhere.stderr
    it.ok("docker", "logout", REGISTRY)
    refused = it.run("image-push", "kept")
    assert refused.returncode == 1
    assert f"docker login {REGISTRY}" in refused.stderr
    it.docker(it.one, "rmi", f"ds01-{it.user.uid}/kept:latest")
    unknown = it.run("container-deploy", "kept", "--background")
    assert unknown.returncode == 1
    assert f"docker login {REGISTRY}" in unknown.stderr
    assert it.names(it.one) < before
    certificate = it.two.place / "etc-docker/certs.d/server-1:5000/ca.crt"
    trusted = certificate.read_text()
    certificate.unlink()
    try:
        distrusted = it.run("container-deploy", "kept", "--background", host=it.two)
    finally:
        certificate.write_text(trusted)
    assert distrusted.returncode == 1
    assert f"/etc/docker/certs.d/{REGISTRY}/ca.crt" in distrusted.stderr


def test_an_interrupt_leaves_it_in_the_queue(logged_in: Cluster) -> None:
    it = logged_in
    it.image("queue")
    it.ok("image-push", "queue")
    # `script` passes the key on: nsenter would take it for its own.
    line = "container-deploy queue --cluster -g 5"
    argv = it.argv(it.one, "script", "-qec", line, "/dev/null")
    child = pexpect.spawn(argv[0], argv[1:], encoding="utf-8", timeout=60, cwd="/")
    child.expect("waiting for 5 GPUs, 0 ahead")
    child.send("\x03")
    child.expect("stays in the queue")
    child.expect("container-retire queue")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 130
    assert it.listed()["queue"]["state"] == "queued"


def test_a_drained_node_and_a_node_that_fails(watchful: Cluster) -> None:
    it = watchful
    it.image("work")
    it.ok("image-push", "work")
    for name, node in (("stays", "server-1"), ("goes", "server-2"), ("lost", "server-2")):
        it.ok(
            *("container-deploy", name, "--project", "work", "--cluster", "--node", node),
            *("-g", "none" if name == "goes" else "1"),
        )
    it.docker(it.one, "service", "rm", f"goes-{it.user.uid}")
    it.two.kill_engine()
    it.until(lambda: it.listed()["lost"]["state"] == "lost")
    table = it.ok("container-list")
    assert "server-2 does not answer" in table
    assert it.listed()["stays"]["state"] == "running"
    assert it.ok("container-deploy", "more", "--project", "work", "--cluster", "--cpu-only")
    saving = it.run("container-retire", "lost", "--save", "x", "-y")
    assert saving.returncode == 1
    assert "server-2 does not answer" in saving.stderr
    # What the node had is still there when it comes back.
    back = it.two.run("systemctl", "start", "docker")
    assert back.returncode == 0, back.stderr
    it.until(lambda: it.listed()["lost"]["state"] == "ended")
    it.run("docker", "context", "create", "server-2", "--docker", "host=ssh://server-2")
    saved = it.ok("container-retire", "lost", "--save", "after", "-y")
    assert f"[lost] saved as ds01-{it.user.uid}/work:after" in saved
    it.docker(it.one, "node", "update", "--availability", "drain", "server-1")
    try:
        it.until(lambda: it.listed()["stays"]["state"] == "ended")
        assert "server-1 is drained" in str(it.listed()["stays"]["status"])
        assert "saved as" in it.ok("container-retire", "stays", "--save", "drained", "-y")
    finally:
        it.docker(it.one, "node", "update", "--availability", "active", "server-1")

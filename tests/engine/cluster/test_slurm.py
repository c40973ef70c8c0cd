"""Slurm: two nodes with an engine and a GPU each, set up by the blocks of docs/slurm.md."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pexpect
import pytest
from support.base_images import BASE
from support.cluster_hosts import hosts
from support.cluster_user import Cluster
from support.documented_steps import PAGE, Step, steps
from support.users import new_user
from support.worker import NUMBER

from mlc_patched.engine.interface import Engine

pytestmark = pytest.mark.real_engine
FULL = "MLC_TEST_CLUSTER"
"""Set by `make cluster`: the page's image is built as it says, of a real base."""
TOOLS = ("dockerd", "docker-registry", "htpasswd", "openssl", "ip")
TOOLS += ("slurmctld", "slurmd", "sbatch", "munged")
SLURM = PAGE.with_name("slurm.md")
DEVICES = f"/dev/mlc-test-gpu-{NUMBER}-"
"""The GPUs' device files, in place of /dev/nvidia on the page."""


class SlurmCluster(Cluster):
    """The cluster, and what the users' blocks of the page printed."""

    said: dict[str, str]

    def queue(self) -> list[str]:
        return self.ok("squeue", "-h", "-o", "%j %T").split("\n")[:-1]

    def left(self) -> list[str]:
        """The containers on all nodes, whether they run or not."""
        found = [
            self.docker(host, "ps", "-a", "--format", "{{.Names}}") for host in self.hosts.values()
        ]
        return " ".join(found).split()

    def inspected(self, name: str) -> tuple[str, dict]:
        """Return the node of a container, and what its engine says of it."""
        for host in self.hosts.values():
            said = self.docker(host, "inspect", self.user.tag(name), check=False)
            if found := json.loads(said or "[]"):
                return host.name, found[0]
        raise AssertionError(f"no container {name}")


@pytest.fixture(scope="module")
def slurm(engine: Engine, tree: Path, catalog_file: Path) -> Iterator[SlurmCluster]:
    """The cluster of the page, with the registry of the page on clusters."""
    if os.geteuid() != 0:
        pytest.skip("hosts and users take root")
    if missing := [each for each in TOOLS if shutil.which(each) is None]:
        pytest.skip(f"no {', '.join(missing)}: make test-tools")
    environ = {"MLC_CATALOG": str(catalog_file), "MLC_ARCH": "CUDA_ADA"}
    devices = [Path(f"{DEVICES}{number}") for number in (0, 1)]
    try:
        for device in devices:
            device.unlink(missing_ok=True)
            os.mknod(device, 0o020666, os.makedev(1, 3))
        with (
            hosts(["server-1", "server-2"]) as made,
            new_user("mlc-sue", 1006, 2006, tree, environ) as user,
        ):
            it = SlurmCluster(made, user)
            it.said = {}
            before = ""
            for step in (*steps(SLURM), *_registry()):
                script = step.script.replace("/dev/nvidia", DEVICES)
                if "build" in step.words and not os.environ.get(FULL):
                    it.image("thesis")
                    continue
                if "build" in step.words:
                    load = f"docker save {BASE} | DOCKER_HOST={it.one.docker_host} docker load"
                    subprocess.run(["bash", "-c", load], check=True, capture_output=True)
                before = it.step(Step(step.words, script), before)
                it.said[step.script] = before
            yield it
    finally:
        for device in devices:
            device.unlink(missing_ok=True)


def _registry() -> Iterator[Step]:
    """The administrators' blocks about the registry, of the page on clusters."""
    words = ("registry", "htpasswd", "certs.d")
    for step in steps(PAGE):
        if step.words[0] != "user" and any(word in step.script for word in words):
            yield step


@pytest.fixture
def it(slurm: SlurmCluster) -> Iterator[SlurmCluster]:
    """The cluster, with a user who is logged in; what the test leaves there is gone after it."""
    slurm.log_in()
    yield slurm
    slurm.one.run("scancel", "--user", slurm.user.login)
    slurm.until(lambda: slurm.queue() == [])
    slurm.until(lambda: slurm.left() == [])
    for host in slurm.hosts.values():
        for name in slurm.names(host):
            if name.startswith("ds01-"):
                slurm.docker(host, "rmi", name, check=False)
    (slurm.user.home / ".docker" / "config.json").unlink(missing_ok=True)


def test_the_page_from_one_server_to_two(it: SlurmCluster) -> None:
    said = "\n".join(it.said.values())
    assert "cluster.engine" in said
    assert "waiting for a GPU, 0 ahead" in said
    assert f"uid={it.user.uid}" in said
    assert "[thesis] saved as" in said
    assert "server-1 idle gpu:1" in said
    assert it.queue() == []
    doctor = it.run("mlc", "doctor", "--node", "--json", host=it.two)
    found = {each["check"]: each for each in json.loads(doctor.stdout)["findings"]}
    assert found["cluster"]["text"].startswith("Slurm, 2 nodes, 2 GPUs")
    assert found["node"]["health"] == "ok", found["node"]


def test_two_run_and_the_third_waits_until_one_is_retired(it: SlurmCluster) -> None:
    it.image("work")
    it.ok("image-push", "work")
    for name in ("work", "other"):
        done = it.ok("container-deploy", name, "--project", "work", "--cluster", "-g", "1")
        assert "running on server-" in done
    third = it.ok("container-deploy", "third", "--project", "work", "--cluster", "--background")
    assert "waiting for a GPU, 0 ahead" in third
    found = it.listed()
    assert {found["work"]["node"], found["other"]["node"]} == {"server-1", "server-2"}
    assert (found["third"]["state"], found["third"]["ahead"]) == ("queued", 0)
    devices = set()
    for name in ("work", "other"):
        node, inspected = it.inspected(name)
        assert node == found[name]["node"]
        host = inspected["HostConfig"]
        [request] = host["DeviceRequests"]
        devices.add(tuple(request["DeviceIDs"]))
        assert not host["Privileged"]
        assert (host["NanoCpus"], host["Memory"]) == (10**9, 1000 * 1024**2)
        it.ok("mlc", "exec", name, "--", "touch", f"/workspace/by-{node}")
        written = (it.user.workspace / f"by-{node}").stat()
        assert (written.st_uid, written.st_gid) == (it.user.uid, it.user.gid)
    assert devices == {("0",), ("1",)}
    # The image was built on one node only, and the other took it by its digest.
    assert f"ds01-{it.user.uid}/work:latest" not in it.names(it.two)
    again = it.run("container-deploy", "work", "--cluster")
    assert again.returncode == 1
    assert "already" in again.stderr
    there = next(name for name in ("work", "other") if found[name]["node"] == "server-2")
    _open(it, there)
    done = it.ok("mlc", "start", there, "-d", "echo from the background")
    assert "has ended already" in done
    assert "from the background" in it.ok("mlc", "logs", there)
    gone = it.ok("container-retire", there, "--save", "v1", "-y", "--json")
    [retired] = json.loads(gone)["retired"]
    assert retired["saved"]["image"] == f"ds01-{it.user.uid}/work:v1"
    it.until(lambda: it.listed()["third"]["state"] == "running")
    assert it.listed()["third"]["node"] == "server-2"
    assert it.ok("container-retire", "work", "other", "third", "-y", "--missing-ok")
    assert it.left() == []
    assert it.listed() == {}
    saved = ("--image", f"ds01-{it.user.uid}/work:v1", "--node", "server-1")
    it.ok("container-deploy", "more", *saved, "--cluster")
    assert "kept" in it.ok("mlc", "exec", "more", "--", "bash", "-c", "cat ~/notes")


def _open(it: SlurmCluster, name: str) -> None:
    """Open a shell on a terminal of the first server, and leave a note in the container."""
    argv = it.argv(it.one, "mlc", "open", name)
    child = pexpect.spawn(argv[0], argv[1:], encoding="utf-8", timeout=60, cwd="/")
    child.sendline('[ -t 0 ] && echo "on $((1+1)) ends"; echo kept >~/notes')
    child.expect("on 2 ends")
    child.sendline('echo "in $(hostname) as $(id -u):$(id -g)"')
    child.expect(f"in server-2 as {it.user.uid}:{it.user.gid}")
    child.sendline("exit")
    child.expect("left running")
    child.expect(pexpect.EOF)

"""Slurm: two nodes with an engine and a GPU each, set up by the blocks of docs/slurm.md."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pexpect
import pytest
from support.base_images import BASE
from support.cluster_hosts import Host, hosts
from support.cluster_user import Cluster
from support.documented_steps import PAGE, Step, steps
from support.reliability import Counted, sized
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
    """The cluster of the page, with the registry of the page on clusters and an image in it."""
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
                if "mlc run" in script:
                    it.until(lambda: it.queue() == [])  # before Slurm is restarted
            it.log_in()
            it.image("work")
            it.ok("image-push", "work")
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
    outputs = [each.read_text() for each in it.user.workspace.glob("thesis-run-*.out")]
    assert sorted(outputs)[-4:] == [f"task {task}\n" for task in range(4)]
    assert f"on server-1 as {it.user.uid}\n" in outputs
    assert it.queue() == []
    doctor = it.run("mlc", "doctor", "--node", "--json", host=it.two)
    found = {each["check"]: each for each in json.loads(doctor.stdout)["findings"]}
    assert found["cluster"]["text"].startswith("Slurm, 2 nodes, 2 GPUs")
    assert found["node"]["health"] == "ok", found["node"]


def test_two_run_and_the_third_waits_until_one_is_retired(it: SlurmCluster) -> None:
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
    _jobs_on_its_node(it, there)
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


def _jobs_on_its_node(it: SlurmCluster, name: str) -> None:
    """Wait for a job that fails, and start a JupyterLab, from the first server."""
    it.ok("mlc", "start", name, "-d", "sleep 2; exit 3")
    waited = it.run("mlc", "wait", name)
    assert (waited.returncode, waited.stderr) == (3, ""), waited
    jobs = json.loads(it.ok("mlc", "jobs", name, "--json"))["jobs"]
    assert sorted(each["exit_status"] for each in jobs) == [0, 3]
    missing = it.run("mlc", "jupyter", name)
    assert missing.returncode == 1
    assert f"There is no jupyter-lab in {name}." in missing.stderr
    assert "srun:" not in missing.stderr
    program = "~/.local/bin/jupyter-lab"
    text = "#!/bin/sh\necho http://127.0.0.1:8888/lab?token=1\nexec sleep 600\n"
    add = f"printf %b {shlex.quote(text)} >{program}; chmod 755 {program}"
    it.ok("mlc", "exec", name, "--", "bash", "-c", add)
    found = json.loads(it.ok("mlc", "jupyter", name, "--json"))["jupyter"]
    assert found["lab"]["url"] == "http://127.0.0.1:8888/lab?token=1"
    assert found["ssh"].endswith("@server-2"), found
    assert "has ended" in it.ok("mlc", "jupyter", name, "--stop")


def test_the_real_slurm_meets_the_contract_of_clusters(it: SlurmCluster) -> None:
    it.image("contract")
    assert it.contract("contract") == "Slurm"


def test_an_array_of_four_and_a_command_that_fails(it: SlurmCluster) -> None:
    line = 'echo "task $SLURM_ARRAY_TASK_ID as $(id -u)"; exit $SLURM_ARRAY_TASK_ID'
    run = ("mlc", "run", "work", "-g", "1", "--array", "0-3")
    said = it.ok(*run, "--json", "--", "bash", "-c", line)
    done = json.loads(said)["run"]
    it.until(lambda: it.queue() == [])
    for task in range(4):
        output = Path(done["output"].replace("TASK", str(task)))
        assert output.read_text().startswith(f"task {task} as {it.user.uid}\n")
        assert output.stat().st_uid == it.user.uid
        shown = it.ok("scontrol", "show", "job", f"{done['id']}_{task}")
        assert f"ExitCode={task}:0" in shown
    assert it.left() == []
    assert "submitted as job" in it.ok("mlc", "run", "work", "-g", "none", "--", "true")
    listed = it.listed().keys()  # the tasks that failed
    assert it.run("mlc", "run", "work", "-g", "5", "--", "true").returncode == 1
    assert it.listed().keys() <= listed


def test_what_has_ended_is_listed_until_it_is_retired(it: SlurmCluster) -> None:
    deploy = ("container-deploy", "ended", "--project", "work", "--cluster", "-g", "none")
    failed = it.run(*deploy, "-d", "/there/is/none")
    assert failed.returncode == 1
    assert "until: container-retire ended" in failed.stderr
    assert it.listed()["ended"]["state"] == "ended"
    assert list(it.user.home.glob(".mlc-slurm-*.log"))
    assert "[ended] removed" in it.ok("container-retire", "ended", "-y")
    assert "ended" not in it.listed()
    assert not list(it.user.home.glob(".mlc-slurm-*.log"))


def test_a_commands_output_is_whole_and_sigterm_lets_it_save(it: SlurmCluster) -> None:
    run = ("mlc", "run", "work", "-g", "none", "-q", "--", "bash", "-c")
    plain = it.ok(*run, r"echo 'first  '; sleep 1; printf 'a\377 0.93'").strip()
    traps = "trap 'echo hung up; exit 1' HUP; trap 'sleep 3; printf saved; exit 0' TERM"
    line = rf"{traps}; printf '10 %%\r'; for i in {{1..600}}; do sleep 0.1; done"
    ended = it.ok(*run, line).strip()

    def output(job: str) -> bytes:
        found = it.user.workspace / f"work-run-{job}.out"
        return found.read_bytes() if found.exists() else b""

    it.until(lambda: output(ended) == b"10 %\r")
    it.until(lambda: output(plain) == b"first  \na\xff 0.93")
    it.ok("scancel", ended)
    it.until(lambda: it.queue() == [])
    assert output(ended).startswith(b"10 %\r")
    assert b"\nsavedError: Slurm ended this job: it was cancelled" in output(ended)
    assert it.left() == []


def test_a_suspended_container_stands_still(it: SlurmCluster) -> None:
    place = ("--node", "server-2", "-g", "none")
    it.ok("container-deploy", "still", "--project", "work", "--cluster", *place)
    job = it.ok("squeue", "-h", "-o", "%i").strip()

    def paused() -> bool:
        return bool(it.inspected("still")[1]["State"]["Paused"])

    def ask(verb: str) -> None:
        done = it.one.run("scontrol", verb, job)
        assert done.returncode == 0, done.stderr

    ask("suspend")
    it.until(paused, 10)
    assert it.listed()["still"]["status"] == "suspended on server-2"
    refused = it.run("mlc", "exec", "still", "--", "true")
    assert f"scontrol resume {job}" in refused.stderr
    there = it.run("mlc", "exec", "still", "--", "true", host=it.two)
    assert f"its job {job} is suspended" in there.stderr
    ask("resume")
    it.until(lambda: not paused(), 10)
    it.ok("mlc", "exec", "still", "--", "true")
    ask("suspend")
    it.until(paused, 10)
    it.ok("container-retire", "still", "-y")
    assert it.left() == []


def test_a_job_without_its_workspace_says_why_it_failed(it: SlurmCluster) -> None:
    run = ("mlc", "run", "work", "-g", "none", "-q", "-w", "/nosuch", "--", "true")
    done = it.run(*run)
    assert done.returncode == 0
    assert "/nosuch does not exist" in done.stderr
    name = f"work-run-{done.stdout.strip()}"
    it.until(lambda: it.listed()[name]["state"] == "ended")
    assert "Slurm could not start it. Is /nosuch there" in str(it.listed()[name]["status"])


def test_what_is_saved_replaces_nothing_without_consent(it: SlurmCluster) -> None:
    deploy = ("--project", "work", "--cluster", "-g", "none", "--node", "server-2")
    before = it.tags("work")
    for name in ("aa", "bb"):
        it.ok("container-deploy", name, *deploy)
    refused = it.run("container-retire", "aa", "bb", "--save", "both", "-y")
    assert refused.returncode == 2
    assert f"Both would be saved as ds01-{it.user.uid}/work:both" in refused.stderr
    done = it.ok("container-retire", "aa", "bb", "--save", "-y", "--json")
    saved = {each["saved"]["image"].partition(":")[2] for each in json.loads(done)["retired"]}
    assert len(saved) == 2
    assert it.tags("work") - before == saved
    it.ok("container-deploy", "cc", *deploy)
    asked = it.run("container-retire", "cc", "--save", "latest")
    assert asked.returncode == 2
    assert f"The image ds01-{it.user.uid}/work:latest already exists." in asked.stderr
    assert it.listed()["cc"]["state"] == "running"


@pytest.mark.promise("slurm")
@pytest.mark.parametrize("how", ["Ctrl-C", "hang-up", "srun is killed"])
def test_a_container_survives_an_interrupted_save(
    it: SlurmCluster, counted: Counted, how: str
) -> None:
    it.ok(
        *("container-deploy", "keep", "--project", "work", "--cluster", "-g", "none"),
        *("--node", "server-2"),
    )
    images, tags = it.names(it.two), it.tags("work")
    save = "container-retire keep --save cut -y"
    for moment in (0.1, 0.4, 0.8)[: sized(2, 3)]:
        # `script` passes the key on: nsenter would take it for its own.
        argv = it.argv(it.one, "script", "-qec", save, "/dev/null")
        child = pexpect.spawn(argv[0], argv[1:], encoding="utf-8", timeout=60, cwd="/")
        child.expect("Saving")
        time.sleep(moment)
        if how == "Ctrl-C":
            child.send("\x03")
            child.expect("waiting to roll it back")
            child.expect("all changes were rolled back")
        else:
            which = ("-x", "srun") if how == "srun is killed" else ("-f", "container-retire keep")
            found = it.one.run("pgrep", "-u", str(it.user.uid), *which).stdout.split()
            it.one.run("kill", "-KILL" if how == "srun is killed" else "-HUP", *found)
        child.expect(pexpect.EOF)
        child.close()
        counted("signals sent")
        it.until(lambda: not list(it.user.home.glob(".mlc-slurm-*.saving")))
        assert it.listed()["keep"]["state"] == "running"
        it.until(lambda: it.run("mlc", "exec", "keep", "--", "true").returncode == 0)
        assert it.tags("work") == tags
        if how != "srun is killed":  # what it leaves, the next save removes
            assert it.names(it.two) == images
    assert "[keep] saved as" in it.ok("container-retire", "keep", "--save", "cut", "-y")
    assert it.tags("work") == {*tags, "cut"}
    assert it.names(it.two) == images


@pytest.mark.promise("slurm")
def test_whatever_ends_a_job_leaves_nothing(it: SlurmCluster, counted: Counted) -> None:
    for number in range(sized(3, 20)):
        it.ok("container-deploy", "moment", "--project", "work", "--cluster", "--background")
        time.sleep(0.15 * number)
        counted("jobs ended")
        it.ok("scancel", "--name", it.user.tag("moment"))
        it.until(lambda: it.queue() == [])
        assert it.left() == [], f"at moment {number}"
    if os.environ.get(FULL):
        _time_limit(it)


@pytest.mark.promise("slurm")
def test_a_job_that_ends_before_it_is_asked_for(it: SlurmCluster, counted: Counted) -> None:
    for _ in range(sized(1, 5)):
        argv = it.argv(it.one, "container-deploy", "short", "--project", "work", "--cluster")
        deploy = subprocess.Popen(argv, stdout=-1, stderr=-1, text=True, cwd="/")
        it.until(it.queue)
        it.ok("scancel", "--name", it.user.tag("short"))
        counted("jobs ended")
        _, said = deploy.communicate(timeout=60)
        assert deploy.returncode == 1, said
        assert "short is no longer on the cluster" in said or "short could not run" in said
        it.until(lambda: it.queue() == [])
        assert it.left() == []
    done = it.run("mlc", "open", "short")
    assert done.returncode == 1
    assert "You have no container 'short'" in done.stderr, done


@pytest.mark.promise("slurm")
def test_two_jobs_of_one_name(it: SlurmCluster, counted: Counted) -> None:
    for _ in range(sized(1, 5)):
        line = ("container-deploy", "one", "--project", "work", "--cluster", "--background")
        argv = it.argv(it.one, *line)
        both = [
            subprocess.Popen(argv, stderr=subprocess.PIPE, text=True, cwd="/") for _ in range(2)
        ]
        said = [each.communicate()[1] for each in both]
        assert sorted(each.returncode for each in both) == [0, 1], said
        assert len(it.queue()) == 1
        counted("races")
        it.ok("container-retire", "one", "-y")


@pytest.mark.promise("slurm")
def test_parts_of_the_cluster_that_fail(it: SlurmCluster, counted: Counted) -> None:
    deploy = ("container-deploy", "--project", "work", "--cluster")
    it.ok(*deploy, "stays", "--node", "server-2")

    # The controller: what runs goes on, and what cannot be done says why.
    _systemctl(it.one, "stop", "slurmctld")
    refused = it.run(*deploy, "new")
    assert refused.returncode == 1
    assert "Unable to contact slurm controller" in refused.stderr
    _systemctl(it.one, "start", "slurmctld")
    assert it.listed()["stays"]["state"] == "running"
    it.until(lambda: "unk" not in it.ok("sinfo", "-h", "-N", "-o", "%t"))

    # A node's daemon is killed, and comes back.
    _kill_slurmd(it, it.two)
    _start_slurmd(it, it.two)
    assert it.listed()["stays"]["state"] == "running"
    assert it.ok("mlc", "exec", "stays", "--", "true") == ""

    # A node is drained: what runs there stays, and what wants it waits.
    drain = ("scontrol", "update", "NodeName=server-2", "Reason=test")
    it.one.run(*drain, "State=DRAIN")
    assert "drained, down or reserved" in it.ok(
        *deploy, "new", "--node", "server-2", "--background", "-g", "none"
    )
    it.ok("container-retire", "new", "-y")
    it.one.run("scontrol", "update", "NodeName=server-2", "State=RESUME")

    # The registry goes away while a job waits for its GPU, and the step of the other is killed.
    it.image("later")
    it.ok("image-push", "later")
    later = ("container-deploy", "later", "--cluster", "--node", "server-2", "--background")
    it.ok(*later)
    # Slurm's reason is that the node is drained until it has tried again.
    it.until(lambda: "waiting for a GPU" in str(it.listed()["later"]["status"]))
    _systemctl(it.one, "stop", "docker-registry")
    [step] = it.two.run("pgrep", "-f", "slurm-job").stdout.split()
    it.two.run("kill", "-9", step)
    it.until(lambda: {each["state"] for each in it.listed().values()} == {"ended"})
    assert "Pulling server-1:5000" in str(it.listed()["later"]["status"])
    it.until(lambda: it.queue() == [])
    assert it.left() == []
    _systemctl(it.one, "start", "docker-registry")
    counted("faults injected", 5)


@pytest.mark.promise("slurm")
def test_a_node_that_fails_is_named_and_its_next_job_removes_what_is_left(
    it: SlurmCluster, counted: Counted
) -> None:
    epilog = "/etc/slurm/epilog"  # which would remove it, too
    it.two.run("mv", epilog, f"{epilog}.kept")
    it.two.run("cp", "/bin/true", epilog)
    deploy = ("container-deploy", "--project", "work", "--cluster", "--node", "server-2")
    it.ok(*deploy, "lost")
    # The power fails: no process of the job ends as it would, and the container has stopped.
    _kill_slurmd(it, it.two)
    it.two.run("kill", "-9", *it.two.run("pgrep", "-f", "slurm-job|slurmstepd").stdout.split())
    it.docker(it.two, "kill", it.user.tag("lost"))
    it.one.run("scontrol", "update", "NodeName=server-2", "State=DOWN", "Reason=power")
    counted("faults injected")
    it.until(lambda: it.listed()["lost"]["state"] == "lost")
    assert "server-2 failed" in str(it.listed()["lost"]["status"])
    refused = it.run("mlc", "open", "lost")
    assert refused.returncode == 1
    assert "server-2 failed" in refused.stderr
    _start_slurmd(it, it.two)
    it.one.run("scontrol", "update", "NodeName=server-2", "State=RESUME")
    assert it.left() == [it.user.tag("lost")]
    it.ok(*deploy, "next")
    assert it.left() == [it.user.tag("next")]
    it.two.run("mv", f"{epilog}.kept", epilog)
    it.ok("container-retire", "next", "-y")


def _kill_slurmd(it: SlurmCluster, host: Host) -> None:
    """Kill it, and wait until it has let go of its port."""
    pid = host.run("cat", "/run/slurmd.pid").stdout.strip()
    host.run("kill", "-9", pid)
    it.until(lambda: not host.run("cat", f"/proc/{pid}/cmdline").stdout)


def _start_slurmd(it: SlurmCluster, host: Host) -> None:
    _systemctl(host, "start", "slurmd")
    it.until(lambda: host.run("scontrol", "show", "slurmd").returncode == 0)


def _systemctl(host: Host, verb: str, unit: str) -> None:
    done = host.run("systemctl", verb, unit)
    assert done.returncode == 0, done.stderr


def _time_limit(it: SlurmCluster) -> None:
    """Wait for the end of a job by its time limit: Slurm counts in minutes."""
    said = it.ok("container-deploy", "short", "--project", "work", "--cluster", "--time", "1")
    assert "left of its time limit" in said
    it.until(lambda: it.queue() == [], 150)
    assert it.left() == []
    assert str(it.listed()["short"]["status"]).endswith("its time limit was reached")

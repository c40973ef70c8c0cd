"""Containers on a cluster of Slurm's, as the head node sees them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from support.cluster_contract import scheduler_holds
from support.fakes.engine import FakeEngine
from support.fakes.slurm import AWAY, FakeSlurm
from support.recording_reporter import RecordingReporter
from support.run_command import call, copy_of

from mlc_patched.cluster.interface import Placement, Step
from mlc_patched.cluster.place import find_service, place_of
from mlc_patched.cluster.slurm import scheduler
from mlc_patched.cluster.slurm.job import VARIABLE, log_of
from mlc_patched.cluster.wait import wait_until_placed, wait_until_running
from mlc_patched.containers import interrupted, on_node
from mlc_patched.containers.create import create
from mlc_patched.containers.deploy_cluster import deploy_on_cluster
from mlc_patched.containers.list import list_with_images
from mlc_patched.containers.retire import Retirement, plan_retirements, retire
from mlc_patched.containers.start import start
from mlc_patched.containers.stop import stop
from mlc_patched.context import Context
from mlc_patched.engine.observations import Activity
from mlc_patched.errors import AlreadyExistsError, MlcError, NotFoundError, SlurmError, UsageError
from mlc_patched.names import labels
from mlc_patched.plan.request import CreateRequest, DeployRequest
from mlc_patched.settings.model import SLURM, Settings

IMAGE = "ds01-1001/thesis:latest"


def deployed(context: Context, name: str | None = "thesis", **options: str):
    placement = {
        key: options.pop(key) for key in ("node", "gpu_kind", "time", "account") if key in options
    }
    request = DeployRequest(name=name, project="thesis", options=CreateRequest("", **options))
    return deploy_on_cluster(request, Placement(**placement), context)


def test_two_run_and_the_third_waits(head: Context, slurm: FakeSlurm) -> None:
    first, second, third = (deployed(head, name) for name in ("a", "b", None))
    assert wait_until_running(first.id, first.name, head).node == "n1"
    assert wait_until_running(second.id, second.name, head).node == "n2"
    assert wait_until_placed(third.id, third.name, head).status == "waiting for a GPU, 0 ahead"
    found = list_with_images(head)
    assert [(each.name, each.node, each.ahead) for each in found] == [
        ("a", "n1", None),
        ("b", "n2", None),
        ("thesis", None, 0),
    ]
    assert found[0].workspace == f"{head.account.home}/workspace"
    assert found[0].image.startswith("ds01-1001/thesis@sha256:")
    with pytest.raises(AlreadyExistsError, match="b-2"):
        deployed(head, "b")
    service = find_service("a", head)
    assert service is not None
    step = place_of(service, head)
    assert isinstance(step, Step)
    assert "--jobid=1" in step.argv
    assert "--pty" in step.with_terminal
    assert "--chdir=/" in step.argv  # the node may lack the caller's directory
    assert "DOCKER_HOST" not in step.environ
    slurm.end(1, "COMPLETED")
    assert wait_until_running(third.id, third.name, head).node == "n1"
    assert [each.name for each in list_with_images(head)] == ["b", "thesis"]


def test_a_node_does_not_ask_itself_for_a_container_that_is_not_there(
    head: Context, slurm: FakeSlurm
) -> None:
    """It would do so again and again."""
    deployed(head, "a")
    service = find_service("a", head)
    assert service is not None
    for job, is_its_own in ((service.state.container, True), ("77", False)):
        there = copy_of(head)
        there.environ = {**head.environ, "SLURM_JOB_ID": job}
        if is_its_own:
            with pytest.raises(
                NotFoundError, match="The job 1 of a runs, but n1 has no such container"
            ):
                place_of(service, there)
        else:
            assert isinstance(place_of(service, there), Step)


def test_a_suspended_container_cannot_be_reached(head: Context, slurm: FakeSlurm) -> None:
    """srun would wait until it is resumed."""
    deployed(head, "a")
    slurm.end(1, "SUSPENDED")
    service = find_service("a", head)
    assert service is not None
    with pytest.raises(MlcError, match=r"a cannot be reached: it is suspended on n1\.") as refused:
        place_of(service, head)
    assert "scontrol resume 1" in (refused.value.hint or "")


def test_an_export_says_that_the_container_is_on_the_cluster(
    head: Context, slurm: FakeSlurm
) -> None:
    deployed(head, "a")
    done = call(["mlc", "export", "a"], head)
    assert done.code == 1
    assert "a is on the cluster, not on this host: running on n1." in done.last
    assert "container-retire a --save" in done.last
    assert "You have no container 'b'" in call(["mlc", "export", "b"], head).last


@pytest.mark.parametrize("argv", ["logs a --job 9", "wait a --job 9"])
def test_what_is_missing_in_a_container_that_is_here_is_not_looked_for_on_the_cluster(
    head: Context, slurm: FakeSlurm, monkeypatch: pytest.MonkeyPatch, argv: str
) -> None:
    deployed(head, "a")
    create(CreateRequest("a", image=IMAGE), head)
    head.engine.start(head.get("a").id)
    asked = []
    monkeypatch.setattr(on_node, "run_on_node", lambda *arguments: asked.append(arguments) or 0)
    done = call(["mlc", *argv.split()], head)
    assert (done.code, asked) == (1, [])
    assert "no job 9" in done.err


def test_the_fake_slurm_meets_the_contract_of_clusters(head: Context, slurm: FakeSlurm) -> None:
    slurm.nodes = ("server-1", "server-2")
    image = f"registry:5000/ds01-1001/thesis@sha256:{'1' * 64}"
    scheduler_holds(scheduler.SlurmScheduler(head), image, head)


def test_what_is_asked_of_slurm(head: Context, slurm: FakeSlurm) -> None:
    deployed(
        *(head, "a"),
        gpus="2",
        cpus="1.5",
        memory="1g",
        gpu_kind="a100",
        time="1-0",
        node="n2",
        account="x",
    )
    arguments, variables = slurm.submitted[0]
    wanted = {"--gres=gpu:a100:2", "--cpus-per-task=2", "--mem=1024M", "--nodelist=n2"}
    assert {*wanted, "--time=1-0", "--account=x", "--no-requeue"} <= set(arguments)
    assert arguments[arguments.index("--job-name") + 1] == "a._.1001"
    job = json.loads(variables[VARIABLE])
    assert job["container"]["image"].startswith("registry:5000/ds01-1001/thesis@sha256:")
    assert not job["container"]["privileged"]
    deployed(head, "b", gpus="none")
    assert "--gres=none" in slurm.submitted[1][0]
    for wrong in ({"time": "1 2"}, {"account": "a,b"}, {"gpu_kind": ""[:0] or "a b"}):
        with pytest.raises(UsageError, match="one name"):
            deployed(head, "c", **wrong)
    with pytest.raises(UsageError, match="There are: n1, n2"):
        deployed(head, "c", node="n3")


def test_slurmctld_is_away(head: Context, slurm: FakeSlurm) -> None:
    deployed(head, "a")
    slurm.reason = AWAY
    with pytest.raises(SlurmError, match="Unable to contact"):
        deployed(head, "b")
    create(CreateRequest("here", image=IMAGE), head)
    head.report = RecordingReporter()
    assert [each.name for each in list_with_images(head)] == ["here"]
    assert "is not shown" in " ".join(head.report.said)


def test_a_job_of_another_user_is_not_taken_for_ones_own(head: Context, slurm: FakeSlurm) -> None:
    deployed(head, "a")
    slurm.jobs[1] = replace(slurm.jobs[1], uid=1002, login="mallory")
    assert find_service("a", head) is None
    assert list_with_images(head) == []
    # Neither is its name free for a job that says whose it is by its name alone.
    slurm.jobs[1] = replace(slurm.jobs[1], name="a._.1002")
    [found] = list_with_images(head, all_users=True)
    assert found.user == "mallory"


def test_a_job_that_cannot_run_says_why(head: Context, slurm: FakeSlurm) -> None:
    made = deployed(head, "a")
    slurm.tell(1, status="The registry cannot be reached.")
    slurm.end(1, "FAILED")
    with pytest.raises(MlcError, match=r"ended on n1: The registry cannot be reached\."):
        wait_until_running(made.id, made.name, head)
    assert [each.state for each in list_with_images(head)] == ["ended"]
    deployed(head, "a")  # its name is free
    assert [each.state for each in list_with_images(head)] == ["running"]


def test_a_job_that_has_ended_is_not_listed_once_it_was_retired(
    head: Context, slurm: FakeSlurm
) -> None:
    """Slurm remembers it for a while."""
    log = Path(log_of(head.account.home, "1"))
    deployed(head, "a")
    deployed(head, "b")
    for number in (1, 2):
        slurm.end(number, "FAILED")
    log.write_text("Error: no.")
    [plan] = plan_retirements(["a"], None, head)
    retire(plan, head)
    assert [each.name for each in list_with_images(head)] == ["b"]
    assert not log.exists()
    with pytest.raises(NotFoundError):
        plan_retirements(["a"], None, head)
    deployed(head, "a")
    slurm.end(3, "TIMEOUT")
    assert [each.name for each in list_with_images(head)] == ["a", "b"]


def test_a_job_that_sbatch_refuses_is_not_listed(
    head: Context, slurm: FakeSlurm, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: object) -> None:
        slurm.end(1, "FAILED")
        raise SlurmError("Requested node configuration is not available")

    sbatch(slurm, monkeypatch, False, refuse)
    with pytest.raises(SlurmError, match="not available"):
        deployed(head, "a")
    assert list_with_images(head) == []


def test_retire_cancels_the_job(head: Context, slurm: FakeSlurm, monkeypatch) -> None:
    from mlc_patched.containers import retire_cluster

    deployed(head, "a")
    asked = []
    monkeypatch.setattr(
        retire_cluster, "said_on_node", lambda step, words, what, context: asked.append(words) or ""
    )
    [plan] = plan_retirements(["a"], None, head)
    assert retire(plan, head).name == "a"
    assert asked == [("slurm-save", "a")]
    assert slurm.jobs[1].state == "CANCELLED"
    assert list_with_images(head) == []
    with pytest.raises(NotFoundError):
        plan_retirements(["a"], None, head)


def test_without_a_registry_one_server_uses_its_own_image(head: Context, slurm: FakeSlurm) -> None:
    head.__dict__["settings"] = Settings(cluster_engine=SLURM)
    made = deployed(head, "a")
    assert made.image.startswith("sha256:")


def test_a_container_of_a_job_is_neither_stopped_nor_started(
    head: Context, fake: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    create(CreateRequest("a", image=IMAGE, labels={}), head)
    [made] = fake.made.values()
    kept = made.specification.labels
    given = {**kept, labels.JOB: "7"}
    made.specification = replace(made.specification, labels=given)
    with pytest.raises(MlcError, match="container-retire a"):
        stop("a", context=head)
    # What a node's crash has left would run without a GPU of its own.
    with pytest.raises(MlcError, match="job 7 has ended"):
        start("a", context=head)
    # Neither is it offered to be started after a reboot, as the same container without a job is.
    made.state, made.exit_status = "exited", 137
    made.activity = Activity(started=1.0, ended=1000.0, exit_status=137)
    monkeypatch.setattr("mlc_patched.host.hardware.boot_time", lambda: 1001.0)
    assert interrupted.interrupted(head.containers(), head) == []
    made.specification = replace(made.specification, labels=kept)
    assert len(interrupted.interrupted(head.containers(), head)) == 1
    # An image saved from such a container has its labels, empty: its own containers are no jobs.
    made.specification = replace(made.specification, labels={**kept, labels.JOB: ""})
    assert len(interrupted.interrupted(head.containers(), head)) == 1
    assert not start("a", context=head).was_running
    assert stop("a", context=head).was_running
    [plan] = plan_retirements(["a"], None, head)
    assert isinstance(plan, Retirement)


@pytest.mark.parametrize("argv", ["mlc stop a -f", "mlc remove a -f", "mlc stop a -f --missing-ok"])
def test_stop_and_remove_name_the_command_for_a_job(
    head: Context, slurm: FakeSlurm, argv: str
) -> None:
    deployed(head, "a")  # on another node
    expected = "a runs as a Slurm job, which would end if its container were stopped or removed."
    elsewhere = call(argv.split(), head)
    assert (elsewhere.code, expected in elsewhere.err) == (1, True)
    assert "container-retire a [--save]" in elsewhere.err
    create(CreateRequest("a", image=IMAGE), head)
    [made] = head.engine.made.values()
    given = {**made.specification.labels, labels.JOB: "1"}
    made.specification = replace(made.specification, labels=given)
    head.engine.start(made.id)
    assert call(argv.split(), head).err == elsewhere.err
    assert "You have no container 'b'" in call(argv.replace(" a ", " b ").split(), head).err or (
        "--missing-ok" in argv
    )
    slurm.reason = AWAY
    assert "You have no container 'b'" in call(["mlc", "stop", "b", "-f"], head).err


def sbatch(slurm: FakeSlurm, patch: pytest.MonkeyPatch, before: bool, does: Callable) -> None:
    """Have something happen right before or after Slurm takes a job."""

    def call(context: Context, program: str, *words: str, stdin: str = "", **more: str) -> str:
        if program == "sbatch" and before:
            does(context, words, more)
        said = slurm.call(context, program, *words, stdin=stdin, **more)
        if program == "sbatch" and not before:
            does(context, words, more)
        return said

    patch.setattr(scheduler, "call", call)


def test_a_job_whose_number_was_lost_is_removed_and_no_other(
    head: Context, slurm: FakeSlurm, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployed(head, "a")

    def lose(*arguments: object) -> None:
        raise SlurmError("Slurm's sbatch did not answer")

    sbatch(slurm, monkeypatch, False, lose)
    with pytest.raises(SlurmError, match="did not answer"):
        deployed(head, "b")
    assert [job.state for job in slurm.jobs.values()] == ["RUNNING", "CANCELLED"]


def test_a_job_that_may_not_be_looked_for_is_removed(
    head: Context, slurm: FakeSlurm, monkeypatch: pytest.MonkeyPatch
) -> None:
    queues: list[str] = []

    def call(context: Context, program: str, *arguments: str, **keywords: str) -> str:
        if program == "squeue" and slurm.jobs and not queues:
            queues.append("failed")
            raise SlurmError("Slurm's squeue did not answer")
        return slurm.call(context, program, *arguments, **keywords)

    monkeypatch.setattr(scheduler, "call", call)
    with pytest.raises(SlurmError, match="did not answer"):
        deployed(head, "a")
    assert [job.state for job in slurm.jobs.values()] == ["CANCELLED"]


def test_a_job_whose_number_is_known_is_removed_while_squeue_fails(
    head: Context, slurm: FakeSlurm, monkeypatch: pytest.MonkeyPatch
) -> None:
    def call(context: Context, program: str, *arguments: str, **keywords: str) -> str:
        if program == "squeue" and slurm.jobs:
            raise SlurmError("Slurm's squeue did not answer")
        return slurm.call(context, program, *arguments, **keywords)

    head.report = RecordingReporter()
    monkeypatch.setattr("mlc_patched.undo._PAUSE", 0)
    monkeypatch.setattr(scheduler, "call", call)
    with pytest.raises(SlurmError, match="did not answer"):
        deployed(head, "a")
    assert [job.state for job in slurm.jobs.values()] == ["CANCELLED"]
    assert "could not be removed" not in " ".join(head.report.said)


def test_of_two_jobs_that_are_submitted_at_once_the_first_stays(
    head: Context, slurm: FakeSlurm, monkeypatch: pytest.MonkeyPatch
) -> None:
    def other(*arguments: object) -> None:
        slurm.tell(slurm.add(*arguments).number, request="another command's")

    sbatch(slurm, monkeypatch, True, other)
    with pytest.raises(AlreadyExistsError, match="Another command has just put a on the cluster"):
        deployed(head, "a")
    assert [job.state for job in slurm.jobs.values()] == ["RUNNING", "CANCELLED"]


def test_a_job_that_takes_long_to_end_is_waited_for_but_not_forever(
    head: Context, slurm: FakeSlurm, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, pauses = deployed(head, "a"), []
    head.report = RecordingReporter()
    clock = SimpleNamespace(monotonic=lambda: sum(pauses), sleep=pauses.append)
    monkeypatch.setattr(scheduler, "time", clock)

    def end(number: int, state: str) -> None:
        slurm.jobs[number] = replace(slurm.jobs[number], state="COMPLETING")

    monkeypatch.setattr(slurm, "end", end)
    scheduler.SlurmScheduler(head).cancel(made.id)
    assert head.report.said == [f"The job {made.id} is still being ended by Slurm."]
    monkeypatch.setattr(clock, "sleep", lambda pause: FakeSlurm.end(slurm, 1, "CANCELLED"))
    scheduler.SlurmScheduler(head).cancel(made.id)
    assert len(head.report.said) == 1


def test_what_is_different_from_a_single_server_is_noted(head: Context) -> None:
    settings = replace(head.settings, devices=("/dev/fuse",))
    head.__dict__["settings"] = settings
    said = "\n".join(deployed(head, "a").notes)
    assert "not privileged: its capabilities are AUDIT_WRITE" in said
    assert "without the devices /dev/fuse" in said
    head.__dict__["settings"] = replace(settings, privileged=False, devices=None)
    said = "\n".join(deployed(head, "b").notes)
    assert "privileged" not in said
    assert "devices" not in said

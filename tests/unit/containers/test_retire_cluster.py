"""Retire a container that a job of Slurm runs, from the head node and on its own node."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from pathlib import Path

import pytest
from support.fakes.engine import FakeContainer, FakeEngine
from support.fakes.slurm import FakeSlurm
from support.recording_reporter import RecordingReporter
from support.run_command import call

from mlc_patched.cluster.interface import Placement, Step
from mlc_patched.cluster.slurm import scheduler
from mlc_patched.cluster.slurm.job import saving_of
from mlc_patched.containers import retire_cluster
from mlc_patched.containers.create import create
from mlc_patched.containers.deploy_cluster import deploy_on_cluster
from mlc_patched.containers.on_node import step_of
from mlc_patched.containers.open import open_shell
from mlc_patched.containers.retire import plan_retirements, retire
from mlc_patched.containers.retire_cluster import check_here, save_here
from mlc_patched.context import Context
from mlc_patched.errors import EngineError, MlcError, NotFoundError, SetupError, UsageError
from mlc_patched.images.changes import Packages, Summary
from mlc_patched.images.save import Saved
from mlc_patched.images.verify import Findings
from mlc_patched.names import labels
from mlc_patched.plan.request import CreateRequest, DeployRequest
from mlc_patched.settings.model import SLURM, Settings

FREE = """case $* in *--is-taken) echo '{"is_taken": false}'; exit ;; esac"""
"""The script of a node that has no image of the name; what it does for other words follows."""
PUSHED = "registry:5000/ds01-1001/thesis:v1"
SAVED = "ds01-1001/thesis:v1"


@pytest.fixture
def job(head: Context, monkeypatch: pytest.MonkeyPatch) -> str:
    """The ID of a job that runs a container `a`, and whose saved images are good."""
    head.report = RecordingReporter()
    monkeypatch.setattr("mlc_patched.undo._PAUSE", 0)
    monkeypatch.setattr("mlc_patched.images.save.examine", lambda *arguments: Findings())
    request = DeployRequest(name="a", project="thesis", options=CreateRequest("", gpus="1"))
    return deploy_on_cluster(request, Placement(), head).id


@pytest.fixture
def here(head: Context, job: str, fake: FakeEngine) -> FakeContainer:
    """The job's container, which runs on this very node."""
    made = create(CreateRequest("a", image="ds01-1001/thesis:latest"), head)
    found = fake.made[made.id]
    own = {**found.specification.labels, labels.JOB: job}
    found.specification = replace(found.specification, labels=own)
    fake.start(made.id)
    return found


def srun(place: Path, script: str, patch: pytest.MonkeyPatch) -> None:
    """Have a script as srun; it gets srun's arguments, then the path and words of mlc."""
    program = place / "srun"
    program.write_text(f'#!/bin/sh\necho "$*" >>{place}/asked\n{script}\n')
    program.chmod(0o755)
    patch.setattr(scheduler, "path_of", lambda name, context: str(program))


def asked(place: Path) -> str:
    """Return what mlc was last asked for on a node."""
    return (place / "asked").read_text().splitlines()[-1].partition("/bin/mlc ")[2]


# From the head node.


def test_a_container_is_saved_on_its_node_and_its_job_cancelled(
    head: Context, job: str, slurm: FakeSlurm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = Saved(SAVED, "sha256:1", 7, Summary(pip=Packages({"six": "1.17"}, ("toml",))))
    printed = json.dumps({"version": 1, "saved": wanted}, default=vars)
    srun(tmp_path, f"{FREE}; printf %s {shlex.quote(printed)}", monkeypatch)
    [plan] = plan_retirements(["a"], "v1", head)
    retired = retire(plan, head)
    assert retired.saved is not None
    assert (retired.saved.image, retired.saved.size) == (SAVED, 7)
    assert retired.saved.summary.pip.words() == ["six 1.17", "-toml"]
    assert asked(tmp_path) == "slurm-save a v1"
    assert slurm.jobs[int(job)].state == "CANCELLED"


def test_a_container_that_cannot_be_saved_keeps_its_job(
    head: Context, job: str, slurm: FakeSlurm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    srun(tmp_path, f"{FREE}; echo 'Error: the disk is full.' >&2; exit 1", monkeypatch)
    [plan] = plan_retirements(["a"], "v1", head)
    with pytest.raises(MlcError, match=r"On n1: .*the disk is full"):
        retire(plan, head)
    assert slurm.jobs[int(job)].state == "RUNNING"


@pytest.mark.parametrize("printed", ["", "saved", "[]", "{}", '{"saved": {"size": 1}}', "[" * 9999])
def test_a_node_that_answers_in_another_form_keeps_its_job(
    head: Context,
    job: str,
    slurm: FakeSlurm,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    printed: str,
) -> None:
    srun(tmp_path, f"echo {shlex.quote(printed)}", monkeypatch)
    with pytest.raises(MlcError, match="mlc on n1 did not say whether the image exists"):
        plan_retirements(["a"], "v1", head)
    srun(tmp_path, f"{FREE}; echo {shlex.quote(printed)}", monkeypatch)
    [plan] = plan_retirements(["a"], "v1", head)
    with pytest.raises(MlcError, match="mlc on n1 did not say what it saved"):
        retire(plan, head)
    assert slurm.jobs[int(job)].state == "RUNNING"


def test_two_containers_are_never_saved_under_one_name(
    head: Context, job: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = DeployRequest(name="b", project="thesis", options=CreateRequest("", gpus="1"))
    deploy_on_cluster(request, Placement(), head)
    srun(tmp_path, FREE, monkeypatch)
    with pytest.raises(UsageError, match="Both would be saved as ds01-1001/thesis:v1"):
        plan_retirements(["a", "b"], "v1", head)
    monkeypatch.setattr("time.strftime", lambda *arguments: "2026-11-29-000045")
    images = [plan.image for plan in plan_retirements(["a", "b"], "", head)]
    assert images == [f"ds01-1001/thesis:2026-11-29-000045{end}" for end in ("", "-2")]


@pytest.mark.parametrize("taken", ["false", "true"])
def test_an_image_is_replaced_only_if_the_user_agrees(
    head: Context, job: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, taken: str
) -> None:
    srun(tmp_path, f"""echo '{{"is_taken": {taken}}}'""", monkeypatch)
    [plan] = plan_retirements(["a"], "v1", head)
    assert plan.replaces == (taken == "true")
    assert asked(tmp_path) == "slurm-save a v1 --is-taken"


def test_a_container_with_files_that_no_image_has_is_refused_by_its_node(
    head: Context, job: str, slurm: FakeSlurm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    srun(tmp_path, "echo 'Error: a has files in /srv' >&2; exit 1", monkeypatch)
    with pytest.raises(MlcError, match=r"On n1: .*has files in /srv"):
        plan_retirements(["a"], None, head)
    assert asked(tmp_path) == "slurm-save a"


def test_a_node_that_failed_keeps_nobody_from_retiring(
    head: Context, job: str, slurm: FakeSlurm
) -> None:
    slurm.jobs[int(job)] = replace(slurm.jobs[int(job)], state="NODE_FAIL")
    [plan] = plan_retirements(["a"], None, head)
    retire(plan, head)
    assert "What was installed in a is lost: n1 failed" in "\n".join(head.report.said)


def test_a_command_runs_where_the_container_is(head: Context, job: str, slurm: FakeSlurm) -> None:
    step = step_of("a", head)
    assert isinstance(step, Step)
    assert step.node == "n1"
    assert step_of("absent", head) is None
    head.__dict__["settings"] = Settings(cluster_engine="swarm")
    assert step_of("a", head) is None


def test_a_shell_is_opened_on_the_node_and_the_container_is_kept(
    head: Context, job: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    srun(tmp_path, "exit 3", monkeypatch)
    opened = open_shell("a", context=head)
    assert asked(tmp_path) == "open a -s"
    assert (opened.exit_status, opened.is_reported) == (3, True)
    assert opened.left_running == "it keeps its node until container-retire a"


def test_no_shell_is_opened_in_what_waits_for_a_node(
    head: Context, job: str, slurm: FakeSlurm
) -> None:
    slurm.jobs[int(job)] = replace(
        slurm.jobs[int(job)], state="PENDING", node="", reason="Resources"
    )
    with pytest.raises(MlcError, match="a is on the cluster, but not running: waiting"):
        open_shell("a", context=head)
    with pytest.raises(NotFoundError):
        open_shell("absent", context=head)


# On the node itself, which is the head node of a cluster of one.


def test_the_container_is_saved_and_pushed_and_runs_on(
    head: Context, here: FakeContainer, fake: FakeEngine
) -> None:
    saved = save_here("a", "v1", head)
    assert saved.image == SAVED
    assert fake.registries.images[PUSHED].image.id == saved.image_id
    assert fake.image(SAVED) is None, "the image is only needed in the registry"
    assert here.state == "running"


def test_an_image_that_was_there_before_keeps_its_name_for_the_new_one(
    head: Context, here: FakeContainer, fake: FakeEngine
) -> None:
    fake.add_image(SAVED)
    saved = save_here("a", "v1", head)
    kept = fake.image(SAVED)
    assert kept is not None
    assert kept.id == saved.image_id


def test_a_tag_is_taken_if_the_engine_or_the_registry_has_it(
    head: Context, here: FakeContainer, fake: FakeEngine
) -> None:
    def replaces(tag: str) -> bool:
        [plan] = plan_retirements(["a"], tag, head)
        said = call(["mlc", "slurm-save", "a", tag, "--is-taken"], head).out
        assert json.loads(said)["is_taken"] == plan.replaces
        return plan.replaces

    assert not replaces("v1")
    save_here("a", "v1", head)
    assert fake.image(SAVED) is None
    assert replaces("v1")
    fake.add_image("ds01-1001/thesis:here")
    assert replaces("here")
    assert replaces("latest")


def test_without_a_registry_the_saved_image_stays_on_the_node(
    head: Context, here: FakeContainer, fake: FakeEngine
) -> None:
    head.__dict__["settings"] = Settings(cluster_engine=SLURM)
    assert fake.image(save_here("a", "v1", head).image) is not None


def test_an_image_that_is_refused_by_the_registry_is_removed_and_the_container_runs_on(
    head: Context, here: FakeContainer, fake: FakeEngine
) -> None:
    fake.registries.refuses = "denied: no"
    before = set(fake.images)
    with pytest.raises(MlcError, match="denied"):
        save_here("a", "v1", head)
    assert set(fake.images) == before
    assert here.state == "running"


def test_an_image_that_would_not_work_is_not_kept_and_the_container_runs_on(
    head: Context, here: FakeContainer, fake: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = Findings(("sudo does not work",))
    monkeypatch.setattr("mlc_patched.images.save.examine", lambda *arguments: found)
    before = set(fake.images)
    with pytest.raises(SetupError) as refused:
        save_here("a", "v1", head)
    assert str(refused.value) == (
        "The image saved from a._.1001 would not work for you: sudo does not work. It was removed. "
        "a is still on the cluster, and its container on n1 runs on. Without --save it is removed."
    )
    assert set(fake.images) == before
    assert here.state == "running"


def test_if_saving_is_killed_the_job_finds_a_file_that_says_so(
    head: Context, here: FakeContainer, fake: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    saving, found = Path(saving_of(head.account.home, "1")), []
    monkeypatch.setattr(
        retire_cluster, "clean", lambda *arguments: found.append(saving.stat().st_mode & 0o777)
    )
    save_here("a", "v1", head)
    assert found == [0o600]
    assert not saving.exists()


def test_a_container_that_does_not_start_again_is_a_warning(
    head: Context, here: FakeContainer, fake: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(container: str) -> None:
        raise EngineError("no memory")

    monkeypatch.setattr(fake, "start", fail)
    assert save_here("a", "v1", head).image == SAVED
    assert "a._.1001 could not be started again: no memory" in head.report.said


def test_under_sudo_the_mounts_are_checked_before_it_starts_again(
    head: Context, here: FakeContainer, fake: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[str] = []
    monkeypatch.setattr(Context, "start", lambda self, container: started.append(container))
    save_here("a", "v1", head)
    assert started == [here.id]


def test_a_container_of_no_job_is_not_touched(
    head: Context, here: FakeContainer, fake: FakeEngine
) -> None:
    own = {**here.specification.labels, labels.JOB: "99"}
    here.specification = replace(here.specification, labels=own)
    for refused in (lambda: save_here("a", "v1", head), lambda: check_here("a", head)):
        with pytest.raises(MlcError, match="a is not a container of a job on this node"):
            refused()
    assert here.state == "running"


def test_files_in_volumes_are_not_removed_with_the_container(
    head: Context, here: FakeContainer, fake: FakeEngine, slurm: FakeSlurm
) -> None:
    check_here("a", head)
    anonymous = "f" * 64
    here.volumes["/srv"], fake.volumes[anonymous] = anonymous, {"file": b"1"}
    outcome = call(["mlc", "slurm-save", "a"], head)
    assert outcome.code == 1
    assert "a has files in /srv that no image has" in outcome.err
    with pytest.raises(MlcError, match="has files in /srv"):
        plan_retirements(["a"], None, head)
    assert slurm.jobs[1].state == "RUNNING"


def test_where_the_host_is_the_node_it_saves_by_its_own_engine(
    head: Context, here: FakeContainer, fake: FakeEngine, slurm: FakeSlurm
) -> None:
    [plan] = plan_retirements(["a"], "v1", head)
    retired = retire(plan, head)
    assert retired.saved is not None
    assert PUSHED in fake.registries.images
    assert slurm.jobs[1].state == "CANCELLED"

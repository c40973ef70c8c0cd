"""mlc run: a command in a container of its own."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from support.accounts import PASSWD
from support.fakes.engine import FakeEngine
from support.fakes.slurm import FakeSlurm
from support.recording_reporter import RecordingReporter

from mlc_patched.cluster.interface import Placement
from mlc_patched.cluster.slurm import scheduler
from mlc_patched.cluster.slurm.job import VARIABLE
from mlc_patched.containers import batch
from mlc_patched.containers.batch import run_here, submit
from mlc_patched.containers.list import list_with_images
from mlc_patched.context import Context
from mlc_patched.engine.specification import ContainerSpecification
from mlc_patched.errors import (
    AlreadyExistsError,
    ConflictError,
    EngineError,
    EngineUnreachableError,
    NotFoundError,
    UsageError,
)
from mlc_patched.names.labels import Claim, claim_labels
from mlc_patched.plan.request import CreateRequest
from mlc_patched.settings.model import SLURM, Settings

IMAGE = "ds01-1001/thesis:latest"
OPTIONS = CreateRequest("", gpus="1")


@pytest.fixture
def slurm(context: Context, fake: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> FakeSlurm:
    """A cluster of one server without a registry."""
    made = FakeSlurm(("n1",))
    monkeypatch.setattr(scheduler, "call", made.call)
    context.__dict__["settings"] = Settings(cluster_engine=SLURM)
    fake.add_image(IMAGE, claim_labels(Claim(1001, 2001, "alice")), PASSWD)
    return made


def submitted(context: Context, *command: str, array: str | None = None, project: str = "thesis"):
    return submit(project, command, OPTIONS, Placement(time="1:00"), array, context)


def test_a_command_is_one_job_with_its_output_in_the_workspace(
    context: Context, slurm: FakeSlurm
) -> None:
    done = submitted(context, "python3", "a b.py")
    arguments, variables = slurm.submitted[0]
    job = json.loads(variables[VARIABLE])
    assert job["container"]["command"] == ["python3", "a b.py"]
    assert not job["container"]["interactive"]
    assert job["is_batch"]
    workspace = f"{context.account.home}/workspace"
    assert arguments[arguments.index("--output") + 1] == f"{workspace}/thesis-run-%j.out"
    assert "--time=1:00" in arguments
    assert (done.name, done.output) == ("thesis-run-1", f"{workspace}/thesis-run-1.out")
    assert [each.name for each in list_with_images(context)] == ["thesis-run-1"]
    assert submitted(context, "true").name == "thesis-run-2"  # as many as one likes
    with pytest.raises(UsageError):
        submitted(context, "a\0b")


def test_an_array_is_passed_on(context: Context, slurm: FakeSlurm) -> None:
    done = submitted(context, "true", array="0-3%2")
    arguments = slurm.submitted[0][0]
    assert "--array=0-3%2" in arguments
    assert arguments[arguments.index("--output") + 1].endswith("/thesis-run-%A_%a.out")
    assert done.output.endswith("/thesis-run-1_TASK.out")
    for wrong in ("x", "1;2", "1 2", "%4"):
        with pytest.raises(UsageError, match="--array"):
            submitted(context, "true", array=wrong)


def test_the_workspace_is_looked_for_before_a_job_fails_without_it(
    context: Context,
    slurm: FakeSlurm,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    context.report = reporter = RecordingReporter()
    home = Path(context.account.home)
    submitted(context, "true")
    assert (home / "workspace").is_dir()

    def in_workspace(place: str) -> str:
        options = CreateRequest("", gpus="1", workspace=place)
        return submit("thesis", ["true"], options, Placement(), None, context).output

    monkeypatch.chdir(tmp_path)
    (tmp_path / "here").mkdir()
    assert in_workspace("here") == f"{tmp_path}/here/thesis-run-2.out"
    assert in_workspace("/nosuch") == "/nosuch/thesis-run-3.out"
    assert "/nosuch does not exist" in str(reporter.said)
    assert "On a node that lacks it, too, the container cannot run. Create" in str(reporter.said)
    with pytest.raises(NotFoundError, match="nosuch does not exist"):
        in_workspace("nosuch")
    # Where one server is the whole cluster, the paths are its own.
    monkeypatch.setattr(socket, "gethostname", lambda: "n1.other")
    with pytest.raises(NotFoundError, match="mkdir -p"):
        in_workspace("/nosuch")
    (tmp_path / "a\\b").mkdir()
    with pytest.raises(UsageError, match="backslash"):
        in_workspace("a\\b")
    assert len(slurm.submitted) == 3


def test_a_kind_of_gpu_needs_gpus(context: Context, slurm: FakeSlurm) -> None:
    options, where = CreateRequest("", gpus="none"), Placement(gpu_kind="a100")
    with pytest.raises(UsageError, match=r"--gpu-kind .* Leave out one of the two\."):
        submit("thesis", ["true"], options, where, None, context)


@pytest.fixture
def here(context: Context, fake: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Run a command here, by a substitute for the Docker client."""
    fake.add_image(IMAGE, claim_labels(Claim(1001, 2001, "alice")), PASSWD)
    monkeypatch.setattr(batch, "fitting_client", lambda *arguments: None)

    def inside(container: str, command: tuple[str, ...], user: str, environ: object) -> int:
        assert (container, user) == ("thesis-run._.1001", "1001:2001")
        assert fake.container(container).is_running
        if command == ("fail",):
            raise KeyboardInterrupt
        return 7

    monkeypatch.setattr(batch, "run_inside", inside)
    return lambda *command, **more: run_here(
        "thesis", command, CreateRequest("", gpus="none"), Placement(**more), None, context
    )


def test_without_slurm_it_runs_here_and_its_container_is_removed(
    here: Callable[..., int], fake: FakeEngine
) -> None:
    assert here("python3", "-V") == 7
    assert fake.made == {}
    with pytest.raises(KeyboardInterrupt):
        here("fail")
    assert fake.made == {}


def test_a_name_that_another_command_takes_meanwhile_is_followed_by_the_next(
    here: Callable[..., int], fake: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    create, ran = fake.create_container, []

    def too_late(specification: ContainerSpecification) -> str:
        monkeypatch.setattr(fake, "create_container", create)
        create(replace(specification, labels={}))  # the other command's
        return create(specification)

    monkeypatch.setattr(fake, "create_container", too_late)
    monkeypatch.setattr(batch, "run_inside", lambda name, *rest: ran.append(name) or 0)
    assert here("true") == 0
    assert ran == ["thesis-run-2._.1001"]
    assert [each.specification.name for each in fake.made.values()] == ["thesis-run._.1001"]


def test_an_engine_with_a_lasting_conflict_is_not_asked_forever(
    here: Callable[..., int], fake: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(specification: ContainerSpecification) -> str:
        raise ConflictError("the image is being removed")

    monkeypatch.setattr(batch, "_TRIES", 3)
    monkeypatch.setattr(fake, "create_container", refuse)
    with pytest.raises(AlreadyExistsError, match="thesis-run-3"):
        here("true")


def test_what_only_slurm_can_do_is_refused_here(here: Callable[..., int], context: Context) -> None:
    with pytest.raises(UsageError, match="--time, --node: only with Slurm"):
        here("true", time="1:00", node="n1")
    with pytest.raises(NotFoundError, match="absent"):
        run_here("absent", ("true",), OPTIONS, Placement(), None, context)


def test_a_container_that_stopped_or_was_removed_meanwhile_is_no_failure(
    here: Callable[..., int], fake: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    for happens in (fake.stop, lambda name: fake.remove_container(name, force=True)):
        monkeypatch.setattr(batch, "run_inside", lambda name, *rest, do=happens: do(name) or 0)
        assert here("true") == 0
        assert fake.made == {}
    found = fake.remove_container

    def too_late(name: str, force: bool = False, **more: bool) -> None:
        found(name, force=True)
        raise NotFoundError("gone")

    monkeypatch.setattr(batch, "run_inside", lambda *arguments: 0)
    monkeypatch.setattr(fake, "remove_container", too_late)
    assert here("true") == 0


def test_a_container_that_cannot_be_removed_is_named_once_and_the_status_is_the_command_s(
    here: Callable[..., int],
    context: Context,
    fake: FakeEngine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    context.report = reporter = RecordingReporter()
    monkeypatch.setattr("mlc_patched.undo._PAUSE", 0)

    def fail(name: str, **more: bool) -> None:
        raise EngineError("device busy")

    monkeypatch.setattr(fake, "remove_container", fail)
    assert here("true") == 7
    left = [each for each in reporter.said if "not removed" in each]
    assert left == [
        "thesis-run was not removed: device busy - remove it with: mlc remove thesis-run"
    ]


def test_an_engine_that_stopped_before_the_removal_is_named_with_what_stays(
    here: Callable[..., int],
    context: Context,
    fake: FakeEngine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    context.report = reporter = RecordingReporter()
    monkeypatch.setattr("mlc_patched.undo._PAUSE", 0)

    def stop_engine(*arguments: object) -> int:
        monkeypatch.setattr(fake, "container", gone)
        return 137

    def gone(*arguments: object, **more: object) -> None:
        raise EngineUnreachableError("No Docker Engine answers.")

    monkeypatch.setattr(batch, "run_inside", stop_engine)
    assert here("true") == 137
    assert reporter.said[-1] == (
        "thesis-run was not removed: No Docker Engine answers. - remove it with: mlc remove "
        "thesis-run"
    )


def test_a_command_that_could_not_run_is_not_hidden_by_a_failed_removal(
    here: Callable[..., int], fake: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mlc_patched.undo._PAUSE", 0)

    def fail(*arguments: object, **more: bool) -> None:
        raise EngineError("device busy" if more else "no client")

    monkeypatch.setattr(fake, "remove_container", lambda name, **more: fail(force=True))
    monkeypatch.setattr(batch, "run_inside", fail)
    with pytest.raises(EngineError, match="no client"):
        here("true")

"""Start containers, through the Python API."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from support.accounts import OWN, PASSWD, own_image
from support.fakes.engine import FakeEngine
from support.recording_reporter import RecordingReporter
from support.run_command import call

import mlc_patched
from mlc_patched.cli.main import run
from mlc_patched.containers.deploy import deploy
from mlc_patched.context import Context
from mlc_patched.engine.specification import Bind
from mlc_patched.errors import EngineError, NotFoundError
from mlc_patched.images import entrypoint
from mlc_patched.names import labels
from mlc_patched.names.labels import Claim, claim_labels
from mlc_patched.plan.request import CreateRequest
from mlc_patched.settings.parse import parse


def test_commands_run_as_the_user(fake: FakeEngine, context: Context) -> None:
    own_image(fake)
    created = mlc_patched.create("n", image=OWN, context=context)
    first = mlc_patched.start("n", "python train.py", detach=True, context=context).job
    second = mlc_patched.start("n", ["python", "train.py"], detach=True, context=context).job
    assert (first.number, first.state, first.command) == (1, "running", "python train.py")
    assert (second.number, second.words) == (2, ("python", "train.py"))
    found = fake.made[created.id].commands
    run = [(words[7:], user) for words, user in found if words[4] == "run"]
    assert run == [
        (("bash", "-c", "python train.py"), "1001:2001"),
        (("python", "train.py"), "1001:2001"),
    ]
    assert [each.name for each in mlc_patched.stats(context=context)] == ["n"]


def test_rocm_s_devices_are_given_to_video_at_the_start(fake: FakeEngine, context: Context) -> None:
    own_image(fake)
    created = mlc_patched.create("n", image=OWN, architecture="ROCM6", context=context)
    mlc_patched.start("n", context=context)
    ((command, user),) = fake.made[created.id].commands
    assert (command[:3], user) == (("chown", "-R", "root:video"), "0:0")


@pytest.fixture
def ended(fake: FakeEngine, context: Context) -> FakeEngine:
    """An engine with a container whose image's ENTRYPOINT ends at once."""
    labels = claim_labels(Claim(1001, 2001, "alice"))
    image = fake.add_image(OWN, labels, PASSWD, entrypoint=("python", "train.py"))
    fake.early_ends[image.id] = (3, ["loading", "no data: \x1b[2J"])
    mlc_patched.create("n", image=OWN, context=context)
    return fake


@pytest.mark.parametrize("argv", [["start", "n", "-s"], ["open", "n"], ["start", "n", "-s", "ls"]])
def test_an_entrypoint_that_ended_is_reported_with_its_last_lines(
    ended: FakeEngine,
    context: Context,
    argv: list[str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("mlc_patched.containers.start.fitting_client", lambda *_: "docker")
    monkeypatch.setattr("mlc_patched.containers.open.fitting_client", lambda *_: "docker")
    assert run(argv, "mlc", context) == 1
    said = capsys.readouterr().err
    assert "n._.1001 is not running: the ENTRYPOINT of its image, python train.py, ended" in said
    assert "with exit code 3 after printing:\nloading\nno data: \\x1b[2J" in said
    assert "Remove the ENTRYPOINT" in said


def test_a_deployment_whose_entrypoint_ended_leaves_no_container(
    ended: FakeEngine, context: Context
) -> None:
    mlc_patched.remove("n", context=context)
    request = CreateRequest("m", "custom", "latest", image=OWN)
    with pytest.raises(EngineError, match="ended with exit code 3"):
        deploy(request, context, start=True)
    assert not ended.made


@pytest.mark.parametrize("command", ["bash", "bash -c bash"])
def test_an_entrypoint_that_runs_the_shell_is_fine(
    ended: FakeEngine, context: Context, command: str
) -> None:
    ended.early_ends.clear()
    (container,) = ended.made.values()
    container.processes = ["tini -- bash -c bash", command]
    assert not mlc_patched.start("n", context=context).was_running


def test_an_entrypoint_that_stays_is_waited_for_only_briefly(
    ended: FakeEngine, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended.early_ends.clear()
    (container,) = ended.made.values()
    container.processes = ["/usr/bin/server"]
    monkeypatch.setattr(entrypoint, "_SECONDS", 0.2)
    mlc_patched.start("n", context=context)
    assert container.state == "running"


def test_a_new_image_whose_entrypoint_ends_is_warned_of(
    ended: FakeEngine, context: Context
) -> None:
    context.report = words = RecordingReporter()
    image = ended.image(OWN)
    entrypoint.warn_of_entrypoint(image, context)
    assert "will not stay running: the ENTRYPOINT of its image, python train.py" in " ".join(
        words.said
    )
    assert len(ended.made) == 1
    ended.early_ends.clear()
    context.report = words = RecordingReporter()
    entrypoint.warn_of_entrypoint(image, context)
    entrypoint.warn_of_entrypoint(ended.add_image("plain"), context)
    assert not words.said


def test_a_start_without_the_settings_network_names_the_file(
    fake: FakeEngine, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(container: str) -> None:
        raise NotFoundError("network lab not found")

    context.__dict__["settings"] = parse("[container]\nnetwork = lab", "/etc/ds01/mlc.ini")
    monkeypatch.setattr(fake, "start", refuse)
    with pytest.raises(NotFoundError, match=r"mlc\.ini, line 2 asks for it: network = lab"):
        context.start("n")


def gone(context: Context) -> Path:
    """Take the workspace's name away, as where a file system is not mounted."""
    workspace = Path(context.account.home, "workspace")
    workspace.rename(workspace.with_name("other"))
    return workspace


@pytest.mark.parametrize("argv", [["mlc", "start", "n", "-s"], ["mlc", "start", "n", "-d", "ls"]])
def test_a_container_is_not_started_while_a_directory_that_it_mounts_is_missing(
    fake: FakeEngine, context: Context, argv: list[str]
) -> None:
    """The engine would create it, owned by root."""
    own_image(fake)
    mlc_patched.create("n", image=OWN, context=context)
    workspace = gone(context)
    outcome = call(argv, context)
    assert outcome.code == 1
    assert f"cannot be started: {workspace} does not exist, which n mounts as /wo" in outcome.last
    assert f"mkdir -p {workspace}" in outcome.last
    assert "create it again" not in outcome.last
    assert "start" not in fake.calls


def test_the_sockets_of_an_x_server_and_what_cannot_be_looked_at_keep_nothing_from_starting(
    fake: FakeEngine, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    own_image(fake)
    created = mlc_patched.create("n", image=OWN, context=context)
    made = fake.made[created.id]
    sockets = Bind("/tmp/.X11-unix", "/tmp/.X11-unix")
    made.specification = replace(made.specification, binds=(sockets, Bind("/root/x", "/data")))
    real = os.stat

    def stat(path: str, **named: object) -> os.stat_result:
        if str(path) == sockets.source:
            raise FileNotFoundError
        if str(path) == "/root/x":
            raise PermissionError
        return real(path, **named)

    monkeypatch.setattr("mlc_patched.context.os.stat", stat)
    assert context.missing_mount(context.get("n")) is None


@pytest.mark.parametrize("verb", ["exec", "start", "open"])
def test_where_no_command_runs_since_a_directory_was_deleted_that_is_said(
    fake: FakeEngine, context: Context, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    own_image(fake)
    mlc_patched.create("n", image=OWN, context=context)
    mlc_patched.start("n", context=context)
    for module in ("start", "open"):
        name = f"mlc_patched.containers.{module}"
        monkeypatch.setattr(f"{name}.fitting_client", lambda *_: "docker")
        monkeypatch.setattr(f"{name}.run_inside", lambda *_, **named: 126)
    argv = {"exec": ["exec", "n", "--", "ls"], "start": ["start", "n", "ls"], "open": ["open", "n"]}
    outcome = call(["mlc", *argv[verb]], context)
    assert (outcome.code, "does not exist" in outcome.err) == (126, False)
    mlc_patched.start("n", context=context)
    workspace = gone(context)
    outcome = call(["mlc", *argv[verb]], context)
    assert outcome.code == 126
    assert f"{workspace} does not exist, which n mounts as /workspace." in outcome.err
    assert "mlc stop n; mlc start n" in outcome.err


@pytest.mark.parametrize("argv", [["start", "n", "-s"], ["exec", "n", "--", "ls"], ["open", "n"]])
def test_a_paused_container_is_not_to_be_created_again(
    fake: FakeEngine, context: Context, argv: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mlc_patched.containers.start.fitting_client", lambda *_: "docker")
    monkeypatch.setattr("mlc_patched.containers.open.fitting_client", lambda *_: "docker")
    own_image(fake)
    fake.made[mlc_patched.create("n", image=OWN, context=context).id].state = "paused"
    outcome = call(["mlc", *argv], context)
    assert outcome.code == 1
    assert "n._.1001 is paused" in outcome.last
    assert "docker unpause n._.1001" in outcome.last
    assert "create it again" not in outcome.err


def test_a_container_whose_job_is_suspended_waits_for_slurm(
    fake: FakeEngine, context: Context
) -> None:
    own_image(fake)
    made = fake.made[mlc_patched.create("n", image=OWN, context=context).id]
    made.state = "paused"
    made.specification.labels[labels.JOB] = "7"
    outcome = call(["mlc", "exec", "n", "--", "ls"], context)
    assert "n is paused, as its job 7 is suspended." in outcome.last
    assert "scontrol resume 7" in outcome.last

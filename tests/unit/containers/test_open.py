"""A shell in a container: before it is opened, and after it is closed."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import pytest
from support.accounts import OWN, own_image
from support.base_images import BASE
from support.fakes.engine import FakeContainer, FakeEngine
from support.recording_reporter import RecordingReporter
from support.run_command import call

import mlc_patched
from mlc_patched.containers import open as open_module
from mlc_patched.containers.open import Opened, open_shell
from mlc_patched.containers.shell import HANG_UP
from mlc_patched.context import Context
from mlc_patched.engine.specification import ContainerSpecification
from mlc_patched.names import labels
from mlc_patched.names.labels import Claim, claim_labels


@pytest.fixture
def old_client(context: Context, fake: FakeEngine, tmp_path: Path) -> Context:
    """A context whose Docker client is the one of Debian 12, and an engine like Docker 29."""
    path = tmp_path / "docker"
    path.write_text('#!/bin/sh\n[ "$1" = version ] && echo "20.10.24 1.41"\n')
    path.chmod(0o755)
    context.environ = {**context.environ, "PATH": f"{tmp_path}:/usr/bin:/bin"}
    fake.oldest_api = "1.44"
    image = fake.add_image(BASE)
    owner = {labels.OWNER: context.account.login, labels.NAME: "it"}
    fake.create_container(ContainerSpecification(name="it._.1001", image=image.id, labels=owner))
    return context


@pytest.mark.parametrize("argv", [["mlc", "open", "it"], ["mlc", "start", "it", "true"]])
def test_a_container_is_not_started_for_a_client_that_is_too_old(
    old_client: Context, fake: FakeEngine, argv: list[str]
) -> None:
    outcome = call(argv, old_client)
    assert outcome.code == 1
    assert "has the Docker Engine API 1.41, and the engine needs 1.44 or newer" in outcome.err
    assert "docker-ce-cli" in outcome.err
    assert "start" not in fake.calls


def test_a_container_is_started_where_no_client_is_needed(
    old_client: Context, fake: FakeEngine
) -> None:
    assert call(["mlc", "start", "it"], old_client).code == 0
    assert "start" in fake.calls


def test_no_project_is_made_for_a_client_that_is_too_old(
    old_client: Context, fake: FakeEngine
) -> None:
    outcome = call(["image-create", "demo", "--base", "hub/missing:1"], old_client)
    assert outcome.code == 1
    assert "the engine needs 1.44 or newer" in outcome.err
    assert "pull" not in fake.calls
    assert not (Path(old_client.account.home) / "dockerfiles").exists()


@pytest.mark.parametrize("where", [[], ["--cluster"]])
def test_no_container_is_deployed_if_its_shell_could_not_be_opened(
    old_client: Context, fake: FakeEngine, where: list[str]
) -> None:
    fake.add_image("ds01-1001/demo", claim_labels(Claim.of(old_client.account)))
    before = set(fake.made)
    outcome = call(["container-deploy", "demo", "--open", *where], old_client)
    assert outcome.code == 1
    assert "the engine needs 1.44 or newer" in outcome.err
    assert set(fake.made) == before


# A shell, which a function stands for.


@pytest.fixture
def it(context: Context, fake: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> FakeContainer:
    """The container `it`, which is stopped."""
    own_image(fake)
    made = fake.made[mlc_patched.create("it", image=OWN, context=context).id]
    context.report = RecordingReporter()
    monkeypatch.setattr(open_module, "fitting_client", lambda *arguments: "docker")
    monkeypatch.setattr(open_module, "time", SimpleNamespace(monotonic=count().__next__, sleep=int))
    return made


def opened(
    context: Context, patch: pytest.MonkeyPatch, happens: Callable[..., object] = lambda cut_off: 0
) -> Opened:
    """Open a shell, in which something happens."""

    def inside(*arguments: object, when_cut_off: Callable[[], None], **more: object) -> int:
        happens(when_cut_off)
        return 7

    patch.setattr(open_module, "run_inside", inside)
    return open_shell("it", context=context)


def test_the_container_is_stopped_after_its_last_shell(
    it: FakeContainer, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    states: list[str] = []
    closed = opened(context, monkeypatch, lambda cut_off: states.append(it.state))
    assert states == ["running"]
    assert (closed.exit_status, closed.left_running, closed.was_removed) == (7, "", False)
    assert it.state == "exited"


@pytest.mark.parametrize(
    ("processes", "why"),
    [
        (["bash", "python3 train.py"], "1 process is still running in it"),
        (["bash", "a", "b"], "2 processes are still running in it"),
        (["bash", "sh -c x mlc-job run /home/x 1 train", "train"], "1 process is still running"),
    ],
)
def test_a_container_in_which_something_runs_is_kept(
    it: FakeContainer,
    context: Context,
    monkeypatch: pytest.MonkeyPatch,
    processes: list[str],
    why: str,
) -> None:
    it.processes = processes
    assert why in opened(context, monkeypatch).left_running
    assert it.state == "running"


def test_a_container_with_another_shell_is_kept_until_that_is_closed(
    it: FakeContainer, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    inner: list[Opened] = []

    def open_another(cut_off: object) -> None:
        with monkeypatch.context() as patch:
            inner.append(opened(context, patch))
        assert it.state == "running"

    assert opened(context, monkeypatch, open_another).left_running == ""
    assert inner[0].left_running == "another shell is open in it"
    assert it.state == "exited"


def test_a_container_of_a_job_is_slurms_to_stop(
    it: FakeContainer, context: Context, monkeypatch: pytest.MonkeyPatch, fake: FakeEngine
) -> None:
    fake.start(it.id)
    own = {**it.specification.labels, labels.JOB: "7"}
    it.specification = replace(it.specification, labels=own)
    assert "until container-retire it" in opened(context, monkeypatch).left_running
    assert it.state == "running"


def test_a_container_that_was_removed_meanwhile_is_no_failure(
    it: FakeContainer, context: Context, monkeypatch: pytest.MonkeyPatch, fake: FakeEngine
) -> None:
    def remove(cut_off: object) -> None:
        fake.remove_container(it.id, force=True)

    closed = opened(context, monkeypatch, remove)
    assert (closed.left_running, closed.was_removed) == ("", True)


def test_a_shell_whose_terminal_was_closed_is_hung_up_and_the_container_stopped(
    it: FakeContainer, context: Context, monkeypatch: pytest.MonkeyPatch, fake: FakeEngine
) -> None:
    asked: list[int] = []

    def ending(container: str) -> list[str]:
        asked.append(1)
        return ["bash"] if len(asked) > 2 else ["bash", "bash"]

    monkeypatch.setattr(fake, "processes", ending)
    opened(context, monkeypatch, lambda cut_off: cut_off())
    assert any(HANG_UP in command for command, _ in it.commands)
    assert it.state == "exited"


def test_what_a_closed_terminal_does_not_end_keeps_the_container(
    it: FakeContainer, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    it.processes = ["bash", "nohup train"]
    closed = opened(context, monkeypatch, lambda cut_off: cut_off())
    assert closed.left_running == "1 process is still running in it"


def test_a_program_that_was_updated_meanwhile_still_stops_the_container(
    it: FakeContainer, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "mlc_patched.containers.installed", None)
    assert opened(context, monkeypatch).to_keep == ""
    assert it.state == "exited"


@pytest.mark.parametrize("argv", [["mlc", "open", "it"], ["container-open", "it"]])
def test_a_container_that_was_removed_meanwhile_is_not_said_to_be_stopped(
    it: FakeContainer,
    context: Context,
    monkeypatch: pytest.MonkeyPatch,
    fake: FakeEngine,
    argv: list[str],
) -> None:
    def run(*arguments: object, **named: object) -> int:
        fake.remove_container(it.id, force=True)
        return 137

    for module in ("open", "start"):
        monkeypatch.setattr(f"mlc_patched.containers.{module}.fitting_client", lambda *_: "docker")
    monkeypatch.setattr("mlc_patched.containers.open.run_inside", run)
    outcome = call(argv, context)
    assert outcome.code == 137
    assert "[it] was removed while the shell was open." in outcome.out
    assert "stopped" not in outcome.out


@pytest.mark.parametrize(("state", "was_removed"), [("removing", True), ("exited", False)])
def test_a_container_that_is_being_removed_is_not_stopped(
    it: FakeContainer,
    context: Context,
    monkeypatch: pytest.MonkeyPatch,
    state: str,
    was_removed: bool,
) -> None:
    closed = opened(context, monkeypatch, lambda cut_off: setattr(it, "state", state))
    assert (closed.left_running, closed.was_removed) == ("", was_removed)

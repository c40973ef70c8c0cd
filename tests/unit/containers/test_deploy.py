"""Create and start a container in one step."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from support.accounts import PASSWD, THESIS_LABELS
from support.fakes.engine import FakeEngine
from support.recording_reporter import RecordingReporter
from support.run_command import call

from mlc_patched.containers import deploy as deploy_module
from mlc_patched.containers.create import create
from mlc_patched.containers.deploy import deploy, preview
from mlc_patched.containers.existing import keep_or
from mlc_patched.containers.open import Opened
from mlc_patched.containers.source import resolve
from mlc_patched.context import Context
from mlc_patched.engine.interface import Container
from mlc_patched.errors import AlreadyExistsError, EngineError, GpuTakenError, MlcError
from mlc_patched.plan.request import CreateRequest, DeployRequest

Does = Callable[[Callable[..., None]], None]


def deployed(context: Context, **fields: object) -> CreateRequest:
    return resolve(DeployRequest(**fields), context)


def test_a_container_that_does_not_start_is_removed(context: Context, fake) -> None:
    fake.add_image("ds01-1001/thesis", THESIS_LABELS, PASSWD)
    fake.add_image("mlc-test/base:bookworm")
    fake.pullable["mlc-test/base:bookworm"] = "root:x:0:0::/root:/bin/bash\n"
    images = set(fake.images)
    start = fake.start

    def failing(identity: str) -> None:
        if not fake._get(identity).specification.name.startswith("mlc-setup"):
            raise EngineError("no such device")
        start(identity)

    fake.start = failing
    for request in ({"name": "thesis"}, {"framework": "Pytorch", "version": "2.8.0"}):
        with pytest.raises(EngineError, match="no such device"):
            deploy(deployed(context, **request), context, start=True)
        assert not fake.made
    assert {name for image in fake.images.values() for name in image.image.references} == {
        "ds01-1001/thesis:latest",
        "mlc-test/base:bookworm",
    }
    assert images & set(fake.images)


def test_an_existing_name_is_refused_with_advice(context: Context, fake) -> None:
    fake.add_image("ds01-1001/thesis", THESIS_LABELS, PASSWD)
    request = deployed(context, name="thesis")
    deploy(request, context, start=True)
    for refused in (
        lambda: deploy(request, context, start=True),
        lambda: preview(request, context),
    ):
        with pytest.raises(AlreadyExistsError, match="already") as error:
            refused()
        assert "mlc open thesis - or remove it first" in str(error.value)
    assert len(fake.made) == 1


def test_a_dry_run_reports_the_flow(context: Context, fake) -> None:
    fake.add_image("ds01-1001/thesis", THESIS_LABELS, PASSWD)
    fake.add_image("plain")
    calls = [*["container"] * 4, "image"]
    assert preview(CreateRequest("a", image="ds01-1001/thesis:latest"), context).flow == "image"
    assert fake.calls == calls
    assert preview(CreateRequest("a", image="plain"), context).flow == "commit"
    assert preview(CreateRequest("a", image="absent"), context).flow == "pull and commit"


@pytest.fixture
def thesis(context: Context, fake) -> Context:
    fake.add_image("ds01-1001/thesis", THESIS_LABELS, PASSWD)
    deploy(deployed(context, name="thesis"), context, start=True)
    fake.calls.clear()
    return context


def test_an_interrupt_while_starting_leaves_nothing(context: Context, fake, monkeypatch) -> None:
    fake.add_image("ds01-1001/thesis", THESIS_LABELS, PASSWD)
    real = fake.start

    def interrupted(identity: str) -> None:
        real(identity)
        raise KeyboardInterrupt

    monkeypatch.setattr(fake, "start", interrupted)
    with pytest.raises(KeyboardInterrupt):
        deploy(deployed(context, name="thesis"), context, start=True)
    assert not fake.made
    assert fake.image("ds01-1001/thesis:latest")


@pytest.mark.parametrize(
    ("answers", "opened"), [(["1"], "thesis"), ([""], "thesis"), (["2"], "thesis-2")]
)
def test_without_a_name_ones_own_container_is_offered_first(
    context: Context,
    fake: FakeEngine,
    monkeypatch: pytest.MonkeyPatch,
    answers: list[str],
    opened: str,
) -> None:
    fake.add_image("ds01-1001/thesis", THESIS_LABELS, PASSWD)
    assert call(["container-create", "thesis"], context).code == 0
    names: list[str] = []

    def open_shell(name: str, **named: object) -> Opened:
        names.append(name)
        return Opened(name, 0, "")

    monkeypatch.setattr("mlc_patched.containers.open.open_shell", open_shell)
    monkeypatch.setattr("mlc_patched.containers.open.check_client", lambda context: None)
    monkeypatch.setattr("mlc_patched.cli.prompts.on_terminal", lambda: True)
    monkeypatch.setattr("builtins.input", lambda prompt: answers.pop(0))
    outcome = call(["container-deploy", "--project", "thesis"], context)
    assert "1) open thesis (Created)\n  2) create another one\n" in outcome.out
    assert (outcome.code, names) == (0, [opened])


# GPUs that somebody else took, and a site's own wrapper.


@pytest.fixture
def wanted(context: Context, fake: FakeEngine) -> CreateRequest:
    fake.add_image("ds01-1001/thesis", THESIS_LABELS, PASSWD)
    return deployed(context, name="thesis")


def test_gpus_that_were_taken_meanwhile_are_chosen_again(
    context: Context, fake: FakeEngine, wanted: CreateRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    context.report = RecordingReporter()
    tries: list[str] = []

    def taken(container: Container, context: Context) -> None:
        tries.append(container.id)
        if len(tries) < 3:
            raise GpuTakenError("GPU 0 is in use.")

    monkeypatch.setattr(deploy_module, "ensure_running", taken)
    deploy(wanted, context, start=True)
    assert list(fake.made) == tries[2:]
    assert context.report.said.count("GPU 0 is in use. Choosing again.") == 2


def test_gpus_that_are_always_taken_are_an_error_and_no_container_stays(
    context: Context, fake: FakeEngine, wanted: CreateRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    def taken(container: Container, context: Context) -> None:
        raise GpuTakenError("GPU 0 is in use.")

    monkeypatch.setattr(deploy_module, "ensure_running", taken)
    with pytest.raises(GpuTakenError):
        deploy(wanted, context, start=True)
    assert fake.made == {}


@pytest.fixture
def wrapper(context: Context, tmp_path: Path) -> Path:
    """The site's own wrapper, which does nothing."""
    program = tmp_path / "wrapper"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    context.environ = {**context.environ, "DS01_MLC_WRAPPER": str(program)}
    return program


@pytest.fixture
def wrapper_does(wrapper: Path, monkeypatch: pytest.MonkeyPatch) -> Does:
    """Have a function in place of the call of the site's wrapper."""
    return lambda does: monkeypatch.setattr(deploy_module.site_wrapper, "create", does)


def test_a_sites_wrapper_creates_the_container(
    context: Context,
    fake: FakeEngine,
    wanted: CreateRequest,
    wrapper: Path,
    wrapper_does: Does,
) -> None:
    asked: list[str] = []

    def creates(program: str, request: CreateRequest, *rest: object) -> None:
        asked.append(program)
        context.environ = {**context.environ, "DS01_MLC_WRAPPER": ""}
        create(request, context)

    wrapper_does(creates)
    assert deploy(wanted, context, start=True).name == "thesis"
    assert asked == [str(wrapper)]
    assert [each.state for each in fake.made.values()] == ["running"]


def test_a_wrapper_that_made_no_container_is_named(
    context: Context, wanted: CreateRequest, wrapper: Path
) -> None:
    with pytest.raises(MlcError, match=f"thesis was created by {wrapper}, but is missing"):
        deploy(wanted, context, start=True)


def test_what_a_wrapper_had_begun_when_it_failed_is_removed(
    context: Context, fake: FakeEngine, wanted: CreateRequest, wrapper_does: Does
) -> None:
    def fails(program: str, request: CreateRequest, *rest: object) -> None:
        made = create(request, context)
        fake.start(made.id)
        raise MlcError("no quota")

    wrapper_does(fails)
    with pytest.raises(MlcError, match="no quota"):
        deploy(wanted, context, start=True)
    assert fake.made == {}


def test_of_two_commands_at_once_neither_removes_what_the_others_wrapper_made(
    context: Context, wanted: CreateRequest, wrapper_does: Does
) -> None:
    outcomes: list[str] = []

    def other() -> None:
        try:
            deploy(wanted, context, start=False)
        except MlcError as error:
            outcomes.append(str(error))

    second = threading.Thread(target=other)

    def creates(program: str, request: CreateRequest, *rest: object) -> None:
        if not second.ident:
            second.start()
            second.join(0.2)
            create(request, context)
        else:
            raise MlcError("the name is in use")

    wrapper_does(creates)
    deploy(wanted, context, start=False)
    second.join()
    assert "You have a container 'thesis' already" in outcomes[0]
    assert context.find("thesis") is not None


def test_a_container_that_another_command_has_just_made_is_kept_if_it_fits(
    context: Context, fake: FakeEngine, wanted: CreateRequest
) -> None:
    def too_late() -> str:
        create(wanted, context)
        raise AlreadyExistsError("there")

    assert keep_or(too_late, lambda container: container.name, wanted, context) == "thesis._.1001"
    fake.made.clear()

    def of_another_engine() -> str:
        raise AlreadyExistsError("there, but not to be seen")

    with pytest.raises(AlreadyExistsError, match="not to be seen"):
        keep_or(of_another_engine, lambda container: container.name, wanted, context)

"""Create and start a container in one step."""

from __future__ import annotations

import pytest
from support.accounts import PASSWD, THESIS_LABELS
from support.fakes.engine import FakeEngine
from support.run_command import call

from mlc_patched.containers.deploy import deploy, preview
from mlc_patched.containers.open import Opened
from mlc_patched.containers.source import resolve
from mlc_patched.context import Context
from mlc_patched.errors import (
    AlreadyExistsError,
    EngineError,
)
from mlc_patched.plan.request import CreateRequest, DeployRequest


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

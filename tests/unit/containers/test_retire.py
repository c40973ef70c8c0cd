"""Remove containers, saved as images if wanted."""

from __future__ import annotations

import json
import signal

import pytest
from support.accounts import PASSWD, THESIS_LABELS
from support.fakes.engine import FakeEngine
from support.recording_reporter import RecordingReporter
from support.run_command import Outcome, call

from mlc_patched.containers import retire as retire_module
from mlc_patched.containers.deploy import deploy
from mlc_patched.containers.retire import plan_retirements, retire
from mlc_patched.containers.source import resolve
from mlc_patched.context import Context
from mlc_patched.errors import (
    EngineError,
    MlcError,
    NotFoundError,
    SetupError,
    Terminated,
    UsageError,
)
from mlc_patched.images.probe import ProbeResult
from mlc_patched.images.verify import Findings
from mlc_patched.plan.request import CreateRequest, DeployRequest


def deployed(context: Context, **fields: object) -> CreateRequest:
    return resolve(DeployRequest(**fields), context)


@pytest.fixture
def thesis(context: Context, fake) -> Context:
    fake.add_image("ds01-1001/thesis", THESIS_LABELS, PASSWD)
    deploy(deployed(context, name="thesis"), context, start=True)
    fake.calls.clear()
    return context


def good(monkeypatch: pytest.MonkeyPatch, *wrong: str) -> None:
    found = Findings(wrong)
    monkeypatch.setattr("mlc_patched.images.save.examine", lambda *arguments: found)


def test_the_container_is_removed_only_if_the_saved_image_exists(thesis, fake, monkeypatch) -> None:
    good(monkeypatch)
    [plan] = plan_retirements(["thesis"], "v1", thesis)
    retired = retire(plan, thesis)
    assert not fake.made
    assert fake.image("ds01-1001/thesis:v1").id == retired.saved.image_id
    assert fake.image("ds01-1001/thesis:latest") is not None
    assert not any(
        "build-" in name for each in fake.images.values() for name in each.image.references
    )
    order = [
        call for call in fake.calls if call in ("exec_run", "stop", "commit", "remove_container")
    ]
    assert order == ["exec_run", "stop", "commit", "remove_container"]


def test_a_saved_image_that_does_not_run_is_not_kept(thesis, fake, monkeypatch) -> None:
    good(monkeypatch, "sudo does not work")
    before = set(fake.images)
    with pytest.raises(SetupError, match="sudo does not work"):
        retire(plan_retirements(["thesis"], "v1", thesis)[0], thesis)
    assert set(fake.images) == before
    assert [each.state for each in fake.made.values()] == ["exited"]


def test_an_image_of_an_older_ds01_is_saved_with_a_note(
    context: Context, fake: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the four labels and an account: no ~/.local/bin, and another name than we would give."""
    old = {**THESIS_LABELS, "aime.mlc.DS01_USERNAME": "al"}
    fake.add_image("ds01-1001/thesis", old, PASSWD.replace("alice", "al"))
    deploy(deployed(context, name="thesis"), context, start=True)
    lines = ["id 1001:2001 al", "lacks: there is no /home/al/.local/bin", "lacks: sudo says no"]
    lines.append("private /home/al/.local/lib/python3.11/site-packages/six.py")
    monkeypatch.setattr(
        "mlc_patched.images.verify.run_in_image", lambda *args, **more: ProbeResult(0, tuple(lines))
    )
    context.report = RecordingReporter()
    retired = retire(plan_retirements(["thesis"], "v1", context)[0], context)
    saved = fake.image("ds01-1001/thesis:v1")
    assert not fake.made
    assert saved.id == retired.saved.image_id
    assert (saved.labels["aime.mlc.DS01_USERNAME"], saved.user) == ("al", "1001")
    assert "HOME=/home/al" in saved.environment
    notes = [text for text in context.report.said if "saved as it is" in text]
    assert [text.partition(": ")[2] for text in notes] == [
        "there is no /home/al/.local/bin",
        "sudo says no",
        "only the owner of /home/al/.local/lib/python3.11/site-packages/six.py can read it, so it "
        "will not work with Apptainer",
    ]


@pytest.mark.parametrize(
    "line", ["id 1001:2001 bob", "id 1002:2001 alice", "id 1001:100 alice", "wrong: HOME is /"]
)
def test_an_image_whose_labels_are_not_true_is_not_saved(
    thesis: Context, fake: FakeEngine, monkeypatch: pytest.MonkeyPatch, line: str
) -> None:
    lines = (line, *(["id 1001:2001 alice"] if line.startswith("wrong") else []))
    monkeypatch.setattr(
        "mlc_patched.images.verify.run_in_image", lambda *args, **more: ProbeResult(0, lines)
    )
    with pytest.raises(SetupError, match="would not work for you"):
        retire(plan_retirements(["thesis"], "v1", thesis)[0], thesis)
    assert len(fake.made) == 1
    assert fake.image("ds01-1001/thesis:v1") is None


@pytest.mark.parametrize("method", ["changes", "commit", "tag_image"])
def test_no_container_is_lost_if_the_engine_fails(thesis, fake, monkeypatch, method) -> None:
    good(monkeypatch)
    before = set(fake.images)

    def failing(*arguments: object, **more: object) -> None:
        raise EngineError("no space left on device")

    [plan] = plan_retirements(["thesis"], "", thesis)
    real_tag = fake.tag_image
    if method == "tag_image":
        # The commit's own tagging works; giving the name does not.
        commit = fake.commit

        def committing(*arguments, **more):
            made = commit(*arguments, **more)
            monkeypatch.setattr(fake, "tag_image", failing)
            return made

        monkeypatch.setattr(fake, "commit", committing)
    else:
        monkeypatch.setattr(fake, method, failing)
    with pytest.raises(EngineError, match="no space"):
        retire(plan, thesis)
    assert len(fake.made) == 1
    assert set(fake.images) == before
    assert real_tag


@pytest.mark.parametrize("method", ["exec_run", "stop", "commit", "changes"])
def test_an_interrupt_while_saving_leaves_the_container_and_no_image(
    thesis, fake, monkeypatch, method
) -> None:
    good(monkeypatch)
    before = set(fake.images)
    real = getattr(fake, method)

    def interrupted(*arguments: object, **more: object) -> None:
        real(*arguments, **more)  # the engine has done it when the signal comes
        raise KeyboardInterrupt

    monkeypatch.setattr(fake, method, interrupted)
    with pytest.raises(KeyboardInterrupt):
        retire(plan_retirements(["thesis"], "v1", thesis)[0], thesis)
    assert len(fake.made) == 1
    assert set(fake.images) == before


@pytest.mark.parametrize("method", ["stop", "commit"])
@pytest.mark.parametrize(
    ("ended", "code"), [(KeyboardInterrupt(), 130), (Terminated(signal.SIGTERM), 143)]
)
def test_an_interrupt_says_that_the_container_is_stopped(
    thesis: Context,
    fake: FakeEngine,
    monkeypatch: pytest.MonkeyPatch,
    method: str,
    ended: KeyboardInterrupt,
    code: int,
) -> None:
    good(monkeypatch)
    real = getattr(fake, method)

    def interrupted(*arguments: object, **more: object) -> None:
        real(*arguments, **more)
        raise ended

    def retired() -> Outcome:
        with monkeypatch.context() as patch:
            patch.setattr(fake, method, interrupted)
            return call(["container-retire", "thesis", "--save", "v1", "-y"], thesis)

    first = retired()
    assert first.code == code
    assert "all changes were rolled back, but thesis is stopped" in first.last
    assert first.last.endswith("Start it with: mlc start thesis")
    assert [each.state for each in fake.made.values()] == ["exited"]
    assert "is stopped" not in retired().last, "as it was before"


def test_a_container_that_cannot_be_cleaned_is_saved_anyway(thesis, fake, monkeypatch) -> None:
    good(monkeypatch)
    monkeypatch.setattr(fake, "exec_run", lambda *arguments: (1, "no shell"))
    assert retire(plan_retirements(["thesis"], "v1", thesis)[0], thesis).saved


def test_nothing_is_changed_if_one_of_several_is_missing(thesis, fake) -> None:
    with pytest.raises(NotFoundError, match="container-list"):
        plan_retirements(["thesis", "absent"], None, thesis)
    assert fake.made


def test_two_containers_are_never_saved_under_one_name(thesis, fake) -> None:
    deploy(deployed(thesis, name="second", project="thesis"), thesis, start=False)
    with pytest.raises(UsageError, match="one by one"):
        plan_retirements(["thesis", "second"], "v1", thesis)
    first, second = plan_retirements(["thesis", "second"], "", thesis)
    assert first.image != second.image


def test_a_save_fails_where_the_engine_cannot_copy_volumes(thesis, fake, monkeypatch) -> None:
    """Podman: it names the volume, and the container stays."""
    good(monkeypatch)
    [container] = fake.made.values()
    container.volumes["/srv"], fake.volumes["v"] = "v", {"file": b"1"}
    monkeypatch.setattr(FakeEngine, "copies_owners", False)
    [plan] = plan_retirements(["thesis"], "v1", thesis)
    with pytest.raises(MlcError, match="in the volumes /srv cannot be copied"):
        retire(plan, thesis)
    assert fake.image("ds01-1001/thesis:v1") is None
    assert list(fake.made.values()) == [container]
    assert fake.volumes == {"v": {"file": b"1"}}


def test_a_container_that_was_replaced_meanwhile_is_left_alone(
    thesis: Context, fake: FakeEngine
) -> None:
    [plan] = plan_retirements(["thesis"], None, thesis)
    fake.made.clear()
    deploy(deployed(thesis, name="thesis"), thesis, start=True)
    with pytest.raises(MlcError, match="thesis was replaced by another container"):
        retire(plan, thesis)
    assert [each.state for each in fake.made.values()] == ["running"]


def test_a_container_whose_saved_image_lost_its_name_is_not_removed(
    thesis: Context, fake: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    good(monkeypatch)
    save = retire_module.save

    def another(*arguments: object) -> object:
        saved = save(*arguments)
        fake.add_image("ds01-1001/thesis:v1")
        return saved

    monkeypatch.setattr(retire_module, "save", another)
    with pytest.raises(MlcError, match="v1 is not what was saved; thesis was not removed"):
        retire(plan_retirements(["thesis"], "v1", thesis)[0], thesis)
    assert len(fake.made) == 1


def test_what_was_saved_is_in_the_json(
    thesis: Context, fake: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    good(monkeypatch)
    done = call(["container-retire", "thesis", "--save", "v1", "--json", "-y"], thesis)
    (retired,) = json.loads(done.out)["retired"]
    image = fake.image("ds01-1001/thesis:v1")
    assert (retired["saved"]["image"], retired["saved"]["id"]) == (image.references[0], image.id)
    assert retired["saved"]["changes"]["pip"] == {"added": {}, "removed": []}

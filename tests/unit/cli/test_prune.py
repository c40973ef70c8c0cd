"""mlc prune on the command line: what goes is shown first, and nothing goes without a yes."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import pytest
from support.fakes.engine import FakeEngine
from support.run_command import Outcome, call

from mlc_patched.context import Context
from mlc_patched.engine.specification import ContainerSpecification
from mlc_patched.errors import ConflictError, EngineError, EngineUnreachableError
from mlc_patched.names import labels
from mlc_patched.names.labels import Claim, claim_labels

Answer = Callable[..., object]
NAME = "mlc-setup-1001-0123456789ab"


@pytest.fixture
def left(fake: FakeEngine) -> FakeEngine:
    """An engine with a container that a killed create left two days ago."""
    image = fake.add_image("base")
    made = {labels.SETUP_FOR: "it._.1001"}
    container = fake.create_container(ContainerSpecification(NAME, image.id, labels=made))
    fake.made[container].created = time.time() - 48 * 3600
    return fake


def prune(context: Context, *words: str, code: int = 0) -> Outcome:
    done = call(["mlc", "prune", *words], context)
    assert done.code == code, done
    return done


def test_without_leftovers_nothing_is_asked(context: Context) -> None:
    assert prune(context).out == "There are no leftovers.\n"
    assert json.loads(prune(context, "--json").out)["left_over"] == []


def test_what_goes_is_shown_and_confirmed(
    left: FakeEngine, context: Context, answer: Answer
) -> None:
    answer("n")
    said = prune(context, code=1).out
    assert said.index(NAME) < said.index("Total: ") < said.index("Remove it?")
    assert len(left.made) == 1
    answer("y")
    assert prune(context).out.endswith("1 removed.\n")
    assert left.made == {}


def test_where_nobody_can_be_asked_a_flag_is_needed(left: FakeEngine, context: Context) -> None:
    assert "pass -y" in prune(context, code=2).last
    assert NAME in prune(context, "--dry-run").out
    assert [each["name"] for each in json.loads(prune(context, "-n", "--json").out)["left_over"]]
    assert len(left.made) == 1
    found = json.loads(prune(context, "-y", "--json").out)
    assert (found["removed"], found["kept"]) == ([NAME], [])


def test_only_what_is_old_enough_goes(left: FakeEngine, context: Context) -> None:
    assert "There are no leftovers." in prune(context, "--older-than", "72").out
    for hours in ("-1", "x", "1e3", "9" * 10):
        assert "is not a number of hours" in prune(context, "--older-than", hours, code=2).err


def test_what_cannot_be_removed_is_said(
    left: FakeEngine, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(container: str, **more: bool) -> None:
        raise ConflictError("it is in use")

    monkeypatch.setattr(left, "remove_container", refuse)
    done = prune(context, "-y")
    assert f"Kept: {NAME}: it is in use" in done.err
    assert done.out.endswith("0 removed.\n")


def test_what_fails_is_said_and_the_others_are_removed(
    left: FakeEngine, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    committed = "hub/pytorch:gone._.1001"
    image = left.add_image(committed, claim_labels(Claim(1001, 2001, "alice")))
    left.images[image.id].comment = "mlc create gone._.1001"

    def fail(container: str, **more: bool) -> None:
        raise EngineError("device or resource busy")

    monkeypatch.setattr(left, "remove_container", fail)
    done = prune(context, "-y", code=1)
    assert f"Kept: {NAME}: device or resource busy" in done.err
    assert "1 removed.\n" in done.out
    assert "1 of 2 leftovers were not removed; see the messages above." in done.last
    assert left.image(committed) is None
    found = json.loads(prune(context, "-y", "--json", code=1).out)
    assert (found["removed"], found["kept"]) == ([], [f"{NAME}: device or resource busy"])


def test_only_what_was_removed_is_freed(
    fake: FakeEngine, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(reference: str) -> None:
        raise EngineError("layer is locked")

    image = fake.add_image("base:gone._.1001", claim_labels(Claim(1001, 2001, "alice")), size=10)
    fake.images[image.id].comment = "mlc create gone._.1001"
    assert json.loads(prune(context, "-n", "--json").out)["frees"] == 10
    with monkeypatch.context() as patch:
        patch.setattr(fake, "remove_image", fail)
        assert json.loads(prune(context, "-y", "--json", code=1).out)["frees"] == 0
    assert json.loads(prune(context, "-y", "--json").out)["frees"] == 10


def test_without_an_engine_nothing_more_is_tried(
    left: FakeEngine, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(container: str, **more: bool) -> None:
        raise EngineUnreachableError("no engine answers")

    monkeypatch.setattr(left, "remove_container", fail)
    assert "no engine answers" in prune(context, "-y", code=1).last


def test_images_that_may_be_aimes_are_mentioned_and_left(
    fake: FakeEngine, context: Context
) -> None:
    image = fake.add_image("hub/pytorch:gone._.1001", {})
    fake.images[image.id].comment = "docker commit"
    fake.add_image("hub/pytorch:ours._.1001", claim_labels(Claim(1001, 2001, "alice")))
    done = prune(context, "--dry-run")
    assert "1 committed images without labels" in done.err
    assert "mlc prune --aime --dry-run" in done.err


def test_root_is_told_to_look_at_every_users(
    fake: FakeEngine, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    image = fake.add_image("hub/pytorch:gone._.1001", {})
    fake.images[image.id].comment = "docker commit"
    done = prune(context, "--all-users", "--dry-run")
    assert "mlc prune --all-users --aime --dry-run" in done.err

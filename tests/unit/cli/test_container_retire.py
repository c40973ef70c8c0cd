"""container-retire on the command line: its menu, questions and summary."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from support.accounts import PASSWD, THESIS_LABELS
from support.fakes.engine import FakeEngine
from support.run_command import Outcome, call

import mlc_patched
from mlc_patched.context import Context
from mlc_patched.errors import EngineError
from mlc_patched.images.verify import Findings

Answer = Callable[..., object]


@pytest.fixture
def thesis(fake: FakeEngine, context: Context, monkeypatch: pytest.MonkeyPatch) -> FakeEngine:
    """An engine with alice's project and a running container of it; saved images are good."""
    monkeypatch.setattr("mlc_patched.images.save.examine", lambda *arguments: Findings(()))
    fake.add_image("ds01-1001/thesis", THESIS_LABELS, PASSWD)
    mlc_patched.deploy("thesis", context=context)
    return fake


def retire(context: Context, *words: str, code: int = 0) -> Outcome:
    done = call(["container-retire", *words], context)
    assert done.code == code, done
    return done


def test_one_is_chosen_and_confirmed(thesis: FakeEngine, context: Context, answer: Answer) -> None:
    answer("1", "n")
    said = retire(context, code=1).out
    assert "Your containers:\n  1) thesis\n" in said
    assert "Remove thesis? Everything installed in it will be lost. (y/N)" in said
    assert len(thesis.made) == 1
    answer("thesis", "y")
    assert "[thesis] removed" in retire(context).out
    assert thesis.made == {}
    answer("1")
    assert "container-deploy PROJECT" in retire(context, code=1).err


def test_a_saved_one_is_summed_up(thesis: FakeEngine, context: Context, answer: Answer) -> None:
    answer("y")
    said = retire(context, "thesis", "--save", "kept").out
    assert "Save thesis as ds01-1001/thesis:kept and remove it?" in said
    assert "[thesis] saved as ds01-1001/thesis:kept (" in said
    assert "Changes compared with the image it was created from:" in said
    assert "container-deploy thesis --image ds01-1001/thesis:kept" in said


def test_replacing_an_image_is_a_question_of_its_own(
    thesis: FakeEngine, context: Context, answer: Answer
) -> None:
    before = thesis.image("ds01-1001/thesis:latest")
    answer("n")
    said = retire(context, "thesis", "--save", "latest", code=1).out
    assert "The image ds01-1001/thesis:latest already exists. Replace it?" in said
    assert thesis.image("ds01-1001/thesis:latest") == before
    assert len(thesis.made) == 1
    retire(context, "thesis", "--save", "latest", "-f")
    assert thesis.image("ds01-1001/thesis:latest") != before


def test_those_that_are_missing_may_be_missing(thesis: FakeEngine, context: Context) -> None:
    assert len(retire(context, "thesis", "other", "-y", code=1).err.splitlines()) == 1
    assert len(thesis.made) == 1
    said = retire(context, "thesis", "other", "--missing-ok", "-y").out
    assert "[other] does not exist.\n" in said
    assert "[thesis] removed" in said
    found = json.loads(retire(context, "other", "--missing-ok", "--json").out)
    assert (found["retired"], found["missing"]) == ([], ["other"])
    found = json.loads(retire(context, "other", "other", "--missing-ok", "--json").out)
    assert found["missing"] == ["other"]


@pytest.fixture
def three(thesis: FakeEngine, context: Context, monkeypatch: pytest.MonkeyPatch) -> FakeEngine:
    """An engine with `thesis` and two more, of which `second` cannot be removed."""
    for name in ("second", "third"):
        mlc_patched.deploy(name, project="thesis", context=context)
    stuck = context.get("second").id
    remove = thesis.remove_container

    def fail_at_second(container: str, **named: bool) -> None:
        if container == stuck:
            raise EngineError(f"Cannot remove container {stuck}: not permitted")
        remove(container, **named)

    monkeypatch.setattr(thesis, "remove_container", fail_at_second)
    return thesis


def test_those_before_one_that_fails_are_named_as_retired(
    three: FakeEngine, context: Context
) -> None:
    """The others are not tried, so that the same command can be run for them."""
    names = ("thesis", "second", "third", "none")
    found = json.loads(retire(context, *names, "-y", "--missing-ok", "--json", code=1).out)
    assert [each["name"] for each in found["retired"]] == ["thesis"]
    assert [each["name"] for each in found["failed"]] == ["second", "third"]
    assert found["failed"][0]["message"].startswith("second was not removed: Cannot")
    assert found["failed"][1]["message"] == "Not tried, as second failed."
    assert found["missing"] == ["none"]
    assert "2 of 3 containers were not retired: second, third" in found["error"]["message"]
    assert "second was not removed" in retire(context, "second", "-y", code=1).last
    done = retire(context, "third", "second", "-y", code=1)
    assert "[third] removed" in done.out
    assert done.last.endswith("1 of 2 containers were not retired: second; see the messages above.")

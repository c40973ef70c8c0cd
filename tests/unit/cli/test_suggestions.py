"""What a misspelt or misplaced word is answered with."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from support.fakes.engine import FakeEngine
from support.run_command import call

from mlc_patched.context import Context
from mlc_patched.names.labels import Claim, claim_labels


@pytest.fixture
def thesis(context: Context, fake: FakeEngine) -> Context:
    """A user who has a project thesis with an image, and a container train."""
    fake.add_image("ds01-1001/thesis:latest", claim_labels(Claim.of(context.account)))
    dockerfiles = Path(context.account.home, "dockerfiles")
    dockerfiles.mkdir()
    (dockerfiles / "thesis.Dockerfile").write_text("FROM scratch\n")
    assert call(["container-create", "train", "--project", "thesis"], context).code == 0
    return context


@pytest.mark.parametrize(
    ("argv", "code", "said"),
    [
        (["mlc", "strat"], 2, "there is no command 'strat'. Did you mean start?"),
        (["mlc", "zzz"], 2, "there is no command 'zzz'. See the commands"),
        (["mlc", "--json", "list"], 2, "usage: mlc list"),
        (["mlc", "stop", "trian", "-f"], 1, "no container 'trian'. Did you mean train?"),
        (["mlc", "open", "trian", "-s"], 1, "Did you mean train?"),
        (["container-retire", "trian", "-y"], 1, "Did you mean train?"),
        (["container-deploy", "tehsis"], 1, "Did you mean thesis?"),
        (["image-update", "tehsis", "--add", "six"], 1, "Did you mean thesis?"),
        (["image-retire", "tehsis", "-y"], 1, "Did you mean thesis?"),
        (["container-deploy", "c", "--image", "thesis"], 1, "--project thesis"),
        (["container-deploy", "c", "--image", "thesis:latest"], 1, "--project thesis"),
        (["container-deploy", "thesis:latest"], 2, "--project thesis"),
        (["container-deploy", "thesis:saved"], 2, "--image ds01-1001/thesis:saved"),
    ],
)
def test_the_word_that_was_meant_is_named(
    thesis: Context, fake: FakeEngine, argv: list[str], code: int, said: str
) -> None:
    before = set(fake.made)
    outcome = call(argv, thesis)
    assert (outcome.code, said in outcome.err) == (code, True), outcome.err
    assert set(fake.made) == before
    assert "pull" not in fake.calls


@pytest.mark.parametrize(
    ("words", "usage"),
    [
        ([], "usage: mlc [-h]"),
        (["create"], "usage: mlc create"),
        (["image-update"], "usage: image-update"),
    ],
)
def test_help_names_a_command(context: Context, words: list[str], usage: str) -> None:
    outcome = call(["mlc", "help", *words], context)
    assert (outcome.code, outcome.out[: len(usage)]) == (0, usage)


def test_an_answer_of_no_is_not_an_error(
    thesis: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "answers").write_text("n\n")
    with (tmp_path / "answers").open() as answers:
        monkeypatch.setattr(sys, "stdin", answers)
        outcome = call(["mlc", "remove", "train"], thesis)
    assert outcome.code == 1
    assert "Error" not in outcome.err
    assert outcome.err.splitlines()[-1] == "Nothing was done."

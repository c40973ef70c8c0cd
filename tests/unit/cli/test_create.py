"""mlc create on the command line: labels, JSON, and as AIME's first version was called."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.accounts import OWN, own_image
from support.fakes.engine import FakeEngine
from support.run_command import call

from mlc_patched.cli.commands.create import label
from mlc_patched.context import Context
from mlc_patched.errors import UsageError
from mlc_patched.lean import replace


def test_labels_are_put_on_the_container(fake: FakeEngine, context: Context) -> None:
    own_image(fake)
    words = ["--ds01-label", "team=vision", "--ds01-label", "note=a=b c"]
    done = call(["mlc", "create", "it", "--image", OWN, *words, "-s"], context)
    assert done.code == 0
    ((made),) = fake.made.values()
    assert made.specification.labels.items() >= {"team": "vision", "note": "a=b c"}.items()


@pytest.mark.parametrize("text", ["", "team", "=vision", "team=\udcff"])
def test_a_label_that_cannot_be_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--ds01-label"):
        label(text)


def test_an_empty_name_is_no_missing_one(context: Context) -> None:
    for what, words in (
        ("name", ["", "Pytorch", "2.8.0"]),
        ("framework", ["it", "", "2.8.0"]),
        ("version", ["it", "Pytorch", ""]),
    ):
        done = call(["mlc", "create", *words], context)
        assert (done.code, f"The {what} is empty." in done.err) == (1, True)


@pytest.fixture
def first(context: Context, tmp_path: Path) -> Context:
    """A context of a patched checkout of AIME's first version."""
    return replace(context, program=f"{tmp_path}/aime/.mlc-patched/mlc.py")


def test_the_first_version_explains_itself_without_arguments(first: Context) -> None:
    done = call(["mlc", "create"], first)
    assert (done.code, done.out.startswith("usage: mlc create")) == (0, True)


def test_the_first_version_never_asks_and_is_for_one_architecture(first: Context) -> None:
    first.environ = {key: first.environ[key] for key in first.environ if key != "MLC_ARCH"}
    catalog = call(["mlc", "create", "x", "--info", "--json"], first)
    assert json.loads(catalog.out)["catalog"]["architecture"] == "CUDA_ADA"
    first.environ = {**first.environ, "MLC_ARCH": "CUDA_AMPERE"}
    catalog = call(["mlc", "create", "x", "--info"], first)
    assert "Frameworks and versions for CUDA_AMPERE:" in catalog.out
    first.environ = {**first.environ, "MLC_ARCH": "CUDA_ADA"}
    done = call(["mlc", "create", "it", "Pytorch"], first)
    assert (done.code, "Missing: a version" in done.err) == (1, True)

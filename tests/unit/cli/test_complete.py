"""`mlc complete`: names for the shells, as words that mean themselves."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.accounts import own_image
from support.fakes.engine import FakeEngine

import mlc_patched
from mlc_patched.cli.commands.complete import KINDS
from mlc_patched.cli.main import run
from mlc_patched.context import Context


def test_names_that_a_shell_would_interpret_are_left_out(
    context: Context, capsys: pytest.CaptureFixture[str]
) -> None:
    for number, name in enumerate(("far", "$(touch mark)", "`id`", "a b", "-x", "x\ny", "é")):
        meta = Path(context.environ["HOME"], f".docker/contexts/meta/{number}/meta.json")
        meta.parent.mkdir(parents=True)
        meta.write_text(json.dumps({"Name": name}))
    assert run(["complete", "contexts"], "mlc", context) == 0
    assert capsys.readouterr().out == "default\nfar\n"


@pytest.mark.parametrize("kind", KINDS)
def test_no_kind_prints_what_a_shell_would_interpret(
    kind: str,
    context: Context,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(KINDS, kind, lambda *_: ["good", "$(touch mark)", "a;b", "good"])
    assert run(["complete", kind], "mlc", context) == 0
    assert capsys.readouterr().out == "good\n"


def test_containers_images_and_rows_of_the_catalog_are_printed(
    fake: FakeEngine, context: Context, capsys: pytest.CaptureFixture[str]
) -> None:
    own_image(fake)
    mlc_patched.create("n", image="ds01-1001/p", context=context)
    for kind, name in (
        ("containers", "n"),
        ("images", "ds01-1001/p"),
        ("frameworks", "Pytorch"),
        ("versions", "2.8.0"),
        ("architectures", "CUDA_ADA"),
    ):
        assert run(["complete", kind], "mlc", context) == 0
        assert name in capsys.readouterr().out.splitlines()

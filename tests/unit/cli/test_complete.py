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
from mlc_patched.engine.address import EngineAddress


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


ROWS = """\
Pytorch, 2.9.0, [CUDA_BLACKWELL], hub/pytorch-2.9.0
Pytorch, 2.8.0, [CUDA_ADA], hub/pytorch-2.8.0
Jax, 0.8.0, [CUDA_BLACKWELL], hub/jax-0.8.0
"""


@pytest.mark.parametrize(
    ("architecture", "kind", "names"),
    [
        ("CUDA_ADA", "versions", ["2.8.0"]),
        ("CUDA_BLACKWELL", "versions", ["2.9.0"]),
        ("CPU", "versions", ["2.9.0", "2.8.0"]),
        ("CUDA_ADA", "frameworks", ["Pytorch"]),
        ("CPU", "frameworks", ["Pytorch", "Jax"]),
    ],
)
@pytest.mark.parametrize("address", ["unix:///var/run/docker.sock", "tcp://192.0.2.1:2375"])
def test_frameworks_and_versions_are_those_of_the_architecture_without_asking_an_engine(
    architecture: str,
    kind: str,
    names: list[str],
    address: str,
    context: Context,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "catalog").write_text(ROWS)
    context.__dict__.pop("catalog", None)
    context.__dict__["address"] = EngineAddress(address)
    context.__dict__.pop("engine", None)
    context.environ = {
        **context.environ,
        "MLC_ARCH": architecture,
        "MLC_CATALOG": str(tmp_path / "catalog"),
    }
    words = ["Pytorch"] if kind == "versions" else []
    assert run(["complete", kind, *words], "mlc", context) == 0
    assert capsys.readouterr().out.split() == names


def test_presets_are_printed(context: Context, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["complete", "presets"], "mlc", context) == 0
    assert "data-science" in capsys.readouterr().out.splitlines()

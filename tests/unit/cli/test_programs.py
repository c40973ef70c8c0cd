"""The programs that `pip install` makes."""

from __future__ import annotations

import configparser
import runpy
import sys

import pytest
from support.users import ROOT

from mlc_patched.cli import main


def test_pip_makes_every_program_of_bin() -> None:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    lines = setup["options.entry_points"]["console_scripts"].strip().splitlines()
    made = dict(line.split(" = ") for line in lines)
    programs = [*(ROOT / "bin").glob("mlc*"), *(ROOT / "bin/user").iterdir()]
    assert made == {each.name: "mlc_patched.cli.main:program" for each in programs}


@pytest.mark.parametrize(
    ("name", "usage"),
    [
        ("mlc", "usage: mlc [-h]"),
        ("mlc-list", "usage: mlc list"),
        ("mlc-update-sys", "usage: mlc update-sys"),
        ("mlc-patch", "usage: mlc-patch"),
        ("image-create", "usage: image-create"),
    ],
)
def test_a_program_runs_the_command_of_its_name(
    name: str, usage: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", [f"/somewhere/bin/{name}", "-h"])
    with pytest.raises(SystemExit) as ended:
        main.program()
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith(usage)


def test_python_m_is_mlc(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["mlc", "no-such-command"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_module("mlc_patched", run_name="__main__", alter_sys=True)
    assert ended.value.code == 2
    assert "there is no command 'no-such-command'" in capsys.readouterr().err

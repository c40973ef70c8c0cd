"""The table of commands, and what is made of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.users import ROOT

from mlc_patched.cli import commands
from mlc_patched.cli.commands.complete import KINDS
from mlc_patched.cli.dispatch import COMMANDS
from mlc_patched.cli.parser import command_parser

STATIC = {"files", "directories", "gpus"}
"""What the shells complete without asking `mlc complete`."""


def test_every_module_is_in_the_table() -> None:
    modules = {file.stem for file in Path(commands.__file__).parent.glob("[a-z]*.py")}
    assert {command.module for command in COMMANDS.values()} == modules


def test_every_program_of_its_own_has_a_file_in_bin() -> None:
    own = {command.name for command in COMMANDS.values() if not command.program.startswith("mlc ")}
    files = {file.name for file in (*ROOT.glob("bin/user/*"), ROOT / "bin/mlc-patch")}
    assert own == files


@pytest.mark.parametrize("name", COMMANDS)
def test_what_completes_an_argument_is_known(name: str) -> None:
    kinds = {getattr(each, "completes", "") for each in command_parser(COMMANDS[name])._actions}
    assert kinds <= {"", *KINDS, *STATIC}

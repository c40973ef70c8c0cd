"""Documentation, completion and manual pages cover every command, flag and setting."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from support.users import ROOT

from mlc_patched import errors
from mlc_patched.cli.dispatch import COMMANDS
from mlc_patched.cli.parser import command_parser
from mlc_patched.images.dockerfile.render import account_block
from mlc_patched.names import labels
from mlc_patched.settings.schema import SETTINGS

PAGE = (ROOT / "docs" / "commands.md").read_text()
ELSEWHERE = ("adopt", "complete", "doctor", "image-", "mlc-patch", "prune")
"""Commands that have pages of their own, or none."""
INTERNAL = {labels.REQUEST, labels.SETUP_FOR, labels.SERVICE}
"""Labels that nobody else relies on."""


@pytest.mark.parametrize("name", [name for name in COMMANDS if not name.startswith(ELSEWHERE)])
def test_every_flag_is_documented(name: str) -> None:
    flags = set(re.findall(r"`[^`]*`", PAGE))
    text = " ".join(flags)
    for action in command_parser(COMMANDS[name])._actions:
        if action.help == "==SUPPRESS==" or action.dest == "help":
            continue
        for flag in action.option_strings:
            assert re.search(rf"(?<![\w-]){re.escape(flag)}(?![\w-])", text), flag


def test_every_setting_is_documented() -> None:
    text = (ROOT / "docs" / "install.md").read_text()
    for setting in SETTINGS:
        assert f"`{setting.name}`" in text, setting.name


def test_every_label_and_code_of_a_failure_is_in_the_contracts() -> None:
    text = (ROOT / "docs" / "contracts.md").read_text()
    for label in (*labels.OWNED - INTERNAL, labels.PROJECT, labels.IMAGE_FRAMEWORK, labels.CREATED):
        assert f"`{label}`" in text, label
    for spelling in labels.LATER_SPELLING.values():
        assert f"`{spelling}`" in text, spelling
    for failure in vars(errors).values():
        if isinstance(failure, type) and issubclass(failure, errors.MlcError):
            assert f"`{failure.code}`" in text, failure.code


def test_completion_and_manual_pages_are_made_for_every_program(tmp_path: Path) -> None:
    for tool in ("completions", "manpages"):
        argv = [sys.executable, ROOT / "tools" / f"{tool}.py", tmp_path / tool]
        subprocess.run(argv, check=True, env={"PYTHONPATH": f"{ROOT}:{ROOT / 'lib'}"})
    shims = {file.name for file in (*ROOT.glob("bin/mlc*"), *ROOT.glob("bin/user/*"))}
    for place, pattern in (
        ("completions/bash", "{}"),
        ("completions/zsh", "_{}"),
        ("manpages", "{}.1"),
    ):
        made = {file.name for file in (tmp_path / place).iterdir()}
        assert made == {pattern.format(name) for name in shims}
    for page in (tmp_path / "manpages").iterdir():
        assert ".SH EXAMPLES" in page.read_text(), page.name


# The properties that an image's label may hold, from the table of the published
# specification: https://containers.dev/implementors/spec/#image-metadata
PUBLISHED = {
    *("forwardPorts", "portsAttributes", "otherPortsAttributes", "containerEnv", "remoteEnv"),
    *("remoteUser", "containerUser", "updateRemoteUserUID", "userEnvProbe", "overrideCommand"),
    *("shutdownAction", "init", "privileged", "capAdd", "securityOpt", "mounts", "customizations"),
    *("onCreateCommand", "updateContentCommand", "postCreateCommand", "postStartCommand"),
    *("postAttachCommand", "waitFor", "hostRequirements", "entrypoint", "id"),
}


def test_the_dockerfile_writes_the_label_vs_code_reads() -> None:
    block = account_block("thesis", "Pytorch-2.8.0", "aimehub/pytorch")
    [quoted] = re.findall(r'devcontainer\.metadata="((?:[^"\\]|\\.)*)"', block)
    label = quoted.replace('\\"', '"').replace("${DS01_USERNAME}", "h-baker-at-hertie-school-lan")
    [entry] = json.loads(label)
    assert entry["remoteUser"] == "h-baker-at-hertie-school-lan"
    assert set(entry) <= PUBLISHED

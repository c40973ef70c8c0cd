"""The output of the container commands."""

from __future__ import annotations

import json

import pytest
from support.accounts import PASSWD, THESIS_LABELS

from mlc_patched.cli.main import parse
from mlc_patched.context import Context
from mlc_patched.errors import (
    UsageError,
)
from mlc_patched.images.verify import Findings


def good(monkeypatch: pytest.MonkeyPatch, *wrong: str) -> None:
    found = Findings(wrong)
    monkeypatch.setattr("mlc_patched.images.save.examine", lambda *arguments: found)


def said(context: Context, name: str, *arguments: str) -> int:
    command, parsed = parse([name, *arguments])
    return command.load().run(parsed, context)


def test_the_output_of_the_commands(context: Context, fake, capsys, monkeypatch) -> None:
    good(monkeypatch)
    fake.add_image("ds01-1001/thesis", THESIS_LABELS, PASSWD)
    assert said(context, "container-deploy", "thesis", "--background") == 0
    out = capsys.readouterr().out
    assert "[thesis] running, directly from ds01-1001/thesis:latest." in out
    assert "mlc open thesis" in out
    assert "Attach to Running Container… > thesis._.1001" in out
    assert f"/workspace is {context.account.home}/workspace" in out
    assert said(context, "container-create", "--project", "thesis") == 0
    assert "Start" in capsys.readouterr().out
    assert said(context, "container-deploy", "n", "--project", "thesis", "--dry-run") == 0
    assert "in the image: one step" in capsys.readouterr().out
    assert said(context, "container-list", "-a", "-d") == 0
    assert "[thesis-2]" in capsys.readouterr().out
    assert said(context, "container-list", "--json") == 0
    assert json.loads(capsys.readouterr().out)["version"] == 1
    with pytest.raises(UsageError, match="pass -y"):
        said(context, "container-retire", "thesis")
    with pytest.raises(UsageError, match="Which container"):
        said(context, "container-retire")
    assert said(context, "container-retire", "--save", "thesis", "-y") == 0
    assert "saved as ds01-1001/thesis:20" in capsys.readouterr().out
    assert said(context, "container-retire", "thesis-2", "-f") == 0
    assert not fake.made


@pytest.mark.parametrize("name", ["deploy", "create", "list", "retire"])
def test_help_has_examples(name: str, capsys) -> None:
    with pytest.raises(SystemExit) as ended:
        parse([f"container-{name}", "-h"])
    assert ended.value.code == 0
    assert f"container-{name}" in capsys.readouterr().out.partition("examples:")[2]

"""mlc export on the command line: what was written where."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.fakes.engine import FakeContainer
from support.run_command import call

from mlc_patched.context import Context


def test_an_exported_container_is_a_file_that_is_named(
    it: FakeContainer, context: Context, tmp_path: Path
) -> None:
    done = call(["mlc", "export", "it", str(tmp_path / "it")], context)
    file = tmp_path / "it"
    assert done.out.startswith(f"[it] exported to {file} (")
    again = call(["mlc", "export", "it", str(tmp_path / "it"), "--json"], context)
    assert json.loads(again.out)["error"]["code"] == "exists"
    forced = call(["mlc", "export", "it", str(tmp_path / "it"), "-f", "--json"], context)
    assert json.loads(forced.out)["exported"]["size"] == file.stat().st_size


def test_a_dash_is_not_standard_output(
    it: FakeContainer, context: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = call(["mlc", "export", "it", "-", "--json"], context)
    error = json.loads(done.out)["error"]
    assert error["code"] == "usage"
    assert "cannot write to standard output" in error["message"]
    assert not list(tmp_path.glob("-*"))
    assert call(["mlc", "export", "it", "./-"], context).code == 0
    assert (tmp_path / "-").is_file()

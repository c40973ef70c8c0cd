"""Where the administrator's settings are read from."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlc_patched.errors import MlcError
from mlc_patched.settings.file import load, locate
from mlc_patched.settings.model import Settings
from mlc_patched.settings.parse import parse


def test_without_a_file_the_built_in_values_apply(tmp_path: Path) -> None:
    assert load({}, str(tmp_path / "none.ini")) == Settings()
    assert parse("", "file") == Settings()


def test_an_unreadable_file_is_reported(tmp_path: Path) -> None:
    with pytest.raises(MlcError, match="cannot be read"):
        load({}, str(tmp_path))
    (tmp_path / "x").write_bytes(b"\xff")
    with pytest.raises(MlcError, match="UTF-8"):
        load({}, str(tmp_path / "x"))


def test_no_variable_replaces_the_administrators_file(tmp_path: Path) -> None:
    file = tmp_path / "mlc.ini"
    mine = {"DS01_SETTINGS": "/dev/null"}
    assert locate(mine, str(file)) == "/dev/null"
    file.write_text("")
    assert locate(mine, str(file)) == str(file)


def test_a_file_that_cannot_be_accessed_is_not_bypassed(monkeypatch) -> None:
    def refused(path: str) -> None:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr("mlc_patched.settings.file.os.lstat", refused)
        assert locate({"DS01_SETTINGS": "/dev/null"}, "/etc/mlc.ini") == "/etc/mlc.ini"


def test_a_link_that_leads_nowhere_is_not_bypassed(tmp_path: Path) -> None:
    file, mine = tmp_path / "mlc.ini", {"DS01_SETTINGS": "/dev/null"}
    file.symlink_to(tmp_path / "away" / "mlc.ini")  # such as on NFS that is not mounted
    with pytest.raises(MlcError, match=r"mlc\.ini is a link, and what it leads to is missing"):
        load(mine, str(file))
    (tmp_path / "ds01").symlink_to(tmp_path / "away")
    with pytest.raises(MlcError, match=r"ds01 is a link, and .* Restore it, or remove the link"):
        load(mine, str(tmp_path / "ds01" / "mlc.ini"))
    (tmp_path / "away").mkdir()
    (tmp_path / "away" / "mlc.ini").write_text("[limits]\npids = 7\n")
    assert load(mine, str(file)).pids == 7

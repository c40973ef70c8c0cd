"""The table of settings, and the example file."""

from __future__ import annotations

import re
from dataclasses import fields

import pytest
from support.users import ROOT

from mlc_patched.settings.model import Settings
from mlc_patched.settings.parse import entries
from mlc_patched.settings.schema import BY_NAME, LABELS, SETTINGS

EXAMPLE = ROOT / "etc" / "mlc.ini"


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)
def test_the_table_has_the_built_in_values(setting) -> None:
    assert setting.read(setting.default) == getattr(Settings(), setting.field)


def test_every_field_has_a_setting() -> None:
    known = {setting.field for setting in SETTINGS} | {"labels", "origins", "texts", "notes"}
    assert known == {field.name for field in fields(Settings)}


def test_the_example_shows_every_setting_with_its_built_in_value_and_no_other() -> None:
    text = EXAMPLE.read_text()
    assert list(entries(text, "example")) == []
    shown = list(entries(re.sub(r"(?m)^#(?=[a-z0-9._]+ =)", "", text), "example"))
    known = [entry for entry in shown if entry.name in BY_NAME]
    values = {entry.name: entry.value for entry in known}
    assert values == {setting.name: setting.default for setting in SETTINGS}
    assert [entry.key for entry in shown if entry.section == LABELS] == ["ds01", "example.site"]

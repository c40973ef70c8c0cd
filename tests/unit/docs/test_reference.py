"""The generated parts of docs/api.md and docs/scripting.md are current."""

from __future__ import annotations

import sys

import pytest
from support.users import ROOT

sys.path.append(str(ROOT / "tools"))  # at the end: tools/bench has modules of the same names
import reference


@pytest.mark.parametrize("name", reference.PAGES)
def test_the_page_is_current(name: str) -> None:
    assert (reference.DOCS / name).read_text() == reference.page(name), "run tools/reference.py"


def test_every_function_is_explained() -> None:
    for title, *lines in (part.split("\n") for part in reference.api().split("\n### ")[1:]):
        assert any(line and not line.startswith("`") for line in lines), title

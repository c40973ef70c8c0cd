"""docs/api.md lists the Python API as it is."""

from __future__ import annotations

import sys

from support.users import ROOT

sys.path.append(str(ROOT / "tools"))  # at the end: tools/bench has modules of the same names
import api_page


def test_the_page_is_current() -> None:
    assert api_page.PAGE.read_text() == api_page.page(), "run tools/api_page.py"


def test_every_function_and_argument_is_explained() -> None:
    text = api_page.reference()
    for title, *lines in (part.split("\n") for part in text.split("\n### ")[1:]):
        assert any(line and not line.startswith("`") for line in lines), title

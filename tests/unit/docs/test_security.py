"""docs/security.md: the tests that it cites exist."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs/security.md").read_text()
FILES = [*(ROOT / "tests").rglob("test_*.py"), *(ROOT / "tests").rglob("*.bats")]


def test_every_test_that_the_page_cites_exists() -> None:
    cited = set(re.findall(r"\btest_\w+\b(?!\.py|/)", re.sub(r"\S+/", "", PAGE)))
    defined = {
        name
        for file in FILES
        for name in re.findall(r"^ *(?:async )?def (test_\w+)", file.read_text(), re.M)
    }
    assert cited
    assert cited - defined == set()


def test_every_file_that_the_page_cites_exists() -> None:
    paths = re.findall(r"\btests/[\w./-]+\.(?:py|bats)", PAGE)
    assert [path for path in paths if not (ROOT / path).is_file()] == []

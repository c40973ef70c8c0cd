"""Generated pages name the commit and the day of their run, and `make lint` warns of old ones."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from support.users import ROOT

sys.path.append(str(ROOT / "tools"))  # at the end: tools/bench has modules of the same names
import page_age
from page_age import Page


@pytest.mark.parametrize("page", page_age.PAGES, ids=lambda page: page.path)
def test_a_generated_page_names_its_commit_and_day(page: Page) -> None:
    text = (ROOT / page.path).read_text()
    assert page_age.commits_in(text)
    assert re.search(r"20\d\d-\d\d-\d\d", text)
    for code in page.code:
        assert (ROOT / code).exists()


def git(place: Path, *argv: str) -> str:
    name = ("-c", "user.name=a", "-c", "user.email=a@b")
    done = subprocess.run(
        ["git", "-C", place, *name, *argv], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def test_a_page_is_old_if_many_commits_changed_its_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git(tmp_path, "init", "-q")
    git(tmp_path, "commit", "-q", "--allow-empty", "-m", "first")
    first = git(tmp_path, "rev-parse", "--short", "HEAD")
    page = Page("page.md", "make page", ("code",))
    monkeypatch.setattr(page_age, "PAGES", (page,))
    monkeypatch.setattr(page_age, "MANY", 1)
    (tmp_path / "page.md").write_text(f"| commit | {first} |\nrun on 2026-11-26, {first}\n")

    def change(path: str, text: str) -> None:
        (tmp_path / path).write_text(text)
        git(tmp_path, "add", "-A")
        git(tmp_path, "commit", "-q", "-m", path)

    change("other", "1")
    change("other", "2")
    change("code", "1")
    assert not list(page_age.warnings(tmp_path))
    change("code", "2")
    assert list(page_age.warnings(tmp_path)) == [
        f"page.md is of commit {first}; since then 2 commits have changed code. "
        "Renew it with: make page"
    ]
    (tmp_path / "page.md").write_text("A run at commit 0123456.\n")
    (unknown,) = page_age.warnings(tmp_path)
    assert unknown == "page.md is of commit 0123456, which is not in this history."

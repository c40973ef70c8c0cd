"""The documentation: every page is listed, every link works, and lines have one width."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.markdown import EXEMPT, WIDTH

ROOT = Path(__file__).resolve().parents[3]
PAGES = sorted((*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")))
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.M)


def links(page: Path) -> list[str]:
    """Return the targets of a page's links to other files."""
    return [link for link in _LINK.findall(page.read_text()) if "://" not in link]


def anchors(page: Path) -> set[str]:
    """Return the anchors that code hosting sites give a page's headings."""
    plain = (re.sub(r"[^\w\- ]", "", title.lower()) for title in _HEADING.findall(page.read_text()))
    return {title.replace(" ", "-") for title in plain}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_works(page: Path) -> None:
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def prose(page: Path) -> list[str]:
    """Return a page's lines that can be wrapped."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.M | re.S)
    return [line for line in text.splitlines() if not line.startswith(EXEMPT)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_line_is_too_long(page: Path) -> None:
    assert not [line for line in prose(page) if len(line) > WIDTH]


def test_no_file_has_conflict_markers() -> None:
    marks = re.compile(rb"^(<{7} |>{7} |={7}$)", re.M)
    folders = ("bin", "docs", "etc", "lib", "mlc_patched", "tests", "tools")
    files = [*ROOT.glob("*"), *(path for folder in folders for path in (ROOT / folder).rglob("*"))]
    found = [path for path in files if path.is_file() and marks.search(path.read_bytes())]
    assert not found


def test_the_table_of_contents_lists_every_page() -> None:
    index, guide = ROOT / "docs/README.md", ROOT / "docs/guide/README.md"
    contents = {(page.parent / link).resolve() for page in (index, guide) for link in links(page)}
    assert set(PAGES) - contents == set()


def strings(module: Path) -> Iterator[str]:
    """Return the strings in a module, with … for the values in them."""
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.JoinedStr):
            yield "".join(
                str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values
            )
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def test_messages_in_troubleshooting_exist() -> None:
    modules = (ROOT / "mlc_patched").rglob("*.py")
    said = "\n".join(text.replace("\n", " ") for each in modules for text in strings(each))
    page = (ROOT / "docs/troubleshooting.md").read_text()
    quoted = re.findall(r"(?:^## |^\| (?:[\w-]+: )?|' or )'([^'\n]+)'", page, re.M)
    assert len(quoted) > 15
    for message in quoted:
        pattern = ".*".join(map(re.escape, re.split("…|NODE|DIRECTORY", message)))
        assert re.search(pattern, said), message


def test_the_readme_shows_a_real_run() -> None:
    first_screen = (ROOT / "README.md").read_text().splitlines()[:20]
    assert any("docs/demo.svg" in line for line in first_screen)
    picture = (ROOT / "docs/demo.svg").read_text()
    assert "http" not in picture.replace("http://www.w3.org/2000/svg", "")
    for words in ("mlc", "ready", "directly", "DS01_HAS_USER_SETUP=true"):
        assert words in picture

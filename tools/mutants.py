"""Write docs/mutants.md from mutmut's last run (`make mutants`); with --show, print what it found.

.venv/bin/python tools/mutants.py [--show]
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "mutants.md"
RESULTS = Path("mutants")
UNNOTICED = {0: "", 5: "no test", 33: "no test"}
"""mutmut's exit codes of changes with which all tests passed, or which no test reaches."""
_NOT_TESTED = (None, 2)
_STRING = re.compile(r"\"[^\"\\]*(?:\\.[^\"\\]*)*\"|'[^'\\]*(?:\\.[^'\\]*)*'")
HEAD = """\
# Changes that the tests notice

Written by `make mutants` with mutmut {version}, on {date}, commit {commit}.

One thing at a time is changed in each function of the modules that decide: a comparison is turned,
an operand dropped, a number or string altered, an argument left out. Then those of the modules' own
unit tests run that reach the function; other tests, which would notice more, are left out. A change
with which all of them pass is one that a mistake could make unnoticed. Texts of messages are left
out.

| module | changes | noticed | share |
| --- | --: | --: | --: |
"""


@dataclass
class Module:
    """The changes to one module: how many were noticed, and the lines of the others."""

    path: str
    noticed: int = 0
    unnoticed: list[str] = field(default_factory=list)
    untested: int = 0

    @property
    def tried(self) -> int:
        """How many changes count."""
        return self.noticed + len(self.unnoticed)

    @property
    def row(self) -> str:
        """Its row of the table."""
        share = f"{100 * self.noticed // self.tried} %" if self.tried else "-"
        return f"| {self.path} | {self.tried} | {self.noticed} | {share} |"


def changed(difference: str) -> tuple[list[str], list[str]]:
    """Return the lines that a difference removes, and those it adds."""
    lines = [line for line in difference.splitlines() if not line.startswith(("---", "+++"))]
    return (
        [line[1:].strip() for line in lines if line.startswith("-")],
        [line[1:].strip() for line in lines if line.startswith("+")],
    )


def is_message(difference: str) -> bool:
    """Whether a change is to the text of a message: a string with a blank that is altered, left out
    or None, and nothing else."""
    removed, added = (" ".join(lines) for lines in changed(difference))
    if not any(" " in text for text in {*_STRING.findall(removed)} - {*_STRING.findall(added)}):
        return False
    return _without_messages(removed) == _without_messages(added)


def _without_messages(code: str) -> str:
    """Return code without strings with a blank, and without what may stand in their place."""
    without = _STRING.sub(lambda found: "" if " " in found.group() else found.group(), code)
    return re.sub(r"\bf(?=[\s,)]|$)|\bNone\b|[\s,]", "", without)


def modules() -> Iterator[Module]:
    """Yield what is known of each module that was changed."""
    from mutmut.mutation.diff_apply import get_diff_for_mutant

    for file in sorted(RESULTS.rglob("*.py.meta")):
        path = str(file.relative_to(RESULTS)).removesuffix(".meta")
        module = Module(path)
        for name, code in json.loads(file.read_text())["exit_code_by_key"].items():
            difference = get_diff_for_mutant(name, path=path)
            if is_message(difference):
                continue
            if code in _NOT_TESTED:
                module.untested += 1
            elif code in UNNOTICED:
                removed, added = changed(difference)
                why = f" ({UNNOTICED[code]})" if UNNOTICED[code] else ""
                module.unnoticed.append(f"`{' '.join(removed)}` -> `{' '.join(added)}`{why}")
            else:
                module.noticed += 1
        if module.tried or module.untested:
            yield module


def page(found: list[Module]) -> str:
    """Return the page."""
    argv = ["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"]
    commit = subprocess.run(argv, check=True, capture_output=True, text=True).stdout.strip()
    from importlib.metadata import version

    head = HEAD.format(version=version("mutmut"), date=time.strftime("%Y-%m-%d"), commit=commit)
    total = Module("all", sum(each.noticed for each in found))
    total.unnoticed = [line for each in found for line in each.unnoticed]
    rows = "\n".join(each.row for each in (*found, total))
    return f"{head}{rows}\n\n---\n[Documentation](README.md) · [Reliability](reliability.md)\n"


def main(arguments: list[str]) -> int:
    """Write the page, unless changes remain to be tested, or print what was found."""
    found = list(modules())
    if arguments == ["--show"]:
        for each in found:
            print(each.row, *each.unnoticed, sep="\n  ")
        return 0
    if untested := sum(each.untested for each in found):
        print(f"mutants: {untested} changes were not tested: run make mutants", file=sys.stderr)
        return 1
    PAGE.write_text(page(found), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Warn of generated pages that are older than the code of which they speak: `make lint`.

Each page names the commit of its run. A page that many commits have overtaken is not wrong, and a
new run takes minutes, so this is a warning: the exit status is 0.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MANY = 30
"""As many commits to its code may be newer than a page."""
_COMMIT = re.compile(r"(?:commit \| |commit |\d{4}-\d\d-\d\d, )([0-9a-f]{7,40})\b")


@dataclass(frozen=True)
class Page:
    """A generated page, the command that writes it, and the code of which it speaks."""

    path: str
    command: str
    code: tuple[str, ...]


PAGES = (
    Page("docs/benchmarks.md", "make bench", ("mlc_patched", "tools/bench")),
    Page("docs/scaling.md", "make bench", ("mlc_patched", "tools/bench")),
    Page("docs/reliability.md", "make reliability", ("mlc_patched", "tests")),
    Page("docs/engines.md", "make engines", ("mlc_patched", "tests/contract", "tests/products")),
    Page("docs/mutants.md", "make mutants", ("mlc_patched", "tests/unit")),
    Page("docs/demo.svg", "make picture", ("mlc_patched/cli", "tools/demo.sh")),
)


def commits_in(text: str) -> list[str]:
    """Return the commits that a page names, each once."""
    return list(dict.fromkeys(_COMMIT.findall(text)))


def warnings(root: Path = ROOT) -> Iterator[str]:
    """Yield a sentence for each page that is too old, or whose commit is unknown here."""
    for page in PAGES:
        for commit in commits_in((root / page.path).read_text(encoding="utf-8")):
            newer = _newer(root, commit, page.code)
            if newer is None:
                yield f"{page.path} is of commit {commit}, which is not in this history."
            elif newer > MANY:
                yield (
                    f"{page.path} is of commit {commit}; since then {newer} commits have changed "
                    f"{', '.join(page.code)}. Renew it with: {page.command}"
                )


def _newer(root: Path, commit: str, code: tuple[str, ...]) -> int | None:
    """Return how many commits to the code are newer than one; None if git does not know it."""
    argv = ["git", "-C", str(root), "rev-list", "--count", f"{commit}..HEAD", "--", *code]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    return int(done.stdout) if done.returncode == 0 else None


if __name__ == "__main__":
    for warning in warnings():
        print(f"Warning: {warning}")

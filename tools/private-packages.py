"""Copy the packages that the program needs from this Python's environment.

    .venv/bin/python tools/private-packages.py DIRECTORY

So the installed versions are those that were tested, no network is needed, and packages for tests
and lint are left out.
"""

from __future__ import annotations

import shutil
import sys
from importlib.metadata import Distribution, distribution
from pathlib import Path

from packaging.requirements import Requirement

PROGRAM = "mlc-patched"


def needed(name: str, found: dict[str, Distribution]) -> dict[str, Distribution]:
    """Collect the distributions that one depends on, recursively."""
    for text in distribution(name).requires or ():
        requirement = Requirement(text)
        if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
            continue
        if requirement.name not in found:
            found[requirement.name] = distribution(requirement.name)
            needed(requirement.name, found)
    return found


def main(directory: Path) -> None:
    """Copy the files of all dependencies."""
    for name, each in sorted(needed(PROGRAM, {}).items()):
        files = each.files or []
        if not files:
            sys.exit(f"private-packages: {name} does not list its files")
        for file in files:
            # Skip programs (outside, '..'), and bytecode, which is compiled after the copy.
            if ".." in file.parts or "__pycache__" in file.parts or file.name == "RECORD":
                continue
            target = directory / file
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file.locate(), target)


if __name__ == "__main__":
    main(Path(sys.argv[1]))

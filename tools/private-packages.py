"""Copy the packages that the program needs out of this Python's environment.

    .venv/bin/python tools/private-packages.py DIRECTORY

What was tested is what is installed: the very versions of .venv, without a network, and
nothing of what only tests and lint need.
"""

from __future__ import annotations

import shutil
import sys
from importlib.metadata import Distribution, distribution
from pathlib import Path

from packaging.requirements import Requirement

PROGRAM = "mlc-patched"


def needed(name: str, found: dict[str, Distribution]) -> dict[str, Distribution]:
    """Collect the distributions that one needs, with all they need in turn."""
    for text in distribution(name).requires or ():
        requirement = Requirement(text)
        if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
            continue
        if requirement.name not in found:
            found[requirement.name] = distribution(requirement.name)
            needed(requirement.name, found)
    return found


def main(directory: Path) -> None:
    """Copy them."""
    for name, each in sorted(needed(PROGRAM, {}).items()):
        files = each.files or []
        if not files:
            sys.exit(f"private-packages: {name} does not say what files it has")
        for file in files:
            # Programs of theirs lie outside, by '..'; compiled files are made where they go.
            if ".." in file.parts or "__pycache__" in file.parts or file.name == "RECORD":
                continue
            target = directory / file
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file.locate(), target)


if __name__ == "__main__":
    main(Path(sys.argv[1]))

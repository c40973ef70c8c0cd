"""Copy the packages that the program needs from this Python's environment.

    .venv/bin/python tools/private-packages.py DIRECTORY

So the installed versions are those that were tested, no network is needed, and packages for tests
and lint are left out. They must be those of requirements.lock, whose hashes `make setup` checks.
"""

from __future__ import annotations

import re
import shutil
import sys
from importlib.metadata import Distribution, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PROGRAM = "mlc-patched"
LOCK = Path(__file__).resolve().parents[1] / "requirements.lock"


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


def locked(text: str) -> dict[str, str]:
    """Return the version of each package in a lock file."""
    return dict(re.findall(r"^([a-z0-9-]+)==(\S+)", text, re.M))


def differences(found: dict[str, Distribution], versions: dict[str, str]) -> list[str]:
    """Return which distributions have another version than the lock file, or are not in it."""
    return [
        f"{name} is {each.version}, not {versions.get(canonicalize_name(name))}"
        for name, each in sorted(found.items())
        if versions.get(canonicalize_name(name)) != each.version
    ]


def main(directory: Path) -> None:
    """Copy the files of all dependencies."""
    found = needed(PROGRAM, {})
    if wrong := differences(found, locked(LOCK.read_text(encoding="utf-8"))):
        sys.exit(
            f"private-packages: .venv does not have the packages of {LOCK.name}: "
            f"{'; '.join(wrong)}. Make it again with: make setup"
        )
    for name, each in sorted(found.items()):
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

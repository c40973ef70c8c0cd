"""The program's own files: what should be installed, and what is."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
from pathlib import Path
from shlex import join

from ..errors import MlcError
from ..host.git import git
from ..lean import dataclass
from ..version import __version__

ROOT = Path(__file__).resolve().parents[2]
MANIFEST = "MANIFEST.sha256"
"""Written by `make install`: a digest and a path in each line, as sha256sum(1) does."""
PACKAGE_FILES = Path("/var/lib/dpkg/info/mlc-patched.list")
"""What the Debian package has installed, a path in each line (deb(5), dpkg(1))."""
NEEDED = (
    "bin/mlc",
    "bin/docker/mlc-patched.py",
    "lib/username_utils.py",
    "lib/username-utils.sh",
    "mlc_patched/data/account.sh",
    "mlc_patched/data/job.sh",
    "mlc_patched/data/ml_images.repo",
)
MODULES = ("docker", "packaging", "username_utils")
COMPLETIONS = (
    "/usr/share/bash-completion/completions/mlc",
    "/usr/local/share/bash-completion/completions/mlc",
    "/etc/bash_completion.d/mlc",
)


@dataclass(frozen=True)
class Tree:
    """The program's own tree compared with `measure`; `remedy` is the command that restores it, or
    that shows what somebody has changed."""

    place: str
    measure: str
    remedy: str
    missing: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    is_working_tree: bool = False


def look(root: Path = ROOT) -> Tree:
    """Compare the tree with its manifest, else with git's commit, else with a short list.

    What pip installed is no tree: its programs are elsewhere, and nothing is compared.
    """
    if (top := _with_manifest(root)) is not None:
        return _against_manifest(top)
    if any(root.glob("mlc_patched-*.dist-info")):
        return Tree(str(root), "installed by pip and not checked", "")
    try:
        listed = git(root, "status", "--porcelain", "-z", "--untracked-files=no").split("\0")
    except MlcError:
        missing = tuple(each for each in NEEDED if not (root / each).is_file())
        return Tree(str(root), "with the most important files", reinstall(root), missing)
    entries = [(each[:2], each[3:]) for each in listed if each]
    own = [(state, path) for state, path in entries if path.startswith(("bin/", "lib/", "mlc_"))]
    # What was changed may be work that is nowhere else, and what was removed with git is meant.
    restored = [path for state, path in own if state[1] == "D"]
    arguments = ("checkout", "--", *restored) if restored else ("status",)
    return Tree(
        str(root),
        "as git's commit has it",
        join(("git", "-C", str(root), *arguments)),
        tuple(path for state, path in own if "D" in state),
        tuple(path for state, path in own if "D" not in state),
        is_working_tree=True,
    )


def _against_manifest(root: Path) -> Tree:
    missing, changed = [], []
    for line in (root / MANIFEST).read_text(encoding="utf-8").splitlines():
        digest, _, path = line.partition("  ")
        try:
            text = (root / path).read_bytes()
        except OSError:
            missing.append(path)
            continue
        if hashlib.sha256(text).hexdigest() != digest:
            changed.append(path)
    return Tree(str(root), "as it was installed", reinstall(root), tuple(missing), tuple(changed))


def _with_manifest(root: Path) -> Path | None:
    return next((each for each in (root, root.parent) if (each / MANIFEST).is_file()), None)


def is_installed() -> bool:
    """Whether the program runs from what `make install` or the Debian package has installed."""
    return _with_manifest(ROOT) is not None


def reinstall(root: Path = ROOT) -> str:
    """Return the command that installs the program again: `make install` would refuse to replace
    the files of the Debian package."""
    try:
        listed = PACKAGE_FILES.read_text(encoding="utf-8").splitlines()
    except OSError:
        listed = []
    if any(each.startswith(f"{root}/") for each in listed):
        return f"sudo apt install --reinstall ./mlc-patched_{__version__}_all.deb"
    return "make install"


def missing_modules() -> tuple[str, ...]:
    """Return the modules the program imports that this Python does not find."""
    return tuple(name for name in MODULES if importlib.util.find_spec(name) is None)


def has_completion(home: str) -> bool:
    """Whether bash completes mlc's commands, for all users or for the one with this home."""
    places = [Path(home, ".local/share/bash-completion/completions/mlc"), *map(Path, COMPLETIONS)]
    if command := shutil.which("mlc"):  # installed with another BINDIR
        places.append(Path(command).parents[1] / "share/bash-completion/completions/mlc")
    return any(map(os.path.exists, places))  # no exception where root may not look into homes

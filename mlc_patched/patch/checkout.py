"""Recognise an AIME checkout: its location, version and commands, and which of them were edited."""

from __future__ import annotations

import contextlib
import enum
import hashlib
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from ..errors import MlcError, NotFoundError
from ..host.git import git
from ..lean import dataclass
from ..version import AIME_VERSION
from .layout import AIME_DIRECTORY, FILE_NAME, ORIGINAL, STORE
from .shim import is_shim

VERBS = ("create", "export", "import", "list", "open", "remove", "start", "stats", "stop")
COMMANDS = ("mlc.py", "mlc", *(f"mlc-{verb}" for verb in VERBS), "mlc-update-sys")
"""Files of a checkout that users call (docs/contracts.md, "AIME's commands")."""
KNOWN = {"v2": (AIME_VERSION,), "v1": ("1", "2", "3")}
"""Versions whose command line and containers mlc-patched reproduces. AIME's first form has only
the version of its containers; version 4 is that of 2.2.0 (docs/contracts.md, "Names")."""
_V2_VERSION = re.compile(rb"^\s*(?:mlc_)?version\s*=\s*['\"]v?([0-9][^'\"\s]*)['\"]", re.M | re.I)
_V1_VERSION = re.compile(rb"^\s*MLC_VERSION=['\"]?([0-9][^'\"\s;]*)", re.M)


class Form(enum.Enum):
    """The two forms of AIME's program."""

    V1 = "v1"
    """A shell script for each command."""
    V2 = "v2"
    """One Python program, `mlc.py`, and shims."""


@dataclass(frozen=True)
class Checkout:
    """A recognised checkout. `version` is empty if AIME's program does not state it."""

    path: Path
    form: Form
    version: str
    commands: tuple[str, ...]

    @property
    def is_known(self) -> bool:
        """Whether mlc-patched was tested with this version."""
        return is_known(self.form, self.version)


def is_known(form: Form, version: str) -> bool:
    """Whether mlc-patched was tested with a version of AIME's mlc."""
    from packaging.version import InvalidVersion, Version

    try:
        return Version(version) in [Version(known) for known in KNOWN[form.value]]
    except InvalidVersion:
        return False


def find(environ: Mapping[str, str]) -> Path:
    """Return the AIME checkout found through PATH, or else in AIME's default directory.

    Raises NotFoundError if there is none.
    """
    for place in _places(environ):
        # Skip directories on PATH that the caller may not read.
        with contextlib.suppress(OSError):
            if (place / FILE_NAME).is_file() and _has_commands(place):
                return place
    raise NotFoundError(
        f"No AIME checkout was found, neither through PATH nor at {AIME_DIRECTORY}."
    )


def _places(environ: Mapping[str, str]) -> Iterator[Path]:
    for directory in environ.get("PATH", "").split(os.pathsep):
        for name in ("mlc", "mlc-create"):
            if directory and os.access(program := Path(directory, name), os.R_OK):
                yield program.resolve().parent
    yield Path(AIME_DIRECTORY)


def _has_commands(place: Path) -> bool:
    names = ("mlc.py", "mlc-create")
    return any((place / name).is_file() or is_stored(place, name) for name in names)


def is_stored(path: Path, name: str) -> bool:
    """Whether the store of a patched checkout has the original of a command."""
    original = path / STORE / ORIGINAL / name
    return original.is_file() and not original.is_symlink()


def recognise(path: Path) -> Checkout:
    """Recognise an AIME checkout, patched or not.

    Its commands include those that are missing, but stored.
    Raises NotFoundError, which says what is missing, if it is not a checkout, and MlcError if
    a command cannot be read, or is a link.
    """
    if not os.path.isdir(path):  # noqa: PTH112 - no exception for a name that is too long
        raise NotFoundError(f"{path} is not a directory.")
    missing = [
        text
        for text, there in (
            (FILE_NAME, (path / FILE_NAME).is_file()),
            ("mlc.py or mlc-create", _has_commands(path)),
        )
        if not there
    ]
    if missing:
        raise NotFoundError(
            f"{path} is not an AIME checkout: it has no {' and no '.join(missing)}."
        )
    commands = tuple(name for name in COMMANDS if (path / name).exists() or is_stored(path, name))
    if links := [name for name in commands if (path / name).is_symlink()]:
        raise MlcError(
            f"{path} is not an AIME checkout: {', '.join(links)} should be files but are links.",
            "Restore the files (git checkout -- NAME), or name another checkout.",
        )
    if lost := [name for name in commands if _is_lost(path, name)]:
        raise MlcError(
            f"{path / STORE} has lost AIME's original of {', '.join(lost)}.",
            f"Restore AIME's files with git: git -C {path} checkout -- {' '.join(lost)}",
        )
    form = Form.V2 if "mlc.py" in commands else Form.V1
    version = version_of(form, original_text(path, "mlc.py" if form is Form.V2 else "mlc-create"))
    return Checkout(path, form, version, commands)


def version_of(form: Form, program: bytes) -> str:
    """Return the version that AIME's program states, empty if it states none."""
    match = (_V2_VERSION if form is Form.V2 else _V1_VERSION).search(program)
    return match[1].decode(errors="replace") if match else ""


def original_text(path: Path, name: str) -> bytes:
    """Return the text of AIME's command: the file itself, or the stored original if the file is our
    shim or missing.

    Raises MlcError if the file cannot be read.
    """
    try:
        return _original_text(path, name)
    except OSError as error:
        raise MlcError(
            f"{error.filename} cannot be read: {error.strerror}.",
            f"If it is lost, restore AIME's file with git: git -C {path} checkout -- {name}",
        ) from error


def _original_text(path: Path, name: str) -> bytes:
    text = (path / name).read_bytes() if (path / name).exists() else None
    if text is None or is_shim(text):
        return (path / STORE / ORIGINAL / name).read_bytes()
    return text


def _is_lost(path: Path, name: str) -> bool:
    try:
        _original_text(path, name)
    except FileNotFoundError:
        return True
    except OSError:
        return False  # `original_text` says why
    return False


def committed(checkout: Checkout) -> dict[str, str]:
    """Return the commands in AIME's commit, with the names of their blobs.

    Raises MlcError if git does not know them, or refuses to say.
    """
    unknown = MlcError("its files are not in git, so edits cannot be detected")
    try:
        listed = git(checkout.path, "ls-tree", "-z", "HEAD", "--", *checkout.commands)
    except MlcError as error:
        places = (checkout.path, *checkout.path.parents)
        if not any(os.path.lexists(place / ".git") for place in places):
            raise unknown from error
        reason = " ".join(str(error).split())
        raise MlcError(f"edits cannot be detected, because {reason}") from error
    known = {}
    for entry in filter(None, listed.split("\0")):
        about, _, name = entry.partition("\t")
        known[name] = about.split()[2]
    if not known:
        raise unknown
    return known


def edited(checkout: Checkout) -> tuple[str, ...]:
    """Return the commands that differ from AIME's commit, or raise MlcError as `committed` does."""
    known = committed(checkout)
    return tuple(
        name
        for name in checkout.commands
        if _blob(original_text(checkout.path, name), known.get(name, "")) != known.get(name)
    )


def in_history(path: Path, name: str, text: bytes) -> bool:
    """Whether a commit of the checkout has this text of a command; False if git cannot say."""
    try:
        blob = git(path, "hash-object", "--stdin", stdin=text)
        refs = ("--branches", "--remotes", "--tags", "HEAD")
        return bool(
            git(path, "log", "-1", "--format=%H", f"--find-object={blob}", *refs, "--", name)
        )
    except MlcError:
        return False


def _blob(text: bytes, like: str) -> str:
    """Return the name git gives to a file's text (git-hash-object(1)), as long as `like`."""
    algorithm = "sha256" if len(like) == 64 else "sha1"
    return hashlib.new(
        algorithm, b"blob %d\0" % len(text) + text, usedforsecurity=False
    ).hexdigest()

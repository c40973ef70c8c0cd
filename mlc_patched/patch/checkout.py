"""An AIME checkout: where it is, of which version, which commands it has, and which were edited."""

from __future__ import annotations

import contextlib
import enum
import hashlib
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ..errors import MlcError, NotFoundError
from ..host.git import git
from ..plan.catalog import AIME_DIRECTORY, FILE_NAME
from ..version import AIME_VERSION
from .layout import ORIGINAL, STORE
from .standin import is_stand_in

VERBS = ("create", "export", "import", "list", "open", "remove", "start", "stats", "stop")
COMMANDS = ("mlc.py", "mlc", *(f"mlc-{verb}" for verb in VERBS), "mlc-update-sys")
"""Files of a checkout that users call (contract 1, "Commands and flags")."""
KNOWN = {"v2": (AIME_VERSION,), "v1": ("1", "2", "3")}
"""Versions whose command line and containers were followed. AIME's first form only numbers its
containers; those before 4, which is 2.2.0's, are known (contract 1, "Names")."""
_V2_VERSION = re.compile(rb"^\s*(?:mlc_)?version\s*=\s*['\"]v?([0-9][^'\"\s]*)['\"]", re.M | re.I)
_V1_VERSION = re.compile(rb"^\s*MLC_VERSION=['\"]?([0-9][^'\"\s;]*)", re.M)


class Form(enum.Enum):
    """How AIME's program is built."""

    V1 = "v1"
    """A shell script for each command."""
    V2 = "v2"
    """One Python program, `mlc.py`, and shims."""


@dataclass(frozen=True)
class Checkout:
    """What was recognised. `version` is empty where nothing tells it."""

    path: Path
    form: Form
    version: str
    commands: tuple[str, ...]

    @property
    def is_known(self) -> bool:
        """Whether this version is one that our program was made for."""
        return is_known(self.form, self.version)


def is_known(form: Form, version: str) -> bool:
    """Whether a version of AIME's mlc is one that our program was made for."""
    from packaging.version import InvalidVersion, Version

    try:
        return Version(version) in [Version(known) for known in KNOWN[form.value]]
    except InvalidVersion:
        return False


def find(environ: Mapping[str, str]) -> Path:
    """Return the AIME checkout whose commands PATH finds, or the one in AIME's usual place.

    Raises:
        NotFoundError: there is none.
    """
    for place in _places(environ):
        # What the caller may not look into on PATH is no checkout of the caller's.
        with contextlib.suppress(OSError):
            if (place / FILE_NAME).is_file() and _has_commands(place):
                return place
    raise NotFoundError(
        f"No AIME checkout was found, neither by PATH nor as {AIME_DIRECTORY}. "
        "Name it: mlc-patch status DIRECTORY"
    )


def _places(environ: Mapping[str, str]) -> Iterator[Path]:
    for directory in environ.get("PATH", "").split(os.pathsep):
        for name in ("mlc", "mlc-create"):
            if directory and os.access(program := Path(directory, name), os.R_OK):
                yield program.resolve().parent
    yield AIME_DIRECTORY


def _has_commands(place: Path) -> bool:
    return any((place / name).is_file() for name in ("mlc.py", "mlc-create"))


def recognise(path: Path) -> Checkout:
    """Recognise an AIME checkout, patched or not.

    Raises:
        NotFoundError: it is none; the message says what is missing.
        MlcError: a file of it cannot be read, or is a link.
    """
    if not os.path.isdir(path):  # noqa: PTH112 - no exception for a name that is too long
        raise NotFoundError(
            f"{path} is no directory. Name the AIME checkout: mlc-patch … DIRECTORY"
        )
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
            f"{path} is no AIME checkout: it has no {' and no '.join(missing)}. "
            "Name the right one: mlc-patch status DIRECTORY"
        )
    commands = tuple(name for name in COMMANDS if (path / name).exists())
    if links := [name for name in commands if (path / name).is_symlink()]:
        raise MlcError(
            f"{path} is no checkout as AIME makes them: {', '.join(links)} are links. "
            "Put files in their place (git checkout -- NAME), or name another checkout."
        )
    form = Form.V2 if "mlc.py" in commands else Form.V1
    version = version_of(form, original_text(path, "mlc.py" if form is Form.V2 else "mlc-create"))
    return Checkout(path, form, version, commands)


def version_of(form: Form, program: bytes) -> str:
    """Read AIME's version out of its program's text; empty if it is not told."""
    match = (_V2_VERSION if form is Form.V2 else _V1_VERSION).search(program)
    return match[1].decode(errors="replace") if match else ""


def original_text(path: Path, name: str) -> bytes:
    """Return AIME's own text of a command: the file's, or what it is kept as if ours stands in.

    Raises:
        MlcError: it cannot be read.
    """
    try:
        text = (path / name).read_bytes()
        if is_stand_in(text):
            text = (path / STORE / ORIGINAL / name).read_bytes()
    except OSError as error:
        raise MlcError(f"{error.filename} cannot be read: {error.strerror}") from error
    return text


def edited(checkout: Checkout) -> tuple[str, ...] | None:
    """Return the commands that are not as AIME's commit has them, or None if git cannot tell."""
    try:
        listed = git(checkout.path, "ls-tree", "-z", "HEAD", "--", *checkout.commands)
    except MlcError:
        return None
    known = {}
    for entry in filter(None, listed.split("\0")):
        about, _, name = entry.partition("\t")
        known[name] = about.split()[2]
    if not known:
        return None
    return tuple(
        name
        for name in checkout.commands
        if _blob(original_text(checkout.path, name), known.get(name, "")) != known.get(name)
    )


def _blob(text: bytes, like: str) -> str:
    """Return the name git gives to a file's text (git-hash-object(1)), as long as `like`."""
    algorithm = "sha256" if len(like) == 64 else "sha1"
    return hashlib.new(
        algorithm, b"blob %d\0" % len(text) + text, usedforsecurity=False
    ).hexdigest()

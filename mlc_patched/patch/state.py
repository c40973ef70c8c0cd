"""The state of an AIME checkout: the facts read from it, and the resulting condition."""

from __future__ import annotations

import enum
from pathlib import Path

from ..lean import dataclass
from . import checkout as patch_checkout
from . import store as patch_store
from .checkout import Checkout
from .layout import MARKER, ORIGINAL, PROGRAM, STORE
from .shim import is_shim, shim
from .store import MANIFEST, Manifest


class FileState(enum.Enum):
    """What a command's file contains."""

    OURS = "our shim"
    OLDER = "a shim of another version"
    """Works as well as ours; the next apply or update-sys replaces it."""
    EDITED = "our shim, but edited since it was patched"
    CLOSED = "our shim, but closed to users who could run AIME's"
    AIME = "AIME's"
    CHANGED = "changed since it was patched"
    MISSING = "missing"


SHIMS = frozenset({FileState.OURS, FileState.OLDER})
"""The shims that work."""
ALL_SHIMS = SHIMS | {FileState.EDITED, FileState.CLOSED}
"""The files whose original is in the store."""


class Condition(enum.Enum):
    """Whether a checkout is patched."""

    AIME = "not patched"
    PATCHED = "patched"
    INTERRUPTED = "partly patched, all commands still AIME's"
    DAMAGED = "patched, but damaged"


_READ_AND_RUN = 0o555


@dataclass(frozen=True)
class State:
    """A checkout and its patch. `program` is the target of the store's link, empty without one;
    `broken_originals` are the stored originals that do not match the manifest; `faults_of_switch`
    say why users' commands do not reach our program."""

    checkout: Checkout
    condition: Condition
    manifest: Manifest | None
    files: dict[str, FileState]
    program: str
    broken_originals: tuple[str, ...]
    faults_of_switch: tuple[str, ...]

    def named(self, *states: FileState) -> tuple[str, ...]:
        """Return the commands whose file is in one of these states."""
        return tuple(name for name, state in self.files.items() if state in states)

    @property
    def has_lost_manifest(self) -> bool:
        """Whether there are shims, but no list of their originals that can be read."""
        return self.manifest is None and bool(self.named(*SHIMS))

    def faults(self) -> list[str]:
        """Return all that is wrong with a patch."""
        files = (
            f"{name} is {found.value}" for name, found in self.files.items() if found not in SHIMS
        )
        return [*files, *self.faults_of_store(), *self.faults_of_switch]

    def faults_of_store(self) -> list[str]:
        """Return what is wrong with the stored originals."""
        faults = [f"the stored original of {name} is damaged" for name in self.broken_originals]
        if self.has_lost_manifest:
            path = self.checkout.path / STORE / ORIGINAL / MANIFEST
            faults.append(f"the list of the stored originals, {path}, is missing or damaged")
        return faults


def condition(
    *, has_store: bool, active: bool, whole: bool, files: dict[str, FileState]
) -> Condition:
    """Return the condition: `active` if the marker exists, `whole` if users reach the program, and
    all originals exist."""
    if not has_store:
        return Condition.AIME
    if not active:
        return Condition.INTERRUPTED
    if whole and set(files.values()) <= SHIMS:
        return Condition.PATCHED
    return Condition.DAMAGED


def examine(path: Path) -> State:
    """Read the state of a checkout.

    Raises NotFoundError if it is not an AIME checkout, MlcError if a file cannot be read.
    """
    checkout = patch_checkout.recognise(path)
    manifest = patch_store.read_manifest(path)
    files = {name: _file_state(path, name, manifest) for name in checkout.commands}
    link = path / STORE / PROGRAM
    program = str(link.readlink()) if link.is_symlink() else ""
    broken = _broken_originals(path, manifest)
    faults = _faults_of_switch(checkout)
    verdict = condition(
        has_store=(path / STORE).exists(),
        active=patch_store.is_active(path),
        whole=manifest is not None and not broken and not faults,
        files=files,
    )
    return State(checkout, verdict, manifest, files, program, broken, faults)


def is_open(file: Path) -> bool:
    """Whether every user can read a file, judged by the modes along its path."""
    return bool(file.stat().st_mode & 0o004) and all(
        place.stat().st_mode & 0o001 for place in file.parents
    )


def _file_state(path: Path, name: str, manifest: Manifest | None) -> FileState:
    try:
        text = (path / name).read_bytes()
    except FileNotFoundError:
        return FileState.MISSING
    kept = manifest.kept(name) if manifest else None
    if is_shim(text):
        is_current = text == shim(name, patch_checkout.original_text(path, name))
        known = manifest.shims if manifest else ()
        if known and not is_current and patch_store.digest(text) not in known:
            return FileState.EDITED
        if kept and _READ_AND_RUN & kept.mode & ~(path / name).stat().st_mode:
            return FileState.CLOSED
        return FileState.OURS if is_current else FileState.OLDER
    if manifest and (kept is None or kept.sha256 != patch_store.digest(text)):
        return FileState.CHANGED
    return FileState.AIME


def _broken_originals(path: Path, manifest: Manifest | None) -> tuple[str, ...]:
    broken = []
    for kept in manifest.files if manifest else ():
        try:
            original = patch_store.read_original(path / STORE / ORIGINAL / kept.name)
        except OSError:
            broken.append(kept.name)
            continue
        if (patch_store.digest(original.text), original.mode) != (kept.sha256, kept.mode):
            broken.append(kept.name)
    return tuple(broken)


def _faults_of_switch(checkout: Checkout) -> tuple[str, ...]:
    path = checkout.path
    marker, link = path / STORE / MARKER, path / STORE / PROGRAM
    if not (path / STORE).exists():
        return ()
    if not link.is_symlink():
        return (f"the link to our program, {link}, is missing",)
    closed = "not every user who can read the commands can read"
    try:
        link.stat()
    except PermissionError:
        return (f"{closed} {link.readlink()}",)
    except OSError:
        return (f"our program {link.readlink()} is missing",)
    commands = [path / name for name in checkout.commands if (path / name).exists()]
    if not any(is_open(command) for command in commands):
        return ()
    return tuple(
        f"{closed} {place}"
        for place in (marker, link.resolve())
        if place.exists() and not is_open(place)
    )

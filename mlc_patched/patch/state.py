"""The state of an AIME checkout: the facts read from it, and the resulting condition."""

from __future__ import annotations

import enum
from pathlib import Path

from ..lean import dataclass
from . import checkout as patch_checkout
from . import store as patch_store
from .checkout import Checkout
from .layout import ORIGINAL, PROGRAM, STORE
from .shim import is_shim, shim
from .store import MANIFEST, Manifest


class FileState(enum.Enum):
    """What a command's file contains."""

    OURS = "our shim"
    OLDER = "a shim of another version"
    """Works as well as ours; the next apply or update-sys replaces it."""
    AIME = "AIME's"
    CHANGED = "changed since it was patched"
    MISSING = "missing"


SHIMS = frozenset({FileState.OURS, FileState.OLDER})


class Condition(enum.Enum):
    """Whether a checkout is patched."""

    AIME = "not patched"
    PATCHED = "patched"
    INTERRUPTED = "partly patched, all commands still AIME's"
    DAMAGED = "patched, but damaged"


@dataclass(frozen=True)
class State:
    """A checkout and its patch. `program` is the target of the store's link, empty without one;
    `broken_originals` are the stored originals that do not match the manifest."""

    checkout: Checkout
    condition: Condition
    manifest: Manifest | None
    files: dict[str, FileState]
    program: str
    broken_originals: tuple[str, ...]

    def named(self, *states: FileState) -> tuple[str, ...]:
        """Return the commands whose file is in one of these states."""
        return tuple(name for name, state in self.files.items() if state in states)

    @property
    def has_lost_manifest(self) -> bool:
        """Whether there are shims, but no list of their originals that can be read."""
        return self.manifest is None and bool(self.named(*SHIMS))

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
    """Return the condition: `active` if the marker exists, `whole` if the program and all originals
    do."""
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
    verdict = condition(
        has_store=(path / STORE).exists(),
        active=patch_store.is_active(path),
        whole=link.exists() and manifest is not None and not broken,
        files=files,
    )
    return State(checkout, verdict, manifest, files, program, broken)


def _file_state(path: Path, name: str, manifest: Manifest | None) -> FileState:
    try:
        text = (path / name).read_bytes()
    except FileNotFoundError:
        return FileState.MISSING
    if is_shim(text):
        current = shim(name, patch_checkout.original_text(path, name))
        return FileState.OURS if text == current else FileState.OLDER
    kept = manifest.kept(name) if manifest else None
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

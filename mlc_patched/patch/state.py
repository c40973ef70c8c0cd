"""What state an AIME checkout is in: facts read from it, and the verdict over them."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from pathlib import Path

from . import checkout as patch_checkout
from . import store as patch_store
from .checkout import Checkout
from .layout import PROGRAM, STORE
from .standin import is_stand_in, stand_in
from .store import Manifest


class FileState(enum.Enum):
    """What a command's file is."""

    OURS = "ours"
    OLDER = "of another mlc-patched"
    AIME = "AIME's"
    CHANGED = "changed since it was patched"


class Condition(enum.Enum):
    """What the commands of a checkout do."""

    AIME = "not patched"
    PATCHED = "patched"
    INTERRUPTED = "being patched, but still all AIME's"
    DAMAGED = "patched, but not whole"


@dataclass(frozen=True)
class State:
    """A checkout and its patch. `program` is where the store's link points, empty without one;
    `broken_originals` are kept files that are not what the manifest says."""

    checkout: Checkout
    condition: Condition
    manifest: Manifest | None
    files: dict[str, FileState]
    program: str
    broken_originals: tuple[str, ...]

    def named(self, *states: FileState) -> tuple[str, ...]:
        """Return the commands whose file is in one of these states."""
        return tuple(name for name, state in self.files.items() if state in states)


def condition(
    *, has_store: bool, active: bool, whole: bool, files: dict[str, FileState]
) -> Condition:
    """Return the verdict.

    Args:
        has_store: whether there is a store.
        active: whether its marker is there.
        whole: whether the program it names and the originals it keeps are there.
        files: what each command's file is.
    """
    if not has_store:
        return Condition.AIME
    if not active:
        return Condition.INTERRUPTED
    if whole and all(state is FileState.OURS for state in files.values()):
        return Condition.PATCHED
    return Condition.DAMAGED


def examine(path: Path) -> State:
    """Look at a checkout.

    Raises:
        NotFoundError: it is no AIME checkout.
        MlcError: something of it cannot be read.
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
    text = (path / name).read_bytes()
    if is_stand_in(text):
        current = stand_in(name, patch_checkout.original_text(path, name))
        return FileState.OURS if text == current else FileState.OLDER
    kept = manifest.kept(name) if manifest else None
    if manifest and (kept is None or kept.sha256 != patch_store.digest(text)):
        return FileState.CHANGED
    return FileState.AIME


def _broken_originals(path: Path, manifest: Manifest | None) -> tuple[str, ...]:
    broken = []
    for kept in manifest.files if manifest else ():
        try:
            original = patch_store.read_original(path / STORE / "original" / kept.name)
        except OSError:
            broken.append(kept.name)
            continue
        if (patch_store.digest(original.text), original.mode) != (kept.sha256, kept.mode):
            broken.append(kept.name)
    return tuple(broken)

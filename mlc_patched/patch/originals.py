"""Which original of a command counts: the stored one, or the file in the checkout.

No version that only the store has is lost.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from ..errors import MlcError
from ..lean import replace
from ..report import Reporter
from . import checkout as patch_checkout
from . import store as patch_store
from .layout import ORIGINAL, STORE
from .state import ALL_SHIMS, FileState, State


def without_removed(state: State) -> State:
    """Leave out missing commands that were removed by an update with git."""
    missing, path = state.named(FileState.MISSING), state.checkout.path
    if not missing:
        return state
    try:
        committed = patch_checkout.committed(state.checkout)
    except MlcError:
        return state
    files = {
        name: found
        for name, found in state.files.items()
        if name not in missing or name in committed or not _is_committed_original(path, name)
    }
    return replace(state, checkout=replace(state.checkout, commands=tuple(files)), files=files)


def stored_originals(state: State) -> tuple[str, ...]:
    """Return the commands whose original is the stored one: those with a shim, missing ones, and
    those that were edited before the patch and whose file is git's now."""
    stored = list(state.named(*ALL_SHIMS, FileState.MISSING))
    if only := _only_stored(state):
        try:
            edited = patch_checkout.edited(state.checkout)
        except MlcError:
            edited = state.checkout.commands
        stored += [name for name in only if name not in (*edited, *state.broken_originals)]
    return tuple(stored)


def _only_stored(state: State) -> list[str]:
    """Return the commands that are no shims, and whose original is in the store alone."""
    path = state.checkout.path
    return [
        name
        for name, found in state.files.items()
        if (found is FileState.CHANGED or (found is FileState.AIME and state.manifest is None))
        and patch_checkout.is_stored(path, name)
        and not _is_committed_original(path, name)
    ]


def _is_committed_original(path: Path, name: str) -> bool:
    text = patch_store.read_original(path / STORE / ORIGINAL / name).text
    return patch_checkout.in_history(path, name, text)


def set_aside(state: State, stored: Collection[str], report: Reporter) -> None:
    """Copy stored originals that would be lost, as neither the checkout nor git has them."""
    for name in _only_stored(state):
        if name not in stored:
            copy = patch_store.copy_aside(state.checkout.path, name)
            report.warn(
                f"The stored version of {name}, which neither the checkout nor git has, "
                f"is now {copy}"
            )

"""apply, verify and revert: make an AIME checkout run our program, and restore AIME's.

Wherever apply or revert is interrupted, either all commands of the checkout are AIME's or all are
ours: the files are replaced one by one with shims that run AIME's original as long as the store's
marker is missing (shim.py), and the marker appears or disappears in one system call.
"""

from __future__ import annotations

import os
import pwd
import shlex
import time
from collections.abc import Sequence
from pathlib import Path

from ..errors import MlcError
from ..host.account import Account
from ..host.owner import account_for
from ..host.process import output_of
from ..interrupts import defer_signals
from ..lean import dataclass
from ..report import Reporter
from . import checkout as patch_checkout
from . import store as patch_store
from .layout import FILE_NAME, MARKER, ORIGINAL, PROGRAM, STORE
from .originals import set_aside, stored_originals, without_removed
from .shim import shim
from .state import SHIMS, Condition, FileState, State, examine, is_open
from .store import Kept, Manifest, Original

GRACE_SECONDS = 1.0
"""How long revert keeps the store after switching off: commands that read the marker just before
still open our program through the store once Python has started."""
_SECONDS = 60


@dataclass(frozen=True)
class Patched:
    """Result of apply or revert: the checkout, and the files that were replaced, if any."""

    state: State
    replaced: tuple[str, ...]


def apply(path: Path, program: Path, python: str, report: Reporter, *, force: bool) -> Patched:
    """Make every command of a checkout run our program, with this Python.

    `force` patches an untested version or edited files, too. Raises MlcError if the checkout cannot
    or should not be patched, before anything is changed, and OSError if a file could not be
    replaced; the checkout was restored.
    """
    with patch_store.locked(path):
        state = examine(path)
        if is_done(state, program):
            return Patched(state, ())
        state = _checked_for_apply(state, program, python, force)
        report.step(f"Patching {path}")
        was_active = patch_store.is_active(path)
        try:
            replaced = _replace(state, program, python, report)
        except BaseException:
            if not was_active:
                with defer_signals():
                    _restore(path, report)
            raise
        return Patched(examine(path), replaced)


def would_apply(path: Path, program: Path, python: str, *, force: bool) -> Patched:
    """Return the checkout as it is, and the files that `apply` would replace, or raise as it
    does."""
    state = examine(path)
    if is_done(state, program):
        return Patched(state, ())
    checked = _checked_for_apply(state, program, python, force)
    names = (name for name, found in checked.files.items() if found is not FileState.OURS)
    return Patched(state, tuple(names))


def is_done(state: State, program: Path) -> bool:
    """Whether every command runs this program already, so that `apply` has nothing to do."""
    return (
        state.condition is Condition.PATCHED
        and state.program == str(program)
        and not state.named(FileState.OLDER)
    )


def _checked_for_apply(state: State, program: Path, python: str, force: bool) -> State:
    """Return the checkout without the commands that AIME has removed, or raise MlcError if it is
    not to be patched."""
    check_writable(state)
    _check_originals(state)
    state = without_removed(state)
    _check_known(state, force)
    _check_program(program, python, state)
    return state


def _replace(state: State, program: Path, python: str, report: Reporter) -> tuple[str, ...]:
    path = state.checkout.path
    store = patch_store.open_store(path)
    patch_store.tidy(path)
    stored = stored_originals(state)
    originals = {
        name: patch_store.read_original((store / ORIGINAL if name in stored else path) / name)
        for name in state.checkout.commands
    }
    if edited := [name for name in stored if state.files[name] is FileState.CHANGED]:
        names = ", ".join(edited)
        report.note(
            f"Your version of {names} is kept, and mlc-patch revert restores it. To use AIME's "
            f"instead, with yours in git's stash: {stash_advice(path, edited)}"
        )
    if shims := ", ".join(state.named(FileState.EDITED)):
        report.warn(
            f"Our shim of {shims} was edited, and the edit is not kept. To change a command: "
            f"mlc-patch revert {path}, edit AIME's file, mlc-patch apply {path} --force"
        )
    set_aside(state, stored, report)
    manifest = manifest_of(state.checkout.form.value, state.checkout.version, originals, state)
    if manifest != state.manifest or state.broken_originals:
        patch_store.keep(path, manifest, originals)
    patch_store.link(store / PROGRAM, str(program))
    replaced = tuple(
        name for name, found in examine(path).files.items() if found is not FileState.OURS
    )
    for name in replaced:
        original = originals[name]
        text = shim(name, original.text)
        patch_store.replace(path, name, Original(text, original.mode))
    patch_store.activate(path, python)
    return replaced


def manifest_of(form: str, version: str, originals: dict[str, Original], state: State) -> Manifest:
    """Return the manifest of originals to be stored, and of their shims and those in place."""
    shims = {patch_store.digest(shim(name, each.text)) for name, each in originals.items()}
    shims |= {
        patch_store.digest((state.checkout.path / name).read_bytes())
        for name in state.named(*SHIMS)
        if name in originals
    }
    kept = (
        Kept(name, patch_store.digest(each.text), each.mode) for name, each in originals.items()
    )
    return Manifest(form, version, tuple(kept), tuple(sorted(shims)))


def stash_advice(path: Path, names: Sequence[str]) -> str:
    """Return a command that puts edited commands into git's stash and patches git's."""
    place = shlex.quote(str(path))
    stash = shlex.join(["git", "-C", str(path), "stash", "push", "-a", "--", *names])
    return f"mlc-patch revert {place} && {stash} && mlc-patch apply {place} --force"


def verify(path: Path) -> tuple[State, tuple[str, ...]]:
    """Check that a checkout is completely patched and that its commands run; return the faults.

    Raises MlcError if it is not a checkout.
    """
    state = examine(path)
    if state.condition is Condition.AIME:
        return state, ("it is not patched",)
    wrong = []
    if state.condition is Condition.INTERRUPTED:
        wrong.append("mlc-patch was interrupted, and the commands are still AIME's")
    wrong += state.faults()
    if not wrong:
        for name in state.checkout.commands:
            if not os.access(path / name, os.X_OK):
                continue  # nor could anybody run AIME's
            # What others can change root runs as them.
            account = account_for(path, path / STORE, path / STORE / MARKER, path / name)
            if said := _fails([str(path / name), "-h"], account):
                wrong.append(f"{name} -h fails: {said}")
    return state, tuple(wrong)


def revert(path: Path, report: Reporter, *, force: bool) -> Patched:
    """Restore AIME's files, byte for byte and with their modes.

    `force` leaves files that were changed since as they are, and restores the others. Without it,
    and if originals are damaged, raises MlcError, and nothing was changed.
    """
    with patch_store.locked(path):
        state = examine(path)
        if state.condition is Condition.AIME:
            patch_store.remove(path)  # leftovers of an interrupted revert
            return Patched(state, ())
        _check_for_revert(state, force)
        report.step(f"Restoring AIME's files in {path}")
        return Patched(state, _restore(path, report))


def would_revert(path: Path, *, force: bool) -> Patched:
    """Return the checkout as it is, and the files that `revert` would restore, or raise as it
    does."""
    state = examine(path)
    if state.condition is Condition.AIME:
        return Patched(state, ())
    _check_for_revert(state, force)
    return Patched(state, stored_originals(without_removed(state)))


def _check_for_revert(state: State, force: bool) -> None:
    path = state.checkout.path
    check_writable(state)
    _check_originals(state)
    if state.has_lost_manifest:
        (fault,) = state.faults_of_store()
        raise MlcError(
            f"Nothing was changed in {path}: {fault}.", f"Fix it first: mlc-patch apply {path}"
        )
    stored = stored_originals(state)
    changed = [name for name in state.named(FileState.CHANGED) if name not in stored]
    if changed and not force:
        raise MlcError(
            f"{', '.join(changed)} in {path} changed since the patch, so nothing was done. "
            "With --force the change stays, and all other files are restored."
        )


def _restore(path: Path, report: Reporter) -> tuple[str, ...]:
    """Switch off, put all originals back in place, then remove the store."""
    if not (path / STORE).exists():
        return ()
    was_active = patch_store.is_active(path)
    patch_store.deactivate(path)
    state = without_removed(examine(path))
    replaced = stored_originals(state)
    set_aside(state, replaced, report)
    for name in replaced:
        original = patch_store.read_original(path / STORE / ORIGINAL / name)
        patch_store.replace(path, name, original)
    for kept in state.manifest.files if state.manifest else ():
        if kept.name not in replaced:
            continue
        now = patch_store.read_original(path / kept.name)
        if (patch_store.digest(now.text), now.mode) != (kept.sha256, kept.mode):
            raise MlcError(
                f"{path / kept.name} was not restored correctly, so {path / STORE} was not removed."
            )
    if was_active:
        time.sleep(GRACE_SECONDS)
    patch_store.remove(path)
    return replaced


def check_writable(state: State) -> None:
    """Raise MlcError if the caller does not own a checkout, or cannot write to it."""
    path, me = state.checkout.path, os.geteuid()
    for place in (path, path / STORE, *(path / name for name in state.checkout.commands)):
        if not place.exists():
            continue
        owner = place.stat().st_uid
        if owner != me:
            name = _login(owner)
            raise MlcError(
                f"{place} belongs to {name}, not to you, so nothing was changed.",
                f"Run the same command as {name}: sudo -u {shlex.quote(name)} …",
            )
        if place.is_dir() and not os.access(place, os.W_OK):
            raise MlcError(
                f"{place} is not writable, so nothing was changed.",
                "Check whether it is mounted "
                f"read-only or its mode is wrong: findmnt -T {place}; ls -ld {place}",
            )


def _check_originals(state: State) -> None:
    """Check that originals are intact, except those whose file is in the checkout."""
    there = state.named(FileState.AIME, FileState.CHANGED)
    if broken := set(state.broken_originals).difference(there):
        path, names = state.checkout.path, sorted(broken)
        raise MlcError(
            f"The stored originals of {', '.join(names)} in {path / STORE} are damaged, "
            "so nothing was changed.",
            f"Restore the files with git: git -C {path} checkout -- {' '.join(names)}",
        )


def _login(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"#{uid}"


def _check_known(state: State, force: bool) -> None:
    """Refuse an untested version and edited files, unless they were patched before."""
    checkout, former = state.checkout, state.manifest
    was_patched = former and (former.form, former.version) == (
        checkout.form.value,
        checkout.version,
    )
    doubts = []
    if not checkout.is_known and not was_patched:
        known = ", ".join(patch_checkout.KNOWN[checkout.form.value])
        version = checkout.version or "unknown"
        doubts.append(
            f"mlc-patched was not tested with its version {version} ({checkout.form.value}), "
            f"only with {known}"
        )
    try:
        edited = [
            name
            for name in patch_checkout.edited(checkout)
            if not former or state.files[name] is FileState.CHANGED
        ]
    except MlcError as error:
        doubts.append(str(error))
    else:
        if edited:
            doubts.append(f"{', '.join(edited)} {'was' if len(edited) == 1 else 'were'} edited")
    if doubts and not force:
        raise MlcError(
            f"{checkout.path} was not patched: {'; '.join(doubts)}. "
            "--force patches it anyway; mlc-patch revert then restores the files as they are now."
        )


def _check_program(program: Path, python: str, state: State) -> None:
    """Check that our program runs, and that every user may read it."""
    files = [state.checkout.path / name for name in (*state.checkout.commands, FILE_NAME)]
    command = next(file for file in files if file.exists())
    if is_open(command) and not is_open(program):
        raise MlcError(
            f"Not every user who can read {command} can read {program}, so nothing was changed.",
            "Install mlc-patched where all users can read it: make install",
        )
    if said := _fails([python, "-I", str(program), "--version"]):
        raise MlcError(f"{program} does not run, so nothing was changed: {said}")


def _fails(argv: list[str], account: Account | None = None) -> str:
    """Run a command; return its error message if it failed, else an empty string."""
    done = output_of(argv, seconds=_SECONDS, account=account)
    return "" if done.returncode == 0 else done.stderr.strip()[-300:] or "no error message"

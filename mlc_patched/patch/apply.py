"""apply, verify and revert: put our program in the place of AIME's, and AIME's back in its own.

However apply or revert is cut short, the commands of the checkout are all AIME's or all ours:
the files are replaced one after another by stand-ins that are AIME's original as long as the
store's marker is missing (patch_standin), and the marker appears or goes in one system call.
"""

from __future__ import annotations

import os
import pwd
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from ..errors import MlcError
from ..report import Reporter
from ..undo import signals_held
from . import checkout as patch_checkout
from . import store as patch_store
from .layout import PROGRAM, STORE
from .standin import stand_in
from .state import Condition, FileState, State, examine
from .store import Kept, Manifest, Original

GRACE_SECONDS = 1.0
"""How long after the switch back the store stays for commands that had looked at the switch just
before: they open our program by its place in the store, as soon as Python has started."""
_SECONDS = 60


@dataclass(frozen=True)
class Patched:
    """What came of apply or revert: the checkout and the files that were replaced, none if
    everything was as it should be already."""

    state: State
    replaced: tuple[str, ...]


def apply(path: Path, program: Path, python: str, report: Reporter, *, force: bool) -> Patched:
    """Have every command of a checkout run our program.

    Args:
        path: the checkout.
        program: our program.
        python: the Python it runs with.
        report: hears what is done.
        force: patch a version that is not known, or files that were edited.

    Raises:
        MlcError: it may not or should not be patched; nothing was changed.
        OSError: a file could not be replaced; the checkout is as it was.
    """
    with patch_store.locked(path):
        state = examine(path)
        if state.condition is Condition.PATCHED and state.program == str(program):
            return Patched(state, ())
        check_writable(state)
        _check_originals(state)
        _check_known(state, force)
        _check_program(program, python, state)
        report.step(f"Patching {path}")
        was_active = patch_store.is_active(path)
        try:
            replaced = _replace(state, program, python)
        except BaseException:
            if not was_active:
                with signals_held():
                    _give_back(path)
            raise
        return Patched(examine(path), replaced)


def _replace(state: State, program: Path, python: str) -> tuple[str, ...]:
    path = state.checkout.path
    store = patch_store.open_store(path)
    patch_store.tidy(path)
    originals = {name: _original(state, name) for name in state.checkout.commands}
    manifest = manifest_of(state.checkout.form.value, state.checkout.version, originals)
    if manifest != state.manifest or state.broken_originals:
        patch_store.keep(path, manifest, originals)
    patch_store.link(store / PROGRAM, str(program))
    replaced = tuple(
        name for name, found in examine(path).files.items() if found is not FileState.OURS
    )
    for name in replaced:
        original = originals[name]
        text = stand_in(name, original.text)
        patch_store.replace(path, name, Original(text, original.mode))
    patch_store.activate(path, python)
    return replaced


def manifest_of(form: str, version: str, originals: dict[str, Original]) -> Manifest:
    """Return what is to be known of originals that are kept."""
    kept = (
        Kept(name, patch_store.digest(each.text), each.mode) for name, each in originals.items()
    )
    return Manifest(form, version, tuple(kept))


def _original(state: State, name: str) -> Original:
    """Return AIME's own file: the command's, or where ours stands in, the one that is kept."""
    path = state.checkout.path
    if state.files[name] in (FileState.OURS, FileState.OLDER):
        path = path / STORE / "original"
    return patch_store.read_original(path / name)


def verify(path: Path) -> tuple[State, tuple[str, ...]]:
    """Check a patched checkout, and that its commands answer.

    Returns:
        Its state, and what is wrong; nothing if it is patched as it should be.

    Raises:
        MlcError: it is no checkout.
    """
    state = examine(path)
    if state.condition is Condition.AIME:
        return state, ("it is not patched",)
    wrong = []
    if state.condition is Condition.INTERRUPTED:
        wrong.append("mlc-patch was interrupted here, and the commands are still AIME's")
    wrong += [
        f"{name} is {found.value}"
        for name, found in state.files.items()
        if found is not FileState.OURS
    ]
    wrong += [
        f"the kept original of {name} is not what was kept" for name in state.broken_originals
    ]
    if not (path / STORE / PROGRAM).exists():
        wrong.append(f"our program {state.program} is gone")
    if not wrong:
        for name in state.checkout.commands:
            command = [str(path / name)] if os.access(path / name, os.X_OK) else None
            if command and (said := _fails([*command, "-h"])):
                wrong.append(f"{name} -h fails: {said}")
    return state, tuple(wrong)


def revert(path: Path, report: Reporter, *, force: bool) -> Patched:
    """Give AIME's files back, byte for byte and with their modes.

    Args:
        path: the checkout.
        report: hears what is done.
        force: leave files alone that are neither ours nor what was kept, and go on.

    Raises:
        MlcError: the originals are damaged, or somebody changed a file since; nothing was
            changed.
    """
    with patch_store.locked(path):
        state = examine(path)
        if state.condition is Condition.AIME:
            patch_store.remove(path)  # what an interrupted revert left
            return Patched(state, ())
        check_writable(state)
        _check_originals(state)
        changed = state.named(FileState.CHANGED)
        if changed and not force:
            raise MlcError(
                f"{', '.join(changed)} in {path} changed since it was patched, and is neither "
                "AIME's nor ours, so nothing was changed. With --force it stays as it is and "
                "everything else is given back."
            )
        report.step(f"Giving AIME's files back in {path}")
        return Patched(state, _give_back(path))


def _give_back(path: Path) -> tuple[str, ...]:
    """Switch back, put the originals in place, and take the store away when all of them are."""
    if not (path / STORE).exists():
        return ()
    was_active = patch_store.is_active(path)
    patch_store.deactivate(path)
    state = examine(path)
    replaced = state.named(FileState.OURS, FileState.OLDER)
    for name in replaced:
        original = patch_store.read_original(path / STORE / "original" / name)
        patch_store.replace(path, name, original)
    for kept in state.manifest.files if state.manifest else ():
        if kept.name not in replaced:
            continue
        now = patch_store.read_original(path / kept.name)
        if (patch_store.digest(now.text), now.mode) != (kept.sha256, kept.mode):
            raise MlcError(
                f"{path / kept.name} is not what was kept; {path / STORE} was left there."
            )
    if was_active:
        time.sleep(GRACE_SECONDS)
    patch_store.remove(path)
    return replaced


def check_writable(state: State) -> None:
    """Refuse a tree that is not the caller's, or cannot be written to.

    Raises:
        MlcError: whose it is, or that it is read-only.
    """
    path, me = state.checkout.path, os.geteuid()
    for place in (path, path / STORE, *(path / name for name in state.checkout.commands)):
        if not place.exists():
            continue
        owner = place.stat().st_uid
        if owner != me:
            name = _login(owner)
            raise MlcError(
                f"{place} belongs to {name}, not to you, so nothing was changed. "
                f"Run the same command as {name}, by sudo -u {name}."
            )
        if place.is_dir() and not os.access(place, os.W_OK):
            raise MlcError(
                f"{place} cannot be written to, so nothing was changed. Is it mounted read-only, "
                f"or is its mode wrong? See with: findmnt -T {place}; ls -ld {place}"
            )


def _check_originals(state: State) -> None:
    """Refuse to go on where an original that is needed is not what was kept."""
    needed = set(state.named(FileState.OURS, FileState.OLDER))
    if broken := needed.intersection(state.broken_originals):
        path, names = state.checkout.path, sorted(broken)
        raise MlcError(
            f"The originals of {', '.join(names)} that were kept in {path / STORE} are not what "
            "was kept, so nothing was changed. Give them back by git: "
            f"git -C {path} checkout -- {' '.join(names)}"
        )


def _login(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"#{uid}"


def _check_known(state: State, force: bool) -> None:
    """Refuse a version that is not known, and files that somebody edited."""
    checkout = state.checkout
    doubts = []
    if not checkout.is_known:
        known = ", ".join(patch_checkout.KNOWN[checkout.form.value])
        version = checkout.version or "that is not told"
        doubts.append(
            f"its version {version} ({checkout.form.value}) is not known (known: {known})"
        )
    edited = patch_checkout.edited(checkout)
    if edited is None:
        doubts.append("git does not know its files, so nobody can tell whether they were edited")
    elif edited:
        doubts.append(f"{', '.join(edited)} {'was' if len(edited) == 1 else 'were'} edited")
    if doubts and not force:
        raise MlcError(
            f"{checkout.path} was not patched: {'; '.join(doubts)}. "
            "With --force it is, and mlc-patch revert gives back what is there now."
        )


def _check_program(program: Path, python: str, state: State) -> None:
    """Refuse to switch to a program that does not answer, or not to every user."""
    command = state.checkout.path / state.checkout.commands[0]
    if _is_open(command) and not _is_open(program):
        raise MlcError(
            f"{program} cannot be read by every user who can read {command}, so nothing was "
            "changed. Put mlc-patched where all can read it: make install"
        )
    if said := _fails([python, str(program), "--version"]):
        raise MlcError(f"Our own program {program} does not run, so nothing was changed: {said}")


def _is_open(file: Path) -> bool:
    """Whether every user can read a file, by the modes of all that leads to it."""
    return bool(file.stat().st_mode & 0o004) and all(
        place.stat().st_mode & 0o001 for place in file.parents
    )


def _fails(argv: list[str]) -> str:
    """Run a command; return what it said if it failed, and nothing if it did not."""
    try:
        done = subprocess.run(
            argv,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_SECONDS,
            stdin=subprocess.DEVNULL,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return "" if done.returncode == 0 else done.stderr.strip()[-300:] or "it says nothing"

"""mlc-patch: run its actions and print their results."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

from ...context import Context
from ...errors import MlcError
from ...patch import apply as patch
from ...patch import checkout as patch_checkout
from ...patch.state import SHIMS, Condition, State, examine
from ...version import __version__
from ..output import say
from ..questions import confirmed

JSON_VERSION = 1


def run(arguments: argparse.Namespace, context: Context) -> int:
    """Run mlc-patch and return its exit code."""
    named = arguments.checkout
    path = Path(os.path.realpath(named)) if named else patch_checkout.find(context.environ)
    action = {"status": _status, "apply": _apply, "verify": _verify, "revert": _revert}
    try:
        return action[arguments.action](path, arguments, context)
    except OSError as error:
        raise MlcError(
            f"{error.filename or path}: {error.strerror}. The commands of {path} are either all "
            "AIME's or all ours; check with: mlc-patch status"
        ) from error


def _status(path: Path, arguments: argparse.Namespace, context: Context) -> int:
    state = examine(path)
    edited = patch_checkout.edited(state.checkout)
    if arguments.json:
        return _json(state, edited=None if edited is None else list(edited))
    for line in _about(state, edited):
        say(line)
    return 0


def _about(state: State, edited: tuple[str, ...] | None) -> list[str]:
    checkout = state.checkout
    version = checkout.version or "(version unknown)"
    lines = [
        f"{checkout.path}: AIME MLC {version} ({checkout.form.value}), {state.condition.value}",
        f"  commands: {', '.join(checkout.commands)}",
    ]
    if not checkout.is_known:
        known = ", ".join(patch_checkout.KNOWN[checkout.form.value])
        lines.append(f"  mlc-patched was not tested with this version, only with {known}")
    if edited is None:
        lines.append("  its files are not in git, so edits cannot be detected")
    elif edited:
        lines.append(f"  edited: {', '.join(edited)}")
    if state.program:
        lines.append(f"  runs: {state.program}")
    for name, found in state.files.items():
        if state.condition is Condition.DAMAGED and found not in SHIMS:
            lines.append(f"  {name} is {found.value}")
    lines += [f"  the stored original of {name} is damaged" for name in state.broken_originals]
    todo = {
        Condition.AIME: "Patch it with",
        Condition.INTERRUPTED: "Complete it (or go back with mlc-patch revert) with",
        Condition.DAMAGED: "Fix it with",
    }
    if state.condition in todo:
        lines.append(f"{todo[state.condition]}: mlc-patch apply {checkout.path}")
    return lines


def _apply(path: Path, arguments: argparse.Namespace, context: Context) -> int:
    program, python = our_program(context), str(through_current(Path(sys.executable)))
    state = examine(path)
    if arguments.dry_run:
        say(f"Would replace in {path}: {', '.join(state.checkout.commands)}")
        say(f"They would run {program}. The originals would be stored in {path}/.mlc-patched.")
        return 0
    if state.condition is not Condition.PATCHED:
        confirmed(arguments, f"Make {path} run mlc-patched {__version__}?", True)
    done = patch.apply(path, program, python, context.report, force=arguments.force)
    if arguments.json:
        return _json(done.state, replaced=list(done.replaced))
    if not done.replaced and state.condition is Condition.PATCHED:
        say(f"{path} is already patched; nothing was done.")
    else:
        say(
            f"{path} is patched: {len(done.state.checkout.commands)} commands run mlc-patched "
            f"{__version__}. To undo this: mlc-patch revert {path}"
        )
    return 0


def _verify(path: Path, arguments: argparse.Namespace, context: Context) -> int:
    state, wrong = patch.verify(path)
    if arguments.json:
        _json(state, wrong=list(wrong))
    elif wrong:
        raise MlcError(
            f"{path} is not patched correctly: {'; '.join(wrong)}. "
            f"Fix it with: mlc-patch apply {path}"
        )
    else:
        say(f"{path} is patched, and all {len(state.checkout.commands)} commands work.")
    return 1 if wrong else 0


def _revert(path: Path, arguments: argparse.Namespace, context: Context) -> int:
    state = examine(path)
    if arguments.dry_run:
        names = state.named(*SHIMS)
        say(f"Would restore in {path}: {', '.join(names) or 'nothing, it is not patched'}")
        return 0
    if state.condition is not Condition.AIME:
        confirmed(arguments, f"Restore AIME's mlc in {path}?", True)
    done = patch.revert(path, context.report, force=arguments.force)
    if arguments.json:
        return _json(examine(path), replaced=list(done.replaced))
    if done.state.condition is Condition.AIME:
        say(f"{path} is not patched; nothing was done.")
    else:
        say(f"{path} is AIME's again: {len(done.replaced)} files restored, byte for byte.")
    return 0


def our_program(context: Context) -> Path:
    """Return the program that a patched checkout is to run."""
    called = context.program.resolve() if context.program else None
    if called is not None and called.name == "mlc-patched.py":
        return through_current(called)
    # Called through pip's `mlc` script or as a module: use the file in our tree.
    beside = Path(__file__).resolve().parents[3] / "bin" / "docker" / "mlc-patched.py"
    if not beside.is_file():
        raise MlcError("mlc-patch must be run from an installed tree: bin/mlc-patch")
    return beside


def through_current(path: Path) -> Path:
    """Return the path of an installed file through the link `current`.

    `make install` puts each release into a directory of its own beside that link, so that the
    path leads to the new release after an upgrade.

    Args:
        path: absolute; links in it are kept.
    """
    for release in path.parents:
        link = release.parent / "current"
        if link.is_symlink() and link.resolve() == release:
            return link / path.relative_to(release)
    return path


def _json(state: State, **more: object) -> int:
    checkout = state.checkout
    say(
        json.dumps(
            {
                "version": JSON_VERSION,
                "checkout": os.fspath(checkout.path),
                "form": checkout.form.value,
                "aime_version": checkout.version,
                "tested": checkout.is_known,
                "condition": state.condition.name.lower(),
                "program": state.program,
                "files": {name: found.name.lower() for name, found in state.files.items()},
                **more,
            },
            indent=2,
        )
    )
    return 0

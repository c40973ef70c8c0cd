"""`mlc-patch`."""

from __future__ import annotations

import argparse

from ...errors import MlcError, NotFoundError, UsageError
from ...version import __version__
from ..output import print_json, say
from ..parser import TYPE_CHECKING, Parser, add_force, add_json, add_positional, add_switch

if TYPE_CHECKING:
    from pathlib import Path

    from ...context import Context
    from ...patch.state import State

EXAMPLES = (
    "mlc-patch status                            the checkout found through PATH",
    "sudo mlc-patch apply /opt/aime-ml-containers",
    "mlc-patch verify                            exit code 1 if there is a fault",
    "sudo mlc-patch revert                       byte for byte as it was",
)
ACTIONS = {
    "status": "show AIME's version and whether the checkout is patched",
    "apply": "patch the checkout: users keep typing the same commands",
    "verify": "check that the patch is complete and the commands work",
    "revert": "restore AIME's files",
}
_CHANGING = ("apply", "revert")


def add_arguments(command: Parser) -> None:
    help = "; ".join(f"{name}: {text}" for name, text in ACTIONS.items())
    add_positional(command, "action", help, choices=tuple(ACTIONS), metavar="ACTION", nargs=None)
    add_positional(
        command, "checkout", "AIME's checkout (default: the one found through PATH)", "directories"
    )
    add_json(command)
    changing = command.add_argument_group(f"flags of {' and '.join(_CHANGING)}")
    add_force(changing, "also an untested version or edited files")
    add_switch(changing, "-n --dry-run", "only show what would be done")
    add_switch(changing, "-y --yes", "do not ask")


def run(arguments: argparse.Namespace, context: Context) -> int:
    is_changing = arguments.action in _CHANGING
    if not is_changing and (arguments.force or arguments.dry_run or arguments.yes):
        raise UsageError(f"-f, -n and -y are flags of {' and '.join(_CHANGING)} only.")
    try:
        return _run(arguments, context)
    except NotFoundError as error:
        error.hint = error.hint or f"Name the AIME checkout: mlc-patch {arguments.action} DIRECTORY"
        raise


def _run(arguments: argparse.Namespace, context: Context) -> int:
    import os
    from pathlib import Path

    from ...patch import checkout

    named = arguments.checkout
    if named == "":
        raise UsageError(
            "DIRECTORY is empty. Name AIME's checkout, or leave it out to take the one found "
            "through PATH."
        )
    try:
        path = Path(os.path.realpath(named)) if named else checkout.find(context.environ)
    except FileNotFoundError:
        raise NotFoundError(
            f"{named} cannot be found: the current directory was deleted.",
            "Give an absolute path, or change the directory: cd",
        ) from None
    action = {"status": _status, "apply": _apply, "verify": _verify, "revert": _revert}
    try:
        return action[arguments.action](path, arguments, context)
    except OSError as error:
        raise MlcError(
            f"{error.filename or path}: {error.strerror}. The commands of {path} are either all "
            "AIME's or all ours; check with: mlc-patch status"
        ) from error


def _status(path: Path, arguments: argparse.Namespace, context: Context) -> int:
    from ...patch.checkout import edited as edited_in
    from ...patch.state import examine

    state = examine(path)
    edited, unknown = None, ""
    try:
        edited = edited_in(state.checkout)
    except MlcError as error:
        unknown = str(error)
    if arguments.json:
        return _json(state, edited=edited, wrong=_wrong(state))
    for line in _about(state, edited or (), unknown):
        say(line)
    return 0


def _about(state: State, edited: tuple[str, ...], unknown: str) -> list[str]:
    from ...patch.checkout import KNOWN
    from ...patch.state import Condition

    checkout = state.checkout
    version = checkout.version or "(version unknown)"
    lines = [
        f"{checkout.path}: AIME MLC {version} ({checkout.form.value}), {state.condition.value}",
        f"  commands: {', '.join(checkout.commands)}",
    ]
    if not checkout.is_known:
        known = ", ".join(KNOWN[checkout.form.value])
        lines.append(f"  mlc-patched was not tested with this version, only with {known}")
    if unknown:
        lines.append(f"  {unknown}")
    if edited:
        lines.append(f"  edited: {', '.join(edited)}")
    if state.program:
        lines.append(f"  runs: {state.program}")
    lines += [f"  {fault}" for fault in _wrong(state)]
    todo = {
        Condition.AIME: "Patch it with",
        Condition.INTERRUPTED: "Complete it (or go back with mlc-patch revert) with",
        Condition.DAMAGED: "Fix it with",
    }
    if state.condition in todo:
        lines.append(f"{todo[state.condition]}: mlc-patch apply {checkout.path}")
    return lines


def _wrong(state: State) -> list[str]:
    from ...patch.state import Condition

    return state.faults() if state.condition is Condition.DAMAGED else state.faults_of_store()


def _apply(path: Path, arguments: argparse.Namespace, context: Context) -> int:
    import sys
    from pathlib import Path

    from ...patch.apply import apply
    from ...patch.state import Condition, examine
    from ..prompts import confirm

    program, python = our_program(context), str(through_current(Path(sys.executable)))
    if arguments.dry_run:
        return _would_apply(path, program, python, arguments)
    state = examine(path)
    was_patched = state.condition is Condition.PATCHED
    if was_patched and state.program != str(program):
        confirm(arguments, f"Make {path} run {program}, not {state.program}?", default=True)
    elif not was_patched:
        confirm(arguments, f"Make {path} run mlc-patched {__version__}?", default=True)
    done = apply(path, program, python, context.report, force=arguments.force)
    if arguments.json:
        return _json(done.state, replaced=done.replaced, former_program=state.program)
    is_switched = state.program not in ("", done.state.program)
    if done.replaced or not was_patched:
        say(
            f"{path} is patched: {len(done.state.checkout.commands)} commands run mlc-patched "
            f"{__version__}. To undo this: mlc-patch revert {path}"
        )
    elif not is_switched:
        say(f"{path} is already patched; nothing was done.")
    if is_switched:
        say(f"{path} runs {done.state.program} now, no longer {state.program}.")
    return 0


def _would_apply(path: Path, program: Path, python: str, arguments: argparse.Namespace) -> int:
    from ...patch.apply import is_done, would_apply

    done = would_apply(path, program, python, force=arguments.force)
    state, names = done.state, done.replaced
    if arguments.json:
        return _json(state, would_replace=names, would_run=str(program))
    if is_done(state, program):
        say(f"{path} is already patched; nothing would be done.")
        return 0
    say(f"Would replace in {path}: {', '.join(names) or 'no command'}")
    former = f", no longer {state.program}" if state.program not in ("", str(program)) else ""
    say(f"Commands would run {program}{former}. The originals would be in {path}/.mlc-patched.")
    return 0


def _verify(path: Path, arguments: argparse.Namespace, context: Context) -> int:
    from ...patch.apply import verify

    state, wrong = verify(path)
    if arguments.json:
        _json(state, wrong=wrong)
    elif wrong:
        raise MlcError(
            f"{path} is not patched correctly: {'; '.join(wrong)}.",
            f"Fix it with: mlc-patch apply {path}",
        )
    else:
        say(f"{path} is patched, and all {len(state.checkout.commands)} commands work.")
    return 1 if wrong else 0


def _revert(path: Path, arguments: argparse.Namespace, context: Context) -> int:
    from ...patch.apply import revert, would_revert
    from ...patch.state import Condition, examine
    from ..prompts import confirm

    if arguments.dry_run:
        done = would_revert(path, force=arguments.force)
        if arguments.json:
            return _json(done.state, would_restore=done.replaced)
        is_aimes = done.state.condition is Condition.AIME
        nothing = (
            "nothing, it is not patched" if is_aimes else "no file; the patch would be removed"
        )
        say(f"Would restore in {path}: {', '.join(done.replaced) or nothing}")
        return 0
    state = examine(path)
    if state.condition is not Condition.AIME:
        confirm(arguments, f"Restore AIME's mlc in {path}?", default=True)
    done = revert(path, context.report, force=arguments.force)
    if arguments.json:
        return _json(examine(path), replaced=done.replaced)
    if done.state.condition is Condition.AIME:
        say(f"{path} is not patched; nothing was done.")
    else:
        say(f"{path} is AIME's again: {len(done.replaced)} files restored, byte for byte.")
    return 0


def our_program(context: Context) -> Path:
    """Return the program that a patched checkout is to run."""
    from pathlib import Path

    called = Path(context.program).resolve() if context.program else None
    if called is not None and called.name == "mlc-patched.py":
        return through_current(called)
    # Called through pip's `mlc` script or as a module: use the file in our tree.
    beside = Path(__file__).resolve().parents[3] / "bin" / "docker" / "mlc-patched.py"
    if not beside.is_file():
        raise MlcError("mlc-patch must be run from an installed tree: bin/mlc-patch")
    return beside


def through_current(path: Path) -> Path:
    """Return the absolute path of an installed file through the link `current`; links are kept.

    `make install` puts each release into a directory of its own beside that link, so that the path
    leads to the new release after an upgrade.
    """
    for release in path.parents:
        link = release.parent / "current"
        if link.is_symlink() and link.resolve() == release:
            return link / path.relative_to(release)
    return path


def _json(state: State, **more: object) -> int:
    checkout = state.checkout
    return print_json(
        "checkout",
        str(checkout.path),
        form=checkout.form.value,
        aime_version=checkout.version,
        tested=checkout.is_known,
        condition=state.condition.name.lower(),
        program=state.program,
        files={name: found.name.lower() for name, found in state.files.items()},
        **more,
    )

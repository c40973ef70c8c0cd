"""Commands that take several names: what was done, and what failed, is said of each."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence

from ..errors import MlcError, NotFoundError
from ..lean import TYPE_CHECKING
from .output import print_json, say

if TYPE_CHECKING:
    from typing import TypeVar

    from ..containers.remove import Removed
    from ..containers.retire import Retired
    from ..context import Context

    _T = TypeVar("_T")


def for_each(
    names: Sequence[str],
    act: Callable[[str], _T],
    show: Callable[[_T], object],
    arguments: argparse.Namespace,
    context: Context,
    done: str,
    *,
    missing: Sequence[str] = (),
    kind: str = "containers",
    stops: bool = False,
) -> int:
    """Do something to each container; return the exit code.

    Args:
        act: does it, and returns the result.
        show: prints a result; not with --json.
        done: what has been done, as `stopped`: for messages, and the key of the results in JSON.
        missing: those of which it is known already that they do not exist, which is fine.
        kind: what the names are of.
        stops: at the first that fails, for a command that refuses names that do not exist: the
            same command for those that are left would do the rest. Otherwise each is tried.

    Raises:
        MlcError: it failed for one of them; without --json.
    """
    results, failed = [], []
    missing = list(missing)
    for name in missing:
        _say_missing(name, arguments)
    for number, name in enumerate(names, 1):
        try:
            result = act(name)
        except MlcError as error:
            if kind == "containers" and _is_fine(error, name, arguments, context):
                missing.append(name)
                _say_missing(name, arguments)
                continue
            if len(names) == 1:
                raise
            context.report.warn(f"[{name}] {error}")
            failed.append((name, error))
            if stops:
                not_tried = MlcError(f"Not tried, as {name} failed.")
                failed += [(each, not_tried) for each in names[number:]]
                break
            continue
        results.append(result)
        if not arguments.json:
            show(result)
    failure = None
    if failed:
        which = ", ".join(name for name, _ in failed)
        failure = MlcError(
            f"{len(failed)} of {len(names)} {kind} were not {done}: {which}; see the messages "
            "above."
        )
    if not arguments.json:
        if failure is not None:
            raise failure
        return 0
    more = {"missing": missing} if hasattr(arguments, "missing_ok") else {}
    if failure is None:
        return print_json(done, results, **more)
    context.report.warn(failure.message)
    failures = [{"name": name, **error.as_json()} for name, error in failed]
    print_json(done, results, **more, failed=failures, error=failure.as_json())
    return failure.exit_code


def _say_missing(name: str, arguments: argparse.Namespace) -> None:
    if not arguments.json:
        say(f"[{name}] does not exist.")


def _is_fine(error: MlcError, name: str, arguments: argparse.Namespace, context: Context) -> bool:
    """Whether a container is missing, and that is no failure."""
    is_missing = isinstance(error, NotFoundError) and getattr(arguments, "missing_ok", False)
    return is_missing and context.find(name) is None


def named(names: Sequence[str]) -> str:
    """Return containers in words: `the container a`, `the containers a, b`."""
    return f"the container{'s'[: len(names) != 1]} {', '.join(names)}"


def note_kept(result: Removed | Retired, context: Context) -> None:
    """Say which image and volumes of a removed container were kept, and why."""
    if result.image_kept:
        context.report.note(result.image_kept)
    for kept in result.volumes_kept:
        context.report.note(str(kept))

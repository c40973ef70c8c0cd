"""Which base a Dockerfile names, with the build arguments that it gets."""

from __future__ import annotations

from collections.abc import Iterable

from ...context import Context
from ...errors import NotAllowedError
from ...names.images import check_reference
from ...report import Reporter
from ..dockerfile.stages import SCRATCH, Arguments, base_of, stages_of, uses_platform
from ..dockerfile.syntax import DockerfileError
from ..versions.lockfile import Lock
from .request import account_arguments

_PLATFORM_VARIABLE = "DOCKER_DEFAULT_PLATFORM"
"""Has Docker's client build for another platform than the engine's."""


def arguments_of(text: str, words: Iterable[str], context: Context) -> Arguments:
    """Return the build arguments that FROM may name: those of --build-arg, each `NAME=VALUE`, ours,
    and the platform, for which the engine is asked only if the Dockerfile names it."""
    given = dict(each.split("=", 1) for each in (*account_arguments(context.account), *words))
    is_asked = uses_platform(text) and not context.client_environ.get(_PLATFORM_VARIABLE)
    return Arguments(given, context.engine.info().machine if is_asked else "")


def named_base(text: str, words: Iterable[str], context: Context) -> str:
    """Return the base image of the last stage of a Dockerfile; empty for `scratch`, or if that is
    not known before the build.

    Raises DockerfileError if FROM names arguments without a value, UsageError if it is not the name
    of an image, and NotAllowedError if it is not known and the settings do not allow every base.
    """
    stages = stages_of(text, arguments_of(text, words, context))
    base = stages[-1].base if stages else SCRATCH
    if base == SCRATCH:
        return ""
    if base:
        return str(check_reference(base))
    named = next(each for each in stages if each.is_from_image and each.base == base)
    where = f"FROM {named.word} in line {named.line} of the Dockerfile"
    if base is not None:
        raise DockerfileError(
            f"{where} names no image: the build argument has no value.",
            "Give it one with --build-arg NAME=VALUE, or as a default: ARG NAME=VALUE",
        )
    if "*" not in context.settings.bases:
        raise NotAllowedError(
            f"{where} does not say before the build which image it is, and only some are allowed "
            f"here: {', '.join(context.settings.bases)}",
            "Name the image in FROM, or in the default of a build argument.",
        )
    return ""


def note_other_base(reference: str, text: str, lock: Lock | None, report: Reporter) -> None:
    """Report a base that is not the one of a lock because the build arguments are not the same."""
    last = lock.base.reference if lock else ""
    if lock and last and last != reference and base_of(text) == base_of(lock.dockerfile):
        report.note(
            f"The base is {reference}, by the build arguments; that of the last build was {last}."
        )

"""Build with pip where the package index has no uv."""

from __future__ import annotations

from collections.abc import Callable

from ...lean import replace
from ...report import Reporter
from ..dockerfile.by_pip import NOT_IN_INDEX, asking_more, without_uv
from ..dockerfile.package_steps import UV, UV_VERSION
from ..versions.pins import Pins
from .failure import lacks_a_package, lacks_uv
from .request import BuildError, BuildRequest


def build_with_pip_if_needed(
    request: BuildRequest, build: Callable[..., Pins], report: Reporter
) -> tuple[BuildRequest, Pins]:
    """Build; if the package index turns out to have no uv, build with pip in its place.

    `build` builds a request, and takes `is_quiet`. Returns the request that was built, and the
    versions that it keeps. Raises BuildError if the build failed.
    """
    try:
        return request, build(request)
    except BuildError as error:
        text = without_uv(request.dockerfile, NOT_IN_INDEX)
        if not lacks_uv(error.log) or text == request.dockerfile:
            raise
    report.note(
        f"The package index has no {UV} {UV_VERSION}, so pip installs the packages, which takes "
        "longer. The Dockerfile is changed accordingly."
    )
    by_pip = replace(request, dockerfile=text)
    try:
        return by_pip, build(by_pip)
    except BuildError as error:
        _look_closer(error, by_pip, build)
        raise


def _look_closer(error: BuildError, request: BuildRequest, build: Callable[..., Pins]) -> None:
    """Have a failure say so if the index has no package because it refuses or fails: pip reports
    that only if it is asked."""
    if error.line is None or not lacks_a_package(error.log):
        return
    asking = asking_more(request.dockerfile, error.line)
    if asking == request.dockerfile:
        return
    try:
        build(replace(request, dockerfile=asking), is_quiet=True)
    except BuildError as closer:
        if closer.why and not lacks_a_package(closer.log):
            error.restate(closer.why)

"""The base image of a project: pull it if needed, and check that an account can be set up in it."""

from __future__ import annotations

from dataclasses import dataclass

from ..context import Context
from ..engine.interface import Image
from ..errors import ImageNotFoundError, MlcError, NotFoundError
from ..names.images import check_reference
from ..names.projects import is_own_project
from ..plan.limits import check_base
from ..report import Reporter
from .dockerfile.package_steps import without_uv
from .probe import run_in_image

NEEDED = ("bash", "awk", "getent", "groupadd", "groupmod", "pwconv", "useradd")
"""Programs that the account script needs (data/account.sh)."""
_ASKED = (*NEEDED, "apt-get", "python3", "pip", "conda", "micromamba")
_OLD_PYTHONS = {"Ubuntu 18.": "3.6", "Debian GNU/Linux 9": "3.5", "Debian GNU/Linux 10": "3.7"}
"""The Python that apt-get installs in distributions whose Python is older than uv supports."""
# Runs in the image's own shell, whatever that is; prints one answer a line.
_PROBE = f"""
for tool in {" ".join(_ASKED)}; do command -v "$tool" >/dev/null 2>&1 && echo "has $tool"; done
python3 -m pip --version >/dev/null 2>&1 && echo "has python-pip"
command -v python3 >/dev/null 2>&1 &&
    python3 -c 'import sys; print("python %d.%d" % sys.version_info[:2])'
test -r /etc/os-release && sed -n 's/^PRETTY_NAME=/is /p' /etc/os-release
true
"""


@dataclass(frozen=True)
class Base:
    """What a base contains: programs, its distribution's name, and the version of `python3`, which
    is empty if there is none."""

    image: Image
    programs: frozenset[str]
    system: str
    python: str = ""

    def extra_apt(self, wants_pip: bool) -> tuple[str, ...]:
        """Return the Debian packages that pip still needs in this base."""
        if not wants_pip or "python-pip" in self.programs:
            return ()
        return ("python3-pip",) if "python3" in self.programs else ("python3", "python3-pip")

    def installable(self, text: str, report: Reporter) -> str:
        """Return a Dockerfile on this base, with pip in place of uv if uv does not support its
        Python, which is reported."""
        python = self.python or next(
            (python for name, python in _OLD_PYTHONS.items() if self.system.startswith(name)), ""
        )
        if not _is_too_old(python) or (by_pip := without_uv(text)) == text:
            return text
        report.note(f"uv does not support Python {python}, so pip installs the packages.")
        return by_pip


def ready_base(reference: str, context: Context, *, pull: bool = False) -> Base:
    """Return a base that an account can be set up in; with `pull`, pull it even if it is here.

    Raises UsageError if this is not an image name, NotAllowedError if the settings do not allow the
    base, NotFoundError if the engine does not have it and cannot pull it, and MlcError, which says
    what is missing, if no account can be set up in it.
    """
    engine, report = context.engine, context.report
    name = check_reference(reference)
    if not is_own_project(name, context.account):
        check_base(name, context.settings)
    image = engine.image(reference)
    if image is None or pull:
        report.step(f"Pulling {reference}")
        try:
            image = context.pulled(reference)
        except ImageNotFoundError as error:
            raise NotFoundError(
                f"{error}\nThe base {reference} could not be pulled"
                f"{'' if image is None else '; without --pull, the local image is used'}.",
                "List local images with: docker images",
            ) from error
    base = _probed(image, reference, context)
    missing = [tool for tool in NEEDED if tool not in base.programs]
    if missing or "apt-get" not in base.programs:
        lacking = ", ".join([*missing, *(["apt-get"] if "apt-get" not in base.programs else [])])
        raise MlcError(
            f"{reference} cannot be the base of an image: it lacks {lacking}"
            f"{f' (it is {base.system})' if base.system else ''}.",
            "Use a base derived from Debian or Ubuntu, as the images of the catalog are.",
        )
    return base


def _probed(image: Image, reference: str, context: Context) -> Base:
    """Look into a base with a temporary container."""
    result = run_in_image(image, _PROBE, "look", context)
    if result.status != 0:
        raise MlcError(
            f"{reference} cannot be the base of an image: it has no working shell "
            f"({result.ending(200)}).",
            "Use a base derived from Debian or Ubuntu, as the images of the catalog are.",
        )
    programs = result.values("has")
    system = next((name.strip('"') for name in result.values("is")), "")
    python = next(iter(result.values("python")), "")
    return Base(image, frozenset(programs), system, python)


def _is_too_old(python: str) -> bool:
    """Whether uv does not support a Python (PyPI, "Requires: Python >=3.8")."""
    return bool(python) and tuple(map(int, python.split("."))) < (3, 8)

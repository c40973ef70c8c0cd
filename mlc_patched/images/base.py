"""The base image of a project: pull it if needed, and check that an account can be set up in it."""

from __future__ import annotations

import contextlib
import json
import re
from hashlib import sha256

from ..context import Context
from ..engine.interface import Image
from ..errors import ImageNotFoundError, MlcError, NotFoundError
from ..host.remembered import Remembered
from ..json_text import parsed, strings
from ..lean import dataclass, replace
from ..names.images import check_reference, parse_reference
from ..names.projects import is_own_project
from ..plan.limits import check_base
from ..report import Reporter
from .dockerfile.by_pip import SYSTEMS_PIP, TOO_OLD, with_uv_by_another, without_uv
from .dockerfile.package_steps import RUNS_UV
from .probe import ProbeResult, run_in_image
from .versions.inventory import NOTHING, PYTHON_SCRIPT, Inventory, read_inventory
from .versions.lockfile import LockedBase

NEEDED = ("bash", "awk", "getent", "groupadd", "groupmod", "pwconv", "useradd")
"""Programs that the account script needs (data/account.sh)."""
_ASKED = (*NEEDED, "apt-get", "python3", "pip", "uv", "conda", "micromamba")
_OLD_PYTHONS = {"Ubuntu 18.": "3.6", "Debian GNU/Linux 9": "3.5", "Debian GNU/Linux 10": "3.7"}
"""The Python that apt-get installs in distributions whose Python is older than uv supports."""
# Runs in the image's own shell, whatever that is; prints one answer a line. `python-pip` is the pip
# of the Python that python3 is, and `python-own` says that this is not the system's.
_PROBE = f"""
(
    PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"  # as in the account script
    for tool in {" ".join(_ASKED)}; do command -v "$tool" >/dev/null 2>&1 && echo "has $tool"; done
)
python3 -c 'import sys, importlib.util as i; sys.exit(not i.find_spec("pip"))' 2>/dev/null \
    && echo "has python-pip"
/usr/bin/python3 -c 'import sys, importlib.util as i; sys.exit(not i.find_spec("pip"))' \
    2>/dev/null && echo "has system-pip"
for file in /etc/pip.conf /etc/xdg/pip/pip.conf ~/.config/pip/pip.conf ~/.pip/pip.conf; do
    grep -qsE '^ *(index-url|extra-index-url|find-links) *[=:]' "$file" && echo "indexed $file"
done
case "$(command -v python3)" in '' | /bin/* | /usr/bin/*) ;; *) echo "has python-own" ;; esac
test -r /etc/os-release && sed -n 's/^PRETTY_NAME=/is /p' /etc/os-release
"""
_NAMES_INDEX = re.compile(r"\bUV_(\w*INDEX\w*|FIND_LINKS)=")
_SCRIPT = f"{_PROBE}{PYTHON_SCRIPT}true\n"
LOOKED_INTO = Remembered("bases", 256 * 1024)
"""About 30 bases with 300 packages each."""


@dataclass(frozen=True)
class Base:
    """What a base contains: programs, its distribution's name, and its Python packages.

    `is_former` says that the name means another image by now, and this is that of the last build.
    `index_file` is a configuration file of pip that names a package index.
    """

    reference: str
    image: Image
    programs: frozenset[str]
    system: str
    inventory: Inventory = NOTHING
    is_former: bool = False
    index_file: str = ""

    @property
    def locked(self) -> LockedBase:
        """The base as it is in a lock."""
        repository = parse_reference(self.reference).repository
        digests = [each for each in self.image.digests if each.startswith(f"{repository}@")]
        return LockedBase(self.reference, self.image.id, (*digests, *self.image.digests, "")[0])

    def is_that_of(self, last: LockedBase) -> bool:
        """Whether this is the base in a lock."""
        return self.reference == last.reference and is_same(self.image, last)

    def extra_apt(self, wants_pip: bool) -> tuple[str, ...]:
        """Return the Debian packages that pip still needs in this base."""
        if not wants_pip or "python-pip" in self.programs:
            return ()
        if self._is_own_python_without_pip:
            return () if self.programs & {"uv", "system-pip"} else SYSTEMS_PIP
        return ("python3-pip",) if "python3" in self.programs else SYSTEMS_PIP

    def installable(self, text: str, report: Reporter) -> str:
        """Return a Dockerfile on this base: with pip in place of uv if uv does not support its
        Python, and with uv by another program if it has no pip. Both are reported."""
        python = self.inventory.python or next(
            (python for name, python in _OLD_PYTHONS.items() if self.system.startswith(name)), ""
        )
        if _is_too_old(python):
            after, note = without_uv(text, TOO_OLD), f"uv does not support Python {python}"
            note += ", so pip installs the packages."
        elif self._is_own_python_without_pip:
            has_uv = "uv" in self.programs
            after = with_uv_by_another(text, has_uv, has_pip="system-pip" in self.programs)
            note = "The Python of the base has no pip, so uv is installed by "
            note += "the uv of the base." if has_uv else "the pip of the system's Python."
        else:
            return text
        if after != text:
            report.note(note)
        return after

    def report_index(self, text: str, report: Reporter) -> None:
        """Report that uv does not know the package index that a file of the base names, if a
        Dockerfile uses uv and does not name it."""
        if self.index_file and RUNS_UV in text and not _NAMES_INDEX.search(text):
            report.note(
                f"{self.index_file} of the base names a package index to pip, but uv does not "
                "read it. If packages are missing, name it in the Dockerfile, too: ENV "
                "UV_EXTRA_INDEX_URL=URL or UV_FIND_LINKS=PATH"
            )

    @property
    def _is_own_python_without_pip(self) -> bool:
        """Whether python3 is not the system's, as in a virtual environment, and lacks pip."""
        return "python-own" in self.programs and "python-pip" not in self.programs


def ready_base(
    reference: str, context: Context, *, pull: bool = False, last: LockedBase | None = None
) -> Base:
    """Return a base that an account can be set up in; with `pull`, pull it even if it is here.

    Without `pull` it is the base of the last build, also if the name means another image by now.
    Raises UsageError if this is not an image name, NotAllowedError if the settings do not allow the
    base, NotFoundError if the engine does not have it and cannot pull it, and MlcError, which says
    what is missing, if no account can be set up in it.
    """
    check_allowed(reference, context)
    image = here = context.engine.image(reference)
    last = last if last is not None and last.reference == reference else None
    if not pull and last is not None and not (image and is_same(image, last)):
        image = _former(last, context) or image
    if image is None or pull:
        image = _pulled(reference, here, context)
        if last is not None:
            _report_move(reference, last, image, context.report)
    elif last is not None and not is_same(image, last):
        context.report.note(
            f"{reference} is not the image of the last build, which is no longer available. "
            "Packages that come with the base may have other versions."
        )
    named = context.engine.image(reference)
    is_former = named is None or named.id != image.id
    base = replace(_probed(image, reference, context), is_former=is_former)
    missing = [tool for tool in NEEDED if tool not in base.programs]
    if missing or "apt-get" not in base.programs:
        lacking = ", ".join([*missing, *(["apt-get"] if "apt-get" not in base.programs else [])])
        raise MlcError(
            f"{reference} cannot be the base of an image: it lacks {lacking}"
            f"{f' (it is {base.system})' if base.system else ''}.",
            "Use a base derived from Debian or Ubuntu, as the images of the catalog are.",
        )
    return base


def base_here(reference: str, context: Context, last: LockedBase | None) -> Image | None:
    """Return the image that a build takes as its base without pulling; None if it has to pull."""
    image = context.engine.image(reference)
    if last is None or last.reference != reference or (image and is_same(image, last)):
        return image
    return _last_here(last, context) or (None if last.digest else image)


def check_allowed(reference: str, context: Context) -> None:
    """Raise UsageError if this is not an image name, and NotAllowedError if the settings do not
    allow it as a base."""
    name = check_reference(reference)
    if not is_own_project(name, context.account):
        check_base(name, context.settings)


def is_same(image: Image, last: LockedBase) -> bool:
    """Whether an image is the base in a lock, whatever its name."""
    return image.id == last.id or (bool(last.digest) and last.digest in image.digests)


def _former(last: LockedBase, context: Context) -> Image | None:
    """Return the base of the last build, which may have lost its name; pull it if it is gone."""
    if (image := _last_here(last, context)) or not last.digest:
        return image
    context.report.step(f"Pulling {last.digest}, the base of the last build")
    with contextlib.suppress(ImageNotFoundError):
        return context.pulled(last.digest)
    return None


def _last_here(last: LockedBase, context: Context) -> Image | None:
    found = (context.engine.image(name) for name in (last.id, last.digest) if name)
    return next(filter(None, found), None)


def _pulled(reference: str, here: Image | None, context: Context) -> Image:
    context.report.step(f"Pulling {reference}")
    try:
        return context.pulled(reference)
    except ImageNotFoundError as error:
        raise NotFoundError(
            f"{error}\nThe base {reference} could not be pulled"
            f"{'' if here is None else '; without --pull, the local image is used'}.",
            "List local images with: docker images",
        ) from error


def _report_move(reference: str, last: LockedBase, image: Image, report: Reporter) -> None:
    if is_same(image, last):
        report.note(f"The base {reference} has not changed.")
    else:
        old = short_digest(last.digest or last.id)
        new = short_digest(next(iter(image.digests), image.id))
        report.note(f"The base {reference} moves: {old} -> {new}")


def short_digest(digest: str) -> str:
    """Return the first digits of a digest or ID, for messages."""
    return digest.rpartition("sha256:")[2][:12] or "unknown"


def _probed(image: Image, reference: str, context: Context) -> Base:
    result = _look(image, context)
    if result.status != 0:
        raise MlcError(
            f"{reference} cannot be the base of an image: it has no working shell "
            f"({result.ending(200)}).",
            "Use a base derived from Debian or Ubuntu, as the images of the catalog are.",
        )
    programs = result.values("has")
    system = next((name.strip('"') for name in result.values("is")), "")
    index_file = next(iter(result.values("indexed")), "")
    inventory = read_inventory(result)
    return Base(reference, image, frozenset(programs), system, inventory, index_file=index_file)


def _look(image: Image, context: Context) -> ProbeResult:
    """Look into a base with a temporary container, unless this user's list has the answer."""
    key = f"{image.id} {sha256(_SCRIPT.encode()).hexdigest()[:12]}"
    with contextlib.suppress(ValueError, TypeError):
        return ProbeResult(0, strings(parsed(LOOKED_INTO.find(key, context.account) or "")))
    result = run_in_image(image, _SCRIPT, "look", context)
    is_whole = "python3" not in result.values("has") or bool(result.values("listed"))
    if result.status == 0 and is_whole:
        LOOKED_INTO.add(key, json.dumps(result.lines), context.account)
    return result


def _is_too_old(python: str) -> bool:
    """Whether uv does not support a Python (PyPI, "Requires: Python >=3.8")."""
    return bool(python) and tuple(map(int, python.split(".")[:2])) < (3, 8)

"""Which package names may go into a Dockerfile.

Everything here is an allow-list: what is not recognised as the plain name of a package is
refused, so that no option, address or line break gets into a build step.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from ..errors import UsageError, shown
from .presets import PRESETS, Preset

# A requirement by the "Dependency specifiers" specification, without address and marker.
_NAME = r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?"
_EXTRAS = rf"(?:\[{_NAME}(?:,{_NAME})*\])?"
_CLAUSE = r"(?:===|==|~=|!=|<=|>=|<|>)[A-Za-z0-9](?:[A-Za-z0-9._+!-]*)(?:\.\*)?"
_PIP = re.compile(rf"({_NAME})({_EXTRAS})((?:{_CLAUSE}(?:,{_CLAUSE})*)?)")
_LONGEST = 200
# Debian Policy 5.6.1 and 5.6.12; a name may name an architecture, or ask for a version.
_APT = re.compile(r"([a-z0-9][a-z0-9+.-]*[a-z0-9+])(:[a-z0-9]+)?(=[A-Za-z0-9][A-Za-z0-9.+:~-]*)?")
# Between packages: blanks, and commas except in `[extra,extra]` and before `<2` of `>=1,<2`.
_BETWEEN = re.compile(r"[ \t]+|,(?![^\[\]]*\])(?!\s*[<>=!~])")
_PLAIN = re.compile(r"[A-Za-z0-9._+=:~-]+")
_RUNS = re.compile(r"[-_.]+")


def pip_packages(words: Iterable[str]) -> tuple[str, ...]:
    """Return the requirements named by words such as `pandas`, `numpy<2 scipy` or `a,b[c,d]>=1`.

    Raises:
        UsageError: one is no plain requirement; the message says which, and what to do.
    """
    return _each(words, check_pip)


def apt_packages(words: Iterable[str]) -> tuple[str, ...]:
    """Return the Debian packages named by words such as `ffmpeg` or `curl,git`.

    Raises:
        UsageError: one is no name of a package.
    """
    return _each(words, check_apt)


def check_pip(requirement: str) -> str:
    """Return a requirement `name[extra]>=1,<2` if it is one that is allowed.

    Raises:
        UsageError: it is an address, an option, or anything else.
    """
    if len(requirement) <= _LONGEST and _PIP.fullmatch(requirement):
        return requirement
    said = shown(requirement)
    if requirement.startswith("-"):
        raise UsageError(
            f"{said} is an option of pip, not a package. Put options into the Dockerfile yourself "
            "(image-update PROJECT --edit); an index is taken from PIP_INDEX_URL."
        )
    if "://" in requirement or "@" in requirement or "/" in requirement:
        raise UsageError(
            f"{said} is an address or a path, and only packages of the index are taken here. "
            "Put it into the Dockerfile yourself: image-update PROJECT --edit"
        )
    raise UsageError(
        f"{said} is not the name of a Python package. Say for instance: "
        "pandas  'numpy<2'  'jax[cuda12]==0.4.30'"
    )


def check_apt(package: str) -> str:
    """Return the name of a Debian package (`name`, `name:arch`, `name=version`) if it is one.

    Raises:
        UsageError: it is not.
    """
    if len(package) <= _LONGEST and _APT.fullmatch(package):
        return package
    raise UsageError(
        f"{shown(package)} is not the name of a Debian package. Say for instance: ffmpeg libgl1"
    )


def preset(name: str) -> Preset:
    """Return the preset of this name.

    Raises:
        UsageError: there is none; the message lists what there is.
    """
    try:
        return PRESETS[name.casefold()]
    except KeyError:
        raise UsageError(
            f"There is no preset {shown(name)}. Presets: {', '.join(PRESETS)}"
        ) from None


def pip_name(requirement: str) -> str:
    """Return the normalised name in a requirement (PEP 503), by which two are the same package.

    For anything that is no requirement, as a hand edit may hold, an empty text.
    """
    match = _PIP.fullmatch(requirement)
    return _RUNS.sub("-", match[1]).lower() if match else ""


def apt_name(package: str) -> str:
    """Return the name in a Debian package's `name[:arch][=version]`; empty for anything else."""
    match = _APT.fullmatch(package)
    return match[1] if match else ""


def merged(packages: Iterable[str]) -> tuple[str, ...]:
    """Return requirements sorted, each package once: as it was said most exactly."""
    by_name: dict[str, str] = {}
    for package in packages:
        name = pip_name(package) or package
        if name not in by_name or package != package_only(package):
            by_name[name] = package
    return tuple(sorted(by_name.values(), key=str.casefold))


def package_only(requirement: str) -> str:
    """Return a requirement without its versions and extras."""
    match = _PIP.fullmatch(requirement)
    return match[1] if match else requirement


def quoted(word: str) -> str:
    """Return an allowed word as it stands in a RUN step: quoted where a shell would see more."""
    return word if _PLAIN.fullmatch(word) else f'"{word}"'


def requirements_of(text: str, name: str) -> tuple[str, ...]:
    """Return the packages of a requirements file, to be listed in the Dockerfile themselves.

    Args:
        text: the file's content.
        name: its name, for messages.

    Raises:
        UsageError: a line is more than the name and versions of a package.
    """
    found = []
    for number, line in enumerate(text.replace("\\\r\n", " ").replace("\\\n", " ").splitlines(), 1):
        bare = re.sub(r"(^|\s)#.*", "", line).strip()
        if not bare:
            continue
        try:
            found.append(check_pip(re.sub(r"\s*(\[|\]|,|[<>=!~]=?=?)\s*", r"\1", bare)))
        except UsageError as error:
            raise UsageError(
                f"{name}, line {number}: {error}\nA requirements file with more than plain "
                "packages needs a Dockerfile of your own that copies it: "
                "image-create PROJECT --dockerfile FILE"
            ) from None
    return tuple(found)


def _each(words: Iterable[str], check: Callable[[str], str]) -> tuple[str, ...]:
    split = (part for word in words for part in _BETWEEN.split(word))
    return tuple(dict.fromkeys(check(part) for part in split if part))

"""Which package names may go into a Dockerfile.

Everything here is an allow-list: anything but a plain package name is refused, so that no option,
URL or line break gets into a build step.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator

from ..errors import UsageError, shown
from ..lean import TYPE_CHECKING
from .presets import PRESETS, Preset

if TYPE_CHECKING:
    from packaging.requirements import Requirement

# Of the characters of a requirement, those that are safe in double quotes in a shell.
_PIP = re.compile(r"[A-Za-z0-9._+=~!<>,*\[\]-]+")
_LONGEST = 200
# Debian Policy 5.6.1 and 5.6.12; a name may name an architecture, or ask for a version.
_APT = re.compile(r"([a-z0-9][a-z0-9+.-]*[a-z0-9+])(:[a-z0-9]+)?(=[A-Za-z0-9][A-Za-z0-9.+:~-]*)?")
# Between packages: blanks, except around the `@` of `name @ URL`, and commas, except in
# `[extra,extra]` and before `<2` of `>=1,<2`.
_BETWEEN = re.compile(r"(?<![@ \t])[ \t]+(?![ \t]*@)|,(?![^\[\]]*\])(?!\s*[<>=!~])")
_PLAIN = re.compile(r"[A-Za-z0-9._+=:~-]+")


def pip_packages(words: Iterable[str]) -> tuple[str, ...]:
    """Return the requirements in arguments such as `pandas`, `numpy<2 scipy` or `a,b[c,d]>=1`.

    Raises UsageError, which says which and what to do, if one is not a plain requirement, or if two
    of one package differ.
    """
    found = _each(words, check_pip)
    if differing := _differing(found):
        one, other = differing
        raise UsageError(
            f"{shown(one)} and {shown(other)} are the same package.",
            "Name it once, with all that must hold, as 'numpy>=1.20,<2'.",
        )
    return found


def apt_packages(words: Iterable[str]) -> tuple[str, ...]:
    """Return the Debian packages in arguments such as `ffmpeg` or `curl,git`."""
    return _each(words, check_apt)


def split_words(text: str) -> list[str]:
    """Return the words of an argument, or of an answer, such as `pandas, 'numpy<2'`."""
    return split(text, _BETWEEN, "package")


def unquoted(text: str) -> str:
    """Return an answer at a prompt without the quotes that a shell would need."""
    return re.sub("[\"'`\u2018\u2019\u201c\u201d]", "", text)


def check_pip(requirement: str) -> str:
    """Return a requirement `name[extra]>=1,<2`; raises UsageError, which says what to do, for
    others."""
    if _parsed(requirement) is not None:
        return requirement
    said = shown(requirement)
    if requirement.startswith("-"):
        raise UsageError(
            f"{said} is an option of pip, not a package.",
            "Add options to the Dockerfile yourself (image-update PROJECT --edit); the "
            "package index is read from PIP_INDEX_URL.",
        )
    if "@" in requirement or "/" in requirement:
        raise UsageError(
            f"{said} is a URL or a path, and only packages of the index are accepted here.",
            "Add it to the Dockerfile yourself: image-update PROJECT --edit",
        )
    raise UsageError(
        f"{said} is not the name of a Python package. Examples: "
        "pandas  'numpy<2'  'jax[cuda12]==0.4.30'"
    )


def check_apt(package: str) -> str:
    """Return a Debian package (`name`, `name:arch`, `name=version`), or raise UsageError."""
    if len(package) <= _LONGEST and _APT.fullmatch(package):
        return package
    raise UsageError(
        f"{shown(package)} is not the name of a Debian package. Examples: ffmpeg libgl1"
    )


def split(word: str, between: re.Pattern[str], what: str) -> list[str]:
    """Return the names in an argument, or raise UsageError if there is none: probably a variable
    was not set."""
    parts = [part for part in between.split(word) if part]
    if not parts:
        raise UsageError(f"{shown(word)} names no {what}.", "Is it a variable that is not set?")
    return parts


def preset(name: str) -> Preset:
    """Return the preset of this name, or raise UsageError, which lists those there are."""
    try:
        return PRESETS[name.casefold()]
    except KeyError:
        raise UsageError(
            f"There is no preset {shown(name)}. Presets: {', '.join(PRESETS)}"
        ) from None


def pip_name(requirement: str) -> str:
    """Return the normalised name of a requirement's package (PEP 503); empty for anything else."""
    from packaging.utils import canonicalize_name

    found = _parsed(requirement)
    return canonicalize_name(found.name) if found else ""


def apt_name(package: str) -> str:
    """Return the name in a Debian package's `name[:arch][=version]`; empty for anything else."""
    match = _APT.fullmatch(package)
    return match[1] if match else ""


def merged(packages: Iterable[str]) -> tuple[str, ...]:
    """Return requirements sorted, each package once: the last one with a version or extras."""
    by_name: dict[str, str] = {}
    for package in packages:
        name = pip_name(package) or package
        found = _parsed(package)
        if name not in by_name or (found is not None and found.name != package):
            by_name[name] = package
    return tuple(sorted(by_name.values(), key=str.casefold))


def quoted(word: str) -> str:
    """Return an allowed word for a RUN step, in quotes if a shell would interpret it; an option
    with its value, `-r FILE`, as it is."""
    if word.startswith("-r "):
        return word
    return word if _PLAIN.fullmatch(word) else f'"{word}"'


def requirements_of(text: str, name: str) -> tuple[str, ...]:
    """Return the packages of a requirements file's text, to be listed in the Dockerfile.

    Raises UsageError, with the file's name, for a line that is not a package with versions, and for
    two lines on one package that differ, both of which must hold.
    """
    found = []
    for number, line in enumerate(text.replace("\\\r\n", " ").replace("\\\n", " ").splitlines(), 1):
        bare = without_comment(line).strip()
        if not bare:
            continue
        try:
            found.append(check_pip(re.sub(r"\s*(\[|\]|,|[<>=!~]=?=?)\s*", r"\1", bare)))
        except UsageError as error:
            raise UsageError(
                f"{name}, line {number}: {error}\nA requirements file with more than plain "
                "packages needs your own Dockerfile, which copies it: "
                "image-create PROJECT --dockerfile FILE"
            ) from None
    if differing := _differing(found):
        raise UsageError(f"{name}: {' and '.join(differing)} are the same package.")
    return tuple(found)


def requirement_lines(text: str) -> Iterator[str]:
    """Yield the lines of a requirements file without comments and the options of a package."""
    for line in text.replace("\\\n", " ").splitlines():
        bare = without_comment(line)
        bare = re.sub(r"\s--(?:hash|config-settings|global-option)\b.*", "", bare).strip()
        if bare:
            yield bare


def without_comment(line: str) -> str:
    """Return a line of a requirements file, or of YAML, without its comment."""
    return re.sub(r"(^|\s)#.*", "", line)


def parsed_requirement(text: str) -> Requirement | None:
    """Return any requirement of a package, also one with a URL or a marker; None for others."""
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        return Requirement(text)
    except InvalidRequirement:
        return None


def _differing(packages: Iterable[str]) -> tuple[str, str] | None:
    """Return two requirements of one package with different versions or extras, if there are."""
    by_name: dict[str, str] = {}
    for package in packages:
        found = _parsed(package)
        if found is None or found.name == package:
            continue
        former = by_name.setdefault(pip_name(package), package)
        if _parsed(former) != found:
            return former, package
    return None


def _parsed(text: str) -> Requirement | None:
    """Return a requirement without URL and marker, or None for anything else."""
    from packaging.requirements import InvalidRequirement, Requirement

    if len(text) > _LONGEST or not _PIP.fullmatch(text):
        return None
    try:
        return Requirement(text)
    except InvalidRequirement:
        return None


def _each(words: Iterable[str], check: Callable[[str], str]) -> tuple[str, ...]:
    parts = (part for word in words for part in split(word, _BETWEEN, "package"))
    return tuple(dict.fromkeys(check(part) for part in parts))

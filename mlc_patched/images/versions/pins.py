"""Decide which versions a build keeps, by the lock of the last one. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from ...lean import dataclass, field
from ..dockerfile.append import account_block_start
from ..dockerfile.installs import APT, PIP, find_installs, name_of_wheel, packages_in
from ..dockerfile.syntax import final_stage, instructions
from ..packages import parsed_requirement, pip_name
from .lockfile import Lock

_BUILD_TOOLS = frozenset(("pip", "setuptools", "wheel", "uv"))
"""pip applies constraints also to what it builds packages with, and newer packages need newer ones
of these."""


@dataclass(frozen=True)
class Upgrade:
    """What a build is to move: everything, or the packages named."""

    everything: bool = False
    packages: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return self.everything or bool(self.packages)

    def marks(self, lock: Lock | None, text: str, now: str) -> dict[str, str]:
        """Return the time of the last upgrade of each kind of package."""
        marks = dict(lock.upgraded) if lock else {}
        debian = {APT.name(each) for each in packages_in(text, APT)}
        if self.everything or any(each in debian for each in self.packages):
            marks["apt"] = now
        if self.everything or any(each not in debian for each in self.packages):
            marks["pip"] = now
        return marks


NO_UPGRADE = Upgrade()


@dataclass(frozen=True)
class Pins:
    """What a build gets from a lock: constraints for Python packages (`name==version`), and by kind
    of package the time of the last upgrade, so that no step comes from a cache of before."""

    constraints: tuple[str, ...] = ()
    marks: Mapping[str, str] = field(default_factory=dict)

    @property
    def for_uv(self) -> str:
        """The constraints as a file for uv."""
        return _file(self.constraints)

    @property
    def for_pip(self) -> str:
        """The constraints as a file for pip."""
        return _file(
            each for each in self.constraints if each.partition("==")[0] not in _BUILD_TOOLS
        )


NO_PINS = Pins()


def pins_of(
    lock: Lock | None,
    text: str,
    upgrade: Upgrade,
    base: Mapping[str, str],
    *,
    builder: str,
    keeps_pinned: bool,
    now: str,
    copied: Iterable[str] = (),
) -> Pins:
    """Return the pins for a build.

    Args:
        lock: the lock of the last build, if there is one.
        text: the Dockerfile to build.
        upgrade: what to move.
        base: the Python packages of the base, by name.
        builder: name of the builder.
        keeps_pinned: other constraints than the last build's would make all steps run again, as
            with the classic builder, and the steps of the last build are in its cache. If only
            steps are appended, their versions stay without constraints: cached steps are not run,
            and uv does not replace what is installed and fits.
        now: the time.
        copied: the requirements in files that the Dockerfile copies.
    """
    if lock is None:
        return Pins((), upgrade.marks(None, text, now) if upgrade else {})
    marks = upgrade.marks(lock, text, now) if upgrade else dict(lock.upgraded)
    is_cached = keeps_pinned and lock.builder == builder and not upgrade
    wanted = _wanted(text, copied)
    if is_cached and is_append(lock.dockerfile, text):
        pinned = (each.partition("==") for each in lock.pinned)
        if all(_fits(version, wanted.get(name, ())) for name, _, version in pinned):
            return Pins(lock.pinned, marks)
    return Pins(_constraints(lock, wanted, upgrade, base), marks)


def constraints_of(
    lock: Lock, text: str, upgrade: Upgrade, base: Mapping[str, str]
) -> tuple[str, ...]:
    """Return the constraints by which a build keeps the versions of a lock.

    Free are: what is to be upgraded, what a step wants in another version by now, what is not from
    an index, and what the base has, if this one has it in another version.
    """
    return _constraints(lock, _wanted(text, ()), upgrade, base)


def _constraints(
    lock: Lock, wanted: Mapping[str, Sequence[str]], upgrade: Upgrade, base: Mapping[str, str]
) -> tuple[str, ...]:
    free = {pip_name(each) for each in upgrade.packages}
    found = {name: each for name, each in lock.of_base.items() if base.get(name) == each}
    if not upgrade.everything:
        found |= {each.name: each.version for each in lock.packages if not each.is_elsewhere}
    return tuple(
        f"{name}=={version}"
        for name, version in sorted(found.items())
        if name not in free and _is_version(version) and _fits(version, wanted.get(name, ()))
    )


def _wanted(text: str, copied: Iterable[str]) -> dict[str, list[str]]:
    """Return the requirements in a Dockerfile and in what it copies, by the name of the package."""
    found: dict[str, list[str]] = {}
    for each in (*packages_in(text, PIP), *_wheels(text), *copied):
        found.setdefault(pip_name(each) or PIP.name(each), []).append(each)
    return found


def _wheels(text: str) -> Iterator[str]:
    """Yield the wheels that steps install from a path or a URL, each as a requirement of its
    version."""
    for install in find_installs(text, PIP):
        for word in install.others:
            if name := name_of_wheel(word.value):
                version = word.value.rpartition("/")[2].partition("-")[2].partition("-")[0]
                yield f"{name}=={version}"


def is_append(before: str, after: str) -> bool:
    """Whether a Dockerfile is another one with steps added, if any, before its account block."""
    former, now = _steps(before), _steps(after)
    return now[: len(former)] == former


def _steps(text: str) -> list[str]:
    found = instructions(text)
    end = account_block_start(text, final_stage(found))
    return [text[each.start : each.end].strip() for each in found if end is None or each.end <= end]


def limits_of(name: str, version: str, requirements: Iterable[str]) -> Iterator[str]:
    """Yield the requirements of a package that its version meets, and that limit newer ones."""
    for each in requirements if _is_version(version) else ():
        wanted = parsed_requirement(each)
        if wanted is None or pip_name(wanted.name) != name or not _fits(version, (each,)):
            continue
        if any(part.operator not in (">", ">=", "!=") for part in wanted.specifier):
            yield each


def is_pin(requirement: str) -> bool:
    """Whether a requirement allows one version only, whatever the Python is."""
    wanted = parsed_requirement(requirement)
    return (
        wanted is not None
        and wanted.marker is None
        and any(
            part.operator in ("==", "===") and not part.version.endswith("*")
            for part in wanted.specifier
        )
    )


def _file(constraints: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in ("# The versions of the last build", *constraints))


def _is_version(text: str) -> bool:
    from packaging.version import InvalidVersion, Version

    try:
        Version(text)
    except InvalidVersion:
        return False
    return True


def _fits(version: str, requirements: Iterable[str]) -> bool:
    """Whether all requirements allow a version; one with a URL or a variable may mean any."""
    return all(
        wanted and not wanted.url and wanted.specifier.contains(version, prereleases=True)
        for wanted in map(parsed_requirement, requirements)
    )

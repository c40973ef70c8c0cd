"""Summarise what changed in a container against its image, from the engine's list of paths.

Packages are recognised by the records of pip, conda and dpkg, so nothing has to run in the
container.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ..engine.observations import Change
from ..lean import dataclass, field

ADDED, CHANGED, DELETED = "added", "changed", "deleted"
SHOWN = 10
"""How many files a summary names; the rest are counted."""
DPKG_STATUS = "/var/lib/dpkg/status"
DPKG_STATUS_LIMIT = 32 * 1024**2

_PYTHON = re.compile(r"(.*)/(?:site|dist)-packages/([^/]+?)-([^/-]+)(?:-[^/]*)?\.(?:dist|egg)-info")
_CONDA = re.compile(r".*/conda-meta/(.+)-([^-/]+)-[^-/]+\.json")
_DPKG = re.compile(r"/var/lib/dpkg/info/([a-z0-9.+-]+)(?::[a-z0-9]+)?\.list")
_STATUS = re.compile(r"^Package: (\S+)\n(?:[^\n]+\n)*?Version: (\S+)$", re.M)
# Python packages here belong to dpkg, not to pip (Debian Python Policy, 2.5).
_DEBIAN_PYTHON = "/usr/lib/python3"
# Not a user's work: caches, records, mount points.
_NOISE = re.compile(
    r"/(?:var/(?:cache|log|lib/(?:apt|dpkg|systemd|ucf|pam))|tmp|run|proc|sys|dev|root/\.cache|"
    r"home/[^/]+/\.cache|workspace|data|models)(?:/|$)|/(?:site|dist)-packages/|/conda-meta/|"
    r"/__pycache__(?:/|$)|/etc/(?:ld\.so\.cache|hosts|hostname|resolv\.conf|mtab)$"
)
_DPKG_AREA = re.compile(r"/(?:usr/(?!local/)|lib|bin|sbin|etc/alternatives)")


@dataclass(frozen=True)
class Packages:
    """Packages of one kind: those added or replaced, with their versions, and those removed."""

    added: Mapping[str, str] = field(default_factory=dict)
    removed: tuple[str, ...] = ()

    def words(self) -> list[str]:
        """Return them as text: `six 1.16.0`, or `-six` for a removed one."""
        added = [f"{name} {version}".rstrip() for name, version in sorted(self.added.items())]
        return [*added, *(f"-{name}" for name in self.removed)]


NONE = Packages()


@dataclass(frozen=True)
class Summary:
    """What changed: packages by kind, the number of files, the first of the files, and the volumes
    with other files."""

    pip: Packages = NONE
    apt: Packages = NONE
    conda: Packages = NONE
    files: Mapping[str, int] = field(default_factory=dict)
    examples: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()

    def lines(self) -> list[str]:
        """Return the summary as lines of text; at least one."""
        kinds = (("pip", self.pip), ("apt", self.apt), ("conda", self.conda))
        lines = [
            f"{kind}: {', '.join(packages.words())}" for kind, packages in kinds if packages.words()
        ]
        counts = [f"{count} {kind}" for kind, count in self.files.items() if count]
        if counts:
            more = sum(self.files.values()) - len(self.examples)
            rest = f" and {more} more" if more > 0 else ""
            lines.append(f"files: {', '.join(counts)} ({', '.join(self.examples)}{rest})")
        if self.volumes:
            lines.append(f"volumes: {', '.join(self.volumes)}")
        return lines or ["only caches and logs"]


def summarise(changes: Iterable[Change], dpkg_status: str = "") -> Summary:
    """Summarise the engine's list of changes, ordered by path.

    `dpkg_status` is the container's /var/lib/dpkg/status, for package versions.
    """
    from packaging.utils import canonicalize_name

    changes = list(changes)
    versions = dict(_STATUS.findall(dpkg_status))
    conda = _packages(changes, _CONDA, lambda match: (match[1], match[2]))
    apt = _packages(changes, _DPKG, lambda match: (match[1], versions.get(match[1], "")))
    python = _packages(
        [each for each in changes if not each.path.startswith(_DEBIAN_PYTHON)],
        _PYTHON,
        lambda match: (match[2], match[3]),
    )
    by_conda = {canonicalize_name(name) for name in (*conda.added, *conda.removed)}

    def is_pip(name: str) -> bool:
        return canonicalize_name(name) not in by_conda

    pip = Packages(
        {name: version for name, version in python.added.items() if is_pip(name)},
        tuple(filter(is_pip, python.removed)),
    )
    files = _files(changes, has_apt=bool(apt.words()))
    counts = {kind: sum(each.kind == kind for each in files) for kind in (ADDED, CHANGED, DELETED)}
    return Summary(pip, apt, conda, counts, tuple(each.path for each in files[:SHOWN]))


def _packages(changes: Iterable[Change], pattern: re.Pattern[str], read: Any) -> Packages:
    added: dict[str, str] = {}
    removed: list[str] = []
    for change in changes:
        if match := pattern.fullmatch(change.path):
            name, version = read(match)
            if change.kind == DELETED:
                removed.append(name)
            # pip compiles modules later: a changed directory is not a changed package.
            elif change.kind == ADDED or pattern is _DPKG:
                added[name] = version
    return Packages(added, tuple(sorted(set(removed) - set(added))))


def _files(changes: list[Change], *, has_apt: bool) -> list[Change]:
    """Return the changes to the user's own files, without directories that contain others."""
    directories = {parent for change in changes for parent in _parents(change.path)}
    return [
        change
        for change in changes
        if change.path not in directories
        and not _NOISE.search(change.path)
        and not (has_apt and _DPKG_AREA.match(change.path))
    ]


def _parents(path: str) -> Iterator[str]:
    while path := path.rpartition("/")[0]:
        yield path

"""A project's lock: the exact versions in its image, and what builds the same image again.

It is a pylock.toml (PEP 751) for the packages that steps installed from an index. Everything else
is in `[tool.mlc]`, which installers ignore: the base and its Python packages, Python packages from
elsewhere, Debian's and conda's packages, and the Dockerfile. A value is on one line each, so that a
lock can be read without a parser for TOML, which Python 3.10 lacks. Pure.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping

from ...errors import MlcError
from ...json_text import parsed
from ...lean import dataclass, field

VERSION = "1"
_PACKAGE = "[[packages]]"
_TOOL = "tool.mlc"
_REMEDY = "Restore it, or remove it: the next build then takes the newest versions."
_TABLE = re.compile(r"\[([^\[\]]+)\]")
_HEADING = """\
# The exact versions in the image of the project {project}, as of its last build. image-create and
# image-update write this file and keep these versions; image-update --upgrade moves them. To build
# the same image elsewhere, copy the file there: image-create NAME --from {project}.lock
# What the Dockerfile copies has to be in ~/dockerfiles there, too.
"""


class LockError(MlcError):
    """A lock cannot be read; the message says where and why."""


@dataclass(frozen=True)
class Locked:
    """A Python package. `source` are lines of TOML that say where it can be had; `is_elsewhere`
    says that it is not from an index, but from a URL or a directory."""

    name: str
    version: str
    source: tuple[str, ...] = ()
    is_elsewhere: bool = False


@dataclass(frozen=True)
class LockedBase:
    """The base: the name in FROM, its id in the engine that built, and its digest in a registry."""

    reference: str = ""
    id: str = ""
    digest: str = ""


@dataclass(frozen=True)
class Lock:
    """The content of an image. The mappings are from names to versions, but `upgraded`, which is
    from a kind of package (`pip`, `apt`) to the time of its last upgrade."""

    project: str
    dockerfile: str
    base: LockedBase = field(default_factory=LockedBase)
    python: str = ""
    machine: str = ""
    packages: tuple[Locked, ...] = ()
    """Python packages that steps installed."""
    of_base: Mapping[str, str] = field(default_factory=dict)
    """Python packages that are as in the base."""
    debian: Mapping[str, str] = field(default_factory=dict)
    conda: Mapping[str, str] = field(default_factory=dict)
    upgraded: Mapping[str, str] = field(default_factory=dict)
    pinned: tuple[str, ...] = ()
    """The constraints that the build had: with the classic builder, those of the next build, too,
    if it only appends steps, as others would invalidate its cache."""
    builder: str = ""

    @property
    def versions(self) -> dict[str, str]:
        """The versions of all Python packages by name."""
        return {**self.of_base, **{each.name: each.version for each in self.packages}}


def digest(text: str) -> str:
    """Return the digest of a text, as in a label."""
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def render(lock: Lock) -> str:
    """Return the text of a lock."""
    return "\n".join((*_lines(lock), ""))


def _lines(lock: Lock) -> Iterator[str]:
    yield _HEADING.format(project=lock.project)
    yield 'lock-version = "1.0"'
    yield 'created-by = "mlc-patched"'
    if lock.python:
        yield f'requires-python = "=={".".join(lock.python.split(".")[:2])}.*"'
    for each in lock.packages:
        if each.source:
            yield f"\n{_PACKAGE}\nname = {_text(each.name)}\nversion = {_text(each.version)}"
            yield from each.source
    yield f"\n[{_TOOL}]\nversion = {_text(VERSION)}\nproject = {_text(lock.project)}"
    yield f"python = {_text(lock.python)}\nmachine = {_text(lock.machine)}"
    yield f"builder = {_text(lock.builder)}"
    yield f"pinned = {_text(list(lock.pinned))}"
    base = lock.base
    yield from _table("base", {"reference": base.reference, "id": base.id, "digest": base.digest})
    rest = [each for each in lock.packages if not each.source]
    for name, values in (
        ("python-packages", {each.name: each.version for each in rest if not each.is_elsewhere}),
        ("python-elsewhere", {each.name: each.version for each in rest if each.is_elsewhere}),
        ("python-of-base", lock.of_base),
        ("debian", lock.debian),
        ("conda", lock.conda),
        ("upgraded", lock.upgraded),
    ):
        yield from _table(name, values)
    yield f"\n[{_TOOL}.dockerfile]\ntext = ["
    yield from (f"    {_text(line)}," for line in lock.dockerfile.split("\n"))
    yield "]"


def _table(name: str, values: Mapping[str, str]) -> Iterator[str]:
    if values:
        yield f"\n[{_TOOL}.{name}]"
        yield from (f"{_text(key)} = {_text(values[key])}" for key in sorted(values))


def _text(value: object) -> str:
    # JSON's strings are TOML's basic strings, but for DEL.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def parse(text: str, name: str) -> Lock:
    """Return the lock in a text; `name` is the file's, for messages.

    Raises:
        LockError: the text is not a lock that image-create wrote.
    """
    tables, packages = _read(text, name)
    tool = tables.get(_TOOL, {})
    if tool.get("version") != VERSION:
        raise LockError(
            f"{name} is not a lock that this version of image-create can use.",
            _REMEDY,
        )

    def mapping(key: str) -> dict[str, str]:
        return {each: str(value) for each, value in tables.get(f"{_TOOL}.{key}", {}).items()}

    def lines(table: str, key: str) -> tuple[str, ...]:
        found = tables.get(table, {}).get(key)
        return tuple(map(str, found)) if isinstance(found, list) else ()

    base = mapping("base")
    rest = [Locked(*each) for each in mapping("python-packages").items()]
    rest += [Locked(*each, (), True) for each in mapping("python-elsewhere").items()]
    return Lock(
        project=str(tool.get("project", "")),
        dockerfile="\n".join(lines(f"{_TOOL}.dockerfile", "text")),
        base=LockedBase(base.get("reference", ""), base.get("id", ""), base.get("digest", "")),
        python=str(tool.get("python", "")),
        machine=str(tool.get("machine", "")),
        packages=_ordered((*packages, *rest)),
        of_base=mapping("python-of-base"),
        debian=mapping("debian"),
        conda=mapping("conda"),
        upgraded=mapping("upgraded"),
        pinned=lines(_TOOL, "pinned"),
        builder=str(tool.get("builder", "")),
    )


def _ordered(packages: Iterable[Locked]) -> tuple[Locked, ...]:
    return tuple(sorted(packages, key=lambda each: each.name))


def _read(text: str, name: str) -> tuple[dict[str, dict[str, object]], list[Locked]]:
    """Return the tables of a lock, and its packages."""
    tables: dict[str, dict[str, object]] = {}
    packages: list[dict[str, str]] = []
    package: dict[str, str] | None = None
    table: dict[str, object] = {}
    lines = iter(enumerate(text.split("\n"), 1))
    for number, line in lines:
        bare = line.strip()
        try:
            if not bare or bare.startswith("#"):
                continue
            if bare == _PACKAGE:
                package = {}
                packages.append(package)
                continue
            if match := _TABLE.fullmatch(bare):
                package, table = None, tables.setdefault(match[1], {})
                continue
            key, value = _pair(bare)
            if package is not None:
                package[key] = value
            else:
                table[key] = list(_listed(lines)) if value == "[" else parsed(value)
        except ValueError as error:
            raise LockError(f"{name} cannot be read: line {number}: {error}.", _REMEDY) from error
    return tables, [_package(each, name) for each in packages]


def _pair(line: str) -> tuple[str, str]:
    """Split `key = value`, whose key may be in quotes."""
    key, end = json.JSONDecoder().raw_decode(line) if line.startswith('"') else ("", 0)
    before, is_value, value = line[end:].partition("=")
    if not is_value:
        raise ValueError("not a value")
    return str(key) or before.strip(), value.strip()


def _listed(lines: Iterator[tuple[int, str]]) -> Iterator[str]:
    for _, line in lines:
        if line.strip() == "]":
            return
        if line.strip():
            yield str(parsed(line.strip().removesuffix(",")))
    raise ValueError("a list does not end")


def _package(values: Mapping[str, str], name: str) -> Locked:
    try:
        source = tuple(
            f"{key} = {value}" for key, value in values.items() if key not in ("name", "version")
        )
        is_elsewhere = any(key in values for key in ("vcs", "archive", "directory"))
        return Locked(parsed(values["name"]), parsed(values["version"]), source, is_elsewhere)
    except (LookupError, ValueError) as error:
        raise LockError(f"{name} cannot be read: a package lacks {error}.", _REMEDY) from error

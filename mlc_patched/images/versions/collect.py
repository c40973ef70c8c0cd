"""Compose a lock from what is in an image, and from what uv says about its packages. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from ...urls import without_logins
from .inventory import Inventory
from .lockfile import Lock, Locked, LockedBase
from .pins import Pins

Sources = Mapping[tuple[str, str], tuple[str, ...]]
"""Where packages can be had, by name and version: lines of a lock."""
_FILE = re.compile(r'\{[^{}]*?url = ("(?:[^"\\]|\\.)*")[^{}]*?hashes = (\{[^{}]*\})[^{}]*\}')
_WHEEL = re.compile(r"([^/-]+)-([^/-]+)(?:-\d[^/-]*)?-([^/-]+)-([^/-]+)-([^/-]+)\.whl")
_BLOCK = re.compile(r"^\[\[packages\]\]\n(.*?)(?=^\[|\Z)", re.M | re.S)
_VALUE = '^{} = ("(?:[^"\\\\]|\\\\.)*")$'


def compose(
    project: str,
    text: str,
    inventory: Inventory,
    base: LockedBase,
    of_base: Mapping[str, str],
    pins: Pins,
    builder: str,
    sources: Sources,
) -> Lock:
    """Return the lock of an image.

    Args:
        project: the project's name.
        text: the Dockerfile that was built.
        inventory: what is in the image.
        base: the base.
        of_base: the Python packages of the base, by name.
        pins: the versions that the build kept.
        builder: name of the builder.
        sources: where packages can be had.
    """
    packages = []
    for name, version in sorted(inventory.packages.items()):
        if name in inventory.direct:
            packages.append(Locked(name, version, direct_source(inventory.direct[name]), True))
        elif of_base.get(name) != version:
            packages.append(Locked(name, version, sources.get((name, version), ())))
    kept = {name for name, version in of_base.items() if inventory.packages.get(name) == version}
    return Lock(
        project=project,
        dockerfile=text,
        base=base,
        python=inventory.python,
        machine=inventory.machine,
        packages=tuple(packages),
        of_base={name: of_base[name] for name in sorted(kept - inventory.direct.keys())},
        debian=inventory.debian,
        conda=inventory.conda,
        upgraded=pins.marks,
        pinned=pins.constraints,
        builder=builder,
    )


def known_sources(lock: Lock | None) -> dict[tuple[str, str], tuple[str, ...]]:
    """Return where the packages of a lock can be had, by name and version."""
    packages = lock.packages if lock else ()
    return {(each.name, each.version): each.source for each in packages if each.source}


def direct_source(direct: Mapping[str, Any]) -> tuple[str, ...]:
    """Return where a package from a URL can be had, by its direct_url.json (PEP 610)."""
    url = without_logins(str(direct.get("url", "")))
    vcs, archive = direct.get("vcs_info"), direct.get("archive_info")
    if isinstance(vcs, dict) and vcs.get("vcs") and vcs.get("commit_id"):
        kind, commit = json.dumps(str(vcs["vcs"])), json.dumps(str(vcs["commit_id"]))
        return (f"vcs = {{ type = {kind}, url = {json.dumps(url)}, commit-id = {commit} }}",)
    hashes = archive.get("hashes") if isinstance(archive, dict) else None
    if isinstance(hashes, dict) and hashes and not url.startswith("file:"):
        each = ", ".join(f"{name} = {json.dumps(str(value))}" for name, value in hashes.items())
        return (f"archive = {{ url = {json.dumps(url)}, hashes = {{ {each} }} }}",)
    return ()


def sources_in(pylock: str, python: str, machine: str) -> dict[tuple[str, str], tuple[str, ...]]:
    """Return where packages can be had, by name and version, from uv's pylock.toml.

    Of wheels only those for this Python and machine are kept, and the source archive only where
    there are none.
    """
    found = {}
    for block in _BLOCK.findall(pylock):
        name, version = _value(block, "name"), _value(block, "version")
        files = [(json.loads(url), hashes) for url, hashes in _FILE.findall(block)]
        wheels = [each for each in files if _fits(each[0], python, machine)]
        archives = [each for each in files if not each[0].endswith(".whl")]
        index = _value(block, "index")
        lines = [f"index = {json.dumps(without_logins(index))}"] if index else []
        if wheels:
            lines.append(f"wheels = [{', '.join(_file(*each) for each in wheels)}]")
        elif archives:
            lines.append(f"sdist = {_file(*archives[0])}")
        if name and version and (wheels or archives):
            found[name, version] = tuple(lines)
    return found


def _value(block: str, key: str) -> str:
    match = re.search(_VALUE.format(key), block, re.M)
    return str(json.loads(match[1])) if match else ""


def _file(url: str, hashes: str) -> str:
    return f"{{ url = {json.dumps(without_logins(url))}, hashes = {hashes} }}"


def _fits(url: str, python: str, machine: str) -> bool:
    """Whether a wheel is for a Python on Linux: https://packaging.python.org, "Binary
    distribution format"."""
    match = _WHEEL.fullmatch(url.rpartition("/")[2])
    if match is None:
        return False
    major, minor = (*python.split("."), "0")[:2]
    pythons, abis, platforms = (match[n].split(".") for n in (3, 4, 5))
    is_python = any(
        each in (f"py{major}", f"py{major}{minor}", f"cp{major}{minor}")
        or (each.startswith(f"cp{major}") and "abi3" in abis)
        for each in pythons
    )
    is_here = any(each == "any" or _is_linux(each, machine) for each in platforms)
    return is_python and is_here and not any(each.endswith("t") for each in abis)


def _is_linux(platform: str, machine: str) -> bool:
    return platform.startswith(("linux", "manylinux")) and platform.endswith(f"_{machine}")


def differences(before: Lock | None, after: Lock) -> list[str]:
    """Return what changed between two locks, a package a line: `numpy 2.1 -> 2.2`."""
    if before is None:
        return []
    found: list[str] = []
    for old, new in (
        (before.versions, after.versions),
        (before.debian, after.debian),
        (before.conda, after.conda),
    ):
        found += _changed(old, new)
    return found


def _changed(old: Mapping[str, str], new: Mapping[str, str]) -> Iterable[str]:
    for name in sorted({*old, *new}):
        if name not in old:
            yield f"+ {name} {new[name]}"
        elif name not in new:
            yield f"- {name} {old[name]}"
        elif old[name] != new[name]:
            yield f"  {name} {old[name]} -> {new[name]}"

"""Ask uv, in a temporary container of an image, with the site's index, proxies and certificates."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

from ...context import Context
from ...engine.interface import Image
from ...engine.specification import ContainerSpecification
from ...errors import EngineError, MlcError
from ...lean import dataclass, field
from ...names import labels
from ...temporary import LOOK, temporary_name
from ...undo import Undo
from ..probe import create_temporary
from ..versions.collect import Sources, sources_in
from ..versions.inventory import Inventory
from ..versions.lockfile import Lock
from ..versions.pins import Pins
from .cause import cause_of
from .client import build_network
from .environment import settings_for_uv, settings_from, uv_configuration

_PLACE = "/tmp/mlc"  # noqa: S108 - in a container of its own
_MOST = 60_000
"""Characters of an argument: Linux allows 128 KiB (execve(2))."""
_RUN = """
place=$1 && shift && mkdir -p "$place" && while [ "$1" != -- ]; do
    file=$place/$1 count=$2; shift 2; : >"$file"
    while [ "$count" -gt 0 ]; do printf %s "$1" >>"$file"; shift; count=$((count - 1)); done
done && shift && exec env "$@"
"""
"""Writes files and runs uv, from arguments: the directory, of each file its name and its text in
pieces, then `--`, variables, and the command."""
_SHOWN = 30
"""Lines of uv's explanation that are shown."""
_CONFLICT = re.compile(r"No solution found when resolving|Because .* and .*we can conclude", re.S)
_ABSENT = re.compile(r"no version of ([\w.-]+)==|Because ([\w.-]+) was not found in")
_MOST_ABSENT = 20
_CHANGE = re.compile(r"^ ([+~-]) (\S+?)==(\S+)", re.M)


class ConflictingPackagesError(MlcError):
    """Packages cannot be installed together; the message says which."""


@dataclass(frozen=True)
class Resolved:
    """What installing packages would change: versions by name, of those added and removed; a
    package whose version changes is in both. `sources` says where those added can be had."""

    added: Mapping[str, str] = field(default_factory=dict)
    removed: Mapping[str, str] = field(default_factory=dict)
    sources: Sources = field(default_factory=dict)

    def lines(self) -> list[str]:
        """Return it a package a line: `+ idna 3.11`, `idna 3.10 -> 3.11`."""
        found = []
        for name in sorted({*self.added, *self.removed}):
            old, new = self.removed.get(name), self.added.get(name)
            if old and new:
                found.append(f"  {name} {old} -> {new}")
            else:
                found.append(f"+ {name} {new}" if new else f"- {name} {old}")
        return found


def resolve(
    image: Image,
    wanted: Sequence[str],
    pins: Pins,
    context: Context,
    *,
    lock: Lock | None = None,
    options: Sequence[str] = (),
) -> Resolved | None:
    """Return what installing packages in an image would change; None if uv cannot say. `lock` is
    the image's.

    Raises:
        ConflictingPackagesError: they cannot be installed together with what the pins keep.
    """
    command = ["pip", "install", "--dry-run", "--break-system-packages", "--no-cache", *options]
    with _uv_in(image, {"constraints": pins.for_uv}, context) as uv:
        status, said = uv([*command, "-c", f"{_PLACE}/constraints", "--", *wanted])
        changes = _CHANGE.findall(said) if status == 0 else []
        added = {name: version for sign, name, version in changes if sign != "-"}
        sources = _sources(added, lock.python, lock.machine, uv) if added and lock else {}
    if status == 0:
        removed = {name: version for sign, name, version in changes if sign == "-"}
        return Resolved(added, removed, sources)
    if _CONFLICT.search(said):
        raise refusal(said)
    return None


def refusal(said: str) -> ConflictingPackagesError:
    """Return why packages cannot be installed, in a sentence and in uv's words."""
    lines = [line for line in said.splitlines() if not line.startswith("Using Python")]
    why = cause_of(lines) or "The packages cannot be installed together."
    hint = "Nothing was built."
    if "was not found in the package registry" not in " ".join(said.split()):
        hint += " To let other packages move: image-update PROJECT --upgrade PACKAGE…"
    return ConflictingPackagesError("\n".join((why, *lines[:_SHOWN])), hint)


def find_sources(
    image: Image, packages: Mapping[str, str], inventory: Inventory, context: Context
) -> Sources:
    """Return where packages can be had, by name and version, as far as uv can say."""
    if not packages:
        return {}
    try:
        with _uv_in(image, {}, context) as uv:
            return _sources(packages, inventory.python, inventory.machine, uv)
    except EngineError:
        return {}


def _sources(packages: Mapping[str, str], python: str, machine: str, uv: _Runs) -> Sources:
    """Ask uv where packages can be had, without those that its index does not have: one such
    package, from another index for example, is enough for uv to say nothing of the others."""
    wanted = dict(packages)
    options = ("--no-deps", "--no-header", "--no-annotate", "--quiet")
    for _ in range(_MOST_ABSENT):
        uv.write({"packages.txt": "".join(f"{name}=={wanted[name]}\n" for name in wanted)})
        status, said = uv(
            ["pip", "compile", *options, "--format", "pylock.toml", f"{_PLACE}/packages.txt"]
        )
        if status == 0:
            return sources_in(said, python, machine)
        absent = {each[1] or each[2] for each in _ABSENT.finditer(" ".join(said.split()))}
        if not wanted.keys() & absent:
            break
        wanted = {name: wanted[name] for name in wanted if name not in absent}
    return {}


class _Runs(Protocol):
    """What runs uv, as `_Uv` does."""

    def write(self, files: Mapping[str, str]) -> None:
        """Write files."""

    def __call__(self, arguments: Sequence[str]) -> tuple[int, str]:
        """Run uv and return its exit status and output."""


class _Uv:
    """A container in which uv runs."""

    def __init__(self, container: str, context: Context, variables: Sequence[str]) -> None:
        self._container, self._context, self._variables = container, context, variables
        self._files: dict[str, str] = {}

    def write(self, files: Mapping[str, str]) -> None:
        """Have files written before uv runs the next time."""
        self._files.update(files)

    def __call__(self, arguments: Sequence[str]) -> tuple[int, str]:
        """Run uv and return its exit status and output."""
        argv = ["sh", "-c", _RUN, "sh", _PLACE]
        for name, text in self._files.items():
            pieces = [text[start : start + _MOST] for start in range(0, len(text), _MOST)]
            argv += [name, str(len(pieces)), *pieces]
        self._files.clear()
        argv += ["--", *self._variables, "python3", "-m", "uv", *arguments]
        return self._context.engine.exec_run(self._container, argv, "0:0")


@contextlib.contextmanager
def _uv_in(image: Image, files: Mapping[str, str], context: Context) -> Iterator[_Uv]:
    engine = context.engine
    settings = settings_from(context.environ, context.account)
    files, variables = dict(files), ["NO_COLOR=1", "UV_NO_PROGRESS=1"]
    variables += [f"{name}={context.environ[name]}" for name in settings.proxies]
    if for_uv := settings_for_uv(settings.pip, image.environment):
        files["uv.toml"] = uv_configuration(for_uv)
        variables.append(f"UV_CONFIG_FILE={_PLACE}/uv.toml")
    if settings.certificates:
        files["ca.crt"] = settings.certificates.bundle
        variables.append(f"SSL_CERT_FILE={_PLACE}/ca.crt")
    network = build_network(context.environ)
    specification = ContainerSpecification(
        name=temporary_name(LOOK, context.account, context.job.token),
        image=image.id,
        entrypoint=("sleep",),
        command=("600",),
        labels={labels.TEMPORARY: LOOK},
        user="0:0",
        network="bridge" if network == "default" else network,
    )
    with Undo(context.report) as undo:
        container = create_temporary(specification, engine, undo)
        engine.start(container)
        uv = _Uv(container, context, variables)
        uv.write(files)
        yield uv
        engine.remove_container(container, force=True)

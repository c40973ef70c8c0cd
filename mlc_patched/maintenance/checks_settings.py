"""Checks of the administrator's settings and of the catalog."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

from ..context import Context
from ..engine.interface import DOCKER, Engine
from ..engine.observations import EngineInfo
from ..errors import MlcError, NotFoundError
from ..plan.catalog import VARIABLE as CATALOG_VARIABLE
from ..settings.file import FILE, locate
from ..settings.model import Settings
from . import install_tree
from .checks import Finding, Machine, broken, ok, warning

_NETWORKS = ("host", "bridge", "none", "default", "private", "slirp4netns", "pasta")
"""Values of `container.network` that are no network's name, in Docker or Podman."""
_LEAST_MEMORY = 6 * 1024**2
"""Docker refuses a container with less (moby, daemon/daemon_unix.go)."""
_SLICE = ".slice"


def settings(machine: Machine) -> Finding | Sequence[Finding]:
    """The administrator's settings can be read and are valid, also for the engine."""
    context = machine.context
    try:
        notes = context.settings.notes
    except MlcError as error:
        return broken("settings", error.message, _settings_remedy(error, context))
    found = [warning("settings", " ".join(notes), "mlc config")] if notes else []
    if machine.info is not None:
        found += _refused(context.settings, machine.info, context.engine)
    return found or ok("settings", "valid")


def _settings_remedy(error: MlcError, context: Context) -> str:
    if error.hint:
        return error.hint
    if re.search(r", line \d", error.message):
        return "mlc config, once the line is right"
    return _file_remedy(error, locate(context.environ) or FILE)


def _file_remedy(error: MlcError, path: str) -> str:
    """Return the command for a file that cannot be read, or whose content is wrong."""
    quoted = shlex.quote(path)
    if isinstance(error.__cause__, PermissionError):
        return f"sudo chmod a+rX {shlex.quote(str(Path(path).parent))} {quoted}"
    return f"sudoedit {quoted}"


def _refused(settings: Settings, info: EngineInfo, engine: Engine) -> Iterator[Finding]:
    """Yield the settings that the engine refuses, and with them every container."""
    wrong = {}
    if settings.network not in _NETWORKS and not engine.has_network(settings.network):
        wrong["container.network"] = "there is no such network", "one of: docker network ls"
    if info.product == DOCKER:
        if settings.cpus is not None and 0 < info.cpus < settings.cpus:
            wrong["limits.cpus"] = f"there are {info.cpus} processors", f"{info.cpus} or less"
        if settings.memory is not None and settings.memory < _LEAST_MEMORY:
            wrong["limits.memory"] = "that is less than 6 MiB", "a size such as 64g"
        if info.cgroup_driver == "systemd" and not (settings.cgroup_parent or _SLICE).endswith(
            _SLICE
        ):
            wrong["container.cgroup_parent"] = "its cgroups are systemd's", "NAME.slice"
    for name, (why, allowed) in wrong.items():
        origin, key = settings.origins[name], name.partition(".")[2]
        text = f"{origin}: the engine refuses {key} = {settings.texts[name]}, as {why}"
        yield broken("settings", text, f"{_edit(origin)}: {key} = {allowed}")


def _edit(origin: str) -> str:
    """Return the command that edits the file of a setting, by its `Settings.origins`."""
    return f"sudoedit {shlex.quote(origin.rpartition(', line ')[0])}"


def catalog(machine: Machine) -> Finding | Sequence[Finding]:
    """The catalog can be read, and some of its images are on this host."""
    if not machine.has_settings:  # they may name the catalog
        return ()
    try:
        found = machine.context.catalog
    except MlcError as error:
        return broken("catalog", str(error), _catalog_remedy(error, machine.context))
    there = {name for image in machine.images for name in image.references}
    images = {row.image for row in found.rows}
    here = sum(1 for each in images if each in there or f"{each}:latest" in there)
    text = f"{found.source}: {len(found.rows)} rows"
    if not images:
        remedy = f"sudoedit {shlex.quote(str(found.source))}: a row for each image"
        directory = found.source.parent
        if os.path.lexists(directory / ".git"):
            name = shlex.quote(found.source.name)
            remedy = f"git -C {shlex.quote(str(directory))} checkout -- {name}"
        return broken("catalog", text, remedy)
    if machine.info is None:
        return ok("catalog", text)
    text += f", {here} of {len(images)} images are here"
    if not here:
        text += "; the first container from each has to pull it"
        return warning("catalog", text, f"docker pull {found.rows[0].image}")
    return ok("catalog", text)


def _catalog_remedy(error: MlcError, context: Context) -> str:
    if not isinstance(error, NotFoundError):
        return _file_remedy(error, str(context.catalog_file))
    if context.environ.get(CATALOG_VARIABLE):
        return f"unset {CATALOG_VARIABLE}, or set it to the path of a catalog"
    if origin := context.settings.origins.get("images.catalog"):
        return f"{_edit(origin)}: catalog = PATH"
    return install_tree.reinstall()

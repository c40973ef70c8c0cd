"""What doctor makes of a machine: pure verdicts over facts, one small function for each check."""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ..engine.address import DEFAULT, EngineAddress
from ..engine.interface import DOCKER, PODMAN, EngineInfo
from ..host.account import Account
from ..host.hardware import Host
from ..plan.catalog import Catalog
from ..units import size_in_words

OLDEST = {DOCKER: (20, 10), PODMAN: (4, 3)}
"""The oldest version of each product that is tested."""
LEAST_FREE = 1_000_000_000
"""Bytes below which an engine's disk is full for every purpose of ours."""


class Health(enum.Enum):
    """How something is."""

    OK = "ok"
    WARNING = "warning"
    BROKEN = "broken"


class Repair(enum.Enum):
    """What doctor may do by itself: nothing of it takes anything away from a user."""

    WORKSPACE = "make the directory"
    LEFT_OVERS = "remove the set-up containers"


@dataclass(frozen=True)
class Tree:
    """The program's own tree, held against what it should be: `measure` says what that is, and
    `remedy` what brings it back."""

    place: str
    measure: str
    remedy: str
    missing: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    is_working_tree: bool = False


@dataclass(frozen=True)
class Finding:
    """One line of the page: what was looked at, how it is, and the command that mends it."""

    name: str
    health: Health
    text: str
    remedy: str = ""
    repair: Repair | None = None

    @property
    def repair_words(self) -> str:
        """What `--repair` would do."""
        return self.repair.value if self.repair else ""

    def as_json(self) -> dict[str, Any]:
        """Return it for `--json`."""
        return {
            "check": self.name,
            "health": self.health.value,
            "text": self.text,
            "remedy": self.remedy,
            "repairable": self.repair is not None,
        }


def ok(name: str, text: str) -> Finding:
    """Return a finding of nothing wrong."""
    return Finding(name, Health.OK, text)


def engine(
    about: EngineInfo | None, error: str, address: EngineAddress, distance: float | None = None
) -> Finding:
    """The engine answers, and is not older than what is tested.

    Args:
        about: what it says of itself, if it answers.
        error: why it does not.
        address: where it is.
        distance: seconds from a question to its answer; None if nobody measured.
    """
    if about is None:
        remedy = "systemctl start docker" if address.is_local else "docker context ls"
        return Finding("engine", Health.BROKEN, error, remedy)
    numbers = tuple(int(part) for part in re.findall(r"\d+", about.version)[:2])
    name = f"rootless {about.product}" if about.is_rootless else about.product
    oldest = OLDEST[about.product]
    if numbers < oldest:
        words = ".".join(map(str, oldest))
        text = f"{name} {about.version} is older than {words}, which is the oldest that is tested"
        package = "podman" if about.product == PODMAN else "docker-ce"
        return Finding("engine", Health.WARNING, text, f"apt-get install {package}")
    context = f", of the context {address.context}" if address.context != DEFAULT else ""
    away = "" if distance is None else f", {distance * 1000:.1f} ms away"
    return ok("engine", f"{name} {about.version} answers at {address.url}{context}{away}")


def settings(error: str, notes: Iterable[str] = ()) -> Finding:
    """The administrator's settings can be read, and nothing in them is wrong.

    Args:
        error: why not; empty if they can.
        notes: what the administrator should change.
    """
    if error:
        return Finding("settings", Health.BROKEN, error, "mlc config, once the line is right")
    if text := " ".join(notes):
        return Finding("settings", Health.WARNING, text, "mlc config")
    return ok("settings", "nothing is wrong in them")


def docker_group(
    account: Account, in_session: bool, in_database: bool, *, is_elsewhere: bool = False
) -> Finding:
    """The caller is in group docker, by the user database and in this session.

    Args:
        account: the caller.
        in_session: whether this process has the group.
        in_database: whether the user database gives it.
        is_elsewhere: whether the engine is on another host, where the group is another one.
    """
    name = "group docker"
    if is_elsewhere:
        return ok(name, "not asked about here: the engine is elsewhere")
    if account.is_root or (in_session and in_database):
        return ok(name, "you may talk to the engine")
    if in_database:
        text = f"{account.login} is in it, but this session began before"
        return Finding(name, Health.WARNING, text, "log out and in again, or: newgrp docker")
    if in_session:
        return ok(name, "this session has it, though the user database does not list you")
    text = f"{account.login} is not in it"
    return Finding(name, Health.BROKEN, text, f"sudo usermod -aG docker {account.login}")


def gpu(host: Host, about: EngineInfo | None, has_hook: bool, has_driver: bool) -> Finding:
    """Where there is a GPU, containers can be given it.

    Args:
        host: what the host has.
        about: the engine, if it answers.
        has_hook: whether NVIDIA's container toolkit is on PATH.
        has_driver: whether NVIDIA's kernel module is loaded.
    """
    name = "gpu"
    amd = "/dev/kfd" in host.devices
    if has_driver and not host.has_gpu:
        text = "NVIDIA's driver is loaded, but /dev/nvidia0 is missing"
        return Finding(name, Health.BROKEN, text, "sudo nvidia-modprobe -u -c=0")
    if not host.has_gpu:
        return ok(name, "none here; containers use the CPU")
    if amd:
        if "/dev/dri" not in host.devices:
            text = "there is /dev/kfd, but not /dev/dri"
            return Finding(name, Health.BROKEN, text, "sudo modprobe amdgpu")
        return ok(name, f"{host.architecture or 'AMD'}, devices are there")
    if not has_hook and (about is None or "nvidia" not in about.runtimes):
        text = "there is a GPU, but the engine has no NVIDIA runtime, so no container gets it"
        remedy = (
            "sudo apt-get install nvidia-container-toolkit && "
            "sudo nvidia-ctk runtime configure --runtime=docker && sudo systemctl restart docker"
        )
        return Finding(name, Health.BROKEN, text, remedy)
    return ok(name, f"{host.architecture or 'NVIDIA'}, the runtime is there")


def gpu_elsewhere(host: Host) -> Finding:
    """What the engine of a host that cannot be looked at tells of GPUs."""
    there = "the engine has NVIDIA's runtime" if host.has_gpu else "the engine tells of none"
    return ok("gpu", f"{there}; its host cannot be looked at from here")


def catalog(found: Catalog | None, error: str, there: set[str]) -> Finding:
    """The catalog can be read, and how many of its images are on this host.

    Args:
        found: the catalog, if it could be read.
        error: why not.
        there: names of the images on this host.
    """
    if found is None:
        return Finding("catalog", Health.BROKEN, error, "mlc create --info says which line")
    images = {row.image for row in found.rows}
    here = sum(1 for each in images if each in there or f"{each}:latest" in there)
    text = f"{found.source}: {len(found.rows)} rows, {here} of {len(images)} images are here"
    if not images:
        return Finding("catalog", Health.BROKEN, text, f"git checkout -- {found.source.name}")
    if not here:
        text += "; the first container of each has to pull"
        return Finding("catalog", Health.WARNING, text, f"docker pull {found.rows[0].image}")
    return ok("catalog", text)


def workspace(
    path: str, is_there: bool, is_directory: bool, owner: int | None, uid: int
) -> Finding:
    """The default workspace is a directory of the caller's.

    Args:
        path: where it is.
        is_there: whether anything is.
        is_directory: whether that is a directory.
        owner: UID it belongs to.
        uid: the caller's.
    """
    if not is_there:
        text = f"{path} is missing; create makes it"
        return Finding(
            "workspace", Health.WARNING, text, f"mkdir -p '{path}'", repair=Repair.WORKSPACE
        )
    if not is_directory:
        text = f"{path} is not a directory"
        return Finding("workspace", Health.BROKEN, text, f"mv '{path}' '{path}.file'")
    if owner != uid:
        text = f"{path} belongs to UID {owner}, not to you"
        return Finding("workspace", Health.BROKEN, text, f"sudo chown {uid} '{path}'")
    return ok("workspace", path)


def disk(free: int | None, root_directory: str, largest: int) -> Finding:
    """The engine's disk has room for another layer of the largest image.

    Args:
        free: bytes that are free there; None where it cannot be told.
        root_directory: where the engine keeps images.
        largest: bytes of the largest image.
    """
    if free is None:
        text = f"how much is free in {root_directory or 'the engine'} cannot be told from here"
        return Finding("disk", Health.WARNING, text, f"df -h {root_directory or '/'}")
    words = f"{size_in_words(free)} free in {root_directory}"
    if free < LEAST_FREE:
        return Finding("disk", Health.BROKEN, words, "mlc prune; docker system df")
    if free < largest:
        text = f"{words}, less than the largest image has ({size_in_words(largest)})"
        return Finding("disk", Health.WARNING, text, "mlc prune --previous --aime --dry-run")
    return ok("disk", f"{words}; the largest image has {size_in_words(largest)}")


def tree(found: Tree) -> Finding:
    """The program's own files are all there, and as they were installed."""
    wrong = [f"{each} is missing" for each in found.missing]
    wrong += [f"{each} was changed" for each in found.changed]
    if not wrong:
        return ok("install tree", f"{found.place}, {found.measure}")
    more = f" and {len(wrong) - 5} more" if len(wrong) > 5 else ""
    # Somebody may be at work in a git checkout; an installed tree is nobody's to edit.
    is_work = found.is_working_tree and not found.missing
    health = Health.WARNING if is_work else Health.BROKEN
    text = f"{found.place}: {'; '.join(wrong[:5])}{more}"
    return Finding("install tree", health, text, found.remedy)


def modules(missing: Iterable[str], python: str, remedy: str) -> Finding:
    """Python has what the program imports.

    Args:
        missing: names of modules that it cannot find.
        python: its path.
        remedy: what brings them.
    """
    names = ", ".join(missing)
    if names:
        return Finding("venv", Health.BROKEN, f"{python} has no {names}", remedy)
    return ok("venv", python)


def completion(is_there: bool, remedy: str) -> Finding:
    """The shell completes mlc's commands."""
    if is_there:
        return ok("completion", "installed")
    return Finding("completion", Health.WARNING, "not installed for bash", remedy)


def checkout(path: str, condition: str, is_whole: bool) -> Finding:
    """An AIME checkout that was patched is patched as a whole.

    Args:
        path: where it is.
        condition: in words.
        is_whole: whether it is wholly AIME's, or wholly ours.
    """
    if is_whole:
        return ok("AIME checkout", f"{path} is {condition}")
    remedy = f"sudo mlc-patch apply {path}"
    return Finding("AIME checkout", Health.BROKEN, f"{path} is {condition}", remedy)

"""Checks of the host: the engine, the caller's account, GPUs, and the program itself."""

from __future__ import annotations

import contextlib
import grp
import os
import re
import shlex
import stat
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..context import Context
from ..engine import client as docker_client
from ..engine.address import DEFAULT
from ..engine.interface import DOCKER, PODMAN, Engine
from ..engine.observations import EngineInfo
from ..errors import EngineError, MlcError, NoAccessError, NotFoundError
from ..host.hardware import CDI_DIRECTORIES, Host, described_in, has_nvidia_hook
from ..host.sudo import is_for_another
from ..patch import checkout as patch_checkout
from ..patch.layout import checkout_of
from ..patch.state import Condition, examine
from ..plan.cdi import CDI_REMEDY, DOCKER_REMEDY, KIND, has_gpus
from ..plan.directories import DEFAULT_WORKSPACE, expand, make_in_home
from ..units import size_in_words
from . import install_tree
from .checks import Finding, Machine, Repair, broken, ok, warning

OLDEST = {DOCKER: (20, 10), PODMAN: (4, 3)}
"""The oldest version of each product that is tested."""
_BUILDX_NEEDED = (23, 0)
"""From this version on, a client has BuildKit only with the buildx plugin."""
LEAST_FREE = 1_000_000_000
"""With fewer bytes free, the engine's disk is too full for anything."""
_SYSTEM_CONTAINERD = "/run/containerd/containerd.sock"
_CONTAINERD_CONFIGURATION = Path("/etc/containerd/config.toml")
_DRIVER = Path("/proc/driver/nvidia/version")
_PINGS = 5
_LISTED = 5


def engine(machine: Machine) -> Finding:
    """The engine answers, and is not older than what is tested."""
    info, address = machine.info, machine.context.address
    if info is None:
        if isinstance(machine.error, NoAccessError):
            remedy = f"sudo usermod -aG docker {shlex.quote(machine.context.account.login)}"
        else:
            remedy = "systemctl start docker" if address.is_local else "docker context ls"
        return broken("engine", str(machine.error), remedy)
    name = f"rootless {info.product}" if info.is_rootless else info.product
    oldest = OLDEST[info.product]
    if docker_client.numbers(info.version) < oldest:
        text = (
            f"{name} {info.version} is older than {'.'.join(map(str, oldest))}, the oldest tested"
        )
        package = "podman" if info.product == PODMAN else "docker-ce"
        return warning("engine", text, f"apt-get install {package}")
    context = f" (context {address.context})" if address.context != DEFAULT else ""
    milliseconds = _distance(machine.context.engine) * 1000
    return ok(
        "engine",
        f"{name} {info.version} answers at {address.url}{context}, {milliseconds:.1f} ms away",
    )


def _distance(engine: Engine) -> float:
    """Return the seconds from a request to its response: the median of some pings."""
    taken = []
    for _ in range(_PINGS):
        began = time.perf_counter()
        engine.ping()
        taken.append(time.perf_counter() - began)
    return sorted(taken)[_PINGS // 2]


def client(machine: Machine) -> Finding | Sequence[Finding]:
    """The Docker client, which shells and builds need, and its buildx fit the engine."""
    name, context = "client", machine.context
    try:
        path = docker_client.client_path(context.client_environ, "a shell in a container")
    except EngineError as error:
        return broken(name, error.message, error.hint)
    found = docker_client.version_of(path, context.client_environ, with_buildx=True)
    buildx = f"buildx {found.buildx}" if found.buildx else "no buildx"
    text = f"{path} {found.client or 'of unknown version'} with {buildx}"
    if machine.info is None:
        return ok(name, text)
    engine = context.engine
    minimum = engine.minimum_api()
    if wrong := docker_client.wrong_variable(context.client_environ, engine):
        remedy = f"unset {docker_client.API_VARIABLE}"
    elif why := docker_client.too_old(found, minimum):
        wrong, remedy = f"{path} is too old: {why}", docker_client.client_remedy(engine)
    if wrong:
        return broken(name, wrong, remedy)
    if docker_client.buildx_too_old(found, minimum):
        text = f"{text}, which is too old for an engine that needs API {minimum}; builds fail"
        return broken(name, text, "install buildx 0.13 or newer (docker-buildx-plugin)")
    if not found.buildx and docker_client.numbers(found.client) >= _BUILDX_NEEDED:
        text = f"{text}: images are built by the engine's classic builder, which is deprecated"
        return warning(name, text, "apt-get install docker-buildx-plugin (Debian: docker-buildx)")
    return ok(name, text)


def docker_group(machine: Machine) -> Finding:
    """The caller is in group docker, by the user database and in this session."""
    name, account = "group docker", machine.context.account
    if not machine.context.address.is_local:
        return ok(name, "not checked: the engine is remote")
    in_database = in_session = False
    try:
        group = grp.getgrnam("docker")
    except KeyError:
        pass
    else:
        in_database = account.login in group.gr_mem or account.gid == group.gr_gid
        in_session = group.gr_gid in os.getgroups()
    if account.is_root or (in_session and in_database):
        return ok(name, "you may use the engine")
    if is_for_another(machine.context.environ):  # the session's groups are root's
        is_in = "is in it" if in_database else "is not in it; you may use the engine with sudo"
        return ok(name, f"{account.login} {is_in}")
    if in_database:
        text = f"{account.login} is in it, but was not when this session began"
        return warning(name, text, "log out and in again, or: newgrp docker")
    if in_session:
        return ok(name, "this session has it, though the user database does not list you")
    remedy = f"sudo usermod -aG docker {shlex.quote(account.login)}"
    return broken(name, f"{account.login} is not in it", remedy)


def gpu(machine: Machine) -> Finding | Sequence[Finding]:
    """If there is a GPU, containers can use it."""
    context = machine.context
    if machine.info is None and not context.address.is_local:
        return ()
    if not machine.has_settings:  # they may name devices
        return ()
    host = context.host
    if not host.is_here:
        if machine.info is not None and has_gpus(machine.info.cdi_devices or ()):
            there = "the engine has GPUs as CDI devices"
        else:
            there = (
                "the engine has NVIDIA's runtime" if host.has_gpu else "the engine reports no GPU"
            )
        return ok("gpu", f"{there}; its host cannot be inspected from here")
    return _local_gpu(host, machine)


def _local_gpu(host: Host, machine: Machine) -> Finding:
    name = "gpu"
    if _DRIVER.exists() and not host.has_gpu:
        text = "NVIDIA's driver is loaded, but /dev/nvidia0 is missing"
        return broken(name, text, "sudo nvidia-modprobe -u -c=0")
    if not host.has_gpu:
        return ok(name, "none here; containers use the CPU")
    if "/dev/kfd" in host.devices:
        if "/dev/dri" not in host.devices:
            return broken(name, "there is /dev/kfd, but not /dev/dri", "sudo modprobe amdgpu")
        return ok(name, f"{host.architecture or 'AMD'}, with its devices")
    return _nvidia_gpu(host.architecture or "NVIDIA", machine.info, machine.context.environ)


def _nvidia_gpu(gpu: str, info: EngineInfo | None, environ: Mapping[str, str]) -> Finding:
    name = "gpu"
    is_podman = info is not None and info.product == PODMAN
    if not is_podman and (
        has_nvidia_hook(environ) or (info is not None and "nvidia" in info.runtimes)
    ):
        return ok(name, f"{gpu}, with its runtime")
    # Podman before version 6, and Docker before 28.2, do not report their CDI devices.
    known = info.cdi_devices if info is not None else ()
    if has_gpus(known or ()) or (known is None and described_in(CDI_DIRECTORIES, KIND)):
        return ok(name, f"{gpu}, as a CDI device")
    lacks = "no description of it (CDI)" if is_podman else "no NVIDIA runtime"
    return broken(
        name,
        f"there is a GPU, but the engine has {lacks}, so containers cannot use it",
        CDI_REMEDY if is_podman else DOCKER_REMEDY,
    )


def workspace(machine: Machine) -> Finding | Sequence[Finding]:
    """The default workspace is a directory that belongs to the caller."""
    name, context = "workspace", machine.context
    if not context.address.is_local:
        return ()
    path, uid = expand(DEFAULT_WORKSPACE, context.account), context.account.uid
    quoted = shlex.quote(path)
    try:
        status = Path(path).stat()
    except OSError:
        status = None
    if status is None and not os.path.lexists(path):
        repair = Repair("make the directory", _make_workspace)
        return warning(name, f"{path} is missing; create makes it", f"mkdir -p {quoted}", repair)
    if status is None or not stat.S_ISDIR(status.st_mode):
        return broken(name, f"{path} is not a directory", f"mv {quoted} {quoted}.file")
    link = f"{path} is a link to {Path(path).resolve()}" if Path(path).is_symlink() else ""
    if status.st_uid == uid:
        return ok(name, link or path)
    if link:  # perhaps into a directory of root's, which must not be given away
        text = f"{link}, which belongs to UID {status.st_uid}"
        return broken(name, text, f"rm {quoted} && mkdir {quoted}")
    text = f"{path} belongs to UID {status.st_uid}, not to you"
    return broken(name, text, f"sudo chown -h {uid} {quoted}")  # also if it becomes a link now


def _make_workspace(context: Context) -> None:
    make_in_home(context.account, Path(DEFAULT_WORKSPACE).name)


def disk(machine: Machine) -> Finding | Sequence[Finding]:
    """The engine's disk has room for another layer of the largest image."""
    if machine.info is None:
        return ()
    places = _image_directories(machine.info)
    directory, free = places[-1], None
    if machine.info.is_local:
        for place in places:
            with contextlib.suppress(OSError):
                status = os.statvfs(place)
                directory, free = place, status.f_bavail * status.f_frsize
                break
    if free is None:
        text = f"the free space in {directory or 'the engine'} cannot be seen from here"
        return warning("disk", text, f"df -h {shlex.quote(directory or '/')}")
    words = f"{size_in_words(free)} free in {directory}"
    if free < LEAST_FREE:
        return broken("disk", words, f"{machine.prune_command}; docker system df")
    largest = max(map(machine.context.engine.image_size, machine.images), default=0)
    if free < largest:
        text = f"{words}, less than the size of the largest image ({size_in_words(largest)})"
        return warning("disk", text, f"{machine.prune_command} --previous --aime --dry-run")
    return ok("disk", f"{words}; the largest image has {size_in_words(largest)}")


def _image_directories(info: EngineInfo) -> tuple[str, ...]:
    """Return where the engine stores images, the exact directory first.

    Users may not look into the exact one if it is below the engine's own directory.
    """
    if info.containerd is None:
        return (info.root_directory,)
    # An older engine does not say; users may not be allowed to look, which is no exception here.
    system = not info.containerd and os.path.exists(_SYSTEM_CONTAINERD)  # noqa: PTH110
    if system or info.containerd.endswith(_SYSTEM_CONTAINERD):
        return (_containerd_root(),)
    # The engine has started a containerd of its own (moby, cmd/dockerd/daemon_unix.go).
    return (str(Path(info.root_directory, "containerd", "daemon")), info.root_directory)


def _containerd_root() -> str:
    """Return containerd's directory, from its configuration (containerd-config.toml(5))."""
    try:
        text = _CONTAINERD_CONFIGURATION.read_text(encoding="utf-8", errors="replace")
    except OSError:
        text = ""
    found = re.search(r"""^\s*root\s*=\s*["']([^"']+)["']""", text, re.MULTILINE)
    return found[1] if found else "/var/lib/containerd"


def tree(_: Machine) -> Finding:
    """The program's own files are all there, and as they were installed."""
    found = install_tree.look()
    wrong = [f"{each} is missing" for each in found.missing]
    wrong += [f"{each} was changed" for each in found.changed]
    if not wrong:
        return ok("install tree", f"{found.place}, {found.measure}")
    more = f" and {len(wrong) - _LISTED} more" if len(wrong) > _LISTED else ""
    text = f"{found.place}: {'; '.join(wrong[:_LISTED])}{more}"
    # A git checkout may be somebody's work in progress; nobody edits an installed tree.
    verdict = warning if found.is_working_tree and not found.missing else broken
    return verdict("install tree", text, found.remedy)


def modules(_: Machine) -> Finding:
    """Python has the modules that the program imports."""
    if names := ", ".join(install_tree.missing_modules()):
        remedy = f"make -C {install_tree.ROOT} setup"
        if install_tree.is_installed():
            remedy = install_tree.reinstall()
        return broken("venv", f"{sys.executable} has no {names}", remedy)
    return ok("venv", sys.executable)


def completion(machine: Machine) -> Finding:
    """The shell completes mlc's commands."""
    if install_tree.has_completion(machine.context.account.home):
        return ok("completion", "installed")
    return warning("completion", "not installed for bash", install_tree.reinstall())


def checkout(machine: Machine) -> Finding | Sequence[Finding]:
    """The AIME checkout of the caller's commands is either AIME's or patched as a whole."""
    name, context = "AIME checkout", machine.context
    try:
        path = checkout_of(context.program) or patch_checkout.find(context.environ)
        condition = examine(path).condition
    except NotFoundError:
        return ()
    except (MlcError, OSError) as error:
        return broken(name, f"it cannot be read: {error}", "mlc-patch status")
    text = f"{path} is {condition.value}"
    if condition in (Condition.AIME, Condition.PATCHED):
        return ok(name, text)
    return broken(name, text, f"sudo mlc-patch apply {shlex.quote(str(path))}")

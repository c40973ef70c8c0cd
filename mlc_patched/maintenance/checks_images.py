"""Checks of images and containers, and of what killed commands left behind."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path
from shlex import quote

from ..context import Context
from ..engine.interface import BIND, DOCKER, Container, Image
from ..errors import MlcError, NotFoundError
from ..host.account import Account
from ..images.probe import temporary_container
from ..images.project.files import ProjectFiles, rebuild_command
from ..images.versions.record import is_outdated
from ..names.containers import short_name
from ..names.images import account_image_of, committed_uid, parse_reference
from ..names.labels import HOST_DEVICES, MalformedLabelsError, given, read_claim
from ..names.projects import LATEST, Project, project_of_repository, projects_in
from ..plan.directories import X11_SOCKETS
from ..temporary import LOOK
from ..units import size_in_words
from .checks import Finding, Machine, Repair, broken, ok, warning
from .leftovers import Kind
from .prune import Found, find, prune

LOCK = "doctor"
"""Name of the lock under which it looks into images."""
LARGEST_LOG = 1_000_000
"""A log in an image with more bytes is a sparse file that a high UID made (issue 5)."""
LOGS = ("/var/log/lastlog", "/var/log/faillog", "/var/log/tallylog")


def labels(machine: Machine) -> Sequence[Finding]:
    """Images of projects have the UID and GID of the user they belong to."""
    if machine.info is None:
        return ()
    found, account = [], machine.context.account
    for image in machine.images:
        for project, tag in projects_in(image.references):
            is_own = project.uid == account.uid
            if tag != LATEST or not (is_own or account.is_root):
                continue
            if text := _wrong_claim(image, project, account):
                remedy = f"as its user: image-create {project.name} --force"
                if is_own:
                    remedy = rebuild_command(project, account)
                found.append(warning("labels", f"{project.image} {text}", remedy))
    return found or [ok("labels", "images are made for the users they belong to")]


def locks(machine: Machine) -> Sequence[Finding]:
    """Dockerfiles are as they were built."""
    if machine.info is None:
        return ()
    found, account = [], machine.context.account
    for image in machine.images:
        for project, tag in projects_in(image.references):
            if tag != LATEST or project.uid != account.uid:
                continue
            files = ProjectFiles(account, project)
            try:
                is_older = is_outdated(files)
            except MlcError as error:
                remedy = f"rm {shlex.quote(files.lock_path)}"
                found.append(warning("locks", f"{project.image}: {error}", remedy))
                continue
            if is_older:
                text = f"the lock of {project.image} is older than {project.dockerfile}"
                found.append(warning("locks", text, f"image-update {project.name}"))
    return found or [ok("locks", "images are built from their Dockerfiles as they are")]


def _wrong_claim(image: Image, project: Project, account: Account) -> str:
    try:
        claim = read_claim(image.labels)
    except MalformedLabelsError as error:
        return f"is not right: {error}"
    if claim is None:
        return "names no account"
    if project.uid != account.uid:
        wrong = claim.uid != project.uid
        return f"names UID {claim.uid}, its user is {project.uid}" if wrong else ""
    if (claim.uid, claim.gid) == (account.uid, account.gid):
        return ""
    return f"names {claim.uid}:{claim.gid}, you are {account.uid}:{account.gid}"


def logs(machine: Machine) -> Sequence[Finding]:
    """No image contains a log that a high UID has blown up."""
    if machine.info is None:
        return ()
    context, found = machine.context, []
    uid = None if context.account.is_root else context.account.uid
    ours = [each for each in machine.images if any(_is_of(name, uid) for name in each.references)]
    with context.lock(LOCK, waits=False) if ours else contextlib.nullcontext():
        if ours:
            context.remove_leftovers()
        for image in ours:
            reference = image.references[0]
            for path, size in _log_sizes(image, context).items():
                if size > LARGEST_LOG:
                    text = f"{path} in {reference} has {size_in_words(size)}: a sparse file"
                    found.append(broken("logs", text, _rebuild(reference)))
    return found or [ok("logs", f"no log over 1 MB in {len(ours)} images")]


def _is_of(reference: str, uid: int | None) -> bool:
    """Whether a name is a project's, a committed or an account image's, of a user or (None) any."""
    project = project_of_repository(parse_reference(reference).repository)
    owner = project.uid if project else None
    if owner is None:
        owner = committed_uid(reference)
    if owner is None and (parts := account_image_of(reference)):
        owner = parts[0]
    return owner is not None and uid in (None, owner)


def _rebuild(reference: str) -> str:
    """Return the command that makes an image again."""
    name = parse_reference(reference)
    if project := project_of_repository(name.repository):
        return f"image-update {project.name} --no-cache"
    if account_image_of(reference):
        return "mlc prune --unused; the next mlc create builds it again"
    return f"recreate the container: mlc remove {short_name(name.tag or '')}; mlc create …"


def _log_sizes(image: Image, context: Context) -> dict[str, int]:
    """Look into an image through a container that is never started."""
    sizes: dict[str, int | None] = {}
    with (
        contextlib.suppress(NotFoundError),
        temporary_container(image, LOOK, context, command=("true",)) as container,
    ):
        for path in LOGS:
            sizes[path] = context.engine.file_size(container, path)
    return {path: size for path, size in sizes.items() if size is not None}


def containers(machine: Machine) -> Sequence[Finding]:
    """Every container of the caller's can start."""
    if machine.info is None:
        return ()
    context, is_local = machine.context, machine.info.is_local
    own = context.containers(all_users=context.account.is_root)
    present = {each.id for each in machine.images}
    found, count = [], 0
    for container in own:
        if (needed := _needed(container, context)) is None:
            continue
        count += 1
        name = short_name(container.name)
        devices, mounts = _missing(*needed) if is_local else ((), ())
        if devices and _has_all_devices(container, machine):
            devices = ()
        for path in devices:
            text = f"{name} cannot start: the device {path} is missing"
            remedy = f"container-retire {name} --save, then container-deploy it again"
            found.append(broken("container", text, remedy))
        for path in mounts:
            text = f"{name} cannot start as it should: {path}, which it mounts, is missing"
            found.append(broken("container", text, f"mkdir -p {quote(path)}"))
        image_id = container.image_id
        if image_id not in present and context.engine.image(image_id) is None:
            # It starts all the same: the engine keeps the layers of its containers.
            text = f"the image of {name} is gone ({container.image}), so it cannot be saved"
            remedy = f"mlc export {name}, mlc remove {name}, mlc import {name}.mlc.tar"
            found.append(warning("container", text, remedy))
    return found or [ok("containers", f"all {count} can start")]


def _needed(container: Container, context: Context) -> tuple[Iterable[str], Iterable[str]] | None:
    """Return the host's devices and paths that a container needs; None if it was just removed.

    The engine is asked only about what its list does not have: the devices of containers by other
    programs and former versions, and the paths of Podman's.
    """
    if HOST_DEVICES in container.labels and container.mounts:
        devices = given(container.labels, HOST_DEVICES)
        mounts = [mount.source for mount in container.mounts if mount.kind == BIND]
        return devices.split(",") if devices else (), mounts
    try:
        found = context.engine.mounts_and_devices(container.id)
    except NotFoundError:
        return None
    return found.devices, found.mounts


def _has_all_devices(container: Container, machine: Machine) -> bool:
    """Whether a container gets whatever devices there are: Docker adds no single ones to a
    privileged container (moby, daemon/oci_linux.go)."""
    if machine.info is None or machine.info.product != DOCKER:
        return False
    with contextlib.suppress(NotFoundError):
        return machine.context.engine.mounts_and_devices(container.id).is_privileged
    return True  # it was just removed


def _missing(devices: Iterable[str], mounts: Iterable[str]) -> tuple[list[str], list[str]]:
    """Return the devices and the mounted paths that do not exist."""
    # The engine makes the X server's directory if it is missing, and nobody misses it.
    wanted = [path for path in mounts if path != X11_SOCKETS]
    return [path for path in devices if not _exists(path)], [
        path for path in wanted if not _exists(path)
    ]


def _exists(path: str) -> bool:
    try:
        Path(path).stat()
    except PermissionError:
        return True  # in a directory that the caller may not search
    except OSError:
        return False
    return True


def leftovers(machine: Machine) -> Sequence[Finding]:
    """Killed commands and removed containers left nothing behind."""
    if machine.info is None:
        return ()
    found = find(machine.context, all_users=machine.context.account.is_root, aime=True)
    setups = [each for each in found.items if each.kind is Kind.SETUP]
    files = [each for each in found.items if each.kind is Kind.FILE]
    command = machine.prune_command
    findings = []
    if setups:
        text = f"{len(setups)} set-up containers older than a day"
        repair = Repair("remove the set-up containers", _remove_setups)
        findings.append(warning("leftovers", text, command, repair))
    if others := len(found.items) - len(setups) - len(files):
        frees = found.frees - sum(each.frees for each in (*setups, *files))
        text = f"{others} images that no container uses, {size_in_words(frees)} to be freed"
        findings.append(warning("leftovers", text, f"{command} --aime --dry-run"))
    if files:
        frees = sum(each.frees for each in files)
        text = f"{len(files)} half-written files of killed commands, {size_in_words(frees)}"
        findings.append(warning("leftovers", f"{text} to be freed", f"{command} --dry-run"))
    return findings or [ok("leftovers", "none")]


def _remove_setups(context: Context) -> None:
    found = find(context, all_users=context.account.is_root)
    setups = tuple(each for each in found.items if each.kind is Kind.SETUP)
    for kept in prune(Found(setups, 0), context).kept:
        context.report.note(f"Kept: {kept}")

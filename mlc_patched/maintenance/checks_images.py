"""What doctor makes of images and containers: pure verdicts, as in `diagnosis`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ..engine.interface import Container, Image, MountsAndDevices
from ..host.account import Account
from ..names.containers import short_name
from ..names.images import account_image_of
from ..names.labels import MalformedLabelsError, read_claim
from ..names.projects import LATEST, Project, project_of_repository
from ..units import size_in_words
from .checks import Finding, Health, Repair, ok

LARGEST_LOG = 1_000_000
"""Bytes from which on a log in an image is the hole that a high UID leaves (issue 5)."""
LOGS = ("/var/log/lastlog", "/var/log/faillog", "/var/log/tallylog")


def labels(images: Iterable[Image], account: Account) -> list[Finding]:
    """Images of projects bear the UID and GID of the user they belong to.

    Args:
        images: by name.
        account: the caller; root is told of everybody's, others of their own.
    """
    wrong = []
    for image in images:
        for reference in image.references:
            repository, _, tag = reference.rpartition(":")
            project = project_of_repository(repository)
            if project is None or tag != LATEST:
                continue
            is_own = project.uid == account.uid
            if (is_own or account.is_root) and (text := _wrong_claim(image, project, account)):
                remedy = f"image-create {project.name} --force"
                remedy = remedy if is_own else f"its user says: {remedy}"
                wrong.append(Finding("labels", Health.WARNING, f"{reference} {text}", remedy))
    return wrong or [ok("labels", "images are made for the users they belong to")]


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


def logs(sizes: Mapping[str, Mapping[str, int]]) -> list[Finding]:
    """No image holds a log that a high UID has blown up.

    Args:
        sizes: for each image, by name, the bytes of each log that it has.
    """
    wrong = []
    for reference, found in sizes.items():
        for path, size in found.items():
            if size > LARGEST_LOG:
                repository, _, tag = reference.rpartition(":")
                project = project_of_repository(repository)
                text = f"{path} in {reference} says it has {size_in_words(size)}: a sparse file"
                if project:
                    remedy = f"image-update {project.name} --no-cache"
                elif account_image_of(reference):
                    remedy = "mlc prune --unused, and mlc create builds it anew"
                else:
                    remedy = f"make the container anew: mlc remove {short_name(tag)}; mlc create …"
                wrong.append(Finding("logs", Health.BROKEN, text, remedy))
    return wrong or [ok("logs", f"no log over 1 MB in {len(sizes)} images")]


def containers(
    found: Iterable[tuple[Container, MountsAndDevices]], missing: set[str], images: set[str]
) -> list[Finding]:
    """Every container of the caller's can start.

    Args:
        found: the containers and what they need.
        missing: of the paths they need, those that are not there.
        images: ids of the images that are there.
    """
    wrong, count = [], 0
    for container, needs in found:
        count += 1
        name = short_name(container.name)
        for path in needs.devices:
            if path in missing:
                text = f"{name} cannot start: the device {path} is missing"
                remedy = f"container-retire {name} --save, then container-deploy anew"
                wrong.append(Finding("container", Health.BROKEN, text, remedy))
        for path in needs.mounts:
            if path in missing:
                text = f"{name} cannot start as it should: {path}, which it mounts, is missing"
                wrong.append(Finding("container", Health.BROKEN, text, f"mkdir -p '{path}'"))
        if container.image_id not in images:
            text = f"the image of {name} is gone ({container.image})"
            remedy = f"save what is in it: container-retire {name} --save"
            wrong.append(Finding("container", Health.BROKEN, text, remedy))
    return wrong or [ok("containers", f"all {count} can start")]


def left_overs(setups: int, orphans: int, frees: int) -> list[Finding]:
    """Nothing is left over from commands that were killed.

    Args:
        setups: how many set-up containers are.
        orphans: how many committed images are, and account images of bases that moved on.
        frees: the bytes that all of it holds.
    """
    found = []
    words = f"{size_in_words(frees)} to be freed"
    if setups:
        text = f"{setups} set-up containers older than a day"
        found.append(
            Finding("left-overs", Health.WARNING, text, "mlc prune", repair=Repair.LEFT_OVERS)
        )
    if orphans:
        text = f"{orphans} images that no container uses, {words}"
        found.append(Finding("left-overs", Health.WARNING, text, "mlc prune --aime --dry-run"))
    return found or [ok("left-overs", "none")]

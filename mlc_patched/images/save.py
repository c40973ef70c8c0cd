"""Save a container's file system as an image of its project (container-retire --save).

A commit inherits the container's labels and variables. They describe the container and would be
wrong on an image, so those are set to empty: the engine cannot leave one out.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path

from ..context import Context
from ..engine.cluster import Service
from ..engine.interface import Container, Image
from ..errors import MlcError, SetupError, UsageError
from ..host.account import Account
from ..interrupts import defer_signals, wait_out_interrupts
from ..lean import dataclass, replace
from ..names import labels
from ..names.containers import SEPARATOR, first_free, short_name
from ..names.images import check_tag, parse_reference
from ..names.labels import (
    Claim,
    MalformedLabelsError,
    claim_labels,
    later_labels,
    read_claim,
)
from ..names.projects import BUILDING, LATEST, PREVIOUS, Project, check_project, proposed_name
from ..plan.assign import assigned_uuids
from ..plan.flow import Flow
from ..plan.limits import BASE_NAME
from ..plan.specify import CUDA_VARIABLE, NAME_VARIABLE
from ..settings.model import FREE
from ..temporary import temporary_image
from ..undo import Undo, retry_once
from ..units import utc_time
from .changes import DPKG_STATUS, DPKG_STATUS_LIMIT, Summary, summarise
from .dockerfile.render import WORKSPACE
from .project.tags import discard, restore_tag
from .verify import Findings, examine, only_for_docker
from .volumes import Volume, changed_volumes, commit_with_volumes, refuse_uncopied

CLEAN_SCRIPT = Path(__file__).parents[1] / "data" / "clean.sh"
_TITLE = "org.opencontainers.image.title"
_IMAGE_CREATED = "org.opencontainers.image.created"
_DESCRIPTION = "org.opencontainers.image.description"
_WITH_ACCOUNT = " with the account "
_STANDARD_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class Saved:
    """An image that was saved. `size` is in bytes, layers shared with others included."""

    image: str
    image_id: str
    size: int
    summary: Summary


def target(
    container: Container | Service, tag: str, account: Account, now: float | None = None
) -> str:
    """Return the name for an image saved from a container: `ds01-UID/PROJECT:TAG`.

    The project is that of the container's label, else its own name; an empty tag becomes the date
    and time (`now` in seconds since 1970). Raises UsageError if the tag is invalid or reserved.
    """
    project = container.labels.get(labels.PROJECT) or proposed_name(short_name(container.name))
    repository = Project(account.uid, check_project(project or "saved")).repository
    tag = tag or time.strftime("%Y-%m-%d-%H%M%S", time.localtime(now))
    check_tag(tag)
    if SEPARATOR in tag or tag.startswith(BUILDING) or tag == PREVIOUS:
        raise UsageError(f"The tag {tag!r} is reserved.", "Choose another one.")
    return f"{repository}:{tag}"


def choose_name(
    container: Container | Service,
    tag: str,
    others: Iterable[str | None],
    is_taken: Callable[[str], bool],
    account: Account,
) -> tuple[str, bool]:
    """Return the name for a saved image, and whether an image that it replaces has it now.

    `others` are the names of images that the same command saves. A name with a tag of the date is
    always a free one, with a number appended if needed. Raises UsageError as `target`, and if one
    of the others has the name.
    """
    image, taken = target(container, tag, account), set(others)
    if not tag:
        return first_free(image, lambda name: name in taken or is_taken(name)), False
    if image in taken:
        raise UsageError(
            f"Both would be saved as {image}. Retire them one by one, or leave the tag out."
        )
    return image, is_taken(image)


def clean(container: Container, context: Context) -> None:
    """Delete caches and empty the logs in a container, which is started for that if it is stopped.

    A failure is only a warning.
    """
    engine, report = context.engine, context.report
    report.step("Cleaning caches and logs")
    script = CLEAN_SCRIPT.read_text(encoding="utf-8")
    home = f"/home/{context.account.container_name}"
    with Undo(report) as undo:
        try:
            if not container.is_running:
                context.check_mounts(container)
                undo.add(f"The start of {container.name}", lambda: engine.stop(container.id))
                context.start(container.id)
            status, said = engine.exec_run(
                container.id, ("/bin/sh", "-c", script, "sh", home), "0:0"
            )
        except MlcError as error:
            status, said = 1, str(error)
    if status != 0:
        report.warn(f"Caches and logs were not cleaned and are saved, too: {said.strip()[-300:]}")


def save(container: Container, reference: str, context: Context) -> Saved:
    """Save a stopped container as an image, check it, and only then give it its name.

    An image that has the name loses it, and is removed if nothing else needs it. Raises SetupError
    if the image does not run as the user, MlcError if its volumes cannot be copied, or EngineError;
    nothing is left behind.
    """
    engine, account = context.engine, context.account
    image = engine.image(container.image_id)
    if image is None:
        short = short_name(container.name)
        raise MlcError(
            f"{short} cannot be saved: its image no longer exists.",
            f"Export it instead: mlc export {short}",
        )
    claim = _claim(image, account)
    name = parse_reference(reference)
    temporary = temporary_image(name.repository, context.job.token)
    context.remove_leftovers(temporary)
    changed = changed_volumes(container, context)
    refuse_uncopied(changed, engine)
    summary = _summary(container, changed, context)
    context.report.step(f"Saving {reference}")
    with Undo(context.report) as undo:
        undo.add(f"The image {temporary}", lambda: engine.remove_image(temporary))
        like = configuration(image, claim)
        if assigned_uuids(container.labels) or context.settings.assign_gpus == FREE:
            like = without_chosen_gpus(like)
        labelled = image_labels(container, image, reference, claim)

        def commit(source: str, unfinished: str | None) -> str:
            return wait_out_interrupts(
                f"saving {reference}",
                lambda: engine.commit(
                    source,
                    name.repository,
                    (unfinished or temporary).rpartition(":")[2],
                    like,
                    labelled,
                    message=f"Saved from {container.name}: {'; '.join(summary.lines())}"[:4000],
                ),
                context.report,
            )

        image_id = commit_with_volumes(container.id, changed, f"{temporary}-s1", commit, context)
        made = engine.image(image_id)
        context.report.step(f"Checking that {reference} runs as you")
        missing = Findings(("it is not there",))
        found = missing if made is None else examine(made, claim, context)
        if made is None or found.wrong:
            raise SetupError(
                f"The image saved from {container.name} would not work for you: "
                f"{'; '.join(found.wrong)}. It was removed.",
                "The container is still there, stopped. Start it with: "
                f"mlc start {short_name(container.name)}",
            )
        for text in (*found.lacking, *map(only_for_docker, found.private)):
            context.report.note(f"{reference} was saved as it is: {text}")
        size = engine.image_size(made)
        former, tag = engine.image(reference), name.tag or LATEST

        undo.add(
            f"The name {reference}",
            lambda: restore_tag(engine, name.repository, tag, former, context.report),
        )
        with defer_signals():
            engine.tag_image(image_id, name.repository, tag)
            retry_once(lambda: engine.remove_image(temporary))
    discard(engine, former, context.report)
    return Saved(reference, image_id, size, summary)


def _claim(image: Image, account: Account) -> Claim:
    """Return the account that the saved image has: that of the container's image if it is the
    user's, as an image of another DS01 system may spell its name differently."""
    try:
        claim = read_claim(image.labels)
    except MalformedLabelsError:
        claim = None
    own = Claim.of(account)
    return claim if claim and (claim.uid, claim.gid) == (own.uid, own.gid) else own


def configuration(image: Image, claim: Claim) -> Image:
    """Return an image's configuration with an account, as an account block sets it."""
    home = f"/home/{claim.username}"
    return replace(
        image,
        environment=environment(image.environment, home),
        user=str(claim.uid),
        working_directory=WORKSPACE,
        labels={},
    )


def without_chosen_gpus(like: Image) -> Image:
    """Return the configuration of a saved image that does not inherit which GPUs the container was
    given: all others would be hidden from CUDA in every container of it.

    Docker removes a variable that is a name alone (Docker Engine API, "ContainerConfig").
    """
    if any(each.startswith(f"{CUDA_VARIABLE}=") for each in like.environment):
        return like
    return replace(like, environment=(*like.environment, CUDA_VARIABLE))


def environment(variables: Iterable[str], home: str) -> tuple[str, ...]:
    """Return an image's variables with the user's home and its `.local/bin` on PATH."""
    values = dict(variable.partition("=")[::2] for variable in variables)
    path = values.get("PATH") or _STANDARD_PATH
    local = f"{home}/.local/bin"
    values["PATH"] = path if local in path.split(":") else f"{local}:{path}"
    values["HOME"] = home
    values[NAME_VARIABLE] = ""  # else the commit inherits the container's
    return tuple(f"{name}={value}" for name, value in values.items())


def image_labels(
    container: Container, image: Image, reference: str, claim: Claim, now: float | None = None
) -> dict[str, str]:
    """Return the labels of a saved image with the account of `claim`: those of the container's
    image, updated, and none of the container's.

    `now` is in seconds since 1970; the current time if None.
    """
    made = utc_time(now)
    project = parse_reference(reference).repository.partition("/")[2]
    kept = {
        label: labels.escaped(value)
        for label, value in image.labels.items()
        if label not in labels.OWNED and label != labels.LOCK  # it has what the container added
    }
    from_image = container.labels.get(labels.USER_SETUP) == Flow.IMAGE.value
    framework = container.labels.get(labels.FRAMEWORK, "")
    description = kept.get(_DESCRIPTION, "")
    if not description or _WITH_ACCOUNT in description:
        framework_in_it = kept.get(labels.IMAGE_FRAMEWORK, framework)
        description = f"{framework_in_it}{_WITH_ACCOUNT}{claim.username}"
    return {
        **dict.fromkeys((*container.labels, *image.labels, labels.TEMPORARY), ""),
        **({} if from_image else {BASE_NAME: parse_reference(container.image).repository}),
        labels.IMAGE_FRAMEWORK: framework,
        **kept,
        **later_labels(claim, kept),
        **claim_labels(claim),
        labels.DEVCONTAINER: labels.devcontainer(claim.username),
        labels.PROJECT: project,
        labels.CREATED: made,
        _TITLE: project,
        _DESCRIPTION: description,
        _IMAGE_CREATED: made,
    }


def _summary(container: Container, changed: Iterable[Volume], context: Context) -> Summary:
    status = None
    if context.missing_mount(container) is None:
        status = context.engine.read_file(container.id, DPKG_STATUS, DPKG_STATUS_LIMIT)
    found = summarise(
        context.engine.changes(container.id), (status or b"").decode(errors="replace")
    )
    return replace(found, volumes=tuple(sorted(each.mount.path for each in changed)))

"""A container's file system as an image of its project: what container-retire --save makes.

The engine puts a container's own labels and variables on what is committed from it. They say
whose the container was and how it was made, which would be lies on an image: those that the
image must not have are set to nothing, as the engine cannot leave one out.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from ..context import Context
from ..engine.interface import Container, Image
from ..errors import EngineError, MlcError, SetupError, UsageError
from ..host.account import Account
from ..interrupts import defer_signals, wait_out_interrupts
from ..json_text import parsed
from ..names import labels
from ..names.containers import SEPARATOR, short_name
from ..names.images import check_tag, parse_reference
from ..names.labels import Claim, claim_labels, later_labels
from ..names.projects import BUILDING, PREVIOUS, Project, check_project, proposed_name
from ..plan.flow import Flow
from ..plan.limits import BASE_NAME
from ..plan.specify import NAME_VARIABLE
from ..temporary import temporary_image
from ..undo import Undo, retry_once
from .changes import DPKG_STATUS, DPKG_STATUS_LIMIT, Summary, summarise
from .dockerfile.render import WORKSPACE
from .project.tags import discard, restore_tag
from .verify import faults

CLEAN_SCRIPT = Path(__file__).parents[1] / "data" / "clean.sh"
DEVCONTAINER = "devcontainer.metadata"
"""Label by which VS Code knows the user (containers.dev, "Image Metadata")."""
_TITLE = "org.opencontainers.image.title"
_IMAGE_CREATED = "org.opencontainers.image.created"
_STANDARD_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class Saved:
    """An image that was saved. `size` is in bytes, layers shared with others included."""

    image: str
    image_id: str
    size: int
    summary: Summary


def target(container: Container, tag: str, account: Account, now: float | None = None) -> str:
    """Return the name an image saved from a container gets: `ds01-UID/PROJECT:TAG`.

    Args:
        container: the container; its image's label names the project, else its own name does.
        tag: the tag; empty for one of the date.
        account: the user.
        now: seconds since 1970; the present when not given.

    Raises:
        UsageError: the tag cannot be one, or would be taken for something else.
    """
    project = container.labels.get(labels.PROJECT) or proposed_name(short_name(container.name))
    repository = Project(account.uid, check_project(project or "saved")).repository
    tag = tag or time.strftime("%Y-%m-%d-%H%M%S", time.localtime(now))
    check_tag(tag)
    if SEPARATOR in tag or tag.startswith(BUILDING) or tag == PREVIOUS:
        raise UsageError(f"The tag {tag!r} has a meaning of its own.", "Choose another one.")
    return f"{repository}:{tag}"


def clean(container: Container, context: Context) -> None:
    """Take caches and the content of logs out of a container; it runs meanwhile.

    What cannot be cleaned is told, and is no reason not to save.
    """
    engine, report = context.engine, context.report
    report.step("Cleaning caches and logs")
    script = CLEAN_SCRIPT.read_text(encoding="utf-8")
    home = f"/home/{context.account.container_name}"
    with Undo(report) as undo:
        try:
            if not container.is_running:
                undo.add(f"The start of {container.name}", lambda: engine.stop(container.id))
                engine.start(container.id)
            status, said = engine.exec_run(
                container.id, ("/bin/sh", "-c", script, "sh", home), "0:0"
            )
        except EngineError as error:
            status, said = 1, str(error)
    if status != 0:
        report.warn(f"Caches and logs were not cleaned, and are saved, too: {said.strip()[-300:]}")


def save(container: Container, reference: str, context: Context) -> Saved:
    """Make an image of a stopped container, check it, and only then give it its name.

    Args:
        container: the container.
        reference: what `target` returned; an image of that name loses it, and goes if nothing
            else holds it.
        context: who calls, and the engine.

    Raises:
        SetupError: the image does not run as the user; it is gone again.
        EngineError: the engine failed. Nothing is left in either case.
    """
    engine, account = context.engine, context.account
    image = engine.image(container.image_id)
    if image is None:
        raise MlcError(f"The image of {container.name} is gone; it cannot be saved.")
    summary = _summary(container, context)
    name = parse_reference(reference)
    passing = temporary_image(name.repository, context.job.token)
    context.remove_leftovers(passing)
    context.report.step(f"Saving {reference}")
    with Undo(context.report) as undo:
        undo.add(f"The image {passing}", lambda: engine.remove_image(passing))
        like, labelled = (
            configuration(image, account),
            image_labels(container, image, reference, account),
        )
        image_id = wait_out_interrupts(
            f"saving {reference}",
            lambda: engine.commit(
                container.id,
                name.repository,
                passing.rpartition(":")[2],
                like,
                labelled,
                message=f"Saved from {container.name}: {'; '.join(summary.lines())}"[:4000],
            ),
            context.report,
        )
        made = engine.image(image_id)
        context.report.step(f"Checking that {reference} runs as you")
        wrong = ["it is not there"] if made is None else faults(made, account, context)
        if made is None or wrong:
            raise SetupError(
                f"The image saved from {container.name} would not be right for you: "
                f"{'; '.join(wrong)}. It was not kept; the container is there as before, stopped.",
                f"Start it with: mlc start {short_name(container.name)}",
            )
        former, tag = engine.image(reference), name.tag or "latest"

        undo.add(
            f"The name {reference}",
            lambda: restore_tag(engine, name.repository, tag, former, context.report),
        )
        with defer_signals():
            engine.tag_image(image_id, name.repository, tag)
            retry_once(lambda: engine.remove_image(passing))
    discard(engine, former, context.report)
    return Saved(reference, image_id, made.size, summary)


def configuration(image: Image, account: Account) -> Image:
    """Return an image's configuration with the user's account as the one that runs.

    The same that a Dockerfile's account block sets (`dockerfile.account_block`).
    """
    home = f"/home/{account.container_name}"
    return replace(
        image,
        environment=environment(image.environment, home),
        user=str(account.uid),
        working_directory=WORKSPACE,
        labels={},
    )


def environment(variables: Iterable[str], home: str) -> tuple[str, ...]:
    """Return an image's variables with the user's home, and its programs on PATH."""
    values = dict(variable.partition("=")[::2] for variable in variables)
    path = values.get("PATH") or _STANDARD_PATH
    local = f"{home}/.local/bin"
    values["PATH"] = path if local in path.split(":") else f"{local}:{path}"
    values["HOME"] = home
    values[NAME_VARIABLE] = ""  # the container's own, which the engine would put in
    return tuple(f"{name}={value}" for name, value in values.items())


def image_labels(
    container: Container, image: Image, reference: str, account: Account, now: float | None = None
) -> dict[str, str]:
    """Return the labels of a saved image: its image's, true for this one, and nothing of the
    container's.

    Args:
        container: what is saved.
        image: what that was made from.
        reference: the saved image's name.
        account: the user, whose account is in it.
        now: seconds since 1970; the present when not given.
    """
    made = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now))
    project = parse_reference(reference).repository.partition("/")[2]
    kept = {label: value for label, value in image.labels.items() if label not in labels.OWNED}
    claim = Claim.of(account)
    from_image = container.labels.get(labels.USER_SETUP) == Flow.IMAGE.value
    return {
        **dict.fromkeys((*container.labels, *image.labels), ""),
        **({} if from_image else {BASE_NAME: parse_reference(container.image).repository}),
        labels.IMAGE_FRAMEWORK: container.labels.get(labels.FRAMEWORK, ""),
        **kept,
        **later_labels(claim, kept),
        **claim_labels(claim),
        DEVCONTAINER: devcontainer(image.labels.get(DEVCONTAINER, ""), account),
        labels.PROJECT: project,
        labels.CREATED: made,
        _TITLE: project,
        _IMAGE_CREATED: made,
    }


def devcontainer(metadata: str, account: Account) -> str:
    """Return the label by which VS Code attaches as the user.

    Args:
        metadata: the label the image had, a JSON list or object of which the last entry that
            names a user counts (containers.dev, "Merge Logic"); kept in front.
        account: the user.
    """
    own = {"remoteUser": account.container_name, "workspaceFolder": WORKSPACE}
    try:
        found = parsed(metadata or "[]")
    except ValueError:
        found = []
    entries = found if isinstance(found, list) else [found]
    kept = [entry for entry in entries if isinstance(entry, dict) and entry != own]
    return json.dumps([*kept, own], separators=(",", ":"))


def _summary(container: Container, context: Context) -> Summary:
    status = context.engine.read_file(container.id, DPKG_STATUS, DPKG_STATUS_LIMIT) or b""
    return summarise(context.engine.changes(container.id), status.decode(errors="replace"))

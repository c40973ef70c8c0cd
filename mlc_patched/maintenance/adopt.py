"""adopt: label an existing container's committed image, so that `create` is fast with it."""

from __future__ import annotations

from ..context import Context
from ..engine.interface import Container, Image
from ..engine.specification import ContainerSpecification
from ..errors import AlreadyExistsError, MlcError, NotFoundError
from ..images.probe import create_temporary, run_in_image
from ..images.project.lock import working_on
from ..interrupts import defer_signals, wait_out_interrupts
from ..lean import dataclass
from ..names import labels
from ..names.containers import short_name
from ..names.images import is_committed_for
from ..names.labels import Claim, MalformedLabelsError, read_claim
from ..names.projects import LATEST, Project, check_project, proposed_name
from ..plan.flow import account_in_passwd
from ..temporary import SETUP, temporary_image, temporary_name
from ..undo import Undo, retry_once
from ..units import utc_time

_CHECKS = r"""
name="$(id -un 2>/dev/null)" || { echo "wrong: UID $(id -u) has no account in it"; exit; }
echo "id $(id -u):$(id -g) $name"
[ -w "$HOME" ] || echo "wrong: the home $HOME is not writable"
if ! said="$(sudo -n true 2>&1)"; then echo "wrong: sudo does not work: ${said##*
}"; fi
"""


@dataclass(frozen=True)
class Candidate:
    """A container whose committed image can be adopted as `project`, or why it cannot."""

    name: str
    container: Container
    image: Image | None
    reference: str
    project: Project
    refusal: str = ""


@dataclass(frozen=True)
class Adopted:
    """A newly labelled image. `saved` is the bytes that the legacy flow wrote for this container
    and that the next one does without; `added` the bytes that the new image takes."""

    name: str
    source: str
    image: str
    username: str
    saved: int
    added: int


def candidates(
    names: tuple[str, ...], context: Context, *, project: str | None = None
) -> list[Candidate]:
    """Return the named containers, or all of the caller's, with why an image cannot be adopted.

    `project` is the name of the image, if a single container is named. Raises NotFoundError,
    UsageError for a wrong project name, and MlcError for root, who has no images to adopt.
    """
    if context.account.is_root:
        raise MlcError(
            "Root's account is in every image.", "Run adopt as the user of the containers."
        )
    found = [context.get(name) for name in names] if names else context.containers()
    return [_candidate(each, project, context) for each in found]


def _candidate(container: Container, wanted: str | None, context: Context) -> Candidate:
    name = short_name(container.name)
    project = Project(
        context.account.uid,
        proposed_name(name) or "adopted" if wanted is None else check_project(wanted),
    )
    image = context.engine.image(container.image_id)
    names = image.references if image else ()
    reference = next((each for each in names if is_committed_for(each, container.name)), "")
    return Candidate(
        name, container, image, reference, project, refusal(image, reference, project, context)
    )


def refusal(image: Image | None, reference: str, project: Project, context: Context) -> str:
    """Return why an image cannot be adopted; empty if it can."""
    if image is None:
        return "its image is gone"
    try:
        claim = read_claim(image.labels)
    except MalformedLabelsError:
        claim = None
    own = (context.account.uid, context.account.gid)
    if claim is not None and (claim.uid, claim.gid) == own:
        name = image.references[0] if image.references else image.id
        return f"its image is already labelled: mlc create NAME --image {name}"
    if not reference:
        return "it has no image that was committed for it"
    there = context.engine.image(project.image)
    if there is not None:
        return f"{project.image} already exists; choose another name with --project"
    return ""


def adopt(candidate: Candidate, context: Context) -> Adopted:
    """Check the account in a committed image by running it, and label it under a new name.

    No layer is copied or written: the new image is the old one with other labels. Raises MlcError
    if the account is not the caller's or the project exists by now, or EngineError; then everything
    is rolled back.
    """
    if candidate.image is None:
        raise NotFoundError(f"The image of {candidate.name} is gone.")
    with working_on(candidate.project, context):
        return _adopt(candidate, candidate.image, context)


def clear(candidate: Candidate, context: Context) -> None:
    """Remove what a killed adopt of this container left behind, without adopting it."""
    with working_on(candidate.project, context):
        pass


def _adopt(candidate: Candidate, image: Image, context: Context) -> Adopted:
    engine, report = context.engine, context.report
    report.step(f"Checking the account in {candidate.reference}")
    claim = _checked(image, candidate, context)
    project = candidate.project
    report.step(f"Labelling it as {project.image}")
    specification = ContainerSpecification(
        name=temporary_name(SETUP, context.account, context.job.token),
        image=image.id,
        command=("true",),
        network="none",
        labels={labels.SETUP_FOR: candidate.container.name},
    )
    with Undo(report) as undo:
        container = create_temporary(specification, engine, undo)
        passwd = engine.read_file(container, "/etc/passwd")
        _refuse_if(account_in_passwd(passwd, claim), candidate)
        temporary = temporary_image(project.repository, context.job.token)
        undo.add(f"The image {temporary}", lambda: engine.remove_image(temporary))
        labelled_as = {
            **labels.claim_labels(claim),
            labels.PROJECT: project.name,
            labels.CREATED: utc_time(),
        }
        made = wait_out_interrupts(
            "labelling the image",
            lambda: engine.commit(
                container,
                project.repository,
                temporary.rpartition(":")[2],
                image,
                labelled_as,
                message=f"mlc adopt {candidate.reference}",
            ),
            report,
        )
        engine.remove_container(container, force=True)
        history, labelled = engine.history(image.id), engine.image(made)
        size = engine.image_size(labelled) if labelled else 0
        added = max(size - engine.image_size(image), 0)
        if engine.image(project.image) is not None:
            raise AlreadyExistsError(
                f"{project.image} was made in the meantime, so {candidate.reference} was not "
                "adopted.",
                f"Give it another name: mlc adopt {candidate.name} --project NAME",
            )
        undo.add(f"The image {project.image}", lambda: engine.remove_image(project.image))
        with defer_signals():
            engine.tag_image(made, project.repository, LATEST)
            retry_once(lambda: engine.remove_image(temporary))
    return Adopted(
        candidate.name,
        candidate.reference,
        project.image,
        claim.username,
        history[0].size if history else 0,
        added,
    )


def _checked(image: Image, candidate: Candidate, context: Context) -> Claim:
    """Run an image as the caller and return the account in it."""
    account = context.account
    result = run_in_image(image, _CHECKS, "verify", context, user=f"{account.uid}:{account.gid}")
    found = next((line.split() for line in result.values("id")), [])
    wrong = result.values("wrong:")
    if result.status != 0 and not wrong:
        wrong.append(f"it does not run: {result.ending()}")
    if not wrong and (len(found) != 2 or found[0] != f"{account.uid}:{account.gid}"):
        wrong.append(f"id says {' '.join(found)}, not {account.uid}:{account.gid}")
    _refuse_if("; ".join(wrong) or None, candidate)
    return Claim(account.uid, account.gid, found[1])


def _refuse_if(wrong: str | None, candidate: Candidate) -> None:
    if wrong:
        raise MlcError(
            f"{candidate.reference} was not adopted: {wrong}.",
            "Build your own image instead: "
            f"image-create {candidate.project.name} --base {candidate.reference}",
        )

"""The legacy flow: set up the user's account in a container, and commit that as an image.

AIME's mlc does this for every container (docs/contracts.md, "Choosing the flow"). Here a failure
at any point leaves nothing behind.
"""

from __future__ import annotations

from collections.abc import Mapping

from ...context import Context
from ...engine.interface import Engine, Image
from ...engine.specification import ContainerSpecification
from ...errors import SetupError, last_lines
from ...host.account import Account
from ...interrupts import wait_out_interrupts
from ...lean import dataclass, replace
from ...names import labels
from ...names.images import account_image, committed_repository
from ...report import Reporter
from ...temporary import SETUP, temporary_image, temporary_name
from ...undo import Undo
from ..dockerfile.render import ACCOUNT_SCRIPT
from ..probe import create_temporary
from ..project.tags import restore_tag
from ..volumes import changed_volumes, commit_with_volumes

EMPTY_PASSWORD = 'passwd -d "$DS01_USERNAME" >/dev/null\n'  # noqa: S105 - a command
TOOLS = "sudo git"
"""What AIME's set-up installs; here only where it is missing."""


@dataclass(frozen=True)
class Committed:
    """An image that the legacy flow made, the image that had its name before, and the labels that
    it has from its base."""

    reference: str
    image_id: str
    former: Image | None
    inherited: Mapping[str, str]


def commit_with_account(
    image: Image,
    reference: str,
    tag: str,
    undo: Undo,
    context: Context,
    *,
    empty_password: bool = False,
    prelude: str = "",
    environment: Mapping[str, str] | None = None,
) -> Committed:
    """Add the user's account to an image and return the result.

    Args:
        reference: the name by which the image was requested.
        tag: name in Docker of the container that the result is for.
        undo: receives the removal of the committed image.
        empty_password: leave the account without a password, as AIME's mlc does, instead
            of locking it.
        prelude: shell commands to run before the account script, as root.
        environment: variables for the prelude.

    Raises SetupError if the set-up failed; its container was removed.
    """
    engine, account, report = context.engine, context.account, context.report
    report.step(f"Setting up the account {account.container_name} in {reference}")
    script = ACCOUNT_SCRIPT.read_text(encoding="utf-8")
    variables = {
        "DS01_USER_ID": str(account.uid),
        "DS01_GROUP_ID": str(account.gid),
        "DS01_USERNAME": account.container_name,
        "DS01_TOOLS": TOOLS,
        **(environment or {}),
    }
    specification = ContainerSpecification(
        name=temporary_name(SETUP, account, context.job.token),
        image=image.id,
        # By env, not as the container's environment, which the committed image would keep.
        entrypoint=("env", *(f"{name}={value}" for name, value in variables.items())),
        command=("/bin/sh", "-c", prelude + script + (EMPTY_PASSWORD if empty_password else "")),
        user="0:0",
        labels={labels.SETUP_FOR: tag},
        network="host",
    )
    with Undo(report) as setup:
        container = create_temporary(specification, engine, setup)
        _run(engine, container, reference, report)
        report.step(f"Saving the image for {tag}")
        repository = committed_repository(reference, image.references, image.id)
        committed = f"{repository}:{tag}"
        former = engine.image(committed)
        undo.add(
            f"The image {committed}",
            lambda: restore_tag(engine, repository, tag, former, report),
        )
        like, claimed = for_account(image, account), labels.claim_labels(labels.Claim.of(account))
        in_containerd = engine.has_containerd_store()
        claimed |= labels.store_labels(image.labels, in_containerd=in_containerd)

        # The home, for instance, may be in a volume; what the set-up did there has to stay.
        found = engine.container(specification.name) if image.volumes else None
        changed = changed_volumes(found, context) if found else []
        if changed:
            claimed[labels.TEMPORARY] = ""  # the container of their copies has a value

        def commit(source: str, name: str | None) -> str:
            to, _, its_tag = (name or committed).rpartition(":")
            return wait_out_interrupts(
                "saving the image",
                lambda: engine.commit(
                    source, to, its_tag, like, claimed, message=f"mlc create {tag}"
                ),
                report,
            )

        unfinished = without_volumes(account, context.job.token)
        image_id = commit_with_volumes(container, changed, unfinished, commit, context)
        engine.remove_container(container, force=True)
    return Committed(committed, image_id, former, image.labels)


def without_volumes(account: Account, token: str) -> str:
    """Return the temporary name of an image that lacks what is in its volumes."""
    return f"{temporary_image(account_image('', account.uid)[0], token)}-s1"


def for_account(image: Image, account: Account) -> Image:
    """Return an image's configuration with another user's home and UID, if it has them, replaced
    by this user's: an image that was built for an account sets HOME to that account's home."""
    variables = dict(part.partition("=")[::2] for part in image.environment)
    former, home = variables.get("HOME", ""), f"/home/{account.container_name}"
    if not former.startswith("/home/") or former == home:
        return image
    variables["HOME"] = home
    if "PATH" in variables:
        variables["PATH"] = variables["PATH"].replace(f"{former}/", f"{home}/")
    return replace(
        image,
        environment=tuple(f"{name}={value}" for name, value in variables.items()),
        user=str(account.uid) if image.user else "",
    )


def _run(engine: Engine, container: str, reference: str, report: Reporter) -> None:
    """Run the set-up, whose exit status includes the script's own check of `id`."""
    engine.start(container)
    lines: list[str] = []
    for line in engine.logs(container, follow=True):
        lines.append(line)
        report.progress(line)
    status = engine.wait(container)
    if status != 0:
        from ..build.cause import id_range  # here, as it takes time to import

        raise SetupError(
            f"{last_lines(lines)}\nThe account could not be set up in {reference} "
            f"(exit status {status}); the set-up container was removed.",
            id_range("\n".join(lines)),
        )

"""`legacy_flow = build`: add the account by a build, once per user and image.

The image has the four labels, and all of the user's containers of the same base share it, so all
but the first are created directly from it. Its name contains the base's id, a digest of its
content: a changed base gets a new image.
"""

from __future__ import annotations

import re
from functools import partial

from ...context import Context
from ...engine.interface import Engine, Image
from ...errors import EngineError, SetupError
from ...host.account import Account
from ...names import labels
from ...names.images import account_image, account_image_of
from ...plan.limits import BASE_NAME
from ...temporary import STEP, mark, temporary_image, temporary_name
from ...undo import Undo, warn_on_failure
from ..build.steps import StepNames, clear_steps
from ..dockerfile.render import ACCOUNT_SCRIPT, run_step
from ..dockerfile.syntax import ROOT, quoted
from .commit import EMPTY_PASSWORD, TOOLS, for_account

_PLAIN = re.compile(r"[A-Za-z0-9_./:=,+-]*")
"""Values that need no quotes in a Dockerfile."""
_ACCOUNT_NAME = re.compile(r"[a-z_][a-z0-9_-]*")


def find_with_account(engine: Engine, base: Image, account: Account) -> Image | None:
    """Return the image that was built for this user and base, or None.

    An image with a former GID or name of the account is not returned.
    """
    reference = ":".join(account_image(base.id, account.uid))
    image = engine.image(reference) or _moved(engine, base, account)
    try:
        found = image and labels.read_claim(image.labels)
    except labels.MalformedLabelsError:
        return None
    return image if found == labels.Claim.of(account) else None


def is_made_from(image: Image, base: Image) -> bool:
    """Whether an account image was built on a base, whatever IDs they have by now."""
    return bool(base.layers) and image.layers[:-1] == base.layers


def _moved(engine: Engine, base: Image, account: Account) -> Image | None:
    """Find the account image of a base that had another ID, and name it after today's.

    A base that was moved to another image store, or saved and loaded, has a new ID.
    """
    repository, tag = account_image(base.id, account.uid)
    for listed in engine.find_images(names=(f"{repository}:*",)):
        for reference in listed.references:
            _, former = account_image_of(reference) or (0, base.id)
            image = engine.image(listed.id)
            if former == base.id or image is None or not _is_still_right(image, base, account):
                continue
            if engine.image(former) is None:
                engine.tag_image(image.id, repository, tag)
                engine.remove_image(reference)
                return engine.image(f"{repository}:{tag}")
    return None


def _is_still_right(image: Image, base: Image, account: Account) -> bool:
    """Whether an account image has the layers and the configuration of a base."""
    kept = set(base.environment) & set(for_account(base, account).environment)
    return (
        is_made_from(image, base)
        and kept <= set(image.environment)
        and base.labels.items() <= image.labels.items()
        and (base.command, base.entrypoint, base.working_directory)
        == (image.command, image.entrypoint, image.working_directory)
    )


def temporary_images(account: Account, token: str) -> str:
    """Return the prefix of the temporary names of a build's steps, for a job's token."""
    return temporary_image(account_image("", account.uid)[0], token)


def build_with_account(
    base: Image, reference: str, context: Context, *, empty_password: bool = False
) -> Image:
    """Build an image that is `base`, requested as `reference`, with the user's account in it.

    `empty_password` leaves the account without a password, as AIME's mlc does. Raises SetupError if
    the account could not be set up; nothing of the build is left.
    """
    engine, account, report = context.engine, context.account, context.report
    report.step(f"Setting up the account {account.container_name} in {reference}, once")
    repository, tag = account_image(base.id, account.uid)
    token = context.job.token
    steps = StepNames(
        engine, temporary_name(STEP, account, token), temporary_images(account, token)
    )

    def hear(line: str) -> None:
        steps.hear(line)
        report.progress(line)

    with Undo(report) as undo:
        undo.add("The images of the build's steps", partial(clear_steps, steps, context))
        try:
            built = engine.build(
                dockerfile(
                    base,
                    reference,
                    account,
                    empty_password=empty_password,
                    mark=mark(account, token),
                ),
                f"{repository}:{tag}",
                labels={},
                progress=hear,
            )
        except EngineError as error:
            from ..build.cause import id_range  # here, as it takes time to import

            text = f"{error}\nThe account could not be set up in {reference}."
            raise SetupError(text, id_range(str(error))) from error
    with warn_on_failure("Images of the steps stay until the next build", report):
        clear_steps(steps, context)
    image = engine.image(built)
    if image is None:
        raise SetupError(f"{repository}:{tag} was built, but the engine does not have it.")
    return image


def dockerfile(
    base: Image,
    reference: str,
    account: Account,
    *,
    empty_password: bool = False,
    mark: str = "",
) -> str:
    """Return the Dockerfile: one layer with the account and the tools that were missing, and the
    labels, with the `reference` by which the base was requested.

    If the build is killed, each step before RUN leaves a nameless image that keeps the base from
    being removed. So the account is named in RUN, not by ARG. Raises SetupError if its name cannot
    be used in a Dockerfile.
    """
    script = ACCOUNT_SCRIPT.read_text(encoding="utf-8")
    after = for_account(base, account)
    claim = labels.Claim.of(account)
    if not _ACCOUNT_NAME.fullmatch(claim.username):
        raise SetupError(f"{claim.username!r} is not an account name.")
    lines = [f"FROM {base.id}"]
    if mark:
        lines.append(f'LABEL {labels.TEMPORARY}="{mark}"')
    if base.user not in ("", *ROOT):
        lines.append("USER 0:0")
    lines += [
        f"RUN DS01_USER_ID={claim.uid}; DS01_GROUP_ID={claim.gid}; \\",
        f"    DS01_USERNAME={claim.username}; DS01_TOOLS='{TOOLS}'; \\",
        f"    {run_step(script + (EMPTY_PASSWORD if empty_password else ''))}",
    ]
    if after.environment != base.environment:
        # Another user's home; values that would need quotes are not replaced.
        moved = [each for each in after.environment if each not in base.environment]
        lines += [f"ENV {each}" for each in moved if _PLAIN.fullmatch(each)]
    if after.user not in ("", *ROOT) and _PLAIN.fullmatch(after.user):
        lines.append(f"USER {after.user}")
    given = {**labels.claim_labels(claim), BASE_NAME: reference, labels.TEMPORARY: ""}
    # In one step: the builder makes an image of each.
    lines.append("LABEL " + " ".join(f"{key}={quoted(each)}" for key, each in given.items()))
    return "\n".join((*lines, ""))

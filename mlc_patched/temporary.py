"""Temporary containers, images and directories, and how to recognise those of a killed command.

They are made under a lock, and their names end in a token derived from that lock. So the next
holder of the lock knows that they are no longer in use, and removes them before it starts. Where
locks do not work the token is random, and `mlc prune` goes by age.
"""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Iterator, Mapping
from contextvars import ContextVar

from .errors import ConflictError, MlcError
from .host.sudo import for_programs
from .lean import TYPE_CHECKING, dataclass
from .names.labels import TEMPORARY
from .names.projects import BUILDING

if TYPE_CHECKING:
    from pathlib import Path
    from tempfile import TemporaryDirectory

    from .engine.interface import Engine, Image
    from .host.account import Account
    from .report import Reporter

SETUP, LOOK, VERIFY, STEP, VOLUMES = "setup", "look", "verify", "step", "volumes"
"""Kinds of temporary containers: the set-up of the legacy flow, a look into an image, the
verification of a new image, a step of the classic builder, and a copy of volumes."""
KINDS = (SETUP, LOOK, VERIFY, STEP, VOLUMES)
BUILD_PREFIX = "mlc-build-"
"""Prefix of the private directories of builds."""
EDIT_PREFIX = "mlc-edit-"
"""Prefix of the directories in which a Dockerfile is edited."""
MARK_FILE = ".mlc-temporary"
HALF = ".mlc-part"
"""Suffix of a file that is being written."""
MANIFEST = "mlc-manifest.json"
"""The first member of an exported file."""
SHARED = "shared"
"""The value of `labels.TEMPORARY` on the images of steps before the account block, which are cached
for all users, so that they cannot have the mark of one job."""
_DIGITS = 12
_SECONDS_TO_NAME = 2
"""A running build gives each image of a step a name, as soon as the builder reports it."""
SET_UP = "account set-up: "
"""What the account script prints, which stands in the history of an image made by it."""
COMMITS = ("mlc create ", "Saved from ", "mlc adopt ")
"""How the messages of our commits begin."""
_LAST_STEP = rf'LABEL (?:.* )?"?{re.escape(TEMPORARY)}"?=(?:""|\|)?(?: |$)'
_MARKED = rf'LABEL (?:.* )?"?{re.escape(TEMPORARY)}"?="?([0-9]+-[0-9a-f]+)'
"""Steps of a builder that complete an image, and that mark one, as histories have them."""


@dataclass(frozen=True)
class Job:
    """One run of a command: the token for its temporary names, and whether a lock is held."""

    token: str
    is_alone: bool = False


current_job: ContextVar[Job | None] = ContextVar("job", default=None)
"""The job whose lock this thread holds."""


def random_job() -> Job:
    """Return a job that holds no lock."""
    return Job(os.urandom(_DIGITS // 2).hex())


def temporary_name(kind: str, account: Account, token: str) -> str:
    """Return the name of a temporary container of one of the KINDS."""
    return f"mlc-{kind}-{account.uid}-{token}"


def temporary_image(repository: str, token: str) -> str:
    """Return the name of an image that is being built and has not been verified yet."""
    return f"{repository}:{BUILDING}{token}"


def mark(account: Account, token: str) -> str:
    """Return the value of `labels.TEMPORARY` on the images of a job's steps. What a job completes
    has the label without a value, so that images built on it do not inherit the mark."""
    return f"{account.uid}-{token}"


def mark_directory(path: Path) -> None:
    """Mark a directory as one that exists only while a command runs."""
    path.joinpath(MARK_FILE).touch()


def new_directory(prefix: str) -> TemporaryDirectory[str]:
    """Make a marked directory, which is removed at the end of the `with` it is used in.

    Raises MlcError if it cannot be made, as where all places for temporary files are full.
    """
    from pathlib import Path
    from tempfile import TemporaryDirectory

    try:
        made = TemporaryDirectory(prefix=prefix)
        mark_directory(Path(made.name))
    except OSError as error:
        raise MlcError(
            f"A temporary directory cannot be made: {error.strerror}.",
            "See whether it is full: df -h /tmp - or name another one in TMPDIR.",
        ) from error
    return made


def build_directory_prefix(token: str) -> str:
    """Return the prefix of a build's private directory."""
    return f"{BUILD_PREFIX}{token}-"


def temporary_directory(environ: Mapping[str, str]) -> Path:
    """Return the directory of temporary files: TMPDIR's, else the system's."""
    import tempfile
    from pathlib import Path

    if named := for_programs(environ).get("TMPDIR"):
        return Path(named)
    try:
        return Path(tempfile.gettempdir())
    except FileNotFoundError:  # none can be written, as on a full disk
        return Path("/tmp")  # noqa: S108 - leftovers are looked for there


@contextlib.contextmanager
def locked(name: str, account: Account, report: Reporter, *, waits: bool = True) -> Iterator[Job]:
    """Hold a user's lock; temporary names made while it is held carry its token.

    The name is a container's in Docker, or another one for a lock (host/locks.py). Without `waits`,
    go on with a random token while another command holds it.
    """
    import hashlib  # here, as most commands hold no lock

    from .host.locks import exclusive

    with exclusive(account, name, report, waits=waits) as identity:
        digest = hashlib.sha256(identity + name.encode("utf-8", "surrogateescape")).hexdigest()
        job = Job(digest[:_DIGITS], True) if identity else random_job()
        before = current_job.set(job)
        try:
            yield job
        finally:
            current_job.reset(before)


def remove_leftovers(
    engine: Engine, account: Account, job: Job, report: Reporter, image: str | None = None
) -> None:
    """Remove what a killed run of the same job left in the engine, and report it.

    A job without a lock shares its token with no other, so it removes nothing. `image` is the job's
    temporary image; names that begin with it and `-` go, too.
    """
    if not job.is_alone:
        return
    names = [temporary_name(kind, account, job.token) for kind in KINDS]
    for container in engine.containers(names=names):
        engine.remove_container(container.id, force=True)
        report.note(f"Removed {container.name}, left behind by a killed command")
    if image is None:
        return
    for found in engine.find_images(names=(f"{image}*",)):
        for name in found.references:
            if name != image and not name.startswith(f"{image}-"):
                continue
            try:
                engine.remove_image(name)
            except ConflictError as error:
                report.warn(f"{name}, left behind by a killed command, stays: {error}")
            else:
                report.note(f"Removed {name}, left behind by a killed command")
    remove_nameless(engine, mark(account, job.token), report)


def remove_nameless(engine: Engine, wanted: str, report: Reporter) -> None:
    """Remove images without a name that a job's builds made, unless something uses them.

    An image that another is built on is listed only once that one is gone. A builder whose client
    was killed completes its step, so this is called again after the next build. Images of shared
    steps go, too, if they stay without a name: no build that runs needs them.
    """
    seen: set[str] = set()
    while found := {
        each.id: value
        for each in engine.find_images(nameless=True)
        if each.id not in seen and (value := mark_of(each, engine)) in (wanted, SHARED)
    }:
        seen.update(found)
        if SHARED in found.values():
            time.sleep(_SECONDS_TO_NAME)
            nameless = {each.id for each in engine.find_images(nameless=True)}
            found = {key: value for key, value in found.items() if key in nameless}
        for image_id in found:
            with contextlib.suppress(ConflictError):  # a container uses it
                engine.remove_image(image_id)
                report.note(f"Removed the image {image_id}, left behind by a killed command")


def mark_of(image: Image, engine: Engine) -> str | None:
    """Return the mark of the job whose builds made this very image, or None.

    An image that was completed no longer has the mark as a label, but in its history.
    """
    value = image.labels.get(TEMPORARY)
    if value != "":
        return value if value and _is_marked_by_a_step(image, engine) else None
    history = [layer.created_by for layer in engine.history(image.id)]
    if not history or not re.search(_LAST_STEP, history[0]):
        return None  # something was built on it
    return next((match[1] for each in history if (match := re.search(_MARKED, each))), None)


def _is_marked_by_a_step(image: Image, engine: Engine) -> bool:
    """Whether a step of a build gave an image its mark, or one below it that only we have named.

    A base hands its labels on to all that is built on it. It has a name, or was not built here, so
    that the engine has no images of its steps; and its ONBUILD may set labels.
    """
    at = engine.image(image.id)
    while at is not None and at.parent:
        at = engine.image(at.parent)
        if at is None or at.labels.get(TEMPORARY) != image.labels[TEMPORARY]:
            return at is not None and not any(
                each.upper().startswith("LABEL") for each in at.triggers
            )
        if not all(map(_is_temporary, at.references)):
            return False
    return False


def _is_temporary(name: str) -> bool:
    return name.rpartition(":")[2].startswith(BUILDING)


def is_ours(image: Image, engine: Engine) -> bool:
    """Whether a command of ours made this very image, not somebody who built on one of ours: labels
    are inherited, the newest entry of a history is not."""
    if image.labels.get(TEMPORARY) and (
        any(map(_is_temporary, image.references))
        or (not image.references and _is_marked_by_a_step(image, engine))
    ):
        return True
    newest = next(iter(engine.history(image.id)), None)
    return newest is not None and bool(
        re.search(_LAST_STEP, newest.created_by)
        or SET_UP in newest.created_by
        or newest.comment.startswith(COMMITS)
    )

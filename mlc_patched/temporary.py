"""Temporary containers, images and directories, and how to recognise those of a killed command.

They are made under a lock, and their names end in a token derived from that lock. So the next
holder of the lock knows that they are no longer in use, and removes them before it starts. Where
locks do not work the token is random, and `mlc prune` goes by age.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .errors import ConflictError
from .host.sudo import for_programs
from .names.projects import BUILDING

if TYPE_CHECKING:
    from pathlib import Path

    from .engine.interface import Engine
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
_DIGITS = 12


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


def build_directory_prefix(token: str) -> str:
    """Return the prefix of a build's private directory."""
    return f"{BUILD_PREFIX}{token}-"


def temporary_directory(environ: Mapping[str, str]) -> Path:
    """Return the directory of temporary files: TMPDIR's, else the system's."""
    import tempfile
    from pathlib import Path

    return Path(for_programs(environ).get("TMPDIR") or tempfile.gettempdir())


@contextlib.contextmanager
def locked(name: str, account: Account, report: Reporter, *, waits: bool = True) -> Iterator[Job]:
    """Hold a user's lock; temporary names made meanwhile carry its token.

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
    for found in engine.find_images(names=(f"{image}*",)) if image else ():
        for name in found.references:
            if name != image and not name.startswith(f"{image}-"):
                continue
            try:
                engine.remove_image(name)
            except ConflictError as error:
                report.warn(f"{name}, left behind by a killed command, stays: {error}")
            else:
                report.note(f"Removed {name}, left behind by a killed command")

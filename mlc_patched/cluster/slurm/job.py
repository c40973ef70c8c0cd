"""What a job of mlc's carries: the container to create on its node, and what the queue shows."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

from ...engine.specification import Bind, ContainerSpecification, Resources, Ulimit
from ...errors import MlcError
from ...json_text import parsed
from ...lean import dataclass, replace
from ...names import labels
from ...names.containers import SEPARATOR
from .queue import BATCH, STATUS

VARIABLE = "MLC_JOB"
"""In a job's environment: the job as JSON."""
IMAGE, REQUEST = "image", "request"
"""Fields of the comment beside the labels: the image by its digest, and a random token."""
SCRIPT = """\
#!/bin/sh
command -v "$MLC_PROGRAM" >/dev/null || MLC_PROGRAM=mlc
exec "$MLC_PROGRAM" slurm-job
"""
"""The script of every job. It is always the same: what differs is in the environment."""
_VERSION = 1
_LONGEST_COMMENT = 1000
"""Slurm allows 1024 bytes (slurmctld's _test_strlen of `comment`)."""
_STATUS_ROOM = 300
_SHOWN = (
    *(labels.OWNER, labels.SERVICE, labels.PROJECT, labels.FRAMEWORK, labels.ARCHITECTURE),
    *(labels.WORKSPACE, labels.DATA, labels.MODELS),
)
"""Labels of the container that the comment repeats; the last ones are left out first."""


@dataclass(frozen=True)
class JobSpecification:
    """A container to run as a job, with a number of GPUs.

    With `is_batch` its command is the user's: what that prints is the job's output, and its exit
    status the job's. `comment` is the job's.
    """

    container: ContainerSpecification
    gpus: int
    comment: Mapping[str, str]
    is_batch: bool = False

    def encoded(self) -> str:
        """Return it as JSON, for VARIABLE."""
        return json.dumps({"version": _VERSION, **dataclasses.asdict(self)}, ensure_ascii=True)


def decoded(text: str) -> JobSpecification:
    """Return the job of a VARIABLE, or raise MlcError."""
    try:
        found = parsed(text)
        version = found.pop("version")
        if version == _VERSION:
            return JobSpecification(**{**found, "container": _container(found["container"])})
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise MlcError(f"{VARIABLE} is not a job of mlc's: {error}") from error
    raise MlcError(
        f"The job was submitted by another version of mlc-patched: its format is {version}, here "
        f"it is {_VERSION}.",
        "Install the same version on all nodes.",
    )


def fitted(
    container: ContainerSpecification, capabilities: tuple[str, ...]
) -> ContainerSpecification:
    """Return the container as a job may have it: with no device but the GPUs that Slurm gives it,
    so it gets `capabilities` in place of being privileged."""
    return replace(
        container,
        capabilities=capabilities if container.privileged else container.capabilities,
        privileged=False,
        devices=(),
        gpus=None,
        labels={**container.labels, labels.SERVICE: container.name},
    )


def log_of(home: str, identity: str) -> str:
    """Return the file with the messages of a job that runs no command."""
    return f"{home}/.mlc-slurm-{identity}.log"


def saving_of(home: str, identity: str) -> str:
    """Return the file that is there while the container of a job is saved, stopped: if whoever
    saves it is killed, the job starts it again."""
    return f"{home}/.mlc-slurm-{identity}.saving"


def name_of_task(name: str, identity: str) -> str:
    """Return the name in Docker of what a batch job, or a task of an array, runs: `NAME-ID._.UID`.

    What waits of an array is called after the array.
    """
    plain, separator, uid = name.partition(SEPARATOR)
    return f"{plain}-{identity.partition('_[')[0]}{separator}{uid}"


def comment_of(
    container: ContainerSpecification, request: str, *, is_batch: bool = False
) -> dict[str, str]:
    """Return a job's comment: the labels that lists show, the image and a random token."""
    comment = {IMAGE: container.image, REQUEST: request, **({BATCH: "yes"} if is_batch else {})}
    for label in _SHOWN:
        if value := labels.given(container.labels, label):
            more = {**comment, label: value}
            if len(as_text(more)) <= _LONGEST_COMMENT - _STATUS_ROOM:
                comment = more
    return comment


def with_status(comment: Mapping[str, str], status: str) -> str:
    """Return a comment as text, with what the node says; shortened to what Slurm allows."""
    while len(found := as_text({STATUS: status, **comment})) > _LONGEST_COMMENT:
        status = f"{status[: len(status) * 9 // 10 - 1]}…"
    return found


def as_text(comment: Mapping[str, str]) -> str:
    """Return a comment as sbatch and scontrol take it."""
    return json.dumps(comment, separators=(",", ":"))


def _container(found: dict[str, Any]) -> ContainerSpecification:
    tuples = {key: tuple(value) for key, value in found.items() if isinstance(value, list)}
    return ContainerSpecification(
        **{
            **found,
            **tuples,
            "binds": tuple(Bind(**each) for each in found["binds"]),
            "ulimits": tuple(Ulimit(**each) for each in found["ulimits"]),
            "resources": Resources(**found["resources"]),
            "gpus": None,
        }
    )

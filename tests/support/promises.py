"""The promises of docs/reliability.md about faults, races and input.

Each is held by the tests that are marked `@pytest.mark.promise("id")`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Group(Enum):
    """The headings of the page."""

    ATOMIC = "What is atomic"
    RETRIED = "What is retried"
    SURVIVES = "What survives which fault"
    RACES = "Concurrent commands"
    INPUT = "Bad input"
    RIGHTS = "Rights"


@dataclass(frozen=True)
class Promise:
    """One promise in one sentence."""

    group: Group
    sentence: str


PROMISES = {
    "create-atomic": Promise(
        Group.ATOMIC,
        "A container is created completely or not at all: a failed create leaves no container, "
        "image, tag, lock or file.",
    ),
    "build-atomic": Promise(
        Group.ATOMIC,
        "A project's image changes in one step: until the new image is built and has been tested "
        "as its user, the image, its name and the Dockerfile stay as they were.",
    ),
    "save-atomic": Promise(
        Group.ATOMIC,
        "`container-retire --save` removes the container only after the saved image has its name "
        "and has been tested as its user: there is no moment without either of them.",
    ),
    "archive-atomic": Promise(
        Group.ATOMIC,
        "An export writes a complete file or none under its name; an import creates a complete "
        "container or nothing.",
    ),
    "patch-atomic": Promise(
        Group.ATOMIC,
        "All commands of a checkout run the same program at any moment of `mlc-patch apply`, "
        "`mlc-patch revert` and `mlc update-sys`, also after SIGKILL, and the same command then "
        "completes what was begun.",
    ),
    "again": Promise(
        Group.RETRIED,
        "Whichever call to the engine failed, running the same command again succeeds, or says "
        "in one message why it cannot.",
    ),
    "engine-call": Promise(
        Group.SURVIVES,
        "If the engine refuses a call, does not answer it, or carries it out but its answer is "
        "lost, the changes are rolled back as if the call had never been made.",
    ),
    "signal": Promise(
        Group.SURVIVES,
        "Ctrl-C, SIGTERM and SIGHUP at any moment end a command with exit code 128 plus the "
        "signal's number, and its changes are rolled back. If the engine hangs in a commit or an "
        "import, this takes a second signal a few seconds later, and the next run cleans up.",
    ),
    "sigkill": Promise(
        Group.SURVIVES,
        "SIGKILL at any moment leaves only what the same command removes before it starts when "
        "it is run again; `mlc prune` removes it, too.",
    ),
    "engine-killed": Promise(
        Group.SURVIVES,
        "If the engine is killed, the command fails with one message; when the engine is back, "
        "nothing half-made is in use, and the same command succeeds and leaves nothing of the "
        "first attempt.",
    ),
    "disk-full": Promise(
        Group.SURVIVES,
        "A full disk makes the command fail with a message that says so and what to do; nothing "
        "is left, and once there is space the same command succeeds.",
    ),
    "registry": Promise(
        Group.SURVIVES,
        "A registry that sends invalid answers or breaks off makes the pull fail with one "
        "message; a local image remains usable.",
    ),
    "slurm": Promise(
        Group.SURVIVES,
        "Whatever ends a Slurm job, at any moment, no container of it is left on its node; what "
        "runs goes on without slurmctld and slurmd.",
    ),
    "terminal": Promise(
        Group.SURVIVES,
        "When its terminal closes, a command ends and its changes are rolled back; what `mlc "
        "start NAME COMMAND` runs inside continues there.",
    ),
    "one-name-once": Promise(
        Group.RACES,
        "Of any number of commands that create the same name at the same time, one succeeds and "
        "all others exit with 1 and the same message.",
    ),
    "none-lost": Promise(
        Group.RACES,
        "Commands that run at the same time lose no container or image and create none twice.",
    ),
    "locks": Promise(
        Group.RACES,
        "Locks are per user and name, end with the process that holds them, and cannot be taken "
        "or blocked by another user.",
    ),
    "input-refused": Promise(
        Group.INPUT,
        "A name, path, number, package, label, catalog, setting, Dockerfile or archive that is "
        "invalid is refused with a specific message, before anything is changed.",
    ),
    "input-works": Promise(
        Group.INPUT,
        "Input that is valid but unusual works as typed, and what is wrong in an image's labels or "
        "in Docker's configuration is ignored, and stops no command.",
    ),
    "plain-output": Promise(
        Group.INPUT,
        "Nothing in a name, label, path or file controls the terminal on which it is shown.",
    ),
    "no-crash": Promise(
        Group.INPUT,
        "No input makes a parser fail with an unexpected exception.",
    ),
    "no-command": Promise(
        Group.INPUT,
        "Nothing in a name, label, path or file is ever run as a command on the host.",
    ),
    "own-only": Promise(
        Group.RIGHTS,
        "No command changes or removes another user's container, image, Dockerfile or metadata, "
        "unless root asks for it.",
    ),
    "homes": Promise(
        Group.RIGHTS,
        "In home directories no link is followed, files have the right modes under any umask, "
        "and sudo leaves no file of root's.",
    ),
    "model": Promise(
        Group.RIGHTS,
        "Any sequence of create, start, stop, remove and retire has the same effect on the "
        "engine as on a model of it.",
    ),
}

COUNTS = (
    "faults injected",
    "signals sent",
    "kills",
    "engine restarts",
    "disks filled",
    "answers of a broken registry",
    "jobs ended",
    "terminals closed",
    "races",
    "inputs",
    "operations of the state machine",
    "fuzz executions",
)
"""The counters of the report, in its order."""

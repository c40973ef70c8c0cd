"""What this program promises about faults, races and input: the table docs/reliability.md is
made from. Each promise is held by tests marked `@pytest.mark.promise("id")`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Group(Enum):
    """What a promise is about, as a heading."""

    ATOMIC = "What is atomic"
    RETRIED = "What is retried, and what is run again"
    SURVIVES = "What survives which fault"
    RACES = "What happens at the same time"
    INPUT = "What bad input does"
    RIGHTS = "Who may do what"


@dataclass(frozen=True)
class Promise:
    """One promise in one sentence."""

    group: Group
    sentence: str


PROMISES = {
    "create-atomic": Promise(
        Group.ATOMIC,
        "Creating a container makes it whole or not at all: a failed create leaves no container, "
        "image, tag, lock or file.",
    ),
    "build-atomic": Promise(
        Group.ATOMIC,
        "A project's image changes in one step: until the new one is built and has run as its "
        "user, the image, its name and the Dockerfile are those from before.",
    ),
    "save-atomic": Promise(
        Group.ATOMIC,
        "`container-retire --save` removes the container only when the saved image is there under "
        "its name and has run as its user: at no moment are both gone.",
    ),
    "archive-atomic": Promise(
        Group.ATOMIC,
        "An export is a whole file or none under its name; an import is a whole container or "
        "nothing.",
    ),
    "again": Promise(
        Group.RETRIED,
        "Whatever call to the engine failed, the same command run again succeeds or says in one "
        "message why it cannot.",
    ),
    "engine-call": Promise(
        Group.SURVIVES,
        "A call that the engine refuses, leaves unanswered, or carries out without its answer "
        "arriving is taken back as if it had not been made.",
    ),
    "signal": Promise(
        Group.SURVIVES,
        "Ctrl-C, SIGTERM and SIGHUP at any moment end a command with 128 and the signal's number, "
        "and what it had begun is taken back. Where the engine hangs in a commit or an import, "
        "that takes a second one, some seconds later, and the next run takes it back.",
    ),
    "sigkill": Promise(
        Group.SURVIVES,
        "SIGKILL at any moment leaves nothing but what the same command, run again, takes away "
        "before it begins; `mlc prune` takes it away, too.",
    ),
    "engine-killed": Promise(
        Group.SURVIVES,
        "An engine that is killed in mid-work fails the command with one message; when it is "
        "back, nothing half-made is in use, and the same command works and leaves nothing of the "
        "first one.",
    ),
    "disk-full": Promise(
        Group.SURVIVES,
        "A full disk fails the command with a message that says so and what to do; nothing is "
        "left, and with room made the same command works.",
    ),
    "registry": Promise(
        Group.SURVIVES,
        "A registry that answers nonsense, or breaks off, fails the pull with one message; an "
        "image that is here already stays usable.",
    ),
    "terminal": Promise(
        Group.SURVIVES,
        "A terminal that closes ends the command of ours on it, and what that had begun is taken "
        "back; what `mlc start NAME LINE` runs inside goes on there.",
    ),
    "one-name-once": Promise(
        Group.RACES,
        "Of any number of commands that make the same name at once, one wins and each other one "
        "exits with 1 and the same message.",
    ),
    "none-lost": Promise(
        Group.RACES,
        "Commands that run at once lose no container or image and make none twice.",
    ),
    "locks": Promise(
        Group.RACES,
        "Locks are per user and name, end with the process that holds them, and cannot be taken or "
        "blocked by another user.",
    ),
    "input-refused": Promise(
        Group.INPUT,
        "A name, path, number, package, label, catalog, setting, Dockerfile or archive that cannot "
        "be used is refused with a message of its own, before anything is changed.",
    ),
    "no-crash": Promise(
        Group.INPUT,
        "No text makes a parser fail in a way that it does not name.",
    ),
    "no-command": Promise(
        Group.INPUT,
        "Nothing in a name, label, path or file leads to a command run on the host.",
    ),
    "own-only": Promise(
        Group.RIGHTS,
        "No command changes or removes another user's container, image, Dockerfile or metadata, "
        "unless root says so.",
    ),
    "homes": Promise(
        Group.RIGHTS,
        "In home directories no link is followed, files have their right modes under any umask, "
        "and sudo leaves no file of root's.",
    ),
    "model": Promise(
        Group.RIGHTS,
        "Any sequence of create, start, stop, remove and retire does to the engine what it does "
        "to a model of it.",
    ),
}

COUNTS = (
    "faults injected",
    "signals sent",
    "kills",
    "engine restarts",
    "disks filled",
    "answers of a broken registry",
    "terminals closed",
    "races",
    "inputs",
    "operations of the state machine",
    "fuzz executions",
)
"""What `counted` may count, in the order of the report."""

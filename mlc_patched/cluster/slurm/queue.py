"""Slurm's queue as `squeue` prints it, and the state of a job in words. Pure.

`squeue --json` needs plugins that not every installation has, and changes with each release; the
formats of -o are the same in all of them.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping

from ...json_text import parsed
from ...lean import dataclass
from ...names import labels
from ...units import duration_in_words
from ..state import ENDED, LOST, PLACING, QUEUED, RUNNING, STARTING, ServiceState

_FORMAT = "%i|%A|%U|%u|%T|%P|%Q|%V|%N|%L|%b|%r|%j|%k"
"""Formats of squeue(1): ID, its number, UID, login, state, partition, priority, submitted, nodes,
time left, GPUs, reason, name, comment. Only the last two may contain the separator: in mlc's jobs,
only the comment does."""
_FIELDS = _FORMAT.count("|")
BATCH = "batch"
"""Field of a job's comment: whether the job runs a command."""
STATUS = "status"
"""Field of a job's comment: what its node says, PULLING, RUNS or why it failed."""
PULLING = "pulling the image"
RUNS = "runs"
_NEVER_ENDED_WELL = {
    "FAILED": "failed",
    "TIMEOUT": "its time limit was reached",
    "OUT_OF_MEMORY": "it needed more memory than it had asked for",
    "PREEMPTED": "another job took its place",
    "DEADLINE": "its deadline was reached",
    "BOOT_FAIL": "the node did not start",
}
_WAITING = ("PENDING", "REQUEUED", "REQUEUE_HOLD", "SPECIAL_EXIT", "RESV_DEL_HOLD")
_RUNNING = ("RUNNING", "SUSPENDED", "STOPPED", "SIGNALING", "STAGE_OUT", "RESIZING")
_OVER = ("COMPLETED", "CANCELLED", "REVOKED")
_GPUS = re.compile(r"gpu(?::[^:,(]+)?[:=](\d+)")
_WAITS = ("Resources", "Priority")
_LIMITS = ("QOS", "Assoc", "Max", "AccountingPolicy")
_YEAR_DAYS = 365
_REASONS = {
    "Cleaning": "waiting until its last run has been cleaned up",
    "BeginTime": "waiting for its start time",
    "Dependency": "waiting for another job to end",
    "DependencyNeverSatisfied": "never starts: the job that it depends on failed",
    "InactiveLimit": "its partition's limit of idle time was reached",
    "JobArrayTaskLimit": "waiting: as many tasks of the array run as were allowed at once",
    "JobHeldAdmin": "held by an administrator",
    "JobHeldUser": "held by you; release it with: scontrol release",
    "JobHoldMaxRequeue": "held: it was requeued too often; release it with: scontrol release",
    "Licenses": "waiting for a licence",
    "NodeDown": "waiting: a node that it needs is down",
    "PartitionConfig": "waiting: it asks for more than a node of its partition has",
    "PartitionDown": "waiting: its partition is down",
    "PartitionInactive": "waiting: its partition is inactive",
    "PartitionNodeLimit": "waiting: it asks for more than its partition allows",
    "PartitionTimeLimit": "waiting: its time limit is longer than its partition allows",
    "Prolog": "waiting until the cluster has prepared its start",
    "QOSNotAllowed": "never starts: its partition does not allow its QOS",
    "ReqNodeNotAvail": "waiting: the node is drained, down or reserved",
    "Reservation": "waiting for its reservation",
    "ReservationDeleted": "never starts: its reservation was deleted",
    "SystemFailure": "Slurm itself failed",
    "DeadLine": "never starts: its deadline cannot be met",
    "BadConstraints": "never starts: no node has what it asks for",
    "InvalidAccount": "never starts: its account is not valid",
    "InvalidQOS": "never starts: its QOS is not valid",
}


@dataclass(frozen=True)
class Job:
    """A job, as the queue has it. The `id` of a task of an array is `ARRAY_TASK`, its `own_number`
    is what srun takes. `left` is how many seconds of its time limit are left, None
    without a limit; `comment` is what mlc noted about it, empty for jobs of others."""

    id: str
    own_number: str
    uid: int
    login: str
    state: str
    partition: str
    priority: int
    submitted: float
    nodes: str
    left: int | None
    gpus: int
    reason: str
    name: str
    comment: Mapping[str, object]

    @property
    def number(self) -> int:
        """The number of the job, or of the array that it is a task of."""
        return int(re.split(r"\D", self.id, maxsplit=1)[0])

    @property
    def is_waiting(self) -> bool:
        """Whether it has not begun."""
        return self.state in _WAITING

    @property
    def is_over(self) -> bool:
        """Whether nothing of it runs or waits any more."""
        return self.state in (*_OVER, *_NEVER_ENDED_WELL, "NODE_FAIL")

    @property
    def is_shown(self) -> bool:
        """Whether its user should hear of it: not if it ended as it should."""
        return self.state not in _OVER


def format_with(mark: str) -> str:
    """Return the format for `squeue -h -o`: each job begins with a mark, which nobody must be able
    to guess. A line without it is part of a comment, which any user can write."""
    return f"{mark}|{_FORMAT}"


def jobs_of(printed: str, mark: str) -> list[Job]:
    """Return the jobs that squeue printed in `format_with` the mark, in the order of their
    numbers."""
    begin = f"{mark}|"
    lines = (line for line in printed.splitlines() if line.startswith(begin))
    found = (_job(line.removeprefix(begin)) for line in lines)
    return sorted((each for each in found if each is not None), key=lambda job: job.number)


def state_of(job: Job, queue: Iterable[Job]) -> ServiceState:
    """Return the state of a job of mlc's, from the whole queue."""
    node, noted = job.nodes, str(job.comment.get(STATUS) or "")
    if job.is_waiting:
        return _waiting(job, queue)
    if job.state in _RUNNING:
        return _running(job, noted)
    if job.state == "CONFIGURING":
        return ServiceState(STARTING, f"{node} is being started for it", node)
    if job.state == "NODE_FAIL":
        status = f"{node} failed; the workspace and the pushed image are kept"
        return ServiceState(LOST, status, node)
    if job.state == "COMPLETING":  # Slurm says in a moment how it ended
        state = ENDED if noted == RUNS else STARTING
        return ServiceState(state, f"being stopped on {node}", node)
    return _ended(job, noted)


def _running(job: Job, noted: str) -> ServiceState:
    node = job.nodes
    if noted in ("", PULLING):
        return ServiceState(STARTING, f"{noted or 'starting'} on {node}", node)
    if noted != RUNS:  # it failed, and ends with this reason in a moment
        return ServiceState(STARTING, f"being stopped on {node}", node)
    if job.state in ("SUSPENDED", "STOPPED"):
        return ServiceState(RUNNING, f"suspended on {node}", node)
    left = ""
    if job.left is not None:
        left = f", {duration_in_words(job.left)} left of its time limit"
    return ServiceState(RUNNING, f"running on {node}{left}", node, None, job.own_number)


def _ended(job: Job, noted: str) -> ServiceState:
    node = job.nodes
    why = noted if noted not in (PULLING, RUNS) and job.state == "FAILED" else ""
    if not why and job.state == "FAILED" and job.reason not in ("", "None", "NonZeroExitCode"):
        why = _why_failed(job)
    why = why or _NEVER_ENDED_WELL.get(job.state, "")
    where = f"ended on {node}" if node else "ended"
    return ServiceState(ENDED, f"{where}: {why}" if why else where, node)


def _why_failed(job: Job) -> str:
    """Return Slurm's reason for a job whose step gave none."""
    if job.reason == "JobLaunchFailure":
        if job.comment.get(STATUS):
            return "mlc slurm-job, its process there, was killed"
        said = {key: str(value) for key, value in job.comment.items()}
        place = labels.given(said, labels.WORKSPACE) if BATCH in said else None
        return f"Slurm could not start it. Is {place or 'the home'} there, where its output goes?"
    return _REASONS.get(job.reason, job.reason).removeprefix("never starts: ")


def _job(line: str) -> Job | None:
    fields = line.split("|", _FIELDS)
    if len(fields) != _FIELDS + 1 or not fields[2].isdigit() or not fields[0][:1].isdigit():
        return None
    (identity, number, uid, login, state, partition, priority, submitted) = fields[:8]
    (nodes, left, gpus, reason, name, comment) = fields[8:]
    wanted = _GPUS.search(gpus)
    return Job(
        id=identity,
        own_number=number,
        uid=int(uid),
        login=login,
        state=state,
        partition=partition,
        priority=int(priority) if priority.isdigit() else 0,
        submitted=_seconds(submitted),
        nodes="" if nodes in ("(null)", "N/A") else nodes,
        left=_left(left),
        gpus=int(wanted[1]) if wanted else 0,
        reason=reason.strip("()"),
        name=name,
        comment=_comment(comment),
    )


def _comment(text: str) -> Mapping[str, object]:
    try:
        found = parsed(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _seconds(text: str) -> float:
    """Return a time as squeue prints it, in the host's own zone."""
    try:
        return time.mktime(time.strptime(text, "%Y-%m-%dT%H:%M:%S"))
    except (ValueError, OverflowError):
        return 0.0


def _left(text: str) -> int | None:
    """Return the seconds in `[DAYS-][[HOURS:]MINUTES:]SECONDS`; None for words, and for the year
    that Slurm's scheduler gives a job without a limit until it has started."""
    found = re.fullmatch(r"(?:(\d+)-)?(?:(\d+):)?(?:(\d+):)?(\d+)", text)
    if found is None:
        return None
    days = int(found[1] or 0)
    parts = [int(part) for part in text.rpartition("-")[2].split(":")]
    seconds = 0
    for part in parts:
        seconds = 60 * seconds + part
    return 86400 * days + seconds if days < _YEAR_DAYS else None


def _waiting(job: Job, queue: Iterable[Job]) -> ServiceState:
    reason = job.reason.partition(",")[0].strip()
    if reason == "None":
        return ServiceState(PLACING, "Slurm is looking for a node")
    if reason in _WAITS:
        first = (-job.priority, job.number)
        ahead = sum(
            other.state == "PENDING"
            and other.reason in _WAITS
            and other.partition == job.partition
            and (-other.priority, other.number) < first
            for other in queue
        )
        what = {0: "a node", 1: "a GPU"}.get(job.gpus, f"{job.gpus} GPUs")
        return ServiceState(QUEUED, f"waiting for {what}, {ahead} ahead", "", ahead)
    if reason.startswith("Nodes required for job are"):
        return ServiceState(QUEUED, _REASONS["ReqNodeNotAvail"])
    if reason not in _REASONS and reason.startswith(_LIMITS):
        status = f"waiting: a limit of your account or its QOS is reached ({reason})"
        return ServiceState(QUEUED, status)
    return ServiceState(QUEUED, _REASONS.get(reason, f"waiting: {job.reason}"))

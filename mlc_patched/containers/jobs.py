"""Jobs: commands that run in a container in the background. data/job.sh and data/run_job.sh keep a
record of each in the container's home, so a container has its jobs with it, running or stopped."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path

from ..context import Context
from ..engine.interface import Container
from ..errors import ConflictError, EngineError, EngineUnreachableError, NotFoundError
from ..lean import TYPE_CHECKING, dataclass, replace
from ..names.containers import short_name
from ..names.labels import MalformedLabelsError, read_claim
from ..units import rfc_3339
from .processes import processes_in

if TYPE_CHECKING:
    from typing import Any

RUNNING, ENDED, STOPPED, UNKNOWN = "running", "ended", "stopped", "unknown"
"""States of a job. STOPPED ended with its container, and of UNKNOWN nobody knows how it ended."""
KEPT = 20
"""How many jobs of a container are kept."""
MARK = "mlc-job"
"""Name of the scripts' processes, by which they are recognised."""
_DATA, _RUN = Path(__file__).parents[1] / "data", "run"
_BELOW_HOME = ".mlc/jobs"
_SIGNALLED = 128


@dataclass(frozen=True)
class Job:
    """A job of a container.

    `started` and `ended` are seconds since 1970, `words` are the command's, `kind` says what it
    was started for (empty: by `start`), and `output` is the path of its output in the container.
    """

    number: int
    state: str
    started: float
    words: tuple[str, ...]
    output: str
    exit_status: int | None = None
    ended: float | None = None
    kind: str = ""
    process: tuple[int, int] = (0, 0)
    """PID, and when that started, in ticks since the host's boot."""

    @cached_property
    def command(self) -> str:
        """The command as a line."""
        from shlex import join

        is_line = len(self.words) == 3 and self.words[:2] == ("bash", "-c")
        return self.words[2] if is_line else join(self.words)

    @property
    def status(self) -> str:
        """How it ended, such as `exit 3`; for one that runs, that."""
        if self.exit_status is None:
            return {STOPPED: "stopped", UNKNOWN: "ended, exit status unknown"}.get(
                self.state, self.state
            )
        with contextlib.suppress(ValueError):
            return f"exit {self.exit_status} ({signal.Signals(self.exit_status - _SIGNALLED).name})"
        return f"exit {self.exit_status}"

    def as_json(self) -> dict[str, Any]:
        """Return the job for `--json`."""
        return {
            "number": self.number,
            "state": self.state,
            "exit_status": self.exit_status,
            "command": self.command,
            "words": self.words,
            "started": rfc_3339(self.started),
            "ended": rfc_3339(self.ended),
            "output": self.output,
        }


def job_command(verb: str, directory: str, *arguments: str) -> tuple[str, ...]:
    """Return the command that runs data/job.sh, or run_job.sh, in a container."""
    file = _DATA / ("run_job.sh" if verb == _RUN else "job.sh")
    lines = file.read_text(encoding="utf-8").splitlines()
    script = "\n".join(line for line in lines if not line.startswith("#"))
    return ("/bin/sh", "-c", script, MARK, verb, directory, *arguments)


def directory_of(container: Container, context: Context) -> str:
    """Return where a container of the caller has its jobs: in the home of the account in it.

    Our containers say by their labels what the account is called; others are asked. Without an
    account, as AIME's mlc leaves it for logins that are not account names, there is no home.

    Raises:
        EngineError: a directory that it mounts is missing, which Docker would create.
    """
    context.check_mounts(container)
    account = context.account
    if account.is_root:
        return f"/root/{_BELOW_HOME}"
    with contextlib.suppress(MalformedLabelsError):
        if (claim := read_claim(container.labels)) is not None:
            return f"/home/{claim.username}/{_BELOW_HOME}"
    passwd = context.engine.read_file(container.id, "/etc/passwd") or b""
    for row in passwd.decode(errors="replace").splitlines():
        fields = row.split(":")
        if len(fields) == 7 and fields[2] == str(account.uid) and fields[5].startswith("/"):
            return f"{fields[5].rstrip('/')}/{_BELOW_HOME}"
    return f"/tmp/.mlc-{account.uid}/jobs"  # noqa: S108 - in the container, where users are alone


def jobs_of(container: Container, context: Context) -> list[Job]:
    """Return a container's jobs, oldest first.

    One engine call; one or two more if a job has no exit status and the container runs.

    Raises:
        EngineError: the engine did not answer.
    """
    found = _recorded(container, context)
    if all(job.exit_status is not None for job in found):
        return found
    if not container.is_running:
        return [_without_status(job, STOPPED) for job in found]
    activity = context.engine.activity(container.id)
    running = {_number(words) for words in activity.commands}
    # The container's clock shows whole seconds.
    since = int(activity.started or 0)
    found = [
        _without_status(job, STOPPED if job.started < since else UNKNOWN)
        if job.number not in running
        else job
        for job in found
    ]
    if any(job.state == UNKNOWN for job in found):
        return _checked(found, container, context)
    return found


def jobs_or_warning(container: Container, context: Context) -> list[Job]:
    """Return what `jobs_of` does; with a warning none if the engine cannot say, for example as a
    directory that the container mounts is missing.

    Raises:
        ConflictError, NotFoundError: the container has just been removed.
        EngineUnreachableError: the engine does not answer at all.
    """
    try:
        return jobs_of(container, context)
    except (ConflictError, NotFoundError, EngineUnreachableError):
        raise
    except EngineError as error:
        name = short_name(container.name)
        context.report.warn(f"The jobs of [{name}] are not shown: {error}")
        return []


def find_job(name: str, number: int | None, context: Context) -> tuple[Container, Job]:
    """Return a container of the user, and its job of this number, or else its last one.

    Raises:
        NotFoundError: there is no such container or job.
    """
    container = context.get(name)
    found = jobs_of(container, context)
    for job in reversed(found):
        if number in (None, job.number):
            return container, job
    if number is None:
        raise NotFoundError(
            f"{name} has run no command in the background.",
            f"Start one with: mlc start {name} -d 'COMMAND'",
        )
    raise NotFoundError(f"{name} has no job {number}.", f"See its jobs with: mlc jobs {name}")


def shown_job(found: Sequence[Job]) -> Job | None:
    """Return the job that says most about a container: the last that runs, else the last."""
    running = [job for job in found if job.state == RUNNING]
    return next(iter((*running[::-1], *found[::-1])), None)


def _checked(found: Sequence[Job], container: Container, context: Context) -> list[Job]:
    """Look for jobs in the container that the engine does not know: it may have been restarted
    while they went on, or they have just ended."""
    with contextlib.suppress(EngineError, NotFoundError):  # just stopped, or nothing can run
        there = {(each.pid, each.started) for each in processes_in(container, context)}
        found = [
            replace(job, state=RUNNING) if job.state == UNKNOWN and job.process in there else job
            for job in found
        ]
    if all(job.state != UNKNOWN for job in found):
        return list(found)
    now = {job.number: job for job in _recorded(container, context)}
    return [
        now.get(job.number, job) if job.state == UNKNOWN and _is_ended(now.get(job.number)) else job
        for job in found
    ]


def _is_ended(job: Job | None) -> bool:
    return job is not None and job.exit_status is not None


def _without_status(job: Job, state: str) -> Job:
    return replace(job, state=state) if job.exit_status is None else job


def _number(words: Sequence[str]) -> int | None:
    """Return the number of the job that a command in a container runs, if it does."""
    is_run = len(words) > 6 and words[3:5] == (MARK, _RUN) and words[6].isdigit()
    return int(words[6]) if is_run else None


def _recorded(container: Container, context: Context) -> list[Job]:
    """Return the jobs as recorded: those without an exit status as running."""
    directory = directory_of(container, context)
    files = context.engine.files_below(container.id, f"{directory}/records") or {}
    numbers = {name.partition("/")[0] for name in files if name.partition("/")[0].isdigit()}
    found = (_job(int(number), files, directory) for number in sorted(numbers, key=int))
    return [job for job in found if job is not None]


def _job(number: int, files: Mapping[str, bytes], directory: str) -> Job | None:
    """Return a job from the files of its record; None before it has started."""

    def integers(name: str) -> list[int]:
        words = files.get(f"{number}/{name}", b"").split()
        return [int(word) for word in words if word.isdigit()]

    started, status = integers("started"), integers("status")
    if len(started) != 3:
        return None
    is_ended = len(status) == 2
    words = files.get(f"{number}/command", b"").decode(errors="replace").split("\0")[:-1]
    return Job(
        number=number,
        state=ENDED if is_ended else RUNNING,
        started=started[0],
        words=tuple(words),
        output=f"{directory}/{number}.log",
        exit_status=status[0] if is_ended else None,
        ended=status[1] if is_ended else None,
        kind=files.get(f"{number}/kind", b"").decode(errors="replace").strip(),
        process=(started[1], started[2]),
    )

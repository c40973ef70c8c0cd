"""Slurm behind the interface: a container is a job, whose batch step creates and removes it."""

from __future__ import annotations

import contextlib
import math
import os
import re
import time
from collections.abc import Callable
from pathlib import Path

from ...context import Context
from ...engine.cluster import Node, Service
from ...engine.service import GPU_LABEL
from ...errors import AlreadyExistsError, EngineError, MlcError, NotFoundError, UsageError
from ...host.files import rights_of
from ...host.gpus import NONE
from ...host.remembered import Remembered
from ...interrupts import defer_signals
from ...lean import replace
from ...names import labels
from ...names.containers import SEPARATOR, container_tag, short_name
from ...plan.limits import NANO
from ...undo import Undo
from ...units import rfc_3339
from ..interface import Found, Step, Work
from ..state import LOST, RUNNING
from .commands import call, environment, own_program, path_of
from .job import (
    IMAGE,
    REQUEST,
    SCRIPT,
    VARIABLE,
    JobSpecification,
    as_text,
    comment_of,
    fitted,
    log_of,
    name_of_task,
    saving_of,
)
from .queue import BATCH, Job, format_with, jobs_of, state_of

_MIB = 1024**2
_GRES = re.compile(r"gpu(?::([^:,(]+))?:(\d+)")
_ARRAY = re.compile(r"[0-9,:-]+(?:%[0-9]+)?")
_WORD = re.compile(r"[^\s,]+")
_READY = ("idle", "mixed", "allocated", "completing", "planned", "reserved", "maint")
_END_SECONDS = 60.0
_POLL_SECONDS = 0.2
_FORGOTTEN = Remembered("retired-jobs", 2**14)
"""Jobs that have ended and were retired."""


class SlurmScheduler:
    """The cluster that Slurm's commands on this host belong to."""

    name = "Slurm"

    def __init__(self, context: Context) -> None:
        self._context = context

    def called(self, name: str) -> str:
        return container_tag(name, self._context.account.uid)

    def is_taken(self) -> Callable[[str], bool]:
        uid = self._context.account.uid
        taken = {job.name for job in self._queue() if job.uid == uid and not job.is_over}
        return lambda name: self.called(name) in taken

    def differences(self, work: Work) -> list[str]:
        container, notes = work.container, []
        if container.privileged:
            added = " ".join(self._context.settings.capabilities)
            notes.append(f"not privileged: its capabilities are {added}")
        if container.devices:
            notes.append(f"without the devices {', '.join(container.devices)}")
        return notes

    def submit(self, work: Work) -> str:
        token = os.urandom(8).hex()
        container = fitted(work.container, self._context.settings.capabilities)
        is_batch = bool(work.command)
        if is_batch:
            container = replace(container, command=work.command, interactive=False)
        comment = comment_of(container, token, is_batch=is_batch)
        job = JobSpecification(container, work.gpus, comment, is_batch)
        output = output_of(work) if is_batch else log_of(self._context.account.home, "ID")
        if "\\" in output:
            raise UsageError(
                f"Slurm cannot write its output to {output}: it removes the backslashes.",
                "Choose another workspace with -w DIR." if is_batch else "",
            )
        pattern = "%A_%a" if work.array else "%j"
        # Slurm replaces a % and what follows it.
        before, _, after = output.replace("%", "%%").rpartition("ID")
        return self._submit(job, ["--output", f"{before}{pattern}{after}", *_resources(work)])

    def _submit(self, job: JobSpecification, arguments: list[str]) -> str:
        """Submit a job with further arguments of sbatch, and return its ID; undo removes exactly
        this one, not another of the same name."""
        name, token = job.container.name, job.comment[REQUEST]
        argv = [
            *("--parsable", "--export=ALL", "--no-requeue", "--nodes=1", "--ntasks=1"),
            *("--job-name", name, "--comment", as_text(job.comment), "--chdir", "/"),
            *arguments,
        ]

        number = ""

        def remove() -> None:
            if number:
                # squeue may be what failed: the job must be ended without it, too.
                call(self._context, "scancel", "--quiet", number)
                with contextlib.suppress(EngineError):
                    self.cancel(number)
                return
            for each in self._queue():
                if each.comment.get(REQUEST) == token:
                    self.cancel(each.id)
                    self.forget(each.id)  # one that sbatch refused is remembered as failed

        with Undo(self._context.report) as undo:
            undo.add(f"The job {name}", remove)
            # If interrupted before Slurm answers, undo would find no job to remove.
            with defer_signals():
                said = call(
                    self._context, "sbatch", *argv, stdin=SCRIPT, **{VARIABLE: job.encoded()}
                )
            number = said.strip().partition(";")[0]
            if not job.is_batch:
                self._refuse_second(number, name)
            return number

    def entries(self, is_wanted: Callable[[Service], bool]) -> list[Found]:
        queue = self._queue()
        newest: dict[tuple[str, str], Found] = {}
        for job in queue:
            service = self._service(job)
            if service is None or not job.is_shown or not is_wanted(service):
                continue
            if job.is_over and self._is_forgotten(job):
                continue
            # One that has ended is shown until another one has its name.
            key = (service.name, "" if job.is_over else service.id)
            newest.pop((service.name, ""), None)
            newest[key] = Found(service, state_of(job, queue))
        return list(newest.values())

    def where(self, found: Found) -> Step:
        state, name = found.state, short_name(found.service.name)
        if state.state == LOST:
            raise MlcError(f"{state.node} failed, so {name} cannot be reached.")
        if state.state != RUNNING:
            raise MlcError(f"{name} has no container: {state.sentence}")
        if not state.container:  # Slurm starts no step in it, and srun would wait
            raise MlcError(
                f"{name} cannot be reached: it is {state.sentence}",
                f"It goes on when an administrator resumes it: scontrol resume {found.service.id}",
            )
        if self._context.environ.get("SLURM_JOB_ID") == state.container:
            # This is the node already; it would ask itself again and again.
            raise NotFoundError(
                f"The job {state.container} of {name} runs, but {state.node} has no such "
                "container: it may have been removed there.",
                f"End the job with: container-retire {name}",
            )
        srun = path_of("srun", self._context)
        job = (f"--jobid={state.container}", "--overlap", "--nodes=1", "--ntasks=1")
        # A step may not ask for more than the job has, whatever the caller's variables say.
        # The node may lack the directory where the command is typed.
        argv = (srun, "--quiet", *job, "--cpus-per-task=1", "--mem=0", "--chdir=/")
        plain, terminal = (*argv, own_program()), (*argv, "--pty", own_program())
        return Step(state.node, plain, terminal, environment(self._context))

    def cancel(self, identity: str) -> None:
        number, _, waiting = identity.partition("_[")

        def is_there() -> bool:
            # Which tasks of an array wait, `7_[1-9%2]`, changes as they start.
            return any(
                job.is_waiting and job.number == int(number) if waiting else job.id == identity
                for job in self._queue()
                if not job.is_over
            )

        if not is_there():
            return
        which = ("--state=PENDING", number) if waiting else (identity,)
        call(self._context, "scancel", *which)
        self._wait_until_not(is_there, identity)
        self._remove_files(identity)

    def forget(self, identity: str) -> None:
        """Slurm remembers a job that has ended until MinJobAge, so the user's home has a list of
        those that were retired."""
        account = self._context.account
        for job in self._queue():
            if job.id == identity and job.uid == account.uid and job.is_over:
                _FORGOTTEN.add(_key(job), "", account)
        self._remove_files(identity)

    def nodes(self) -> list[Node]:
        printed = call(self._context, "sinfo", "-h", "-N", "-o", "%N|%T|%G|%n")
        found = {}
        for line in printed.splitlines():
            name, state, gres, host = line.split("|")
            word = state.rstrip("*~#!%$@^-+")
            kinds = _GRES.findall(gres)
            is_drained = word.startswith("drain")
            found[name] = Node(
                id=host,
                hostname=name,
                state="ready" if (word in _READY or is_drained) and "*" not in state else "down",
                availability="drain" if is_drained else "active",
                labels={GPU_LABEL: kinds[0][0]} if kinds and kinds[0][0] else {},
                gpus=sum(int(count) for _, count in kinds),
            )
        return [found[name] for name in sorted(found)]

    def _is_forgotten(self, job: Job) -> bool:
        account = self._context.account
        return job.uid == account.uid and _FORGOTTEN.find(_key(job), account) is not None

    def _remove_files(self, identity: str) -> None:
        """Remove a job's files in the home: its own step does, unless it was ended before that."""
        account = self._context.account
        for file in (log_of(account.home, identity), saving_of(account.home, identity)):
            with contextlib.suppress(OSError), rights_of(account):
                Path(file).unlink()

    def _queue(self) -> list[Job]:
        mark = os.urandom(8).hex()
        words = ("-h", "--states=all", "-o", format_with(mark))
        return jobs_of(call(self._context, "squeue", *words), mark)

    def _service(self, job: Job) -> Service | None:
        """Return a job as a service; None if mlc did not submit it. Whose it is, Slurm says."""
        is_own_name = job.name.endswith(f"{SEPARATOR}{job.uid}")
        if REQUEST not in job.comment or not is_own_name:
            return None
        given = {key: str(value) for key, value in job.comment.items() if key != IMAGE}
        name = name_of_task(job.name, job.id) if BATCH in given else job.name
        account = self._context.account
        owner = account.login if job.uid == account.uid else job.login
        return Service(
            id=job.id,
            name=name,
            image=str(job.comment.get(IMAGE, "")),
            labels={**given, labels.OWNER: owner, labels.SERVICE: name},
            gpus=job.gpus,
            created=rfc_3339(job.submitted) or "",
        )

    def _refuse_second(self, number: str, name: str) -> None:
        """Refuse a job if another of the name was submitted at the same time, before it."""
        uid = self._context.account.uid
        same = [
            job for job in self._queue() if (job.uid, job.name) == (uid, name) and not job.is_over
        ]
        if any(job.number < int(number) for job in same):
            raise AlreadyExistsError(
                f"Another command has just put {short_name(name)} on the cluster.",
                "See it with: container-list",
            )

    def _wait_until_not(self, is_there: Callable[[], bool], identity: str) -> None:
        """Wait until a cancelled job has removed its container, so that its name is free."""
        deadline = time.monotonic() + _END_SECONDS
        with contextlib.suppress(EngineError):
            while is_there():
                if time.monotonic() > deadline:
                    self._context.report.warn(f"The job {identity} is still being ended by Slurm.")
                    return
                time.sleep(_POLL_SECONDS)


def _key(job: Job) -> str:
    """Return what names a job forever: Slurm may number from 1 again, and a token may be shared by
    the tasks of an array."""
    return f"{job.comment.get(REQUEST)}/{job.id}"


def _resources(work: Work) -> list[str]:
    """Return sbatch's arguments for what a container asks for."""
    placement, asked = work.placement, work.container.resources
    kind = f"{_word('--gpu-kind', placement.gpu_kind)}:" if placement.gpu_kind else ""
    argv = [f"--gres=gpu:{kind}{work.gpus}"] if work.gpus else [f"--gres={NONE}"]
    if asked.nano_cpus:
        argv.append(f"--cpus-per-task={math.ceil(asked.nano_cpus / NANO)}")
    if asked.memory:
        argv.append(f"--mem={math.ceil(asked.memory / _MIB)}M")
    if placement.node:
        argv.append(f"--nodelist={_word('--node', placement.node)}")
    if work.array:
        if not _ARRAY.fullmatch(work.array):
            raise UsageError(
                f"--array {work.array!r} is not understood.", "For example: 0-9, 1,3,5 or 0-99%4"
            )
        argv.append(f"--array={work.array}")
    # sbatch calls these as we do.
    for name in ("time", "partition", "account", "qos"):
        if value := getattr(placement, name):
            argv.append(f"--{name}={_word(f'--{name}', value)}")
    return argv


def output_of(work: Work) -> str:
    """Return the file with the output of a command, in the workspace; in its name, ID stands for
    the job's, or `ARRAY_TASK`."""
    return f"{work.container.binds[0].source}/{work.name}-ID.out"


def _word(flag: str, value: str) -> str:
    """Return a value that Slurm takes as one name, or raise UsageError."""
    if not _WORD.fullmatch(value):
        raise UsageError(f"{flag} {value!r}: one name, without blanks and commas.")
    return value

"""A fake Slurm: its commands as mlc calls them. The engine tests use a real one."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field, replace

from mlc_patched.cluster.slurm.job import SCRIPT, VARIABLE
from mlc_patched.context import Context
from mlc_patched.errors import SlurmError

AWAY = "Unable to contact slurm controller (connect failure)"


@dataclass(frozen=True)
class FakeJob:
    """A job: its user, its GPUs, the name, the comment, and where it is."""

    number: int
    uid: int
    login: str
    gpus: int
    name: str
    comment: str
    state: str = "PENDING"
    reason: str = "Resources"
    node: str = ""
    left: str = "UNLIMITED"


@dataclass
class FakeSlurm:
    """A queue of one partition with one GPU on each node; `reason` is why it does not answer."""

    nodes: tuple[str, ...] = ("n1", "n2")
    reason: str = ""
    jobs: dict[int, FakeJob] = field(default_factory=dict)
    submitted: list[tuple[tuple[str, ...], dict[str, str]]] = field(default_factory=list)

    def call(
        self, context: Context, program: str, *arguments: str, stdin: str = "", **variables: str
    ) -> str:
        """Stand for `commands.call`."""
        if self.reason:
            raise SlurmError(f"Slurm's {program} failed: {self.reason}")
        if program == "sbatch":
            assert stdin == SCRIPT
            self.submitted.append((arguments, variables))
            return f"{self.add(context, arguments, variables).number}\n"
        if program == "scancel":
            self.end(int(arguments[-1]), "CANCELLED")
            return ""
        if program == "squeue":
            mark = arguments[-1].partition("|")[0]
            return "".join(f"{mark}|{self._line(job)}" for job in self.jobs.values())
        if program == "sinfo":
            return "".join(f"{node}|idle|gpu:1|{node}.lab\n" for node in self.nodes)
        raise AssertionError(program)

    def add(
        self, context: Context, arguments: tuple[str, ...], variables: dict[str, str]
    ) -> FakeJob:
        """Put a job into the queue."""
        words = list(arguments)
        job = FakeJob(
            number=len(self.jobs) + 1,
            uid=context.account.uid,
            login=context.account.login,
            gpus=json.loads(variables[VARIABLE])["gpus"],
            name=words[words.index("--job-name") + 1],
            comment=words[words.index("--comment") + 1],
        )
        self.jobs[job.number] = job
        self._place()
        return self.jobs[job.number]

    def tell(self, number: int, **words: str) -> None:
        """Change the comment of a job, as its node does."""
        job = self.jobs[number]
        comment = json.dumps({**json.loads(job.comment), **words})
        self.jobs[number] = replace(job, comment=comment)

    def end(self, number: int, state: str) -> None:
        """End a job; the next one takes its GPU."""
        self.jobs[number] = replace(self.jobs[number], state=state)
        self._place()

    def _place(self) -> None:
        for job in self.jobs.values():
            taken = {each.node for each in self.jobs.values() if each.state == "RUNNING"}
            free = next((node for node in self.nodes if node not in taken), None)
            if job.state == "PENDING" and (free or not job.gpus):
                node = free or self.nodes[0]
                self.jobs[job.number] = replace(job, state="RUNNING", reason="None", node=node)
                self.tell(job.number, status="runs")

    @staticmethod
    def _line(job: FakeJob) -> str:
        submitted = time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(job.number))
        gres = f"gres:gpu:{job.gpus}" if job.gpus else "N/A"
        number = job.number
        fields = (
            *(number, number, job.uid, job.login, job.state, "main", 100 - number, submitted),
            *(job.node, job.left, gres, f"({job.reason})" if not job.node else "None"),
            *(job.name, job.comment),
        )
        return "|".join(map(str, fields)) + "\n"

"""The processes in a running container, and what its user would call them."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath

from ..context import Context
from ..engine.interface import Container
from ..errors import EngineError, NotFoundError, shown
from ..lean import dataclass
from ..names.containers import short_name
from ..units import LONG, duration_in_words

_MARK = "mlc-processes"
_LOOK = """\
cat /proc/uptime /proc/[0-9]*/stat
echo
head -v -c 4096 /proc/[0-9]*/cmdline
:"""
"""Ends with exit status 0 although a process may have ended before its file was read."""
_UPTIME = re.compile(r"\d+\.\d+ ")
_STAT = re.compile(r"^(\d+) \((.*)\) (\S) (.*)$", re.M)
_COMMAND = re.compile(r"^==> /proc/(\d+)/cmdline <==$\n", re.M)
"""As head(1) begins each file, in GNU's version and BusyBox's."""
_TICKS = 100
"""Ticks in a second: USER_HZ, the same on every Linux that runs containers (proc(5))."""
_JOB = "mlc-job"
_SHELLS = frozenset({"ash", "bash", "dash", "fish", "ksh", "sh", "zsh"})
_INTERPRETERS = re.compile(r"(?:python|perl|ruby|node)[0-9.]*")


@dataclass(frozen=True)
class Process:
    """A process; `started` in ticks since the host's boot, `seconds` since then."""

    pid: int
    parent: int
    started: int
    seconds: float
    words: tuple[str, ...]


@dataclass(frozen=True)
class Program:
    """What somebody started in a container, and for how many seconds it has run."""

    name: str
    seconds: float

    def __str__(self) -> str:
        return f"{self.name} has run for {duration_in_words(self.seconds, LONG)}"


def processes_in(container: Container, context: Context) -> list[Process]:
    """Return the processes in a running container.

    Raises:
        ConflictError: it does not run, or is paused.
        EngineError: no command can be run in it; it may have reached its limit of processes.
    """
    status, said = context.engine.exec_run(
        container.id, ("/bin/sh", "-c", f"({_LOOK}) 2>/dev/null", _MARK), "0:0"
    )
    if status or not _UPTIME.match(said):
        raise EngineError(
            f"The processes in {short_name(container.name)} cannot be listed (exit status "
            f"{status}: {shown(said.strip())})."
        )
    return list(read_processes(said))


def programs_in(container: Container, context: Context) -> list[Program]:
    """Return what runs in a container, longest first: not the processes that belong to it."""
    found = _programs(processes_in(container, context))
    return sorted(found, key=lambda each: each.seconds, reverse=True)


def say_what_ends(container: Container, context: Context) -> None:
    """Report what runs in a container that is to be stopped, if anything."""
    if not container.is_running:
        return
    with contextlib.suppress(EngineError, NotFoundError):  # it is paused, or has just stopped
        for each in programs_in(container, context):
            context.report.note(f"[{short_name(container.name)}] {each} and will end.")


def read_processes(said: str) -> Iterator[Process]:
    """Yield the processes that _LOOK printed."""
    first, _, rest = said.partition("\n\n")
    _, *parts = _COMMAND.split(rest)
    words = dict(zip(map(int, parts[::2]), parts[1::2], strict=True))
    uptime = float(first.partition(" ")[0])
    for pid, _, state, numbers in _STAT.findall(first):
        fields = numbers.split()
        command = words.get(int(pid), "").rstrip("\n").rstrip("\0")
        if state != "Z" and command and len(fields) > 18:
            started = int(fields[18])
            seconds = uptime - started / _TICKS
            yield Process(int(pid), int(fields[0]), started, seconds, tuple(command.split("\0")))


def _programs(processes: Iterable[Process]) -> Iterator[Program]:
    children: dict[int, list[Process]] = {}
    for each in processes:
        children.setdefault(each.parent, []).append(each)

    def below(parent: int) -> Iterator[Program]:
        for each in children.get(parent, ()):
            if each.pid == 1 or _is_ours(each.words):
                continue
            inside = list(below(each.pid)) if _is_only_around(each.words) else []
            if inside:
                yield from inside
            elif not _is_only_around(each.words):
                yield Program(name_of(each.words), each.seconds)

    # Docker's own commands have no parent inside; those whose parent has ended have the first.
    yield from below(0)
    yield from below(1)


def _is_ours(words: tuple[str, ...]) -> bool:
    """Whether mlc runs a process for itself, as to follow a job; in the shell of a job it is the
    user's program that runs."""
    return _MARK in words[:4] or (_JOB in words[:4] and words[4:5] != ("run",))


def _is_only_around(words: tuple[str, ...]) -> bool:
    """Whether a process matters only by what runs in it: an interactive shell, or job.sh."""
    if _JOB in words[:4]:
        return True
    name = PurePosixPath(words[0]).name.lstrip("-")
    return name in _SHELLS and all(word.startswith("-") and "c" not in word for word in words[1:])


def name_of(words: tuple[str, ...]) -> str:
    """Return what a user calls a process: `python3 train.py`, `jupyter-lab`, or a shell's line."""
    name = PurePosixPath(words[0]).name
    if name in _SHELLS and len(words) > 2 and words[1] == "-c":
        return _shortened(words[2])
    rest = words[1:]
    script = PurePosixPath(rest[0]) if rest else PurePosixPath()
    if _INTERPRETERS.fullmatch(name) and script.parent.name == "bin":
        name, rest = script.name, rest[1:]
    said = [name]
    for word in rest:
        if word.startswith("--"):
            break
        said.append(word)
    return _shortened(" ".join(said))


def _shortened(text: str, longest: int = 40) -> str:
    text = " ".join(text.split())
    return text if len(text) <= longest else f"{text[: longest - 1]}…"

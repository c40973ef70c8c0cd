"""Jobs in the fake engine: what data/job.sh and data/run_job.sh leave in a container."""

from __future__ import annotations

import time
from collections.abc import MutableMapping, Sequence

NOW = time.time()
RECORDS = "/home/alice/.mlc/jobs/records"


def act(command: Sequence[str], files: MutableMapping[str, bytes]) -> str | None:
    """Do what a script of jobs does to a container's files; return its output, or None if the
    command is another one."""
    if tuple(command[3:4]) != ("mlc-job",):
        return None
    verb, directory, *arguments = command[4:]
    if verb == "prepare":
        numbers = [name.split("/")[-2] for name in files if name.startswith(f"{directory}/records")]
        number = max(map(int, numbers), default=0) + 1
        _, kind, *words = arguments
        files[f"{directory}/records/{number}/kind"] = kind.encode()
        files[f"{directory}/records/{number}/command"] = "".join(f"{w}\0" for w in words).encode()
        return f"{number}\n"
    if verb == "run":
        files[f"{directory}/records/{arguments[0]}/started"] = b"%d 7 70\n" % time.time()
        files[f"{directory}/{arguments[0]}.log"] = b""
    return ""


def record(
    number: int, *words: str, started: float = NOW, status: int | None = None, kind: str = ""
) -> dict[str, bytes]:
    """Return the files of a job's record, of one that ended now if a status is given."""
    place = f"{RECORDS}/{number}"
    found = {
        f"{place}/command": "".join(f"{word}\0" for word in words).encode(),
        f"{place}/kind": f"{kind}\n".encode(),
        f"{place}/started": b"%d %d %d\n" % (started, number, 10 * number),
        f"{RECORDS.rpartition('/')[0]}/{number}.log": b"first\nlast\n",
    }
    if status is not None:
        found[f"{place}/status"] = b"%d %d\n" % (status, NOW)
    return found

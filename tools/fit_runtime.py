"""Print the sed script of tools/fit-runtime for this host: test equipment, never for a server.

A privileged container requests every capability, and unlimited memlock is a limit above the
host's. If the engine itself lacks CAP_SYS_RESOURCE (in some virtual machines and CI sandboxes),
runc can grant neither and refuses to start the container. The script removes from the request
what this process does not have itself. `tools/engine.sh up` configures it for dockerd on such
hosts only. sed, as every container and every command in one waits for this.
"""

from __future__ import annotations

import resource
from collections.abc import Iterator
from pathlib import Path

# linux/capability.h, in numerical order; config.json has the names, /proc the numbers.
# fmt: off
CAPABILITIES = (
    "CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID",
    "SETPCAP", "LINUX_IMMUTABLE", "NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW",
    "IPC_LOCK", "IPC_OWNER", "SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT", "SYS_PTRACE", "SYS_PACCT",
    "SYS_ADMIN", "SYS_BOOT", "SYS_NICE", "SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD",
    "LEASE", "AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP", "MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG",
    "WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ", "PERFMON", "BPF", "CHECKPOINT_RESTORE",
)
# fmt: on


def lacking() -> list[str]:
    """Return the capabilities that this process cannot give."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    line = next(line for line in status.splitlines() if line.startswith("CapBnd:"))
    bits = int(line.split()[1], 16)
    return [f"CAP_{name}" for number, name in enumerate(CAPABILITIES) if not bits >> number & 1]


def script() -> Iterator[str]:
    """Yield the lines of the script. JSON as Go writes it: on one line, without blanks."""
    for name in lacking():
        yield f's/"{name}",//g'
        yield f's/,"{name}"]/]/g'
        yield f's/\\["{name}"]/[]/g'
    for limit in (name for name in dir(resource) if name.startswith("RLIMIT_")):
        own = resource.getrlimit(getattr(resource, limit))[1]
        if limit == "RLIMIT_NPROC":  # to which Podman lowers its own limit
            own = min(own, int(Path("/proc/sys/kernel/pid_max").read_text(encoding="ascii")))
        if own != resource.RLIM_INFINITY:
            large = r"\|".join(larger(str(own)))
            head = f'"type":"{limit}","hard":'
            yield f"s/\\({head}\\)\\({large}\\)/\\1{own}/g"
            yield f's/\\({head}[0-9]*,"soft":\\)\\({large}\\)/\\1{own}/g'


def larger(number: str) -> Iterator[str]:
    """Yield the regular expressions of the numbers that are larger; sed cannot compare."""
    yield rf"[0-9]\{{{len(number) + 1},\}}"
    for place, digit in enumerate(number):
        if digit != "9":
            rest = len(number) - place - 1
            yield rf"{number[:place]}[{int(digit) + 1}-9][0-9]\{{{rest}\}}"


if __name__ == "__main__":
    print("\n".join(script()))

"""runc for a host that lacks a capability: test equipment, never for a server.

A privileged container requests every capability, and unlimited memlock is a limit above the
host's. If the engine itself lacks CAP_SYS_RESOURCE (in some virtual machines and CI sandboxes),
runc can grant neither and refuses to start the container. This program removes from the request
what this process does not have itself, then runs runc. `tools/engine.sh up` configures it for
dockerd on such hosts only.
"""

# No pathlib: every container and every exec waits for this. runc is on dockerd's PATH.
# ruff: noqa: PTH118, PTH123, S606, S607
from __future__ import annotations

import json
import os
import resource
import sys

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


def held_capabilities() -> set[str]:
    with open("/proc/self/status", encoding="ascii") as status:
        line = next(line for line in status if line.startswith("CapBnd:"))
    bits = int(line.split()[1], 16)
    return {f"CAP_{name}" for number, name in enumerate(CAPABILITIES) if bits >> number & 1}


def fit(process: dict) -> None:
    """Reduce an OCI process object, in place, to what this process may grant."""
    held = held_capabilities()
    for kind, names in process.get("capabilities", {}).items():
        process["capabilities"][kind] = [name for name in names or [] if name in held]
    for limit in process.get("rlimits", []):
        own = resource.getrlimit(getattr(resource, limit["type"]))[1]
        if own != resource.RLIM_INFINITY:
            limit["hard"] = min(limit["hard"], own)
            limit["soft"] = min(limit["soft"], own)


def option(arguments: list[str], *names: str) -> str | None:
    for position, argument in enumerate(arguments):
        for name in names:
            if argument == name:
                return arguments[position + 1]
            if argument.startswith(name + "="):
                return argument[len(name) + 1 :]
    return None


def rewrite(path: str, within: str | None) -> None:
    with open(path, encoding="utf-8") as request:
        document = json.load(request)
    fit(document[within] if within else document)
    with open(path, "w", encoding="utf-8") as request:
        json.dump(document, request)


def main(arguments: list[str]) -> None:
    if "create" in arguments or "run" in arguments:
        rewrite(os.path.join(option(arguments, "--bundle", "-b") or ".", "config.json"), "process")
    elif "exec" in arguments:
        process_file = option(arguments, "--process", "-p")
        if process_file:
            rewrite(process_file, None)
    os.execvp("runc", ["runc", *arguments])


main(sys.argv[1:])

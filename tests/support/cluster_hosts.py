"""The hosts of a cluster, simulated on this machine.

Each has its own network, host name, processes, /etc/docker, /run and Docker's directories, by
namespaces(7). Everything else is this machine's, including the homes, as on servers that share
them. Nothing of a host outlives its first process.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from support import worker
from support.users import SYSTEM_PATH

HERE = Path(__file__).resolve().parents[1]
EQUIPMENT = Path("/var/lib/mlc-patched/engine")
PLACE = Path(f"/var/tmp/mlc-hosts-{worker.NUMBER}")
CAP_SYS_RESOURCE = 24  # linux/capability.h
_MADE = Path("/var/tmp/mlc-hosts-made")
"""Lists the directories created on this machine as mount points for the hosts, one per line."""
_UMASK = 0o022  # root's on a server, whoever runs the tests
_OWN = {
    "run": "/run",
    "etc-docker": "/etc/docker",
    "lib-docker": "/var/lib/docker",
    "etc-ds01": "/etc/ds01",
    "registry": "/var/lib/docker-registry",
    "etc-slurm": "/etc/slurm",
    "etc-munge": "/etc/munge",
    "lib-slurm": "/var/lib/slurm",
}
"""Directories that each host has to itself, by their names in `place`."""
_FIRST = """\
set -e
cd /
hostname "$1"
for own in "${@:3}"; do mount --bind "$2/${own%%:*}" "${own#*:}"; done
mount --bind "$2/hosts" /etc/hosts
mount --bind "$2/resolv.conf" /etc/resolv.conf
ip link set lo up
echo ready >"$2/ready"
while :; do sleep 1000 & wait $!; done
"""
"""The script of the first process. While it waits, it also reaps orphans."""


@dataclass(frozen=True)
class Host:
    """A host: its name, its address, and the PID of its first process on this machine."""

    name: str
    address: str
    process: int

    @property
    def place(self) -> Path:
        """The directory on this machine that contains its directories."""
        return PLACE / self.name

    @property
    def docker_host(self) -> str:
        """DOCKER_HOST of its engine, for commands that run on this machine."""
        return f"unix://{self.place}/run/docker.sock"

    def argv(self, command: Sequence[str | Path]) -> list[str]:
        """Return the command line that runs a command on the host."""
        inside = ("--net", "--mount", "--uts", "--pid")
        return ["nsenter", f"--target={self.process}", *inside, "--", *map(str, command)]

    def run(
        self, *command: str | Path, stdin: str = "", timeout: float = 60, **environ: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a command on the host as root, and wait for its end."""
        return subprocess.run(
            self.argv(command),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
            umask=_UMASK,
            env={"HOME": "/root", "PATH": self.path, "HOST_DOCKERD": _fit(), **environ},
        )

    @property
    def path(self) -> str:
        """PATH on the host: replacements for programs that this machine lacks come first."""
        return f"{PLACE}/bin:{EQUIPMENT}/bin:{SYSTEM_PATH}"

    def kill_engine(self) -> None:
        """Kill dockerd and containerd, as a crash would; the processes of containers go on."""
        for name in ("docker.pid", "docker/containerd/containerd.pid"):
            number = (self.place / "run" / name).read_text().strip()
            self.run("kill", "-9", number)


@contextlib.contextmanager
def hosts(names: Sequence[str]) -> Iterator[list[Host]]:
    """Start two hosts that are connected and know each other's names.

    What a killed run left of them is removed first.
    """
    _remove()
    umask = os.umask(_UMASK)
    try:
        shutil.copytree(HERE / "hosts", PLACE / "bin")
        PLACE.chmod(0o755)
        made = [_start(name, f"10.20.0.{number}", names) for number, name in enumerate(names, 11)]
        _connect(made)
        os.umask(umask)
        yield made
    finally:
        os.umask(umask)
        _remove()


def _start(name: str, address: str, names: Sequence[str]) -> Host:
    place = PLACE / name
    for own in _OWN:
        (place / own).mkdir(parents=True)
    shutil.chown(place / "registry", "docker-registry", "docker-registry")
    known = [f"10.20.0.{number} {each}" for number, each in enumerate(names, 11)]
    # As installed by `make install`.
    shutil.copy(HERE.parent / "etc" / "mlc.ini", place / "etc-ds01" / "mlc.ini")
    (place / "resolv.conf").touch()  # the machine's DNS cannot be reached from there
    (place / "hosts").write_text("\n".join(("127.0.0.1 localhost", *known, "")))
    binds = [f"{own}:{path}" for own, path in _OWN.items()]
    apart = ("--net", "--mount", "--uts", "--pid", "--fork", "--mount-proc", "--kill-child")
    argv = ["unshare", *apart, "bash", "-c", _FIRST, "bash", name, str(place), *binds]
    with _mount_points(), (place / "log").open("w") as log:
        for path in _OWN.values():
            if not Path(path).exists():
                Path(path).mkdir(parents=True)
                with _MADE.open("a") as made:
                    made.write(f"{path}\n")
        started = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
        (place / "unshare.pid").write_text(str(started.pid))
    deadline = time.monotonic() + 30
    while not (place / "ready").exists():
        assert started.poll() is None, (place / "log").read_text()
        assert time.monotonic() < deadline, f"{name} is not ready"
        time.sleep(0.02)
    [first] = Path(f"/proc/{started.pid}/task/{started.pid}/children").read_text().split()
    return Host(name, address, int(first))


def _connect(made: Sequence[Host]) -> None:
    one, two = made
    ends = ("netns", str(one.process), "type", "veth", "peer", "name", "eth0", "netns")
    _call(["ip", "link", "add", "eth0", *ends, str(two.process)])
    for host in made:
        _call(host.argv(("ip", "address", "add", f"{host.address}/24", "dev", "eth0")))
        _call(host.argv(("ip", "link", "set", "eth0", "up")))
        # The engine requires a default route before it joins a Swarm; a server has one.
        _call(host.argv(("ip", "route", "add", "default", "dev", "eth0")))


def _remove() -> None:
    for number in PLACE.glob("*/unshare.pid"):
        process = number.read_text().strip()
        with contextlib.suppress(OSError):
            words = Path(f"/proc/{process}/cmdline").read_bytes().split(b"\0")
            if words[0] == b"unshare" and str(number.parent).encode() in words:
                os.kill(int(process), signal.SIGKILL)  # and with it the first process of the host
                _wait_for_end(int(process))
    for container in PLACE.glob("*/lib-docker/containers/*"):
        for left in Path("/sys/fs/cgroup").glob(f"*/docker/{container.name}"):
            with contextlib.suppress(OSError):
                left.rmdir()
    deadline = time.monotonic() + 30
    while PLACE.exists():
        # The kernel removes the mounts of a dead host a moment later.
        shutil.rmtree(PLACE, ignore_errors=True)
        assert time.monotonic() < deadline, f"{PLACE} cannot be removed"
        time.sleep(0.05)
    with _mount_points():
        if not any(Path("/var/tmp").glob("mlc-hosts-[0-9]*/*/unshare.pid")) and _MADE.exists():
            for path in _MADE.read_text().splitlines():
                with contextlib.suppress(OSError):
                    Path(path).rmdir()
            _MADE.unlink()


@contextlib.contextmanager
def _mount_points() -> Iterator[None]:
    """Nobody else makes or removes the directories of this machine that hosts have in common."""
    with Path("/var/tmp/mlc-hosts.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _wait_for_end(process: int) -> None:
    with contextlib.suppress(ChildProcessError):
        os.waitpid(process, 0)


def _call(argv: Sequence[str]) -> None:
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{argv}: {done.stderr}"


def _fit() -> str:
    bits = next(
        line.split()[1]
        for line in Path("/proc/self/status").read_text().splitlines()
        if line.startswith("CapBnd:")
    )
    if int(bits, 16) >> CAP_SYS_RESOURCE & 1:
        return ""
    return f"--add-runtime fit={EQUIPMENT}/fit-runtime --default-runtime fit"

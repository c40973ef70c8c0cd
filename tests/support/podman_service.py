"""Podman's Docker-compatible service, run by root or by a user, for `make engines`."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from support.users import ROOT, SYSTEM_PATH, User

START_SECONDS = 60
OWN = Path("/usr/bin")
"""Where this machine's own Podman is."""
NEWER = Path("/var/cache/mlc-patched/podman/sid")
"""Where Debian sid's is put."""
NEWER_PACKAGES = ("podman", "conmon", "netavark", "aardvark-dns", "passt", "catatonit")
NEWER_PROGRAMS = (
    *("podman", "conmon", "netavark", "aardvark-dns", "pasta", "catatonit", "rootlessport"),
)
GPUS = {
    "cdiVersion": "0.5.0",
    "kind": "nvidia.com/gpu",
    "devices": [
        {
            "name": name,
            "containerEdits": {
                "mounts": [
                    {
                        "hostPath": "/etc/hostname",
                        "containerPath": f"/mlc-gpu-{name}",
                        "options": ["ro", "bind"],
                    }
                ]
            },
        }
        for name in ("0", "1", "all")
    ],
}
"""GPUs for a machine without any, in place of the hook that tools/engine.sh gives Docker."""
CONFIGURATION = """\
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "fit"
cdi_spec_dirs = ["/etc/cdi", "{gpus}"]
conmon_path = ["{programs}/conmon"]
helper_binaries_dir = ["{programs}", "/usr/libexec/podman", "/usr/lib/podman"]
[containers]
base_hosts_file = "{hosts}"
[network]
firewall_driver = "iptables"
[engine.runtimes]
fit = ["{runtime}"]
"""


@contextlib.contextmanager
def service(user: User | None, programs: Path = OWN) -> Iterator[str]:
    """Start Podman's service on a socket.

    The runtime is tools/fit-runtime, as for the tests' dockerd, with runc below it.

    Args:
        user: who runs the service; root if None.
        programs: the directory with the program of Podman.

    Yields:
        The address.
    """
    place = Path(tempfile.mkdtemp(prefix="mlc-podman-", dir="/var/tmp"))
    run, storage, socket = place / "run", place / "storage", place / "podman.sock"
    try:
        for directory in (run, storage):
            directory.mkdir()
        runtime, fit = place / "fit-runtime", place / "fit.sed"
        shutil.copy(ROOT / "tools/fit-runtime", runtime)
        script = subprocess.run(
            [sys.executable, ROOT / "tools/fit_runtime.py"], stdout=subprocess.PIPE, check=True
        )
        fit.write_bytes(script.stdout)
        settings, hosts, gpus = place / "containers.conf", place / "hosts", place / "cdi"
        gpus.mkdir()
        (gpus / "nvidia.json").write_text(json.dumps(GPUS))
        # Of the host's own file, Podman takes one line for each address.
        hosts.write_text(f"127.0.1.1 {platform.node()}\n")
        settings.write_text(
            CONFIGURATION.format(runtime=runtime, programs=programs, hosts=hosts, gpus=gpus),
            encoding="utf-8",
        )
        for path in (place, settings, hosts, gpus, runtime, fit):
            path.chmod(0o755)
        environ = {"CONTAINERS_CONF": str(settings), "STORAGE_DRIVER": "overlay"}
        options = ["--root", storage, "--runroot", run]
        argv = [programs / "podman", *options, "system", "service", "--time=0", f"unix://{socket}"]
        if user is None:
            environ = {"PATH": SYSTEM_PATH, "HOME": "/root", **environ}
        else:
            for path in (place, run, storage):
                os.chown(path, user.uid, user.gid)
            argv = user.argv(argv, XDG_RUNTIME_DIR=str(run), **environ)
            environ = {"PATH": SYSTEM_PATH}
        _have_message_queues()
        with (place / "log").open("wb") as log:
            engine = subprocess.Popen(
                list(map(str, argv)), env=environ, stdout=log, stderr=log, cwd="/"
            )
        try:
            _wait(socket, engine, place / "log")
            if user is None:
                shutil.chown(socket, group="docker")
                socket.chmod(0o660)
            yield f"unix://{socket}"
        finally:
            engine.terminate()
            engine.wait(timeout=30)
            if user is not None:
                _end_processes_of(user)
    finally:
        _remove(place, [programs / "podman", *options], user, environ)


def newer() -> Path:
    """Return the directory of Debian sid's Podman, which is fetched once."""
    tool = ROOT / "tools/debian-programs.sh"
    argv: list[str | Path] = [tool, "sid", NEWER, *NEWER_PACKAGES, "--", *NEWER_PROGRAMS]
    subprocess.run(argv, check=True)
    return NEWER / "engine"


def _remove(
    place: Path, podman: list[str | Path], user: User | None, environ: Mapping[str, str]
) -> None:
    """Remove its directory. A rootless engine's files belong to subordinate UIDs of the user."""
    argv: list[str | Path] = [*podman, "unshare", "rm", "-rf", place / "storage"]
    if user is not None:
        argv = list(user.argv(argv, XDG_RUNTIME_DIR=str(place / "run")))
        subprocess.run(argv, check=False, capture_output=True, cwd="/")
    for line in Path("/proc/mounts").read_text().splitlines():
        if (mounted := line.split()[1]).startswith(f"{place}/"):
            subprocess.run(["umount", "-l", mounted], check=False, capture_output=True)
    shutil.rmtree(place, ignore_errors=True)


def _end_processes_of(user: User) -> None:
    """Kill what a rootless engine leaves running: its namespace's process, and containers."""
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if process.stat().st_uid == user.uid:
                os.kill(int(process.name), signal.SIGKILL)


def _have_message_queues() -> None:
    """Mount /dev/mqueue if necessary: a rootless engine binds it for `--ipc host`."""
    place = Path("/dev/mqueue")
    if not place.is_mount():
        place.mkdir(exist_ok=True)
        subprocess.run(["mount", "-t", "mqueue", "mqueue", place], check=True)


def _wait(socket: Path, engine: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    version = ["docker", "-H", f"unix://{socket}", "version"]
    while subprocess.run(version, check=False, capture_output=True).returncode != 0:
        assert engine.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.2)

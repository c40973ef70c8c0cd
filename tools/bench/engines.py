"""Engines started for the benchmark: empty, and each in its own network namespace."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from mlc_patched.engine.docker import DockerEngine
from mlc_patched.errors import EngineError

BRIDGE = "mlcbench"
"""The bridge of an engine with a network; `--bridge none` would remove the machine's docker0."""
_SUBNET = "172.30.99.1/24"  # below those of tools/engine.sh
_SECONDS = 60
_PATH = f"{os.environ['PATH']}:/usr/local/sbin:/usr/sbin:/sbin"


@dataclass
class OwnEngine:
    """A dockerd started by this run, and the directory of its files.

    With `has_network` its containers reach the machine's network, can be privileged, and can mount
    `/` as distrobox does, which needs shared mounts: systemd makes them so, a sandbox often not.
    """

    root: Path
    has_network: bool = False
    process: subprocess.Popen[bytes] | None = None
    environ: dict[str, str] = field(default_factory=dict)

    @property
    def address(self) -> str:
        """Its DOCKER_HOST."""
        return f"unix://{self.root}/docker.sock"

    @property
    def data(self) -> Path:
        """Its data directory."""
        return self.root / "data"

    def start(self) -> float:
        """Start it and return the seconds until it answers.

        Raises:
            RuntimeError: it does not answer.
        """
        begin = time.perf_counter()
        options = [
            *("--data-root", str(self.data), "--exec-root", str(self.root / "exec")),
            *("--pidfile", str(self.root / "pid"), "--host", self.address),
            *("--bridge", BRIDGE if self.has_network else "none", "--iptables=false"),
        ]
        apart = ["--net"]
        if self.has_network:
            subprocess.run(["ip", "link", "add", BRIDGE, "type", "bridge"], check=True)
            subprocess.run(["ip", "address", "add", _SUBNET, "dev", BRIDGE], check=True)
            apart = ["--mount", "--propagation", "shared"]
            options += _runtime()
        log = (self.root / "log").open("ab")
        self.process = subprocess.Popen(
            ["unshare", *apart, "dockerd", *options],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={**os.environ, "PATH": _PATH},
            start_new_session=True,
        )
        log.close()
        while time.perf_counter() - begin < _SECONDS:
            with contextlib.suppress(EngineError):
                self.connect()
                return time.perf_counter() - begin
            if self.process.poll() is not None:
                break
            time.sleep(0.02)
        text = (self.root / "log").read_text(errors="replace")
        raise RuntimeError(f"an engine for the benchmark did not start:\n{text[-2000:]}")

    def stop(self) -> None:
        """Stop it and wait until it is gone."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait(timeout=_SECONDS)
            self.process = None
        if self.has_network:
            subprocess.run(["ip", "link", "delete", BRIDGE], check=False)

    def connect(self) -> DockerEngine:
        """Return a connection to it."""
        before = os.environ.get("DOCKER_HOST")
        os.environ["DOCKER_HOST"] = self.address
        try:
            return DockerEngine()
        finally:
            if before is None:
                del os.environ["DOCKER_HOST"]
            else:
                os.environ["DOCKER_HOST"] = before

    def memory(self) -> int:
        """Return the resident memory of dockerd itself, in bytes."""
        assert self.process is not None
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        line = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
        return int(line.split()[1]) * 1024

    def disk(self) -> int:
        """Return the size of its data directory on disk, in bytes."""
        subprocess.run(["sync", "--file-system", str(self.data)], check=True)
        done = subprocess.run(
            ["du", "--summarize", "--block-size=1", "--one-file-system", str(self.data)],
            capture_output=True,
            text=True,
            check=True,
        )
        return int(done.stdout.split()[0])


def _runtime() -> list[str]:
    """Return the options for the runtime of the machine's own engine: see tools/fit-runtime."""
    argv = ("docker", "info", "--format", "{{json .}}")
    about = json.loads(subprocess.run(argv, capture_output=True, check=True).stdout)
    name = about["DefaultRuntime"]
    path = about["Runtimes"][name]["path"]
    return [] if name == "runc" else ["--add-runtime", f"{name}={path}", "--default-runtime", name]


@contextlib.contextmanager
def own_engine(place: Path, has_network: bool = False) -> Iterator[OwnEngine]:
    """Run an empty engine during the block, and remove all its files afterwards.

    Args:
        place: directory for its files, on a file system that overlay2 can use.
        has_network: whether containers reach the machine's network.
    """
    root = Path(tempfile.mkdtemp(prefix="mlc-bench-", dir=place))
    root.chmod(0o711)  # users reach the socket, which belongs to the group docker
    engine = OwnEngine(root, has_network)
    try:
        engine.start()
        yield engine
    finally:
        engine.stop()
        mounts = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
        for mount in sorted((each for each in mounts if each.startswith(f"{root}/")), reverse=True):
            subprocess.run(["umount", mount], check=False)
        shutil.rmtree(root)

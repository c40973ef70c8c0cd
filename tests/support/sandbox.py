"""A sandbox in this process: a home, a fake engine that can fail, and commands run by their argv.

Builds and shells, which the docker client runs, are fakes, too. They can fail like engine calls.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import itertools
import json
import os
import re
import signal
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from mlc_patched.cli import main
from mlc_patched.engine.address import DEFAULT
from mlc_patched.engine.interface import Engine
from mlc_patched.errors import EngineError
from mlc_patched.host.hardware import Host
from mlc_patched.images.base import NEEDED
from mlc_patched.images.build.client import BuildCommand, Client
from mlc_patched.images.build.environment import Builder
from mlc_patched.names import labels
from mlc_patched.names.labels import Claim, claim_labels
from support.accounts import PASSWD, AccountOfThisProcess, path_with_gpu_hook
from support.fakes.engine import FakeContainer, FakeEngine, FakeImage
from support.fakes.faults import Fault, Faults, Faulty
from support.sandbox_state import State, process_problems, state_of

BASE = "mlc-test/base:bookworm"
CATALOG = f"Pytorch, 2.8.0, [CUDA_ADA], {BASE}\n"
ALICE = (1001, 2001)
REGISTRY = "registry:5000"
EDITED = "ENV EDITED=1\n"
"""What the fake editor appends to a Dockerfile."""
NODE = "server-2"
"""Host name of the cluster's node with a GPU, and name of the Docker context for its engine."""
CLAIM = claim_labels(Claim(*ALICE, "alice"))


class RespondingEngine(FakeEngine):
    """A FakeEngine whose containers print what the checks of a base and of an image expect."""

    def start(self, container: str) -> None:
        """See Engine."""
        super().start(container)
        each = self._get(container)
        is_look = each.specification.name.startswith(("mlc-look-", "mlc-verify-"))
        if is_look and each.specification.entrypoint != ("sleep",):  # uv runs in that one
            each.state = "exited"
            each.lines += _said(each)


def _said(each: FakeContainer) -> list[str]:
    if each.specification.name.startswith("mlc-look-"):
        return [f"has {tool}" for tool in (*NEEDED, "apt-get", "python3", "python-pip")]
    return [f"id {ALICE[0]}:{ALICE[1]} alice"]


@dataclass(frozen=True)
class Result:
    """The exit code of a command, and all it printed."""

    status: int
    output: str


class Sandbox:
    """A home, the commands, a fake engine, and the fake engine of a second node; one registry."""

    def __init__(self, place: Path, patch: pytest.MonkeyPatch) -> None:
        """Create it in an empty directory, and make this process use it instead of its own."""
        self.fake, self.node = RespondingEngine(), RespondingEngine()
        self.node._ids = itertools.count(10**6)  # IDs differ between the engines
        self.node.registries.images = self.fake.registries.images
        self.faults = Faults()
        self.engine = Faulty(Engine, self.fake, self.faults)
        engines = {DEFAULT: self.engine, NODE: Faulty(Engine, self.node, self.faults, f"{NODE}: ")}
        self._place = place
        self.home, self.temporary = place / "home", place / "tmp"
        (self.home / "workspace").mkdir(parents=True)
        self.temporary.mkdir()
        catalog = place / "ml_images.repo"
        catalog.write_text(CATALOG)
        self._settings = place / "mlc.ini"
        account = AccountOfThisProcess("alice", *ALICE, str(self.home))
        host = Host("CUDA_ADA", True, frozenset({"/dev/snd", "/dev/video0"}))
        for name, value in {
            "MLC_CATALOG": str(catalog),
            "MLC_ARCH": "CUDA_ADA",
            "DS01_SETTINGS": str(self._settings),
            "HOME": str(self.home),
            "PATH": path_with_gpu_hook(place),
            "EDITOR": "editor",
            "PIP_INDEX_URL": "http://127.0.0.1/simple",  # the classic builder gets it from an image
        }.items():
            patch.setenv(name, value)
        for name in ("DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_CONFIG", "DS01_REGISTRY", "VISUAL"):
            patch.delenv(name, raising=False)
        self._settings.write_text("")
        patch.chdir(self.home)
        patch.setattr(tempfile, "tempdir", str(self.temporary))
        patch.setattr("mlc_patched.context.caller", lambda environ: account)
        patch.setattr(
            "mlc_patched.engine.connect.connect", lambda address: engines[address.context]
        )
        patch.setattr("mlc_patched.host.hardware.probe", lambda more=(): host)
        client = Client("/nowhere/docker", Builder.CLASSIC)
        for module in ("images.build.image", "images.create"):
            patch.setattr(f"mlc_patched.{module}.choose_builder", lambda context: client)
        patch.setattr("mlc_patched.images.build.run.run_build", self._build)
        patch.setattr("mlc_patched.images.build.run.time.sleep", lambda seconds: None)
        patch.setattr("mlc_patched.undo._PAUSE", 0)
        patch.setattr(os, "fsync", lambda file: None)  # no test cuts the power
        patch.setattr("mlc_patched.images.editor.subprocess", SimpleNamespace(run=self._edit))
        for module in ("start", "open"):
            patch.setattr(f"mlc_patched.containers.{module}.run_inside", self._shell)

    def set(self, text: str) -> None:
        """Write the administrator's settings."""
        self._settings.write_text(text)

    def have_cluster(self) -> None:
        """Create a Swarm of this engine and of a node with a GPU, which has a Docker context."""
        swarm = self.fake.swarm
        swarm.join("server-1")
        swarm.join(NODE, gpus=1)
        swarm.engines = {"server-1": self.fake, NODE: self.node}
        name = hashlib.sha256(NODE.encode()).hexdigest()
        about = self.home / f".docker/contexts/meta/{name}/meta.json"
        about.parent.mkdir(parents=True)
        endpoint = {"docker": {"Host": f"ssh://{NODE}"}}
        about.write_text(json.dumps({"Name": NODE, "Endpoints": endpoint}))

    def run(self, *argv: str, fault: Fault | None = None) -> Result:
        """Run a command like its program."""
        output = io.StringIO()
        self.faults.begin(fault)
        handlers = {each: signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGHUP)}
        try:
            with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
                status = main.run(list(argv), "mlc")
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)
            self.faults.end()
        return Result(status, output.getvalue())

    def ok(self, *argv: str, code: int = 0) -> Result:
        """Run a command that has to end with this exit code."""
        done = self.run(*argv)
        assert done.status == code, done.output
        return done

    def state(self) -> State:
        """Return everything that exists: see State."""
        engines = {"": self.fake, f"{NODE}: ": self.node}
        return state_of(engines, (self.home, self.temporary))

    def problems(self) -> Iterator[str]:
        """Yield what a command must not leave in its process or in the lock file."""
        return process_problems(self.home, self._place)

    # Fakes for the docker client.

    def _build(
        self, command: BuildCommand, environ: object, **named: object
    ) -> tuple[int, list[str]]:
        argv = command.argv
        text = Path(argv[argv.index("--file") + 1]).read_text()
        (base,) = re.findall(r"^FROM (\S+)$", text, re.M)

        def work() -> tuple[int, list[str]]:
            self._built(base, argv[argv.index("--tag") + 1])
            return 0, ["built"]

        try:  # the client reports a failure of the engine by its exit code
            return self.faults.point("client: build", work)
        except EngineError as error:
            return 1, [str(error)]

    def _built(self, base: str, reference: str) -> None:
        parent = self.fake._find_image(base)
        assert parent is not None
        image = replace(
            parent.image,
            id=self.fake._new_id("sha256:"),
            references=(),
            labels={**parent.image.labels, **CLAIM, labels.PROJECT: "demo"},
            user=str(ALICE[0]),
        )
        self.fake.images[image.id] = FakeImage(image, PASSWD, parent=parent.image.id)
        repository, _, tag = reference.rpartition(":")
        self.fake.tag_image(image.id, repository, tag)

    def _shell(self, container: str, *rest: object, **named: object) -> int:
        return int(self.faults.point("client: exec", lambda: 0))

    def _edit(self, argv: list[str], **named: object) -> SimpleNamespace:
        """Edit as the user would: append a step, unless it is there."""
        path = Path(argv[-1])

        def work() -> int:
            with contextlib.suppress(FileNotFoundError):  # too late
                text = path.read_text()
                path.write_text(text if text.endswith(EDITED) else text + EDITED)
            return 0

        try:
            return SimpleNamespace(returncode=self.faults.point("editor", work))
        except EngineError:
            return SimpleNamespace(returncode=1)


def new_sandbox(place: Path, patch: pytest.MonkeyPatch) -> Sandbox:
    """Return a sandbox with the catalog's image in the engine."""
    sandbox = Sandbox(place, patch)
    sandbox.fake.add_image(BASE)
    assert os.getcwd() == str(sandbox.home)  # noqa: PTH109
    return sandbox

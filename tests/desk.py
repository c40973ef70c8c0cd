"""A user's place in memory: a home, an engine that can fail, and commands run by their argv.

What the docker client does in a process of its own (builds, shells) is done here by stand-ins,
which are points of failure like calls to the engine.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import re
import signal
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from fake_engine import FakeContainer, FakeEngine, FakeImage
from faulty_engine import Fault, FaultyEngine

from mlc_patched import labels, main
from mlc_patched.account import Account
from mlc_patched.base_image import NEEDED
from mlc_patched.build_settings import Builder
from mlc_patched.builders import BuildCommand, Client
from mlc_patched.errors import EngineError
from mlc_patched.host import Host
from mlc_patched.labels import Claim, claim_labels

BASE = "mlc-test/base:bookworm"
CATALOG = f"Pytorch, 2.8.0, [CUDA_ADA], {BASE}\n"
ALICE = (1001, 2001)
OWN = "ds01-1001/p:latest"
PASSWD = "root:x:0:0::/root:/bin/sh\nalice:x:1001:2001::/home/alice:/bin/bash\n"
CLAIM = claim_labels(Claim(*ALICE, "alice"))
_PASSING = re.compile(r"[0-9a-f]{8,}|\d{4}-\d\d-\d\d[-T]?[\d:]*Z?")
"""What differs from run to run: random words, ids and dates."""


class LivelyEngine(FakeEngine):
    """A FakeEngine whose containers say what the checks of a base and of an image listen for."""

    def start(self, container: str) -> None:
        """See Engine."""
        super().start(container)
        each = self._get(container)
        if each.specification.name.startswith(("mlc-look-", "mlc-verify-")):
            each.state = "exited"
            each.lines += _said(each)


def _said(each: FakeContainer) -> list[str]:
    if each.specification.name.startswith("mlc-look-"):
        return [f"has {tool}" for tool in (*NEEDED, "apt-get", "python3", "python-pip")]
    return [f"id {ALICE[0]}:{ALICE[1]} alice"]


@dataclass(frozen=True)
class Ended:
    """How a command ended: its exit code and all it said."""

    status: int
    said: str


@dataclass(frozen=True)
class State:
    """What there is: containers and images of the engine, files of the user's."""

    containers: tuple[tuple[str, ...], ...]
    images: tuple[tuple[str, ...], ...]
    files: tuple[tuple[str, str], ...]

    def plain(self) -> State:
        """Return it without what differs from run to run."""

        def each(rows: tuple[tuple[str, ...], ...]) -> tuple[tuple[str, ...], ...]:
            return tuple(sorted(tuple(_PASSING.sub("*", word) for word in row) for row in rows))

        return State(
            each(tuple(row[1:] for row in self.containers)),
            each(tuple(row[1:] for row in self.images)),
            tuple((name, "") for (name,) in each(tuple((path,) for path, _ in self.files))),
        )


class Desk:
    """An engine in memory, a home, and the commands."""

    def __init__(self, place: Path, patch: pytest.MonkeyPatch) -> None:
        """Make them in an empty directory, in place of this process's own."""
        self.fake = LivelyEngine()
        self.engine = FaultyEngine(self.fake)
        self.home, self.temporary = place / "home", place / "tmp"
        (self.home / "workspace").mkdir(parents=True)
        self.temporary.mkdir()
        catalog = place / "ml_images.repo"
        catalog.write_text(CATALOG)
        self._settings = place / "mlc.ini"
        account = Account("alice", *ALICE, str(self.home))
        host = Host("CUDA_ADA", True, frozenset({"/dev/snd", "/dev/video0"}))
        for name, value in {
            "MLC_CATALOG": str(catalog),
            "MLC_ARCH": "CUDA_ADA",
            "DS01_SETTINGS": str(self._settings),
            "HOME": str(self.home),
            "PIP_INDEX_URL": "http://127.0.0.1/simple",  # the classic builder takes it by an image
        }.items():
            patch.setenv(name, value)
        patch.delenv("DOCKER_HOST", raising=False)
        self._settings.write_text("")
        patch.chdir(self.home)
        patch.setattr(tempfile, "tempdir", str(self.temporary))
        # The tests' own directories are open to root alone, so root keeps its rights here.
        patch.setattr("mlc_patched.named_files.is_root_for", lambda account: False)
        patch.setattr("mlc_patched.context.caller", lambda environ: account)
        patch.setattr("mlc_patched.context.connect", lambda address: self.engine)
        patch.setattr("mlc_patched.host.probe", lambda more=(): host)
        client = Client("/nowhere/docker", Builder.CLASSIC)
        for module in ("image_build", "commands.image_create"):
            patch.setattr(f"mlc_patched.{module}.find_client", lambda environ: client)
        patch.setattr("mlc_patched.image_build.run_build", self._build)
        patch.setattr("mlc_patched.image_build.time.sleep", lambda seconds: None)
        patch.setattr("mlc_patched.undo._PAUSE", 0)
        for module in ("start", "open_shell"):
            patch.setattr(f"mlc_patched.commands.{module}.run_inside", self._shell)

    def set(self, text: str) -> None:
        """Have the administrator's settings."""
        self._settings.write_text(text)

    def run(self, *argv: str, fault: Fault | None = None) -> Ended:
        """Run a command as its program does."""
        said = io.StringIO()
        self.engine.begin(fault)
        handlers = {each: signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGHUP)}
        try:
            with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
                status = main.run(list(argv), "mlc")
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)
            calls = self.engine.calls
            self.engine.end()
            self.engine.calls = calls
        return Ended(status, said.getvalue())

    def state(self) -> State:
        """Return what there is."""
        return State(
            tuple(
                sorted(
                    (each.id, each.specification.name, each.state, each.specification.image)
                    for each in self.fake.made.values()
                )
            ),
            tuple(
                sorted(
                    (each.image.id, *sorted(each.image.references))
                    for each in self.fake.images.values()
                )
            ),
            tuple(sorted(self._files())),
        )

    def _files(self) -> Iterator[tuple[str, str]]:
        for top in (self.home, self.temporary):
            for path in top.rglob("*"):
                # The one file of locks is there for good, and empty (locks.py).
                if path.is_file() and path.name != "locks":
                    content = hashlib.sha256(path.read_bytes()).hexdigest()
                    yield str(path.relative_to(top.parent)), content

    # Stand-ins for the docker client.

    def _build(
        self, command: BuildCommand, environ: object, hear: object = None
    ) -> tuple[int, list[str]]:
        argv = command.argv
        text = Path(argv[argv.index("--file") + 1]).read_text()
        (base,) = re.findall(r"^FROM (\S+)$", text, re.M)

        def work() -> tuple[int, list[str]]:
            self._built(base, argv[argv.index("--tag") + 1])
            return 0, ["built"]

        try:  # the client tells of a failure of the engine by its own exit status
            return self.engine.point("client: build", work)
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
        return int(self.engine.point("client: exec", lambda: 0))


Preparation = Callable[[Desk], Any]


def new_desk(place: Path, patch: pytest.MonkeyPatch) -> Desk:
    """Have a desk with the catalog's image in the engine."""
    desk = Desk(place, patch)
    desk.fake.add_image(BASE)
    assert os.getcwd() == str(desk.home)  # noqa: PTH109
    return desk

"""prune and the next run remove what our commands made, and nothing that others built on it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest
from support.base_images import BASE
from support.engine_proxy import Recording
from support.engine_state import docker, image_ids
from support.image_commands import BUILDERS, ImageUser, nameless
from support.reliability import Counted, sized
from support.users import User

from mlc_patched.engine.docker import full_id
from mlc_patched.images.build.environment import Builder
from mlc_patched.names.labels import TEMPORARY
from mlc_patched.temporary import SHARED

pytestmark = pytest.mark.real_engine

TAGGED = r"POST /images/.*/tag\?.*mlc-build-[0-9a-f]*-s"


def without_name(base: str) -> str:
    """Build on an image, without a name, and return the ID of what that made."""
    built = subprocess.run(
        ["docker", "build", "-q", "-"],
        input=f"FROM {base}\nLABEL by=another\n",
        text=True,
        capture_output=True,
        check=True,
        env={**os.environ, "DOCKER_BUILDKIT": "0"},
    )
    return full_id(built.stdout.strip())


def test_prune_keeps_what_somebody_built_on_our_images(
    alice: User, commands: ImageUser, labelled: Callable[..., str]
) -> None:
    commands.run("image-create", "demo", "--base", BASE, "-y")
    theirs = [without_name(commands.image("demo")), without_name(labelled(alice))]
    names = [
        f"ds01-{alice.uid}/x:build-20261126",
        f"ds01-{alice.uid}/x:build-202611261200",
        f"mlc-test/mine:test._.{alice.uid}",
    ]
    for name in names:
        docker("tag", theirs[1], name)
    film = alice.file(".film.deadbeef.part", "a film")
    notes = alice.file(".notes.0123456789ab.mlc-part", "no export")
    try:
        done = alice.mlc("prune", "-y", "--older-than", "0", cwd=alice.home)
        assert done.returncode == 0, done.stderr
        assert set(theirs) <= image_ids()
        kept = docker("images", "--format", "{{.Repository}}:{{.Tag}}").split()
        assert set(names) <= set(kept)
        assert film.exists()
        assert notes.exists()
    finally:
        for name in names:
            docker("rmi", name, check=False)
        for image in theirs:
            docker("rmi", image, check=False)
        film.unlink(missing_ok=True)
        notes.unlink(missing_ok=True)


@pytest.mark.parametrize("classic", [True, False], ids=["classic", "builder"])
def test_an_image_on_a_base_that_has_a_mark_is_kept(commands: ImageUser, classic: bool) -> None:
    """A base hands its labels on, and with them a mark that a step of ours could have set."""
    it = replace(commands, path=BUILDERS[Builder.CLASSIC], buildkit="0") if classic else commands
    base = f"mlc-test/marked-{it.user.uid}:1"
    subprocess.run(
        ["docker", "build", "-q", "-t", base, "-"],
        input=f'FROM {BASE}\nLABEL {TEMPORARY}="{SHARED}"\nENV A=b\n',
        text=True,
        check=True,
        env={**os.environ, **it.environ},
    )
    theirs = without_name(base)
    try:
        it.run("image-create", "demo", "--base", BASE, "-y")
        assert theirs in image_ids()
        assert it.user.mlc("prune", "-y", "--older-than", "0", cwd=it.user.home).returncode == 0
        assert theirs in image_ids()
    finally:
        docker("rmi", theirs, base, check=False)


@pytest.mark.promise("sigkill", "again")
def test_a_build_that_is_killed_at_a_late_step_leaves_nothing_to_the_next(
    commands: ImageUser, engine_calls: Recording, counted: Counted
) -> None:
    """The classic builder's images of these steps have no name yet, and no later build uses them:
    their labels contain the time."""
    it = replace(commands, path=BUILDERS[Builder.CLASSIC], buildkit="0")
    it.run("image-create", "demo", "--base", BASE, "-y")
    dangling = nameless()
    again = ("image-create", "demo", "--force", "-y")
    it.run(*again, DOCKER_HOST=engine_calls.address)
    late = sum(re.search(TAGGED, call) is not None for call in engine_calls.calls)
    assert late
    assert nameless() == dangling
    killed = 0
    for number in range(max(1, late - sized(2, late)), max(2, late)):
        process: list[subprocess.Popen[str]] = []
        engine_calls.before[TAGGED] = Killer(process, number, engine_calls)
        process.append(
            it.user.start(
                it.command(again[0]),
                *again[1:],
                **{**it.environ, "DOCKER_HOST": engine_calls.address},
            )
        )
        process[0].communicate(timeout=120)
        if process[0].returncode == 0:  # it had fewer steps to name: an image had its name already
            engine_calls.before.clear()
            continue
        assert process[0].returncode == -signal.SIGKILL
        killed += 1
        it.run(*again)
        assert nameless() == dangling, f"killed at the name of late step {number}"
    assert killed
    counted("kills", killed)
    assert it.names() == {it.image("demo"), it.image("demo", "previous")}
    done = it.user.mlc("prune", "-y", "--older-than", "0", "--dry-run")
    assert "There are no leftovers" in done.stdout, done.stdout


@dataclass
class Killer:
    """Kills a process before its NUMBERth request for the name of a step's image."""

    process: list[subprocess.Popen[str]]
    number: int
    calls: Recording

    def __call__(self) -> None:
        self.number -= 1
        if self.number:
            self.calls.before[TAGGED] = self
            return
        self.process[0].send_signal(signal.SIGKILL)
        self.process[0].wait(30)

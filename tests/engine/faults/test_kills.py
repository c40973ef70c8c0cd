"""A command that is killed or interrupted at any request to a real engine: `mlc prune` removes what
is left, and the same command works right after it."""

from __future__ import annotations

import random
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import gettempdir

import pytest
from support import aime_containers as aime
from support.base_images import BASE
from support.engine_proxy import Recording
from support.engine_requests import ask
from support.engine_state import container_names, docker, image_ids, sweep
from support.image_commands import BUILDERS, HOST_CERTIFICATES, QUICK, clean_home, nameless
from support.reliability import Counted, is_full, sized
from support.users import User

from mlc_patched.host import locks
from mlc_patched.images.base import LOOKED_INTO
from mlc_patched.images.build.environment import Builder
from mlc_patched.images.verified import VERIFIED
from mlc_patched.temporary import KINDS, LOOK

pytestmark = pytest.mark.real_engine

BUILDS = {
    "PATH": QUICK,
    **({"DS01_CA_CERTIFICATE": HOST_CERTIFICATES} if Path(HOST_CERTIFICATES).is_file() else {}),
}
TIDYING = ("prune", "-y", "--older-than", "0")


@dataclass(frozen=True)
class Step:
    """A command, and a request at which it is stopped: a pattern of `METHOD /path?query`.

    `by_build` has the account added by a build, as the setting `legacy_flow = build` says;
    `is_classic` takes the classic builder; `aime` has a container of AIME's mlc.
    """

    program: str
    argv: str
    request: str = ""
    needs: tuple[str, ...] = ()
    is_small: bool = False
    by_build: bool = False
    is_classic: bool = False
    aime: bool = False


SETTINGS = "mlc.ini"
SLOW = "create n Pytorch 2.8.0 -s"
IMPORT = "import n.mlc.tar copy -s"
IMPORTED = ("mlc create n", "mlc export n")
SAVED = "n --save kept -y"
DEMO = f"demo --base {BASE} -y"
UPDATE = "demo --add six -y"
STEPS = [
    Step("mlc", "create n --image ds01-{uid}/project -s", "POST /containers/create"),
    Step("mlc", SLOW, "POST /containers/create.*mlc-setup"),
    Step("mlc", SLOW, "POST /containers/.*/start"),
    Step("mlc", SLOW, "GET /containers/.*/logs"),
    Step("mlc", SLOW, "POST /commit", is_small=True),
    Step("mlc", SLOW, "DELETE /containers"),
    Step("mlc", SLOW, "POST /containers/create.*n._"),
    Step("mlc", SLOW, "POST /build", by_build=True),
    Step("mlc", SLOW, "POST /containers/[0-9a-f]*/rename", by_build=True),
    Step("image-create", DEMO, "POST /containers/create.*mlc-look"),
    Step("image-create", DEMO, "POST /(build|grpc)"),
    Step("image-create", DEMO, "POST /containers/create.*mlc-verify"),
    Step("image-create", DEMO, "POST /images/.*/tag", is_small=True),
    Step("image-create", DEMO, "DELETE /images/.*:mlc-build-[0-9a-f]*$"),
    Step("image-update", UPDATE, "POST /images/.*/tag.*previous", ("image-create demo",)),
    Step("image-update", UPDATE, "POST /images/.*/tag.*latest", ("image-create demo",)),
    Step("container-retire", SAVED, "POST /commit", ("mlc create n",)),
    Step("container-retire", SAVED, "POST /containers/create.*mlc-verify", ("mlc create n",)),
    Step("container-retire", SAVED, "POST /images/.*/tag", ("mlc create n",), is_small=True),
    Step("container-retire", SAVED, "DELETE /images/.*:mlc-build-", ("mlc create n",)),
    Step("mlc", "export n", "GET /containers/.*/export", ("mlc create n",)),
    Step("mlc", IMPORT, "POST /images/create", IMPORTED),
    Step("mlc", IMPORT, "POST /containers/create.*mlc-setup", IMPORTED),
    Step("mlc", IMPORT, "POST /commit", IMPORTED),
    Step("mlc", IMPORT, "DELETE /images/.*mlc-import", IMPORTED),
    Step("mlc", IMPORT, "POST /containers/create.*copy._", IMPORTED),
]
ANY_MOMENT = [
    Step("mlc", SLOW, is_small=True),
    Step("image-create", DEMO, is_small=True),
    Step("image-create", DEMO, is_classic=True),
    Step("image-update", UPDATE, needs=("image-create demo",), is_classic=True),
    Step("container-retire", SAVED, needs=("mlc create n", "mlc start n")),
    Step("mlc", "export n -f", needs=("mlc create n",), is_small=True),
    Step("mlc", IMPORT, needs=IMPORTED),
    Step("mlc", "adopt old -s", aime=True, is_small=True),
]
"""Commands that are killed at random moments; the retired container has a file in a volume. A small
run kills those that take few seconds, once each: the others have tests of their worst moments."""
SUDO_FOR_ALL = "echo 'ALL ALL=(ALL:ALL) NOPASSWD: ALL' > /etc/sudoers.d/all"
"""As AIME's set-up gives it."""
KILLS_OF_EACH = 25
SIGNALS = (signal.SIGKILL, signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
CASES = [
    pytest.param(step, number, id=f"{step.program} {step.argv} - {step.request} - {number.name}")
    for step in STEPS
    for number in SIGNALS
    if is_full() or (step.is_small and number in (signal.SIGKILL, signal.SIGTERM))
]
"""In a small run, the step at which most is half-made, of a flow, a build and a save."""
PASSING = ("build-", "-part", *(f"mlc-{kind}-" for kind in KINDS))
"""What stands in the names of what is there only while a command works."""


def program(user: User, name: str) -> Path:
    """Return the path of a program."""
    return user.tree / ("bin/mlc" if name == "mlc" else f"bin/user/{name}")


@pytest.fixture
def ready(alice: User, labelled: Callable[..., str]) -> Iterator[User]:
    """The everyday user with a labelled image, whose files are gone after the test."""
    labelled(alice)
    yield alice
    clean_home(alice)
    (alice.home / SETTINGS).unlink(missing_ok=True)
    for path in alice.home.glob("*.mlc.tar"):
        path.unlink()
    for path in alice.home.glob(".*-part"):
        path.unlink()


def prepare(step: Step, user: User) -> None:
    """Have what a command works on."""
    user.file(SETTINGS, "[images]\nlegacy_flow = build\n")
    for line in step.needs:
        name, *words = line.split()
        more = {"create": ["Pytorch", "2.8.0", "-s"], "demo": ["--base", BASE, "-y"]}
        more["start"] = ["sudo -n sh -c 'echo kept > /opt/file; echo kept > /srv/file'", "-s"]
        words += more.get(words[0], [])
        done = user.run(program(user, name), *words, cwd=user.home, PATH=QUICK)
        assert done.returncode == 0, done.stderr


def ours(user: User) -> set[str]:
    """Return the names of a user's containers, images, files, and directories of builds."""
    found = ask("GET", "/images/json")
    names = {name for each in found for name in each["RepoTags"] or ()} | container_names()
    files = {str(path.relative_to(user.home)) for path in user.home.rglob("*") if path.is_file()}
    builds = {str(path) for path in Path(gettempdir()).glob("mlc-build-*") if owned(path, user)}
    own = {name for name in names if str(user.uid) in name}
    # Permanent ones, and the docker client's own.
    permanent = (locks.FILE, VERIFIED.file, LOOKED_INTO.file)
    others = (*(f".ds01-config/{each}" for each in permanent), ".docker/")
    return own | builds | {name for name in files if not name.startswith(others)}


def owned(path: Path, user: User) -> bool:
    """Whether a file is there and is a user's."""
    try:
        return path.stat().st_uid == user.uid
    except FileNotFoundError:
        return False


def passing(user: User) -> set[str]:
    """Return what is there that should be only while a command works."""
    return {name for name in ours(user) if any(word in name for word in PASSING)}


@pytest.mark.promise(
    *("sigkill", "signal", "again", "create-atomic", "build-atomic", "save-atomic"),
    "archive-atomic",
)
@pytest.mark.parametrize(("step", "number"), CASES)
def test_a_command_that_is_stopped_at_a_request(
    ready: User, engine_calls: Recording, step: Step, number: signal.Signals, counted: Counted
) -> None:
    """The same command, run again, removes what a killed one left, without prune."""
    user = ready
    prepare(step, user)
    before, images, dangling = ours(user), image_ids(), nameless()
    command = struck(step, number, user, engine_calls, counted)
    if number is not signal.SIGKILL:
        # Nothing but what the command is for may be there, and whole.
        assert command.returncode == 0 or ours(user) == before, ours(user) ^ before
        if ours(user) == before:
            assert image_ids() <= images
    again(step, user)
    assert passing(user) == set()
    assert nameless() <= dangling
    done = user.run(program(user, "mlc"), *TIDYING, "--dry-run", cwd=user.home)
    assert "There are no leftovers" in done.stdout, done.stdout


@pytest.mark.promise("sigkill")
@pytest.mark.parametrize(
    "step", [each for each in STEPS if is_full() or each.is_small], ids=lambda step: step.request
)
def test_prune_finds_what_a_killed_command_left(
    ready: User, engine_calls: Recording, step: Step, counted: Counted
) -> None:
    user = ready
    prepare(step, user)
    dangling = nameless()
    struck(step, signal.SIGKILL, user, engine_calls, counted)
    done = user.run(program(user, "mlc"), *TIDYING, cwd=user.home)
    assert done.returncode == 0, done.stderr
    assert passing(user) == set(), done.stdout + done.stderr
    assert nameless() <= dangling


@pytest.mark.promise("sigkill", "again", "create-atomic", "build-atomic", "save-atomic")
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(
    "step",
    [each for each in ANY_MOMENT if is_full() or each.is_small],
    ids=lambda step: f"{step.program} {step.argv}{' classic' * step.is_classic}",
)
def test_a_command_that_is_killed_at_any_moment(
    alice: User, image_from: Callable[..., str], step: Step, counted: Counted
) -> None:
    """The same command, run again, leaves exactly what one run leaves that nobody kills."""
    user = alice
    if "mlc start n" in step.needs:
        with_volume = image_from("echo shipped > /srv/shipped", "VOLUME /srv")
        user.file("volume.repo", f"Pytorch, 2.8.0, [CUDA_ADA], {with_volume}\n")
        user = replace(user, environ={**user.environ, "MLC_CATALOG": f"{user.home}/volume.repo"})
    aimes = image_from(SUDO_FOR_ALL) if step.aime else ""
    dangling, wanted, seconds = nameless(), set[str](), 0.0
    # The first run may fill the builder's cache, without which it takes longer than later ones.
    number, count = -2 if is_full() else -1, sized(1, KILLS_OF_EACH)
    while number < count:
        clear(user)
        prepare(step, user)
        if step.aime:
            aime.container(user, "old", aimes)
        began = time.monotonic()
        command = start(step, user)
        # At a random moment of each of as many parts of its time.
        moment = seconds * (number + random.random()) / count if number >= 0 else None
        output = ended(command, moment)
        if output is not None:
            assert command.returncode == 0, output
            seconds, wanted = time.monotonic() - began, wanted or ours(user)
            if number >= 0:
                continue  # it was faster than the one before: the next is killed earlier
        else:
            command.kill()
            command.communicate(timeout=120)
            counted("kills")
            settle(user)
            again(step, user)
        assert ours(user) == wanted, f"{step}: killed in part {number} of {count}"
        assert nameless() <= dangling, f"{step}: killed in part {number} of {count}"
        if "mlc start n" in step.needs:
            saved = f"ds01-{user.uid}/n:kept"
            found = docker("run", "--rm", saved, "sh", "-c", "cat /opt/file /srv/file /srv/shipped")
            assert found.split() == ["kept", "kept", "shipped"]
        number += 1
    clear(user)


def ended(command: subprocess.Popen[str], moment: float | None) -> str | None:
    """Wait for a command, up to a moment if there is one; return its output if it has ended."""
    try:
        return command.communicate(timeout=120 if moment is None else moment)[0]
    except subprocess.TimeoutExpired:
        assert moment is not None, "it takes too long"
        return None


def clear(user: User) -> None:
    """Remove what a user has."""
    sweep(user)
    clean_home(user)
    for path in (*user.home.glob("*.mlc.tar"), *user.home.glob(".*-part")):
        path.unlink()


def struck(
    step: Step, number: signal.Signals, user: User, engine_calls: Recording, counted: Counted
) -> subprocess.Popen[str]:
    """Run a command that a signal meets at its step's request; wait until all of it is over."""
    command: list[subprocess.Popen[str]] = []

    def strike() -> None:
        # setpriv and env have become the program: the process is the command itself.
        command[0].send_signal(number)
        if number is signal.SIGKILL:
            command[0].wait(30)

    engine_calls.before[step.request] = strike
    command.append(start(step, user, DOCKER_HOST=engine_calls.address))
    output, _ = command[0].communicate(timeout=120)
    assert not engine_calls.before, f"{step.request} was not asked: {engine_calls.paths()[-6:]}"
    counted("kills" if number is signal.SIGKILL else "signals sent")
    ends = (-number,) if number is signal.SIGKILL else (0, 128 + number)
    assert command[0].returncode in ends, output
    settle(user)
    return command[0]


def start(step: Step, user: User, **environ: str) -> subprocess.Popen[str]:
    """Start a step's command in the user's home."""
    words = step.argv.format(uid=user.uid).split()
    if step.by_build:
        environ["DS01_SETTINGS"] = str(user.home / SETTINGS)
    if step.is_classic:
        environ |= {"PATH": BUILDERS[Builder.CLASSIC], "DOCKER_BUILDKIT": "0"}
    return subprocess.Popen(
        user.argv([program(user, step.program), *words], **{**BUILDS, **environ}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=user.home,
        start_new_session=True,
    )


def settle(user: User) -> None:
    """Wait until nothing of a command that is gone runs in the engine any more."""
    # A container to look into an image sleeps for minutes; the next command removes it as it is.
    ending = tuple(f"mlc-{kind}-{user.uid}-" for kind in KINDS if kind != LOOK)
    for name in container_names():
        if name.startswith(ending):
            docker("wait", name, check=False)
    before = None  # the engine completes the step of a build whose client is gone
    while before != (now := image_ids() | nameless()):
        before = now
        time.sleep(0.5)


def again(step: Step, user: User) -> None:
    """Run the command once more: it works, or the killed one had done its work already."""
    command = start(step, user)
    output, _ = command.communicate(timeout=120)
    done = ("already", "no container 'n'")
    assert command.returncode == 0 or any(word in output for word in done), output

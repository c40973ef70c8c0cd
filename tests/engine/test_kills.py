"""A command that is killed or interrupted at any request it makes of a real engine: what is left is
what `mlc prune` takes away, and the same command works right after it."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from conftest import BASE, ask, container_names, docker, image_ids
from image_bench import HOST_CERTIFICATES, QUICK, clean_home
from recording import Recording
from reliability import Counted, is_full
from users import User

pytestmark = pytest.mark.engine

BUILDS = {
    "PATH": QUICK,
    **({"DS01_CA_CERTIFICATE": HOST_CERTIFICATES} if Path(HOST_CERTIFICATES).is_file() else {}),
}
TIDYING = ("prune", "-y", "--older-than", "0")


@dataclass(frozen=True)
class Step:
    """A command, and a request at which it is stopped: a pattern of `METHOD /path`."""

    program: str
    argv: str
    request: str
    needs: tuple[str, ...] = ()
    is_small: bool = False


SLOW = "create n Pytorch 2.8.0 -s"
IMPORT = "import n.mlc.tar copy -s"
SAVED = "n --save kept -y"
STEPS = [
    Step("mlc", "create n --image ds01-{uid}/project -s", "POST /containers/create"),
    Step("mlc", SLOW, "POST /containers/create.*mlc-setup"),
    Step("mlc", SLOW, "POST /containers/.*/start"),
    Step("mlc", SLOW, "POST /commit", is_small=True),
    Step("mlc", SLOW, "DELETE /containers"),
    Step("mlc", SLOW, "POST /containers/create.*n._"),
    Step("image-create", f"demo --base {BASE} -y", "POST /containers/create.*mlc-look"),
    Step("image-create", f"demo --base {BASE} -y", "POST /containers/create.*mlc-verify"),
    Step("image-create", f"demo --base {BASE} -y", "POST /images/.*/tag", is_small=True),
    Step(
        "image-update", "demo --add six -y", "POST /images/.*/tag.*previous", ("image-create demo",)
    ),
    Step("container-retire", SAVED, "POST /commit", ("mlc create n",)),
    Step("container-retire", SAVED, "POST /images/.*/tag", ("mlc create n",), is_small=True),
    Step("mlc", "export n", "GET /containers/.*/export", ("mlc create n",)),
    Step(
        "mlc", "import n.mlc.tar copy -s", "POST /images/create", ("mlc create n", "mlc export n")
    ),
    Step("mlc", "import n.mlc.tar copy -s", "POST /commit", ("mlc create n", "mlc export n")),
]
SIGNALS = (signal.SIGKILL, signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
CASES = [
    pytest.param(step, number, id=f"{step.program} {step.argv} - {step.request} - {number.name}")
    for step in STEPS
    for number in SIGNALS
    if is_full() or (step.is_small and number in (signal.SIGKILL, signal.SIGTERM))
]
"""In a small run, the step at which most is half-made, of a flow, a build and a save."""


def program(user: User, name: str) -> Path:
    """Return the path of a program."""
    return user.tree / ("bin/mlc" if name == "mlc" else f"bin/user/{name}")


@pytest.fixture
def ready(alice: User, labelled: Callable[..., str]) -> Iterator[User]:
    """The everyday user with a labelled image, whose files are gone after the test."""
    labelled(alice)
    yield alice
    clean_home(alice)
    for path in alice.home.glob("*.mlc.tar"):
        path.unlink()
    for path in alice.home.glob(".*.part"):
        path.unlink()


def prepare(step: Step, user: User) -> None:
    """Have what a command works on."""
    for line in step.needs:
        name, *words = line.split()
        more = {"create": ["Pytorch", "2.8.0", "-s"], "demo": ["--base", BASE, "-y"]}
        words += more.get(words[0], [])
        done = user.run(program(user, name), *words, cwd=user.home, PATH=QUICK)
        assert done.returncode == 0, done.stderr


def ours(user: User) -> set[str]:
    """Return the names of a user's containers and images, and of files in the home."""
    found = ask("GET", "/images/json")
    names = {name for each in found for name in each["RepoTags"] or ()} | container_names()
    files = {str(path.relative_to(user.home)) for path in user.home.rglob("*") if path.is_file()}
    return {name for name in names if str(user.uid) in name} | files - {".ds01-config/locks"}


@pytest.mark.promise("sigkill", "signal", "create-atomic", "build-atomic", "save-atomic")
@pytest.mark.parametrize(("step", "number"), CASES)
def test_a_command_that_is_stopped_at_a_request(
    ready: User, engine_calls: Recording, step: Step, number: signal.Signals, counted: Counted
) -> None:
    user = ready
    prepare(step, user)
    before, images = ours(user), image_ids()
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
    if number is signal.SIGKILL:
        assert command[0].returncode == -signal.SIGKILL
        settle(user)
        tidy(user)
    else:
        assert command[0].returncode in (0, 128 + number), output
        settle(user)
    if command[0].returncode != 0 and ours(user) != before:
        # Nothing but what the command is for may be there, and whole.
        assert number is signal.SIGKILL, (ours(user) ^ before, output)
    if ours(user) == before:
        assert image_ids() <= images
    again(step, user)
    tidy(user)
    passing = ("build-", "mlc-setup-", "mlc-look-", "mlc-verify-", ".part")
    assert not {name for name in ours(user) if any(word in name for word in passing)}


def start(step: Step, user: User, **environ: str) -> subprocess.Popen[str]:
    """Start a step's command in the user's home."""
    words = step.argv.format(uid=user.uid).split()
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
    for name in container_names():
        if name.startswith(
            tuple(f"mlc-{kind}-{user.uid}-" for kind in ("setup", "look", "verify"))
        ):
            docker("wait", name, check=False)


def tidy(user: User) -> None:
    """Have `mlc prune` take away what is left."""
    done = user.run(program(user, "mlc"), *TIDYING, cwd=user.home)
    assert done.returncode == 0, done.stderr


def again(step: Step, user: User) -> None:
    """Run the command once more: it works, or the killed one had done its work already."""
    command = start(step, user)
    output, _ = command.communicate(timeout=120)
    done = ("already", "no container 'n'")
    assert command.returncode == 0 or any(word in output for word in done), output

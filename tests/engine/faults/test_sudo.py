"""Commands under sudo: root works for a user, who gets nothing of root's in return."""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.base_images import BASE
from support.docker_contexts import make_context
from support.engine_state import docker, inspect
from support.image_commands import QUICK, ImageUser
from support.users import User
from support.worker import engine_address

pytestmark = pytest.mark.real_engine

SECRET = "a secret of root"


@pytest.fixture
def of_root() -> Iterator[Path]:
    """A directory that only root may enter, with a file `key`."""
    place = Path(tempfile.mkdtemp(prefix="mlc-test-root-", dir="/var/tmp"))
    (place / "key").write_text(SECRET)
    yield place
    shutil.rmtree(place)


def sudo(it: ImageUser, name: str, *arguments: str | Path, ok: bool = True, **more: str) -> str:
    """Run an image command under sudo; return what it said."""
    done = it.user.sudo(it.command(name), *arguments, "-y", **{**it.environ, **more})
    assert (done.returncode == 0) == ok, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_a_build_gets_only_what_its_user_may_read(each_builder: ImageUser, of_root: Path) -> None:
    it, home = each_builder, each_builder.user.home
    own = "COPY . /all/\nCOPY sub/part /part\nRUN ls -AR /all\n"
    dockerfile = it.user.file("source/Dockerfile", f"FROM {BASE}\n{own}")
    it.user.file("source/sub/part", "content")
    it.user.file("source/left-out", "content")
    it.user.file("source/.dockerignore", "left-out\n.dockerignore\n")
    (home / "source/link").symlink_to(of_root / "key")
    sudo(it, "image-create", "demo", "--dockerfile", dockerfile)
    said = it.run_in(
        it.image("demo"), "cat /part; echo; readlink /all/link; ls -A /all; cat /all/link || true"
    )
    content, link, *names = said.split()
    assert (content, link) == ("content", str(of_root / "key"))
    # BuildKit takes the Dockerfile of a stream from among its files.
    assert set(names) - {".mlc-build.Dockerfile"} == {"Dockerfile", "link", "sub"}

    # The directory becomes a link after it was named; and one of root's is named.
    leak = dockerfile.with_name("key")
    leak.write_text("the user's own")
    (home / "dockerfiles/demo.Dockerfile").write_text(
        (home / "dockerfiles/demo.Dockerfile").read_text().replace(own, "COPY key /leak\n")
    )
    shutil.move(home / "source", home / "moved")
    (home / "source").symlink_to(of_root)
    assert f"{home}/source, in the build context, cannot be read" in sudo(
        it, "image-update", "demo", ok=False
    )
    (home / "source").unlink()
    for named in (of_root, f"/proc/self/root{of_root}", "/root"):
        it.user.file(
            "dockerfiles/other.Dockerfile",
            f"# Build context: {named}\nFROM {BASE}\nCOPY . /leak/\n",
        )
        said = sudo(it, "image-create", "other", "--force", ok=False)
        assert "in the build context, cannot be read: Permission denied" in said
        assert SECRET not in said
    assert it.names() == {it.image("demo")}
    shutil.rmtree(home / "moved")


def test_a_build_whose_files_cannot_all_be_read_fails(commands: ImageUser) -> None:
    """Docker's clients take a stream that ends early for a whole one."""
    dockerfile = commands.user.file("source/Dockerfile", f"FROM {BASE}\nCOPY . /all/\n")
    commands.user.file("source/a", "content")
    (commands.user.home / "source/b").touch(0o600)  # of root, between two of the user's
    commands.user.file("source/c", "content")
    said = sudo(commands, "image-create", "demo", "--dockerfile", dockerfile, ok=False)
    assert "source/b, in the build context, cannot be read: Permission denied" in said
    assert commands.names() == set()


def test_a_build_is_lent_only_the_user_s_own_ssh_agent(commands: ImageUser, of_root: Path) -> None:
    user = commands.user
    step = "RUN --mount=type=ssh test -S $SSH_AUTH_SOCK && echo $SAID >/said"
    path = user.file("source/Dockerfile", f"FROM {BASE}\nARG SAID\n{step}\n")
    build = ("image-create", "demo", "--dockerfile", path, "--build-arg", "SAID=it worked")
    root = User("root", 0, 0, Path("/root"), user.tree, {})
    agents = {of_root / "agent": root, user.home / "agent": user}
    started = [each.start("ssh-agent", "-D", "-a", place) for place, each in agents.items()]
    try:
        for place, process in zip(agents, started, strict=True):
            while not place.exists():
                assert process.poll() is None
        for refused in (of_root / "agent", of_root / "key"):
            said = sudo(commands, *build, ok=False, SSH_AUTH_SOCK=str(refused))
            assert "no ssh agent that you may use" in said
        sudo(commands, *build, SSH_AUTH_SOCK=str(user.home / "agent"))
    finally:
        for process in started:
            process.terminate()
            process.communicate()
    assert commands.run_in(commands.image("demo"), "cat /said") == "it worked"


TRAP = """\
#!/bin/sh
id -u >>MARK
"""


@pytest.fixture
def trapped(alice: User) -> Iterator[tuple[User, Path]]:
    """A user whose home has programs that root could be made to run, and the file in which each
    writes down who ran it."""
    mark = Path(tempfile.mkdtemp(prefix="mlc-test-mark-", dir="/var/tmp")) / "ran"
    mark.parent.chmod(0o777)
    names = ("docker", "ssh", "git", "docker-credential-evil", "docker-buildx", "wrapper")
    for place in ("bin", ".docker/cli-plugins", "buildx"):
        for name in names:
            alice.file(f"{place}/{name}", TRAP.replace("MARK", str(mark))).chmod(0o755)
    make_context(alice.home, "lab", {"Host": engine_address()})
    configuration = {
        "currentContext": "lab",
        "credsStore": "evil",
        "credHelpers": {"registry.invalid": "evil", "docker.io": "evil"},
        "cliPluginsExtraDirs": [f"{alice.home}/bin"],
    }
    alice.file(".docker/config.json", json.dumps(configuration))
    yield alice, mark
    for place in ("bin", ".docker", "buildx", "dockerfiles", ".ds01-config"):
        shutil.rmtree(alice.home / place, ignore_errors=True)
    shutil.rmtree(mark.parent)


@pytest.mark.parametrize("kept", ["HOME", "DOCKER_CONFIG"])
@pytest.mark.parametrize("by", ["context", "default"])
def test_root_runs_no_program_of_the_user_s(
    trapped: tuple[User, Path], labelled: Callable[..., str], kept: str, by: str
) -> None:
    """A sudo that keeps variables: HOME, DOCKER_CONFIG, and more."""
    user, mark = trapped
    home, image = user.home, labelled(user)
    os.mkfifo(home / "bin/pipe")  # to read it would take for ever
    environ = {
        **({"HOME": str(home)} if kept == "HOME" else {"DOCKER_CONFIG": f"{home}/.docker"}),
        # With DOCKER_HOST the user's context does not count.
        "DOCKER_HOST": "" if by == "context" else engine_address(),
        "PATH": f"{home}/bin:{QUICK}",
        "TMPDIR": str(home),
        "XDG_CONFIG_HOME": str(home),
        "BUILDX_CONFIG": f"{home}/buildx",
        "BUILDX_BUILDER": "evil",
        "GIT_SSH_COMMAND": f"{home}/bin/ssh",
        "OPENSSL_CONF": f"{home}/bin/pipe",
    }
    before = {path for path in home.rglob("*") if path.lstat().st_uid == 0}
    build = ("demo", "--base", BASE)
    for argv in (
        ("image-create", *build, "--dry-run"),
        *([("image-create", *build, "-y")] if by == "context" else []),
        ("container-deploy", "it", "--image", image, "-y"),
        ("container-deploy", "it2", "--image", "registry.invalid/x:1", "-y"),
        ("doctor",),
    ):
        own = user.tree / ("bin/user" if "-" in argv[0] else "bin/mlc")
        command = (own / argv[0],) if "-" in argv[0] else (own, argv[0])
        done = user.sudo(*command, *argv[1:], **environ)
        assert "Unexpected" not in done.stderr, done.stderr
        # What doctor finds is this host's.
        expected = (0, 1) if "doctor" in argv else (int("it2" in argv),)
        assert done.returncode in expected, done.stderr
        assert not mark.exists(), (argv, mark.read_text())
    done = user.sudo(
        *(user.tree / "bin/user/container-deploy", "it3", "--image", image, "-y"),
        **environ,
        DS01_MLC_WRAPPER=f"{home}/bin/wrapper",
    )
    assert "not root's alone" in done.stderr
    assert not mark.exists()
    assert {path for path in home.rglob("*") if path.lstat().st_uid == 0} == before


def test_root_uses_only_an_engine_to_which_the_user_may_connect(
    alice: User, labelled: Callable[..., str], of_root: Path
) -> None:
    """Not, for example, another user's rootless engine."""
    image = labelled(alice)
    for place in (of_root / "engine.sock", alice.home / "engine.sock"):
        place.symlink_to(engine_address().removeprefix("unix://"))

    def mlc(place: Path, *argv: str, ok: bool) -> str:
        named = {"DOCKER_HOST": f"unix://{place}/engine.sock"}
        done = alice.sudo(alice.tree / "bin/mlc", *argv, **named)
        assert (done.returncode == 0) == ok, done.stdout + done.stderr
        return done.stdout + done.stderr

    create = ("create", "it", "--image", image, "-s")
    for argv in (("list", "-s"), create, ("exec", "it", "id", "-u")):
        assert "yourself: Permission denied" in mlc(of_root, *argv, ok=False)
    mlc(alice.home, *create, ok=True)
    mlc(alice.home, "start", "it", "-s", ok=True)
    assert str(alice.uid) in mlc(alice.home, "exec", "it", "id", "-u", ok=True).split()
    (alice.home / "engine.sock").unlink()


def test_root_mounts_only_what_the_user_may_have(
    alice: User, labelled: Callable[..., str], of_root: Path
) -> None:
    """Also after the container was made: the engine looks at its directories at each start."""
    image, home = labelled(alice), alice.home
    settings = alice.file("mlc.ini", "[container]\nprivileged = no\ndirectories = /usr/share\n")
    walls = {"DS01_SETTINGS": str(settings)}
    alice.file("mine/")
    (home / "link").symlink_to(of_root)
    (home / "up").symlink_to(of_root.parent)

    def mlc(*argv: str | Path, ok: bool = False, **environ: str) -> str:
        done = alice.sudo(alice.tree / "bin/mlc", *argv, "-s", **environ)
        assert (done.returncode == 0) == ok, done.stdout + done.stderr
        return done.stderr

    create = ("create", "it", "--image", image)
    for named in (of_root, home / "link", home / "up" / of_root.name, f"/proc/self/root{of_root}"):
        for flag in ("-w", "-d", "-m"):
            assert re.search("is a link|Permission denied", mlc(*create, f"{flag}={named}"))
    for named in ("/", "/etc", "/home", home.parent):
        assert "container.directories" in mlc(*create, "-d", named, **walls)
    shutil.rmtree(home / "workspace")
    (home / "workspace").symlink_to(of_root)
    assert re.search("is a link|Permission denied", mlc(*create))
    (home / "workspace").unlink()
    assert docker("ps", "-aq", "--filter", f"name={alice.tag('it')}") == ""

    mlc(*create, "-d", "/usr/share", "-m", home / "mine", ok=True, **walls)
    assert not inspect(alice.tag("it"))["HostConfig"]["Privileged"]
    mlc("start", "it", ok=True, **walls)
    docker("exec", alice.tag("it"), "test", "-d", "/data/doc")
    mlc("stop", "it", "-f", ok=True)
    (home / "workspace").rename(home / "moved")
    for target, environ in ((of_root, {}), (of_root, walls), (home / "moved", walls)):
        (home / "workspace").symlink_to(target)
        assert re.search("is a link|Permission denied", mlc("start", "it", **environ))
        assert inspect(alice.tag("it"))["State"]["Status"] == "exited"
        (home / "workspace").unlink()
    (home / "moved").rename(home / "workspace")
    for name in ("link", "up"):
        (home / name).unlink()

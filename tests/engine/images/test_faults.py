"""Builds that fail, are interrupted or run at once: nothing is lost or left behind."""

from __future__ import annotations

import secrets
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import replace

import pytest
from support.account_in_container import close_terminal
from support.base_images import BASE
from support.engine_state import container_names, docker, has_containerd_store, image_ids, inspect
from support.image_commands import BUILDERS, ImageUser, nameless, wait_for
from support.reliability import Counted, sized

from mlc_patched.images.build.environment import Builder

pytestmark = pytest.mark.real_engine


def started(it: ImageUser, name: str, *arguments: str) -> subprocess.Popen[str]:
    return it.user.start(it.command(name), *arguments, **it.environ)


def slow(it: ImageUser) -> str:
    """Write a Dockerfile whose build takes a minute; return its path."""
    # Unique, as an aborted test run may have left the step in a builder's cache.
    step = f"RUN echo begun; sleep 60; echo {secrets.token_hex(4)}"
    return str(it.user.file("source/Dockerfile", f"FROM {BASE}\n{step}\n"))


def test_a_missing_package_is_the_first_thing_said_and_its_line_is_named(
    each_builder: ImageUser,
) -> None:
    it = each_builder
    before = nameless()
    asked = ("demo", "--base", BASE, "-p", "no-such-package-mlc", "-y")
    done = it.run("image-create", *asked, ok=False)
    rejected = it.dockerfile("demo").with_name("demo.Dockerfile.rejected")
    lines = rejected.read_text().splitlines()
    step = "RUN python3 -m uv pip install"
    line = 1 + next(n for n, each in enumerate(lines) if each.startswith(step))
    progress, _, message = done.stderr.partition("Error: ")
    said = message.splitlines()
    assert said[0] == "PyPI has no package no-such-package-mlc."
    assert f"failed at line {line} of the Dockerfile: {step}" in said[1]
    assert "no-such-package-mlc was not found in the package registry" in message
    assert said[-1].endswith(f"To try again: image-create {' '.join(asked)}")
    if it.buildkit:  # the classic builder, whose other steps and notices are not shown
        steps = [each for each in progress.splitlines() if each.startswith("Step ")]
        assert steps[0].endswith(f" : FROM {BASE}")
        assert steps[-1].partition(" : ")[2].startswith(step)
        assert not [word for word in ("--->", "DEPRECATED", "Removing") if word in progress]
    assert it.names() == set()
    assert not it.dockerfile("demo").exists()
    assert nameless() <= before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM][: sized(1, 2)])
def test_an_interrupted_build_keeps_the_former_image(each_builder: ImageUser, number: int) -> None:
    it = each_builder
    it.run("image-create", "demo", "--base", BASE, "-y")
    image, text = inspect(it.image("demo"))["Id"], it.dockerfile("demo").read_text()
    before = nameless()
    process = started(it, "image-create", "demo", "--dockerfile", slow(it), "-y", "--force")
    wait_for(process, "begun\n")
    process.send_signal(number)
    said = process.communicate(timeout=20)[0]
    assert process.returncode == 128 + number, said
    assert inspect(it.image("demo"))["Id"] == image
    assert it.names() == {it.image("demo")}
    assert it.dockerfile("demo").read_text() == text
    assert not [*it.dockerfile("demo").parent.glob("*.rejected")]
    assert nameless() <= before
    assert "echo begun" not in docker("ps", "-a", "--no-trunc", "--format", "{{.Command}}")


@pytest.mark.promise("sigkill", "again", "build-atomic")
def test_a_killed_build_ends_and_the_next_leaves_nothing_of_it(
    each_builder: ImageUser, counted: Counted
) -> None:
    """The step prints nothing for a minute; the client that waits for it ends at once."""
    it = each_builder
    before = nameless()
    path = slow(it)
    process = started(it, "image-create", "demo", "--dockerfile", path, "-y")
    wait_for(process, "begun\n")
    process.kill()
    process.communicate(timeout=20)
    counted("kills")
    _wait(lambda: not _running(it))
    it.user.file("source/Dockerfile", f"FROM {BASE}\nRUN echo begun\n")
    it.run("image-create", "demo", "--dockerfile", path, "-y")
    assert it.names() == {it.image("demo")}
    assert "echo begun" not in docker("ps", "-a", "--no-trunc", "--format", "{{.Command}}")
    assert nameless() <= before


@pytest.mark.promise("sigkill", "again", "build-atomic")
def test_a_step_whose_image_is_made_after_a_kill_does_not_stay(
    commands: ImageUser, counted: Counted
) -> None:
    """The classic builder completes it, although nobody waits for it any more; with containerd's
    image store it may give up."""
    it = replace(commands, path=BUILDERS[Builder.CLASSIC], buildkit="0")
    before, containers = image_ids(), container_names()
    step = "RUN head -c 50M /dev/urandom > /file"
    path = str(it.user.file("source/Dockerfile", f"FROM {BASE}\n{step}\n"))
    process = started(it, "image-create", "demo", "--dockerfile", path, "-y")
    _wait(lambda: "head -c" in docker("ps", "-a", "--no-trunc", "-f", "status=exited"))
    process.kill()
    process.communicate(timeout=20)
    counted("kills")
    _wait(lambda: container_names() == containers)
    assert nameless() - before or has_containerd_store(), "it was made"
    it.user.file("source/Dockerfile", f"FROM {BASE}\nRUN false\n")  # a quick one will do
    it.run("image-create", "demo", "--dockerfile", path, "-y", ok=False)
    assert it.names() == set()
    assert nameless() <= before


def _wait(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _running(it: ImageUser) -> str:
    """Return the command lines of the user's docker clients that are building."""
    listed = subprocess.run(
        ["ps", "-u", str(it.user.uid), "-o", "args="], capture_output=True, text=True, check=False
    )
    builds = [line for line in listed.stdout.splitlines() if " build " in line]
    return "\n".join(builds)


def test_ctrl_c_on_a_terminal(commands: ImageUser) -> None:
    path = slow(commands)
    child = commands.user.spawn(
        commands.command("image-create"), "demo", "--dockerfile", path, "-y", **commands.environ
    )
    child.expect("begun")
    child.sendintr()
    child.expect("Interrupted")
    child.expect_exact("\n")
    child.wait()
    assert child.exitstatus == 130
    assert commands.names() == set()
    assert not commands.dockerfile("demo").exists()


@pytest.mark.promise("terminal")
@pytest.mark.any_engine
def test_a_terminal_that_closes(commands: ImageUser, counted: Counted) -> None:
    path, before = slow(commands), nameless()
    child = commands.user.spawn(
        commands.command("image-create"), "demo", "--dockerfile", path, "-y", **commands.environ
    )
    child.expect(r"\bbegun\b[^;]")
    close_terminal(child)
    counted("terminals closed")
    deadline = time.monotonic() + 60
    while child.isalive():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert commands.names() == set()
    assert not commands.dockerfile("demo").exists()
    assert nameless() <= before


@pytest.mark.promise("none-lost")
def test_two_builds_of_one_project_wait_for_each_other(commands: ImageUser) -> None:
    both = [
        started(commands, "image-create", "demo", "--base", BASE, "-p", package, "-y", "--json")
        for package in ("six", "colorama")
    ]
    said = [process.communicate(timeout=60)[0] for process in both]
    assert sorted(process.returncode for process in both) == [0, 1]
    assert any("Waiting for another command" in each for each in said)
    assert any("image-update demo" in each for each in said)
    assert commands.names() == {commands.image("demo")}
    package = "six" if both[0].returncode == 0 else "colorama"
    assert package in commands.dockerfile("demo").read_text()
    commands.run_in(commands.image("demo"), f"python3 -c 'import {package}'")


@pytest.mark.promise("none-lost")
@pytest.mark.any_engine
def test_of_two_updates_at_once_both_apply_or_one_fails(commands: ImageUser) -> None:
    commands.run("image-create", "demo", "--base", BASE, "-y")
    both = [
        started(commands, "image-update", "demo", "--add", package, "-y")
        for package in ("six", "colorama")
    ]
    said = [process.communicate(timeout=60)[0] for process in both]
    text = commands.dockerfile("demo").read_text()
    for process, package, words in zip(both, ("six", "colorama"), said, strict=True):
        if process.returncode == 0:
            assert package in text
            commands.run_in(commands.image("demo"), f"python3 -c 'import {package}'")
        else:
            assert "changed in the meantime" in words
    assert 0 in [process.returncode for process in both]


def test_an_image_that_fails_its_check_does_not_get_the_name(commands: ImageUser) -> None:
    commands.run("image-create", "demo", "--base", BASE, "-y")
    image = inspect(commands.image("demo"))["Id"]
    text = commands.dockerfile("demo").read_text()
    for breaking, words in (
        ("RUN rm /etc/sudoers.d/ds01-user", "sudo does not work"),
        ("RUN usermod -u 4242 $DS01_USERNAME", "id says"),
        ("ENV HOME=/", "HOME is /"),
        ("RUN chown root $HOME", "is not writable"),
    ):
        broken = text.replace(
            "# What mlc and", f"USER root\n{breaking}\nUSER $DS01_USER_ID\n# What"
        )
        commands.dockerfile("demo").write_text(broken)
        done = commands.run("image-update", "demo", "-y", ok=False)
        assert words in done.stderr
        assert inspect(commands.image("demo"))["Id"] == image
        assert commands.names() == {commands.image("demo")}
    # Labels without the account step: refused before anything is built.
    lines = text.split("\n")
    start = next(n for n, line in enumerate(lines) if line.startswith("RUN set -eu"))
    end = next(n for n, line in enumerate(lines) if line.startswith("ENV HOME="))
    commands.dockerfile("demo").write_text("\n".join(lines[:start] + lines[end:]))
    done = commands.run("image-update", "demo", "-y", ok=False)
    assert "the step with useradd is missing" in done.stderr


def test_output_of_a_step_that_looks_like_the_builders_is_not_trusted(
    each_builder: ImageUser,
) -> None:
    """Not even in the classic builder's own words: a nameless image that a step names stays, and
    so does the name of a container."""
    it = each_builder
    container = docker("create", "--name", f"mlc-test-{it.user.uid}", BASE, "true")
    image = f"sha256:{docker('commit', container).removeprefix('sha256:')}"  # Podman prints less
    lies = (
        *("Step 3/9 : RUN x", f" ---> Running in {container[:12]}", f" ---> {image[7:19]}"),
        *("Step 4/9 : COPY x y", f" ---> {image[7:19]}"),
    )
    printed = "\\n".join(lies)
    source = it.user.file(
        "source/Dockerfile", f"FROM {BASE}\nRUN printf '{printed}\\n' && sleep 1 && false\n"
    )
    try:
        time.sleep(2)  # the engine tells times to the second: it was made before the build began
        it.run("image-create", "demo", "--dockerfile", source, "-y", ok=False)
        assert image in image_ids()
        assert inspect(container)["Name"] == f"/mlc-test-{it.user.uid}"
    finally:
        docker("rm", container)
        docker("rmi", image, check=False)


def test_a_builder_that_does_not_start_is_reported(commands: ImageUser) -> None:
    fake = commands.user.file("source/docker", "#!/bin/sh\nexit 7\n")
    fake.chmod(0o755)
    done = commands.run(
        *("image-create", "demo", "--base", BASE, "-y"),
        ok=False,
        PATH=f"{fake.parent}:{commands.path}",
    )
    assert "exit status 7" in done.stderr
    assert commands.names() == set()

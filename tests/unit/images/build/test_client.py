"""Finding the builder of a Docker client, tested with fake clients."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from support.fakes.engine import FakeEngine

from mlc_patched.context import Context
from mlc_patched.engine.interface import PODMAN
from mlc_patched.errors import EngineError, UsageError
from mlc_patched.images.build.client import (
    Client,
    build_arguments,
    build_command,
    choose_builder,
    find_client,
    needs_ssh,
)
from mlc_patched.images.build.environment import Builder


def client(directory: Path, version: str, buildx: bool) -> dict[str, str]:
    plugin = "echo github.com/docker/buildx v0.12.1 30feaa1" if buildx else "exit 1"
    file = directory / "docker"
    file.write_text(
        f'#!/bin/sh\ncase "$1" in\nbuildx) {plugin} ;;\n'
        f"--version) echo 'Docker version {version}, build e6534b4' ;;\nesac\n"
    )
    file.chmod(0o755)
    return {"PATH": str(directory), "HOME": str(directory)}


@pytest.mark.parametrize(
    ("version", "buildx", "builder"),
    [
        ("28.2.2", True, Builder.BUILDX),
        ("28.2.2", False, Builder.CLASSIC),
        ("23.0.1", False, Builder.CLASSIC),
        ("20.10.24+dfsg1", False, Builder.BUILDKIT),
        ("20.10.24+dfsg1", True, Builder.BUILDX),
        ("18.09.1", False, Builder.BUILDKIT),
        ("18.06.0-ce", False, Builder.CLASSIC),
    ],
)
def test_the_best_builder_is_chosen(
    tmp_path: Path, version: str, buildx: bool, builder: Builder
) -> None:
    environ = client(tmp_path, version, buildx)
    assert find_client(environ) == Client(str(tmp_path / "docker"), builder)
    assert find_client({**environ, "DOCKER_BUILDKIT": "0"}).builder is Builder.CLASSIC


def test_buildx_builds_inside_the_engine_of_the_docker_context(tmp_path: Path) -> None:
    environ = client(tmp_path, "28.2.2", True)
    for context, variables in (("default", {}), ("far", {"DOCKER_CONTEXT": "far"})):
        found = find_client({**environ, **variables})
        argv = build_command(found, dockerfile="/d", build_context="/c", tag="x:y").argv
        assert argv[argv.index("--builder") + 1] == context


def test_without_a_client_it_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="apt-get install"):
        find_client({"PATH": str(tmp_path)})


@pytest.mark.parametrize("buildx", [True, False])
def test_podman_builds_by_itself_whatever_the_client_has(tmp_path: Path, buildx: bool) -> None:
    engine = FakeEngine()
    engine.product = PODMAN
    address = {"DOCKER_HOST": "unix:///run/podman/podman.sock"}
    for environ in (client(tmp_path, "28.5.2", buildx), {"PATH": "/nowhere"}):
        context = Context(environ={**environ, **address}, make_engine=lambda: engine)
        chosen = choose_builder(context)
        assert chosen.builder is Builder.PODMAN
        argv = build_command(chosen, dockerfile="/d", build_context="/c", tag="x:y").argv
        assert argv[:4] == ("podman", "--url", "unix:///run/podman/podman.sock", "build")


def test_docker_builds_with_its_client(tmp_path: Path) -> None:
    environ = client(tmp_path, "28.2.2", True)
    context = Context(environ=environ, make_engine=FakeEngine)
    assert choose_builder(context) == find_client(environ)


@pytest.mark.parametrize(
    ("in_containerd", "buildx", "flags"),
    [
        (True, True, ("--output", "type=docker,compression-level=1")),
        (False, True, ("--load",)),
        (True, False, ()),
    ],
)
def test_layers_that_the_engine_keeps_compressed_are_compressed_quickly(
    tmp_path: Path, in_containerd: bool, buildx: bool, flags: tuple[str, ...]
) -> None:
    engine = FakeEngine()
    engine.in_containerd = in_containerd
    environ = client(tmp_path, "28.5.2", buildx)
    chosen = choose_builder(Context(environ=environ, make_engine=lambda: engine))
    argv = build_command(chosen, dockerfile="/d", build_context="/c", tag="x:y").argv
    assert tuple(each for each in argv if each.startswith(("--load", "--output", "type="))) == flags


@pytest.mark.parametrize("builder", list(Builder))
def test_the_command_names_everything_and_no_value_of_a_setting(builder: Builder) -> None:
    command = build_command(
        Client("/usr/bin/docker", builder),
        dockerfile="/tmp/a b/Dockerfile",
        build_context="/tmp/c",
        tag="ds01-1/x:build-0",
        arguments=("DS01_USER_ID=1",),
        inherited=("http_proxy",),
        secrets={"ds01-pip": "/tmp/s"} if builder is not Builder.CLASSIC else {},
        no_cache=True,
    )
    argv = list(command.argv)
    assert argv[argv.index("--network") + 1] == "host"
    assert argv[argv.index("--file") + 1] == "/tmp/a b/Dockerfile"
    assert argv[argv.index("--tag") + 1] == "ds01-1/x:build-0"
    assert [argv[n + 1] for n, each in enumerate(argv) if each == "--build-arg"] == [
        "DS01_USER_ID=1",
        "http_proxy",
    ]
    assert argv[-1] == "/tmp/c"
    assert "--no-cache" in argv
    assert ("--secret" in argv) == (builder is not Builder.CLASSIC)
    assert ("--force-rm" in argv) == (builder is Builder.CLASSIC)
    first = {Builder.BUILDX: "buildx", Builder.PODMAN: "--url"}.get(builder, "build")
    assert argv[1] == first


# Build arguments, ssh and labels.


def test_a_build_argument_has_its_value_or_that_of_the_environment() -> None:
    found = build_arguments(["A=1=2", "B=", "C"], {"C": "of the\nenvironment", "A": "x"})
    assert found == ("A=1=2", "B=", "C=of the\nenvironment")


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("1A=2", "is not a build argument"),
        ("A\0=2", "is not a build argument"),
        ("", "is not a build argument"),
        ("DS01_USER_ID=0", "DS01_USER_ID is set by the program itself"),
        ("MISSING", "MISSING is not set in the environment; give MISSING=VALUE"),
    ],
)
def test_what_is_not_a_build_argument_is_refused(word: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        build_arguments([word], {})


SSH = "FROM x\nRUN --mount=type=ssh git clone git@example:x\n"


def test_ssh_is_lent_only_to_steps_that_ask_for_it() -> None:
    buildx, environ = Client("docker", Builder.BUILDX), {"SSH_AUTH_SOCK": "/run/agent"}
    assert needs_ssh(SSH, buildx, environ)
    assert not needs_ssh("FROM x\nRUN echo --mount=type=secret\n", buildx, environ)
    for ssh in (True, False):
        argv = build_command(buildx, dockerfile="/d", build_context="/c", tag="x", ssh=ssh).argv
        assert ("--ssh" in argv) is ssh


@pytest.mark.parametrize(
    ("builder", "environ", "message", "hint"),
    [
        (Builder.CLASSIC, {"SSH_AUTH_SOCK": "/a"}, "the classic builder cannot", "docker-buildx"),
        (Builder.PODMAN, {"SSH_AUTH_SOCK": "/a"}, "Podman cannot lend", "docker-buildx"),
        (Builder.BUILDKIT, {}, "there is no ssh agent", "ssh-add"),
        (Builder.BUILDKIT, {"SUDO_UID": "1001"}, "no ssh agent that you may use", "SSH_AUTH_SOCK"),
    ],
)
def test_ssh_that_a_builder_cannot_lend_is_refused_before_the_build(
    builder: Builder,
    environ: dict[str, str],
    message: str,
    hint: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "getuid", lambda: 0)
    with pytest.raises(UsageError, match=message) as refused:
        needs_ssh(SSH, Client("docker", builder), environ)
    assert hint in (refused.value.hint or "")


def test_labels_are_given_whole() -> None:
    found = build_command(
        Client("docker", Builder.CLASSIC),
        dockerfile="/d",
        build_context="/c",
        tag="x",
        labels={"a": "b c=d"},
    )
    assert found.argv[found.argv.index("--label") + 1] == "a=b c=d"

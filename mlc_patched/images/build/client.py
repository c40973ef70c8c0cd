"""Find the builder of the Docker client on PATH, and compose the build command."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from ...engine.address import CONTEXT_VARIABLE, DEFAULT
from ...engine.client import buildx_of, client_path, fitting_client
from ...engine.interface import PODMAN
from ...errors import UsageError, shown
from ...host.process import output_of
from ...host.sudo import AGENT_VARIABLE, is_for_another
from ...lean import dataclass, field, replace
from ..dockerfile.syntax import instructions
from .environment import Builder

if TYPE_CHECKING:
    from ...context import Context

PURPOSE = "building an image"
"""What needs the Docker client, for messages about it."""
NETWORK_VARIABLE = "DS01_BUILD_NETWORK"
NETWORK = "host"
"""The network of build steps, the same as of mlc's containers."""
_ARGUMENT = re.compile(r"([A-Za-z_]\w*)(?:=(.*))?", re.S)
_RESERVED = "DS01_"
SSH_MOUNT = "--mount=type=ssh"
_NETWORK_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,127}")
_SECONDS = 30
_LAST_WITH_BUILDKIT = 22  # since 23.0, BuildKit needs the buildx plugin
_LOAD = ("--load",)
_LOAD_QUICKLY = ("--output", "type=docker,compression-level=1")
"""The same where containerd stores the images, and so BuildKit compresses the layers (buildx,
"docker" exporter). Its default, level 6, takes half as long again for a twelfth less disk."""


@dataclass(frozen=True)
class Client:
    """A Docker client: its path, its builder, the Docker context to use, and the flags of buildx
    that give the image to the engine."""

    path: str
    builder: Builder
    docker_context: str = DEFAULT
    url: str = ""
    load: tuple[str, ...] = _LOAD


@dataclass(frozen=True)
class BuildCommand:
    """The argv of a build, and the variables to set for it."""

    argv: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)


def choose_builder(context: Context) -> Client:
    """Return the builder for the engine, and the client that has it.

    Podman builds by itself, without any client: buildx would start a BuildKit container in it, and
    the BuildKit of older clients does not work with Podman. Raises EngineError if the engine is
    Docker, and there is no Docker client.
    """
    if context.engine.product == PODMAN:
        return Client("podman", Builder.PODMAN, url=context.address.url)
    client = find_client(context.client_environ)
    if client.builder is Builder.BUILDX and context.engine.has_containerd_store():
        return replace(client, load=_LOAD_QUICKLY)
    return client


def check_client(context: Context) -> None:
    """Raise EngineError, before anything is changed, if images cannot be built: there is no Docker
    client, or it is too old for the engine."""
    if context.engine.product != PODMAN:
        fitting_client(context.client_environ, PURPOSE, context.engine)


def find_client(environ: Mapping[str, str]) -> Client:
    """Return the Docker client on PATH and the best builder it has, or raise EngineError.

    DOCKER_BUILDKIT=0 in the environment selects the classic builder, DOCKER_CONTEXT the engine.
    """
    path = client_path(environ, PURPOSE)
    docker_context = environ.get(CONTEXT_VARIABLE) or DEFAULT
    if environ.get("DOCKER_BUILDKIT") == "0":
        return Client(path, Builder.CLASSIC, docker_context)
    if buildx_of(path, environ):
        return Client(path, Builder.BUILDX, docker_context)
    own = output_of([path, "--version"], seconds=_SECONDS, environ=environ).stdout
    version = re.search(r"(\d+)\.(\d+)", own)
    if version and (18, 9) <= (int(version[1]), int(version[2])) < (_LAST_WITH_BUILDKIT + 1, 0):
        return Client(path, Builder.BUILDKIT, docker_context)
    return Client(path, Builder.CLASSIC, docker_context)


def build_arguments(words: Iterable[str], environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return build arguments, each `NAME=VALUE`; the environment has the value of a plain `NAME`.

    Raises UsageError for one that is not valid, or has a name of ours.
    """
    found = []
    for word in words:
        match = _ARGUMENT.fullmatch(word)
        if match is None or "\0" in word:
            raise UsageError(f"{shown(word)} is not a build argument, as NAME=VALUE is.")
        if match[1].startswith(_RESERVED):
            raise UsageError(f"The build argument {match[1]} is set by the program itself.")
        value = environ.get(match[1]) if match[2] is None else match[2]
        if value is None:
            raise UsageError(f"{match[1]} is not set in the environment; give {match[1]}=VALUE.")
        found.append(f"{match[1]}={value}")
    return tuple(found)


def needs_ssh(text: str, client: Client, environ: Mapping[str, str]) -> bool:
    """Whether steps of a Dockerfile use the caller's ssh agent, as for private repositories.

    Raises UsageError if the builder cannot lend it to them, or there is none.
    """
    if not any(
        each.keyword == "RUN" and SSH_MOUNT in each.body(text) for each in instructions(text)
    ):
        return False
    if client.builder not in (Builder.BUILDX, Builder.BUILDKIT):
        raise UsageError(
            f"A step of the Dockerfile uses ssh ({SSH_MOUNT}), which {client.builder.value} cannot "
            "lend to it.",
            "Install BuildKit (apt-get install docker-buildx).",
        )
    if not environ.get(AGENT_VARIABLE):
        if is_for_another(environ):
            raise UsageError(
                f"A step of the Dockerfile uses ssh ({SSH_MOUNT}), and there is no ssh agent that "
                "you may use.",
                f"Under sudo, {AGENT_VARIABLE} must be kept (sudo --preserve-env), and be a socket "
                "to which you may connect yourself.",
            )
        raise UsageError(
            f"A step of the Dockerfile uses ssh ({SSH_MOUNT}), and there is no ssh agent.",
            'Start one with: eval "$(ssh-agent)" && ssh-add - no key gets into the image.',
        )
    return True


def build_network(environ: Mapping[str, str]) -> str:
    """Return the network of build steps: DS01_BUILD_NETWORK, else the host's.

    Raises UsageError if the variable does not name a network.
    """
    named = environ.get(NETWORK_VARIABLE) or NETWORK
    if not _NETWORK_NAME.fullmatch(named):
        raise UsageError(
            f"{NETWORK_VARIABLE} is {shown(named)}, which is not a network.",
            "Use host, none, default, or the name of a network.",
        )
    return named


def build_command(
    client: Client,
    *,
    dockerfile: str,
    build_context: str,
    tag: str,
    arguments: Sequence[str] = (),
    inherited: Sequence[str] = (),
    secrets: Mapping[str, str] | None = None,
    labels: Mapping[str, str] | None = None,
    no_cache: bool = False,
    network: str = NETWORK,
    ssh: bool = False,
) -> BuildCommand:
    """Return the command of a build.

    `arguments` are build arguments, each `NAME=VALUE`; the client reads the value of the
    `inherited` ones from its environment, so that process lists do not show it. `secrets` are paths
    of files by id, `labels` those in addition to the Dockerfile's, `network` that of the
    steps. With `ssh`, steps can use the caller's ssh agent.
    """
    argv = [client.path]
    environment = {}
    if client.builder is Builder.BUILDX:
        # Only the builder inside the engine sees the engine's images; it is named after the
        # Docker context.
        argv += ["buildx", "build", *client.load, "--builder", client.docker_context]
        # An index with attestations is not always found by the id of its image.
        environment["BUILDX_NO_DEFAULT_ATTESTATIONS"] = "1"
    elif client.builder is Builder.BUILDKIT:
        argv += ["build"]
        environment["DOCKER_BUILDKIT"] = "1"
    elif client.builder is Builder.PODMAN:
        argv += ["--url", client.url, "build"]
    else:
        argv += ["build", "--force-rm"]
        environment["DOCKER_BUILDKIT"] = "0"
    argv += ["--network", network, "--file", dockerfile, "--tag", tag]
    if no_cache:
        argv.append("--no-cache")
    if ssh:
        argv += ["--ssh", "default"]
    for argument in (*arguments, *inherited):
        argv += ["--build-arg", argument]
    for name, path in (secrets or {}).items():
        argv += ["--secret", f"id={name},src={path}"]
    for name, value in (labels or {}).items():
        argv += ["--label", f"{name}={value}"]
    return BuildCommand((*argv, build_context), environment)

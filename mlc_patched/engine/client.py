"""The Docker client on PATH, which shells and builds need: where it is, and what it can do."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping

from ..errors import EngineError, shown
from ..host.process import output_of
from ..lean import TYPE_CHECKING, dataclass

if TYPE_CHECKING:
    from .interface import Engine

BUILDX = "github.com/docker/buildx"
"""How the version text of the buildx plugin begins."""
API_VARIABLE = "DOCKER_API_VERSION"
"""The version of the engine's API that the client is to use, in place of the newest of both."""
_SECONDS = 30
_EVERY_CLIENT = (1, 24)
"""Engines of Docker 25.0 to 28 accept this API version, which every client of today has."""
_VERSION = "{{.Client.Version}} {{.Client.DefaultAPIVersion}}"
_BUILDX_API = ((0, 13), (1, 44))
"""buildx 0.13 is the first that has API version 1.44; older ones end at 1.43 or below."""


@dataclass(frozen=True)
class ClientVersion:
    """A client's version, the newest API version it has, and the version of its buildx plugin.

    Each is empty if the client does not report it.
    """

    client: str = ""
    api: str = ""
    buildx: str = ""


def numbers(version: str) -> tuple[int, ...]:
    """Return the numbers at the beginning of a version, for comparison."""
    return tuple(int(part) for part in re.findall(r"\d+", version)[:2])


def client_path(environ: Mapping[str, str], purpose: str) -> str:
    """Return the path of the Docker client.

    Raises EngineError if it is not on PATH; `purpose` says what needs it: `building an image`.
    """
    path = shutil.which("docker", path=environ.get("PATH"))
    if path is None:
        raise EngineError(
            f"The docker command is not on PATH; {purpose} needs it.",
            "Install it with: apt-get install docker.io",
        )
    return path


def fitting_client(environ: Mapping[str, str], purpose: str, engine: Engine) -> str:
    """Return the path of the Docker client, if the engine accepts its requests.

    Commands call this before they change anything: a client that is too old fails only after a
    container was started for it. Raises EngineError if the client is missing or too old, or
    DOCKER_API_VERSION is one that the engine refuses.
    """
    path = client_path(environ, purpose)
    minimum = engine.minimum_api()
    if why := wrong_variable(environ, engine):
        raise EngineError(f"{why}.", f"Unset it: unset {API_VARIABLE}")
    # To ask a client takes longer than to ask the engine, and few engines have a minimum.
    if numbers(minimum) > _EVERY_CLIENT and (why := too_old(version_of(path, environ), minimum)):
        raise EngineError(
            f"The Docker client {path} is too old for this engine: {why}.", client_remedy(engine)
        )
    return path


def client_remedy(engine: Engine) -> str:
    """Return what to install in place of a client that is too old for an engine."""
    return (
        f"Install a client as new as the engine ({engine.info().version}): docker-ce-cli and "
        "docker-buildx-plugin from Docker's repository, or docker-cli and docker-buildx from a "
        "newer Debian."
    )


def wrong_variable(environ: Mapping[str, str], engine: Engine) -> str:
    """Return why an engine refuses a client for the version in its environment, or an empty
    string."""
    if not (version := environ.get(API_VARIABLE)):
        return ""
    minimum, newest = engine.minimum_api(), engine.newest_api()
    if numbers(version) < numbers(minimum):
        wanted = f"needs version {minimum} of its API or newer"
    elif newest and numbers(version) > numbers(newest):
        wanted = f"has only version {newest} of its API and older ones"
    else:
        return ""
    return f"{API_VARIABLE} is {shown(version)}, and the engine {wanted}"


def too_old(version: ClientVersion, minimum: str) -> str:
    """Return why an engine with this minimum API version refuses a client, or an empty string."""
    if not version.api or numbers(version.api) >= numbers(minimum):
        return ""
    return (
        f"version {version.client} has the Docker Engine API {version.api}, and the engine "
        f"needs {minimum} or newer"
    )


def buildx_too_old(version: ClientVersion, minimum: str) -> bool:
    """Whether an engine with this minimum API version refuses builds of the client's buildx."""
    first, api = _BUILDX_API
    return bool(version.buildx) and numbers(version.buildx) < first and numbers(minimum) >= api


def version_of(
    path: str, environ: Mapping[str, str], *, with_buildx: bool = False
) -> ClientVersion:
    """Ask a client for its version; one that reports none is not an error."""
    # The client prints this even if the engine refuses to answer it.
    answer = _asked([path, "version", "--format", _VERSION], environ).split()
    client, api = answer if len(answer) == 2 else ("", "")
    buildx = buildx_of(path, environ) if with_buildx else ""
    return ClientVersion(client, api, buildx)


def buildx_of(path: str, environ: Mapping[str, str]) -> str:
    """Return the version of a client's buildx plugin; an empty string without one."""
    answer = _asked([path, "buildx", "version"], environ)
    if not answer.startswith(BUILDX):
        return ""
    found = re.search(r"\d+\.\d+(\.\d+)?", answer)
    return found[0] if found else "unknown"


def _asked(argv: list[str], environ: Mapping[str, str]) -> str:
    return output_of(argv, seconds=_SECONDS, environ=environ).stdout.strip()

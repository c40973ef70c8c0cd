"""The connection to the Docker Engine.

It imports `docker` for streams and registries only, as that takes 0.08 s. Other requests go through
`socket`, or through `remote` if the engine is on another host.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property, partial

from ..errors import (
    ConflictError,
    EngineError,
    EngineUnreachableError,
    ImageNotFoundError,
    MountMissingError,
    NoAccessError,
    NotFoundError,
)
from ..json_text import parsed
from ..lean import TYPE_CHECKING
from ..version import __version__
from . import socket as engine_socket
from .address import DEFAULT, EngineAddress, resolve
from .answers import is_podman_conflict, missing_mount, validated
from .http import Answer, Connection, query_of
from .interface import REFUSED

if TYPE_CHECKING:
    from typing import Any

ANSWER_SECONDS = 120
"""Timeout for requests that do not start a long operation."""
LONGEST_SECONDS = 6 * 3600
"""How long a request may be silent that commits, removes or builds, or follows a container."""
_LISTINGS = 10
"""How often a list is asked for; on a busy engine 25 of 365 requests failed."""
NEWEST_API = "1.51"
"""The newest version of the engine's API that this program was tested with (Docker Engine 28.5)."""
OLDEST_API = "1.24"
"""The oldest version that an engine accepts if it does not report one."""
CHUNK = 2 * 1024**2
Query = str | list[str]
"""A value of a query; of a list, each is sent."""
_MESSAGE = 64 * 1024
"""Bytes of an answer that are enough for a refusal's reason."""
_NEEDS_TLS = "Client sent an HTTP request to an HTTPS server"
"""What an engine that uses TLS answers without it."""
_NOWHERE = "/nowhere"  # a placeholder, as the SDK requires a socket's path


class EngineConnection:
    """Plain requests, and the SDK for the rest; both raise this program's errors."""

    def __init__(self, address: EngineAddress | None = None) -> None:
        """Connect to an engine, by default that of the environment, and agree on an API version.

        Raises EngineUnreachableError, and UsageError if there is no such context.
        """
        self.address = resolve(os.environ) if address is None else address
        self._send = self._transport()
        self._version = NEWEST_API
        self.is_podman = False
        headers = self._ping()
        self.is_podman = "libpod-api-version" in headers
        offered = headers.get("api-version", "")
        self._version = self._negotiated(offered or NEWEST_API)
        self.newest_api = "" if self.is_podman else offered
        """The newest API version that the engine accepts; Podman refuses none."""
        self._server = headers.get("server", "unknown engine")

    def __str__(self) -> str:
        return f"{self._server}, API {self._version}"

    def _ping(self) -> Mapping[str, str]:
        """Return the headers of an engine's answer to the first request."""
        with self._connection_errors(ANSWER_SECONDS):
            answer = self._send("GET", "/_ping", seconds=ANSWER_SECONDS)
        if answer.status < 300:
            return answer.headers
        if reason := _reason(answer.body):
            raise self._refusal(answer.status, reason)
        if _NEEDS_TLS in answer.body.decode(errors="replace"):
            raise EngineUnreachableError(
                f"No Docker Engine answers at {self.address.url} without TLS: {_NEEDS_TLS}.",
                "Set DOCKER_TLS_VERIFY=1, and DOCKER_CERT_PATH to the directory of your "
                "certificates; or use a Docker context that has them.",
            )
        said = f"HTTP status {answer.status}: {_said(answer.body)}".removesuffix(": ")
        raise _unreachable(f"another server or a proxy answered with {said}", self.address)

    @validated
    def _negotiated(self, offered: str) -> str:
        """Return the API version to use with an engine that offers this one as its newest.

        Raises EngineError if the engine has another major version of the API.
        """
        version = min(NEWEST_API, offered, key=_numbers)
        if _numbers(offered) <= _numbers(NEWEST_API):
            return version
        # An engine that is newer than what was tested may refuse our version. Within a major
        # version its API is changed by additions, so its oldest version is the nearest to ours.
        version = max(version, self.minimum_api, key=_numbers)
        if _numbers(version)[0] != _numbers(NEWEST_API)[0]:
            raise EngineError(
                f"mlc-patched {__version__} is too old for this engine: it uses version "
                f"{NEWEST_API} of the Docker Engine API, and the engine needs {self.minimum_api} "
                "or newer.",
                "Install a newer mlc-patched.",
            )
        return version

    @property
    def may_log_in(self) -> bool:
        """Whether there is a configuration of the docker client, where the SDK looks for logins."""
        if self.address.is_users:
            return False
        directory = os.environ.get("DOCKER_CONFIG") or "~/.docker"
        files = (f"{directory}/config.json", "~/.docker/config.json", "~/.dockercfg")
        return any(os.path.lexists(os.path.expanduser(each)) for each in files)  # noqa: PTH111

    @property
    def may_use_containerd_store(self) -> bool:
        """Whether the engine is new enough to have containerd's image store (Docker 24.0)."""
        return not self.is_podman and _numbers(self._version) >= (1, 43)

    @property
    def is_docker_28(self) -> bool:
        """Whether the engine is Docker 28.0 or newer."""
        return not self.is_podman and _numbers(self._version) >= (1, 48)

    @cached_property
    def minimum_api(self) -> str:
        """The oldest API version that the engine accepts."""
        try:
            answer = parsed(self.ask("GET", "/version", is_versioned=False).body)
            return str(answer.get("MinAPIVersion") or OLDEST_API)
        except (ValueError, AttributeError) as error:
            raise EngineError(f"Invalid answer from the Docker Engine: {error}") from error

    def _transport(self) -> Callable[..., Answer]:
        """Return the function that sends plain requests."""
        if (path := self.address.socket_path) is not None:
            return partial(engine_socket.ask, path)
        from .remote import RemoteConnection

        return RemoteConnection(self.address).ask

    @contextlib.contextmanager
    def sdk(self, *, unhurried: bool = False) -> Iterator[Any]:
        """Provide the SDK's client for what is not a plain request, with this program's errors.

        With `unhurried` the timeout is long; a commit of 18 GB takes minutes without any output.
        """
        with self._translated():
            self._client.timeout = LONGEST_SECONDS if unhurried else ANSWER_SECONDS
            yield self._client

    @cached_property
    def _client(self) -> Any:
        from .client_configuration import sdk_client, without_logins

        path = self.address.socket_path
        client = sdk_client(f"unix://{path or _NOWHERE}", self._version, ANSWER_SECONDS)
        if self.address.is_users:
            without_logins(client)
        if path is None:
            client.mount("http+docker://", _adapter(self.address))
        return client

    def ask(
        self,
        method: str,
        path: str,
        query: Mapping[str, Query] | None = None,
        body: Mapping[str, Any] | None = None,
        *,
        seconds: float = ANSWER_SECONDS,
        most: int | None = None,
        is_versioned: bool = True,
    ) -> Answer:
        """Send a plain request to the engine.

        `path` is without the API version, which precedes it if `is_versioned`; `body` is sent as
        JSON. `seconds` is the timeout, and `most` how many bytes of the answer to read, None for
        all.

        Raises EngineUnreachableError if no engine answers, and ConflictError, ImageNotFoundError,
        NotFoundError or EngineError if it refused.
        """
        target = f"/v{self._version}{path}" if is_versioned else path
        if query:
            target += f"?{query_of(query)}"
        content = None if body is None else json.dumps(body).encode()
        with self._connection_errors(seconds):
            answer = self._send(method, target, content, seconds=seconds, most=most)
        if answer.status >= 500 and method == "HEAD":  # which has no body, so it lacks the reason
            return self.ask(
                "GET", path, query, seconds=seconds, most=_MESSAGE, is_versioned=is_versioned
            )
        if answer.status >= 400:
            raise self._refused(answer.status, answer.body)
        return answer

    def stream(
        self,
        method: str,
        path: str,
        query: Mapping[str, Query] | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> Iterator[bytes]:
        """Send a plain request and yield the answer's body as it arrives.

        It may be silent for LONGEST_SECONDS. Arguments and errors are those of `ask`; a refusal is
        raised here, what breaks off while it is read.
        """
        pieces = self._streamed(method, path, query, body)
        next(pieces)
        return pieces

    def _streamed(
        self,
        method: str,
        path: str,
        query: Mapping[str, Query] | None,
        body: Mapping[str, Any] | None,
    ) -> Iterator[bytes]:
        """Yield what `stream` does, and before it nothing, once the engine has answered."""
        target = f"/v{self._version}{path}?{query_of(query or {})}"
        content = None if body is None else json.dumps(body).encode()
        with self._connection_errors(LONGEST_SECONDS):
            connection = Connection(self._dialled())
            try:
                head = connection.send(method, target, content)
                if head.status >= 400:
                    raise self._refused(head.status, b"".join(connection.pieces(head)))
                yield b""
                yield from connection.pieces(head)
            finally:
                connection.close()

    def _dialled(self) -> socket.socket:
        if (path := self.address.socket_path) is not None:
            return engine_socket.dial(path, LONGEST_SECONDS)
        from .remote import dial

        return dial(self.address, LONGEST_SECONDS)

    @contextlib.contextmanager
    def _connection_errors(self, seconds: float) -> Iterator[None]:
        try:
            yield
        except TimeoutError as error:
            raise _no_answer(seconds) from error
        except OSError as error:
            raise _unreachable(str(error), self.address) from error

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        """Convert the SDK's exceptions."""
        import docker.errors
        import requests.exceptions
        import urllib3.exceptions  # which the SDK lets through while it reads a stream

        from .client_configuration import configuration_errors

        try:
            with configuration_errors():
                yield
        except docker.errors.APIError as error:
            status = getattr(error.response, "status_code", 0)
            raise self._refusal(status, str(error.explanation or error).strip()) from error
        except (requests.exceptions.Timeout, urllib3.exceptions.TimeoutError) as error:
            raise _no_answer(self._client.timeout) from error
        except (
            docker.errors.DockerException,
            requests.exceptions.RequestException,
            urllib3.exceptions.HTTPError,
        ) as error:
            raise _unreachable(str(error), self.address) from error

    def _refused(self, status: int, body: bytes) -> EngineError | NotFoundError:
        """Return the error for an answer; a proxy's has no reason of the engine, or a page."""
        if reason := _reason(body):
            return self._refusal(status, reason)
        text = f"HTTP status {status} from {self.address.url}: {_said(body)}".removesuffix(": ")
        return NotFoundError(text) if status == 404 else self._refusal(status, text)

    def _refusal(self, status: int, explanation: str) -> EngineError | NotFoundError:
        if status == 404:
            if "image" in explanation.lower():
                return ImageNotFoundError(explanation)
            return NotFoundError(explanation)
        if (path := missing_mount(explanation)) is not None:
            return MountMissingError(path)
        if status == 409 or (self.is_podman and is_podman_conflict(explanation)):
            return ConflictError(explanation)
        return EngineError(f"{REFUSED}{explanation}")


def ask_for_list(
    ask: Callable[..., Answer],
    path: str,
    query: Mapping[str, Query],
    *,
    seconds: float = ANSWER_SECONDS,
) -> Answer:
    """Return the answer to a request for what the engine has.

    While someone removes an image, Docker with containerd's store (28.5) answers some of them with
    status 404, as the image is in its list and no longer in the store. `ask` is
    `EngineConnection.ask`.
    """
    for _ in range(_LISTINGS - 1):
        with contextlib.suppress(NotFoundError):
            return ask("GET", path, query, seconds=seconds)
    return ask("GET", path, query, seconds=seconds)


def _adapter(address: EngineAddress) -> Any:
    """Return an adapter for the SDK's requests to a remote engine.

    It is the SDK's adapter for a Unix socket with our own socket, because the SDK needs paramiko
    for SSH, and names TLS certificates in its own way.
    """
    from docker.transport.unixconn import UnixHTTPAdapter, UnixHTTPConnection

    from .remote import dial

    class Connection(UnixHTTPConnection):
        def connect(self) -> None:
            self.sock = dial(address, self.timeout)

    class Adapter(UnixHTTPAdapter):
        def get_connection(self, url: Any, proxies: Any = None) -> Any:
            pool: Any = super().get_connection(url, proxies)
            pool._new_conn = lambda: Connection(pool.base_url, _NOWHERE, pool.timeout)
            return pool

    return Adapter(f"http+unix://{_NOWHERE}")


def _reason(body: bytes) -> str:
    """Return the engine's reason for a refusal; empty if it gives no reason."""
    with contextlib.suppress(ValueError, KeyError, TypeError):
        return str(parsed(body)["message"]).strip()
    return ""


def _said(body: bytes) -> str:
    """Return what a server other than an engine says; empty for a web page."""
    text = body.decode(errors="replace").strip()
    return "" if text.startswith(("<", "{")) else text.partition("\n")[0].rstrip()


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def _no_answer(seconds: float) -> EngineError:
    return EngineError(f"The Docker Engine did not answer within {seconds:.0f} seconds.")


def _unreachable(text: str, address: EngineAddress) -> EngineUnreachableError:
    if address.is_local and ("Permission denied" in text or "PermissionError" in text):
        return NoAccessError(
            "You have no access to the Docker Engine.",
            "Ask an administrator to add you to the group docker (usermod -aG docker NAME), then "
            "log in again.",
        )
    source = f" of the context {address.context}" if address.context != DEFAULT else ""
    return EngineUnreachableError(
        f"No Docker Engine answers at {address.url}{source}: {text.rstrip('.')}.",
        "Is it running (systemctl status docker)? Is DOCKER_HOST correct?"
        if address.is_local
        else f"Check whether the docker client can reach it: {_client_command(address)}",
    )


def _client_command(address: EngineAddress) -> str:
    if address.context != DEFAULT:
        return f"docker --context {address.context} version"
    return f"docker --host {address.url} version"

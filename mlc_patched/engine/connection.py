"""The connection to the Docker Engine. The only module that imports `docker`.

That takes 0.08 s, so it is imported where it is used: for streams and registries. Everything
else is asked by `engine_socket`, or by `engine_remote` of an engine that is not on this host.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property, partial
from typing import Any
from urllib.parse import urlencode

from ..errors import (
    ConflictError,
    EngineError,
    EngineUnreachableError,
    ImageNotFoundError,
    MountMissingError,
    NotFoundError,
)
from ..json_text import parsed
from . import socket as engine_socket
from .address import DEFAULT, EngineAddress, resolve
from .answers import is_podman_conflict, missing_mount

ANSWER_SECONDS = 120
"""How long an engine may take over an answer that needs no long work."""
NEWEST_API = "1.45"
"""The newest version of the engine's API that `docker_engine` was written for."""
REFUSED = "The Docker Engine refused: "
CHUNK = 2 * 1024**2
_NOWHERE = "/nowhere"  # a socket for the SDK to think of


class EngineConnection:
    """Plain questions, and the SDK for the rest; refusals of both become our errors."""

    def __init__(self, address: EngineAddress | None = None) -> None:
        """Agree on an API version, by a ping.

        Args:
            address: where the engine is; by the process's environment when not given.

        Raises:
            EngineUnreachableError: no engine answers, or the user may not talk to it.
            UsageError: the environment names a context that there is not.
        """
        self.address = resolve(os.environ) if address is None else address
        self._put = self._questions()
        self._version = NEWEST_API
        self.is_podman = False
        headers = self.ask("GET", "/_ping", is_versioned=False).headers
        self.is_podman = "libpod-api-version" in headers
        offered = headers.get("api-version")
        self._version = min(NEWEST_API, offered or NEWEST_API, key=_numbers)

    @property
    def is_local(self) -> bool:
        """Whether the engine is behind a Unix socket of this host."""
        return self.address.is_local

    def _questions(self) -> Callable[..., engine_socket.Answer]:
        """Return what puts plain questions to the engine."""
        if (path := self.address.socket_path) is not None:
            return partial(engine_socket.ask, path)
        from .remote import RemoteLine

        return RemoteLine(self.address).ask

    @contextlib.contextmanager
    def sdk(self, *, unhurried: bool = False) -> Iterator[Any]:
        """Give the SDK's client, for what is no plain question.

        Args:
            unhurried: wait as long as it takes: a commit of 18 GB is minutes of silence.

        Raises:
            EngineError, NotFoundError: in place of the SDK's own exceptions.
        """
        with self._translated():
            self._client.timeout = None if unhurried else ANSWER_SECONDS
            yield self._client

    @cached_property
    def _client(self) -> Any:
        import docker

        path = self.address.socket_path
        client = docker.APIClient(
            f"unix://{path or _NOWHERE}", version=self._version, timeout=ANSWER_SECONDS
        )
        if path is None:
            client.mount("http+docker://", _adapter(self.address))
        return client

    def ask(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        *,
        seconds: float | None = ANSWER_SECONDS,
        most: int | None = None,
        is_versioned: bool = True,
    ) -> engine_socket.Answer:
        """Ask the engine a plain question.

        Args:
            method: `GET`, `POST` …
            path: without the API's version.
            query: its parameters.
            body: what is sent as JSON.
            seconds: how long to wait for the answer; None is for ever.
            most: how many bytes of the answer are wanted, None for all.
            is_versioned: whether the path belongs to a version of the API.

        Raises:
            EngineUnreachableError: no engine answers.
            ConflictError, ImageNotFoundError, NotFoundError, EngineError: it refused.
        """
        target = f"/v{self._version}{path}" if is_versioned else path
        if query:
            target += f"?{urlencode(query)}"
        content = None if body is None else json.dumps(body).encode()
        try:
            answer = self._put(method, target, content, seconds=seconds, most=most)
        except TimeoutError as error:
            raise _no_answer() from error
        except OSError as error:
            raise _unreachable(str(error), self.address) from error
        if answer.status >= 400:
            raise self._refusal(answer.status, _message(answer.body))
        return answer

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        """Turn the SDK's exceptions into ours."""
        import docker.errors
        import requests.exceptions

        try:
            yield
        except docker.errors.APIError as error:
            status = getattr(error.response, "status_code", 0)
            raise self._refusal(status, _explanation(error)) from error
        except requests.exceptions.Timeout as error:
            raise _no_answer() from error
        except (docker.errors.DockerException, requests.exceptions.RequestException) as error:
            raise _unreachable(str(error), self.address) from error

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


def _adapter(address: EngineAddress) -> Any:
    """Return what carries the SDK's requests to an engine that is not on this host.

    The SDK's own for a Unix socket, but for the socket: for ssh alone, the SDK's would take
    paramiko, and for TLS each way of its own to name certificates.
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


def _message(body: bytes) -> str:
    """Return the engine's own words on why it refused."""
    text = body.decode(errors="replace").strip()
    with contextlib.suppress(ValueError, KeyError, TypeError):
        return str(parsed(text)["message"]).strip()
    return text


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def _no_answer() -> EngineError:
    return EngineError(f"The Docker Engine gave no answer within {ANSWER_SECONDS} seconds.")


def _explanation(error: Any) -> str:
    return str(error.explanation or error).strip()


def _unreachable(text: str, address: EngineAddress) -> EngineUnreachableError:
    if not address.is_local:
        whose = f" of the context {address.context}" if address.context != DEFAULT else ""
        return EngineUnreachableError(
            f"No Docker Engine answers at {address.url}{whose}: {text.rstrip('.')}. "
            f"See whether the docker client reaches it: {_client_line(address)}"
        )
    if "Permission denied" in text or "PermissionError" in text:
        return EngineUnreachableError(
            "You may not talk to the Docker Engine. Ask an administrator to add you to the "
            "group docker (usermod -aG docker NAME), then log in anew."
        )
    return EngineUnreachableError(
        f"No Docker Engine answers: {text}. Is it running (systemctl status docker)? "
        "Is DOCKER_HOST right?"
    )


def _client_line(address: EngineAddress) -> str:
    if address.context != DEFAULT:
        return f"docker --context {address.context} version"
    return f"docker --host {address.url} version"

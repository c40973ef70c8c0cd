"""The connection to the Docker Engine. The only module that imports `docker`.

That takes 0.08 s, so it is imported where it is used: for streams, registries, and engines
that are not behind a Unix socket. Everything else is asked by `engine_socket`.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any
from urllib.parse import urlencode

from . import engine_socket
from .errors import (
    ConflictError,
    EngineError,
    EngineUnreachableError,
    ImageNotFoundError,
    NotFoundError,
)

ANSWER_SECONDS = 120
"""How long an engine may take over an answer that needs no long work."""
NEWEST_API = "1.45"
"""The newest version of the engine's API that `docker_engine` was written for."""
REFUSED = "The Docker Engine refused: "
CHUNK = 2 * 1024**2


class EngineConnection:
    """Plain questions, and the SDK for the rest; refusals of both become our errors."""

    def __init__(self) -> None:
        """Agree on an API version, by a ping.

        Raises:
            EngineUnreachableError: no engine answers, or the user may not talk to it.
        """
        self._environ = dict(os.environ)  # for the SDK, which may come to be needed much later
        self._socket = engine_socket.path_of(self._environ)
        self._version = NEWEST_API
        offered = self.ask("GET", "/_ping", is_versioned=False).headers.get("api-version")
        self._version = min(NEWEST_API, offered or NEWEST_API, key=_numbers)

    @property
    def is_local(self) -> bool:
        """Whether the engine is behind a Unix socket of this host."""
        return self._socket is not None

    @contextlib.contextmanager
    def sdk(self, *, unhurried: bool = False) -> Iterator[Any]:
        """Give the SDK's client, for what is no plain question.

        Args:
            unhurried: wait as long as it takes: a commit of 18 GB is minutes of silence.

        Raises:
            EngineError, NotFoundError: in place of the SDK's own exceptions.
        """
        with _translated():
            self._client.timeout = None if unhurried else ANSWER_SECONDS
            yield self._client

    @cached_property
    def _client(self) -> Any:
        import docker
        import docker.utils

        return docker.APIClient(
            **docker.utils.kwargs_from_env(environment=self._environ),
            version=self._version,
            timeout=ANSWER_SECONDS,
        )

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
        if self._socket is None:
            answer = self._ask_by_sdk(method, target, content, seconds, most)
        else:
            try:
                answer = engine_socket.ask(
                    self._socket, method, target, content, seconds=seconds, most=most
                )
            except TimeoutError as error:
                raise _no_answer() from error
            except OSError as error:
                raise _unreachable(str(error)) from error
        if answer.status >= 400:
            raise _refusal(answer.status, _message(answer.body))
        return answer

    def _ask_by_sdk(
        self,
        method: str,
        target: str,
        content: bytes | None,
        seconds: float | None,
        most: int | None,
    ) -> engine_socket.Answer:
        with self.sdk() as client:
            response = client.request(
                method,
                f"{client.base_url}{target}",
                data=content,
                headers={"Content-Type": "application/json"},
                timeout=seconds,
                stream=True,
            )
            headers = {name.lower(): value for name, value in response.headers.items()}
            with contextlib.closing(response):
                body = b""
                for chunk in response.iter_content(CHUNK):
                    body += chunk
                    if most is not None and len(body) >= most:
                        break
        return engine_socket.Answer(response.status_code, headers, body)


def _message(body: bytes) -> str:
    """Return the engine's own words on why it refused."""
    text = body.decode(errors="replace").strip()
    with contextlib.suppress(ValueError, KeyError, TypeError):
        return str(json.loads(text)["message"]).strip()
    return text


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    """Turn the SDK's exceptions into ours."""
    import docker.errors
    import requests.exceptions

    try:
        yield
    except docker.errors.APIError as error:
        raise _refusal(getattr(error.response, "status_code", 0), _explanation(error)) from error
    except requests.exceptions.Timeout as error:
        raise _no_answer() from error
    except (docker.errors.DockerException, requests.exceptions.RequestException) as error:
        raise _unreachable(str(error)) from error


def _refusal(status: int, explanation: str) -> EngineError | NotFoundError:
    if status == 404:
        if "image" in explanation.lower():
            return ImageNotFoundError(explanation)
        return NotFoundError(explanation)
    if status == 409:
        return ConflictError(explanation)
    return EngineError(f"{REFUSED}{explanation}")


def _no_answer() -> EngineError:
    return EngineError(f"The Docker Engine gave no answer within {ANSWER_SECONDS} seconds.")


def _explanation(error: Any) -> str:
    return str(error.explanation or error).strip()


def _unreachable(text: str) -> EngineUnreachableError:
    if "Permission denied" in text or "PermissionError" in text:
        return EngineUnreachableError(
            "You may not talk to the Docker Engine. Ask an administrator to add you to the "
            "group docker (usermod -aG docker NAME), then log in anew."
        )
    return EngineUnreachableError(
        f"No Docker Engine answers: {text}. Is it running (systemctl status docker)? "
        "Is DOCKER_HOST right?"
    )

"""Registries through the Docker Engine (Docker Engine API, "ImagePush" and
"DistributionInspect"). The SDK sends the login that the docker client stored."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..errors import (
    ClientConfigurationError,
    EngineError,
    EngineUnreachableError,
    ImageNotFoundError,
    NotFoundError,
)
from ..names.images import parse_reference
from ..names.projects import LATEST
from .answers import transfer_progress, validated
from .connection import EngineConnection
from .interface import REFUSED
from .registry import Registry, failure

_NOT_HERE = "does not exist locally"
_NOT_THERE = ("manifest unknown", "name unknown", "not found")


class EngineRegistry(Registry):
    """Registries, reached by an engine."""

    def __init__(self, connection: EngineConnection) -> None:
        self._sdk = connection.sdk

    def push(self, reference: str, progress: Callable[[str], None]) -> str:
        name = parse_reference(reference)
        layers: dict[str, tuple[int, int]] = {}
        digest = ""
        try:
            with self._sdk(unhurried=True) as client:
                for event in client.push(
                    name.repository, tag=name.tag or LATEST, stream=True, decode=True
                ):
                    digest = (event.get("aux") or {}).get("Digest", digest)
                    progress(transfer_progress(event, layers))
        except (EngineUnreachableError, ImageNotFoundError, ClientConfigurationError):
            raise
        except (EngineError, NotFoundError) as error:
            why = _reason(error)
            if _NOT_HERE in why:
                raise ImageNotFoundError(why) from error
            raise failure(reference, why) from error
        if not digest:
            raise failure(reference, "it reported no digest")
        return digest

    def digest(self, reference: str) -> str | None:
        try:
            with self._sdk() as client:
                answer = client.inspect_distribution(reference)
        except (EngineUnreachableError, ClientConfigurationError):
            raise
        except (EngineError, NotFoundError) as error:
            why = _reason(error)
            if any(words in why.lower() for words in _NOT_THERE):
                return None
            raise failure(reference, why) from error
        return _digest_of(answer)


@validated
def _digest_of(found: Mapping[str, Any]) -> str:
    return str(found["Descriptor"]["digest"])


def _reason(error: Exception) -> str:
    return str(error).removeprefix(REFUSED).strip().rstrip(".")

"""The site's registry, by which images travel from engine to engine: what is asked of it.

`engine_registry` asks through the engine, with the login of docker's client. What is decided
here is pure.
"""

from __future__ import annotations

import abc
from collections.abc import Callable, Mapping

from ..errors import EngineError, MlcError
from ..names.images import check_registry

VARIABLE = "DS01_REGISTRY"
_REASONS = (
    (
        ("unauthorized", "no basic auth", "authentication required", "access denied", "denied:"),
        "You are not logged in there, or may not do that. Log in with: docker login {host}",
    ),
    (
        ("x509", "certificate", "tls:"),
        "Its certificate is not trusted by the engine. An administrator puts the certificate of "
        "who signed it into /etc/docker/certs.d/{host}/ca.crt on the engine's host.",
    ),
    (
        ("http response to https",),
        "It speaks no TLS. Give it a certificate (docs/cluster.md).",
    ),
    (
        ("no such host", "connection refused", "timeout", "no route", "unreachable", "lookup"),
        "The engine does not reach it. Is the name right, and does the registry run?",
    ),
)


class RegistryError(EngineError):
    """The registry refused, or was not reached; the message says what to do."""


class Registry(abc.ABC):
    """What is asked of registries. The engine does it, so names and trust are the engine's."""

    @abc.abstractmethod
    def push(self, reference: str, progress: Callable[[str], None]) -> str:
        """Send an image that has this name to the registry in the name; return its digest.

        Raises:
            RegistryError: the registry refused or is not reached.
            ImageNotFoundError: the engine has no image of this name.
        """

    @abc.abstractmethod
    def digest(self, reference: str) -> str | None:
        """Return the digest of what the registry has under a name, or None if it has nothing.

        Raises:
            RegistryError: the registry refused or is not reached.
        """


def chosen(said: str | None, environ: Mapping[str, str], setting: str | None) -> str | None:
    """Return the registry in use: what was said, else DS01_REGISTRY, else the setting.

    Raises:
        UsageError: it cannot be one.
    """
    if said is not None:
        return check_registry(said)
    name = environ.get(VARIABLE) or setting
    return check_registry(name) if name else None


def needed(registry: str | None) -> str:
    """Return the registry.

    Raises:
        MlcError: there is none.
    """
    if registry is None:
        raise MlcError(
            f"No registry is set. Say image-push PROJECT REGISTRY, or set {VARIABLE}, or have an "
            "administrator set 'registry' under [images] in /etc/ds01/mlc.ini (docs/cluster.md)."
        )
    return registry


def reference_in(registry: str, image: str) -> str:
    """Return the name of a ds01 image in a registry: `REGISTRY/ds01-UID/PROJECT:TAG`."""
    return f"{registry}/{image}"


def host_of(reference: str) -> str:
    """Return HOST[:PORT] of a name in a registry."""
    return reference.partition("/")[0]


def failure(reference: str, why: str) -> RegistryError:
    """Put the engine's words on why a registry could not be used into ours."""
    host = host_of(reference)
    lower = why.lower()
    for words, advice in _REASONS:
        if any(word in lower for word in words):
            return RegistryError(
                f"The registry {host} did not take part: {why}. {advice.format(host=host)}"
            )
    return RegistryError(f"The registry {host} did not take part: {why}")

"""The interface to image registries, and which registry a site uses. Pure."""

from __future__ import annotations

import abc
from collections.abc import Callable, Mapping

from ..errors import EngineError, MlcError
from ..names.images import check_registry
from ..version import documentation

VARIABLE = "DS01_REGISTRY"
_REASONS = (
    (
        ("unauthorized", "no basic auth", "authentication required", "access denied", "denied:"),
        "You are not logged in, or not allowed to do this. Log in with: docker login {host}",
    ),
    (
        ("x509", "certificate", "tls:"),
        "The engine does not trust its certificate. An administrator can put the certificate of "
        "its CA into /etc/docker/certs.d/{host}/ca.crt on the engine's host.",
    ),
    (
        ("http response to https",),
        "It does not use TLS. Set it up with a certificate: see {page}.",
    ),
    (
        ("no such host", "connection refused", "timeout", "no route", "unreachable", "lookup"),
        "The engine cannot reach it. Is the name correct, and is the registry running?",
    ),
)


class RegistryError(EngineError):
    """The registry rejected the request or is unreachable; the message says what to do."""


class Registry(abc.ABC):
    """Operations on registries. The engine carries them out, so its DNS and certificates count."""

    @abc.abstractmethod
    def push(self, reference: str, progress: Callable[[str], None]) -> str:
        """Push an image to the registry in its name and return its digest.

        Raises RegistryError, and ImageNotFoundError if the engine has no image of this name.
        """

    @abc.abstractmethod
    def digest(self, reference: str) -> str | None:
        """Return the digest of an image in its registry, or None if the registry lacks it.

        Raises RegistryError if the registry rejected the request or is unreachable.
        """


def choose_registry(
    argument: str | None, environ: Mapping[str, str], setting: str | None
) -> str | None:
    """Return the registry to use: the argument, else DS01_REGISTRY, else the setting.

    Raises UsageError if that is not a valid name.
    """
    if argument is not None:
        return check_registry(argument)
    name = environ.get(VARIABLE) or setting
    return check_registry(name) if name else None


def require_registry(registry: str | None, command: str = "") -> str:
    """Return the registry, or raise MlcError if none is set; `command` would take one."""
    if registry is None:
        how = f"Use {command}, set" if command else "Set"
        raise MlcError(
            "No registry is set.",
            f"{how} {VARIABLE}, or ask your administrator to set 'registry' under [images] in "
            f"/etc/ds01/mlc.ini. See {documentation('cluster')}.",
        )
    return registry


def failure(reference: str, why: str) -> RegistryError:
    """Return the error for a failed request to a registry, with advice for known reasons."""
    host = reference.partition("/")[0]
    lower = why.lower()
    for words, advice in _REASONS:
        if any(word in lower for word in words):
            then = advice.format(host=host, page=documentation("cluster"))
            return RegistryError(f"The request to the registry {host} failed: {why}. {then}")
    return RegistryError(f"The request to the registry {host} failed: {why}")

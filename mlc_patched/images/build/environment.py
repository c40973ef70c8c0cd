"""Proxy, pip and CA settings for builds, from the environment. `derive` passes them on."""

from __future__ import annotations

import contextlib
import enum
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from ...errors import MlcError, UsageError
from ...host.account import Account
from ...host.files import read_text
from ...lean import dataclass, field
from ...urls import has_login

CA_VARIABLE = "DS01_CA_CERTIFICATE"
CA_IN_IMAGE_VARIABLE = "DS01_CA_IN_IMAGE"
# Docker knows these without an ARG and keeps them out of the history ("Predefined ARGs").
PROXY_VARIABLES = tuple(
    name
    for lower in ("http_proxy", "https_proxy", "ftp_proxy", "no_proxy", "all_proxy")
    for name in (lower, lower.upper())
)
PIP_VARIABLES = {
    "PIP_INDEX_URL": "index-url",
    "PIP_EXTRA_INDEX_URL": "extra-index-url",
    "PIP_TRUSTED_HOST": "trusted-host",
}
"""Variables that are passed to a build, and their names in pip's configuration file."""
_FIND_LINKS = "PIP_FIND_LINKS"
HOST_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Ubuntu
    "/etc/pki/tls/certs/ca-bundle.crt",  # Fedora and its kin
    "/etc/ssl/ca-bundle.pem",  # openSUSE
)
_PEM = "-----BEGIN CERTIFICATE-----"


class Builder(enum.Enum):
    """The client's buildx plugin, its built-in BuildKit support, or the classic builder."""

    BUILDX = "buildx"
    BUILDKIT = "BuildKit"
    CLASSIC = "the classic builder"
    PODMAN = "Podman"


@dataclass(frozen=True)
class Certificates:
    """A site's certificate authority: its own certificate, and a bundle of all trusted ones."""

    own: str
    bundle: str
    in_image: bool = False


@dataclass(frozen=True)
class BuildSettings:
    """Settings from the environment: names of proxy variables, pip's settings, certificates."""

    proxies: tuple[str, ...] = ()
    pip: Mapping[str, str] = field(default_factory=dict)
    certificates: Certificates | None = None


def settings_from(environ: Mapping[str, str], account: Account | None = None) -> BuildSettings:
    """Read the settings for builds from the environment, the certificate with the account's rights.

    Raises UsageError if a value is invalid, MlcError if the certificate cannot be read.
    """
    pip = {name: environ[name] for name in PIP_VARIABLES if environ.get(name)}
    for name, value in pip.items():
        if not value.isprintable() and any(char not in " \t\n" for char in value if char < " "):
            raise UsageError(f"The environment variable {name} contains control characters.")
    return BuildSettings(
        proxies=tuple(name for name in PROXY_VARIABLES if environ.get(name)),
        pip=pip,
        certificates=_certificates(environ, account),
    )


def _certificates(environ: Mapping[str, str], account: Account | None) -> Certificates | None:
    path = environ.get(CA_VARIABLE)
    if not path:
        return None
    own = read_text(path, f"certificate of {CA_VARIABLE},", account)
    if _PEM not in own:
        raise MlcError(f"{path} ({CA_VARIABLE}) does not contain a certificate in PEM format.")
    own = own if own.endswith("\n") else f"{own}\n"
    bundle = _bundle_of_the_host()
    if own.strip() not in bundle:
        bundle += own
    in_image = environ.get(CA_IN_IMAGE_VARIABLE, "").lower() in ("1", "true", "yes")
    return Certificates(own, bundle, in_image)


def _bundle_of_the_host() -> str:
    """Return the certificates that this host trusts; empty if the caller may not read them."""
    for each in HOST_BUNDLES:
        with contextlib.suppress(OSError):
            return Path(each).read_text(encoding="utf-8", errors="replace")
    return ""


def refuse_credentials(settings: BuildSettings) -> None:
    """Raise MlcError for an index with a password: the classic builder would write it into the
    image."""
    for name, value in settings.pip.items():
        if has_login(value):
            raise MlcError(
                f"{name} contains credentials, which the classic builder would leave in a layer of "
                "the image.",
                "Install BuildKit, which supports secrets (apt-get install docker-buildx), or give "
                f"{name} without a password.",
            )


def pip_configuration(settings: Mapping[str, str]) -> str:
    """Return pip's configuration file for settings from variables."""
    lines = [f"{PIP_VARIABLES[name]} = {' '.join(each.split())}" for name, each in settings.items()]
    return "\n".join(("[global]", *lines, ""))


def settings_for_uv(settings: Mapping[str, str], environment: Sequence[str]) -> dict[str, str]:
    """Return pip's settings for uv: those of a build, and those in the environment of an image,
    `NAME=VALUE`, which pip prefers, and which uv does not know."""
    own = dict(each.split("=", 1) for each in environment if "=" in each)
    if not settings and own.get("UV_CONFIG_FILE"):
        return {}
    return {
        **settings,
        **{name: own[name] for name in (*PIP_VARIABLES, _FIND_LINKS) if own.get(name)},
    }


def uv_configuration(settings: Mapping[str, str]) -> str:
    """Return uv's configuration file for pip's settings from variables.

    A package is taken from any of the indexes, as by pip, not only from the first that has it.
    """
    lines = []
    if url := settings.get("PIP_INDEX_URL"):
        lines.append(f"index-url = {json.dumps(url.strip())}")
    for name, key in (
        ("PIP_EXTRA_INDEX_URL", "extra-index-url"),
        ("PIP_TRUSTED_HOST", "allow-insecure-host"),
        (_FIND_LINKS, "find-links"),
    ):
        if values := settings.get(name, "").split():
            lines.append(f"{key} = {json.dumps(values)}")
    return "\n".join((*lines, 'index-strategy = "unsafe-best-match"', ""))

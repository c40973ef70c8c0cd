"""Proxy, pip and CA settings passed to a build without leaking into the image.

The user's Dockerfile stays plain. A derived one, written for one build, adds the settings of
proxies and the package index and the site's certificate authority:

- proxies as Docker's predefined build arguments, which images and their history do not contain;
- with BuildKit, pip's settings and the certificates as secrets, mounted for each step;
- with the classic builder, which has no secrets, both as files that the last step removes. A layer
  still contains them, so an index with a password is refused.
"""

from __future__ import annotations

import enum
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from ...errors import MlcError, UsageError
from ...host.account import Account
from ...host.files import read_text
from ...names import labels
from ..dockerfile.render import USER_ID_ARGUMENT
from ..dockerfile.syntax import Instruction, final_stage, instructions

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
HOST_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Ubuntu
    "/etc/pki/tls/certs/ca-bundle.crt",  # Fedora and its kin
    "/etc/ssl/ca-bundle.pem",  # openSUSE
)
_SECRETS = "/run/secrets"
_PIP_SECRET = "ds01-pip"  # noqa: S105 - a name
_UV_SECRET = "ds01-uv"  # noqa: S105 - a name
_CA_SECRET = "ds01-ca"  # noqa: S105 - a name
_APT_SECRET = "ds01-apt"  # noqa: S105 - a name
_CA_USERS = ("PIP_CERT", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "GIT_SSL_CAINFO")
"""Variables that tell pip, OpenSSL, requests, curl and git where certificates are."""
_PIP_FILE = "/etc/ds01-build-pip.conf"
_UV_FILE = "/etc/ds01-build-uv.toml"
IMAGE_BUNDLE = "/etc/ssl/certs/ds01-ca-bundle.crt"
IMAGE_CERTIFICATE = "/usr/local/share/ca-certificates/ds01-site-ca.crt"
IMAGE_APT = "/etc/apt/apt.conf.d/99ds01-ca"
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


@dataclass(frozen=True)
class DerivedDockerfile:
    """A Dockerfile for one build.

    `lines` has the number of the original line for each of its lines, 0 for inserted ones.
    `secrets` are contents by id, `arguments` names of variables that the client passes on,
    `files` contents by path of an image that steps copy from, which is named `files_image`.
    """

    text: str
    lines: tuple[int, ...]
    secrets: Mapping[str, str] = field(default_factory=dict)
    arguments: tuple[str, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)


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
    host = next((Path(each) for each in HOST_BUNDLES if Path(each).is_file()), None)
    bundle = host.read_text(encoding="utf-8", errors="replace") if host else ""
    if own.strip() not in bundle:
        bundle += own
    in_image = environ.get(CA_IN_IMAGE_VARIABLE, "").lower() in ("1", "true", "yes")
    return Certificates(own, bundle, in_image)


def refuse_credentials(settings: BuildSettings) -> None:
    """Raise MlcError for an index with a password: the classic builder would write it into the
    image."""
    for name, value in settings.pip.items():
        for url in value.split():
            if _has_login(url):
                raise MlcError(
                    f"{name} contains credentials, which the classic builder would leave in a "
                    "layer of the image.",
                    "Install BuildKit, which supports secrets "
                    f"(apt-get install docker-buildx), or give {name} without a password.",
                )


def _has_login(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return "@" in url  # pip will report that it is not a URL
    return bool(parts.username or parts.password)


def derive(
    text: str, settings: BuildSettings, builder: Builder, files_image: str, mark: str = ""
) -> DerivedDockerfile:
    """Return the Dockerfile for one build; `files_image` names the image with the files, if needed,
    and `mark` marks the images of the steps from the account block on (`temporary.mark`).

    Raises DockerfileError if the Dockerfile cannot be read, and MlcError if an index has a
    password, and the builder does not support secrets.
    """
    found = instructions(text)
    after_from: list[str] = []
    secrets: dict[str, tuple[str, str]] = {}
    staying: dict[str, str] = {}
    temporary: dict[str, str] = {}
    classic = builder is Builder.CLASSIC
    if settings.pip:
        if classic:
            refuse_credentials(settings)
        for variable, secret, file, configuration in (
            ("PIP_CONFIG_FILE", _PIP_SECRET, _PIP_FILE, pip_configuration(settings.pip)),
            ("UV_CONFIG_FILE", _UV_SECRET, _UV_FILE, uv_configuration(settings.pip)),
        ):
            if classic:
                temporary[file] = configuration
            else:
                secrets[secret] = (f"{_SECRETS}/{secret}", configuration)
            after_from.append(f"ARG {variable}={file if classic else secrets[secret][0]}")
    if (trust := settings.certificates) and (classic or trust.in_image):
        apt = f'Acquire::https::CaInfo "{IMAGE_BUNDLE}";\n'
        files = {IMAGE_BUNDLE: trust.bundle, IMAGE_APT: apt, IMAGE_CERTIFICATE: trust.own}
        (staying if trust.in_image else temporary).update(files)
        keyword = "ENV" if trust.in_image else "ARG"
        after_from += [f"{keyword} {name}={IMAGE_BUNDLE}" for name in _CA_USERS]
    elif trust:
        at = f"{_SECRETS}/{_CA_SECRET}"
        secrets[_CA_SECRET] = (at, trust.bundle)
        apt = f'Acquire::https::CaInfo "{at}";\n'
        secrets[_APT_SECRET] = (f"{_SECRETS}/{_APT_SECRET}", apt)
        after_from += [f"ARG {name}={at}" for name in _CA_USERS]
        after_from.append(f"ARG APT_CONFIG={_SECRETS}/{_APT_SECRET}")
    files = {**staying, **temporary}
    after_from += [f"COPY --from={files_image} {path} {path}" for path in files]
    at_end = _cleaning(text, found, list(temporary)) if temporary else []
    before: dict[int, str] = {}
    if mark:
        before[_account_block(text, found)] = f'LABEL {labels.TEMPORARY}="{mark}"'
        at_end.append(f'LABEL {labels.TEMPORARY}=""')
    mounts = "".join(
        f" --mount=type=secret,id={name},target={target},mode=0444"
        for name, (target, _) in secrets.items()
    )
    lines, origin = _assembled(text, found, after_from, before, at_end, mounts)
    return DerivedDockerfile(
        "".join(lines),
        tuple(origin),
        {name: content for name, (_, content) in secrets.items()},
        settings.proxies,
        files,
    )


def pip_configuration(settings: Mapping[str, str]) -> str:
    """Return pip's configuration file for settings from variables."""
    lines = [f"{PIP_VARIABLES[name]} = {' '.join(each.split())}" for name, each in settings.items()]
    return "\n".join(("[global]", *lines, ""))


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
    ):
        if values := settings.get(name, "").split():
            lines.append(f"{key} = {json.dumps(values)}")
    return "\n".join((*lines, 'index-strategy = "unsafe-best-match"', ""))


def _cleaning(text: str, found: list[Instruction], paths: list[str]) -> list[str]:
    """Return the steps that remove files at the end and restore the user."""
    users = [each for each in final_stage(found) if each.keyword == "USER"]
    user = users[-1].body(text).strip() if users else "root"
    return ["USER root", f"RUN rm -f {' '.join(paths)}", f"USER {user}"]


def _account_block(text: str, found: list[Instruction]) -> int:
    """Return the line at which what differs between users begins: steps before it are cached for
    all of them."""
    stage = final_stage(found)
    own = (
        each
        for each in stage
        if each.keyword == "ARG" and USER_ID_ARGUMENT in each.body(text).split()
    )
    return next((each.line for each in own), stage[0].last_line + 1)


def _assembled(
    text: str,
    found: list[Instruction],
    after_from: list[str],
    before: Mapping[int, str],
    at_end: list[str],
    mounts: str,
) -> tuple[list[str], list[int]]:
    """Insert lines after each FROM, before lines of a number and at the end, and mounts into each
    RUN."""
    stage_starts = {each.last_line for each in found if each.keyword == "FROM"}
    steps = {each.line for each in found if each.keyword == "RUN"}
    lines: list[str] = []
    origin: list[int] = []
    for number, line in enumerate(text.split("\n"), 1):
        if number in before:
            lines.append(f"{before[number]}\n")
            origin.append(0)
        if number in steps and mounts:
            head = len(line) - len(line.lstrip()) + len("RUN")
            line = f"{line[:head]}{mounts}{line[head:]}"  # noqa: PLW2901
        lines.append(f"{line}\n")
        origin.append(number)
        if number in stage_starts:
            lines += [f"{each}\n" for each in after_from]
            origin += [0] * len(after_from)
    lines += [f"{each}\n" for each in at_end]
    return lines, [*origin, *[0] * len(at_end)]

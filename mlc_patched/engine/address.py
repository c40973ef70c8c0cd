"""Which engine to use, from --context, the environment and the docker client's files.

The precedence is the docker client's (Docker documentation, "Docker contexts" and "Environment
variables"): --context, DOCKER_HOST, DOCKER_CONTEXT, the context of `docker context use`, the local
socket. If none of them is set, this opens only `config.json`.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Mapping
from contextlib import AbstractContextManager

from ..errors import MlcError, UsageError, shown
from ..host.account import caller
from ..host.files import check_file_name, rights_of
from ..host.sudo import is_for_another, root_home
from ..json_text import parsed
from ..lean import TYPE_CHECKING, dataclass, replace

if TYPE_CHECKING:
    from typing import Any

DEFAULT = "default"
"""The name for no context: DOCKER_HOST, or else the local socket."""
SOCKET = "/var/run/docker.sock"
HOST_VARIABLE = "DOCKER_HOST"
CONTEXT_VARIABLE = "DOCKER_CONTEXT"
TLS_VARIABLE = "DOCKER_TLS"
VERIFY_VARIABLE = "DOCKER_TLS_VERIFY"
CERTIFICATES_VARIABLE = "DOCKER_CERT_PATH"
CONFIGURATION_VARIABLE = "DOCKER_CONFIG"
_BUILDX_VARIABLE = "BUILDX_CONFIG"
TLS_FILES = ("ca.pem", "cert.pem", "key.pem")
"""Files of a directory with TLS settings."""
NO_CONFIGURATION = "/proc/mlc-no-such-directory"
"""A directory that nobody can create, so that the client neither reads nor writes settings."""
_UNIX, _SSH, _TCP = "unix://", "ssh://", "tcp://"
_PROXIES = ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")
_PORT = 2375
_LAST_PORT = 65535
_LARGEST = 4 * 1024**2  # characters read of a configuration file
_HOST = r"(?=.{1,253}$)[A-Za-z0-9_][A-Za-z0-9_-]{0,62}(\.[A-Za-z0-9_-]{1,63})*\.?"
"""A host name or IPv4 address; labels have at most 63 characters (RFC 1035, 2.3.4). It excludes
options of ssh, and names for which the resolver raises other errors."""
_PORT_NUMBER = r"[0-9]{1,5}"
_WITH_TLS_ALONE = "tcp://localhost:2376"
"""The client's default address if only DOCKER_TLS_VERIFY is set (docker/cli, opts/hosts.go)."""


@dataclass(frozen=True)
class Tls:
    """TLS settings: a directory that may contain `ca.pem`, `cert.pem` and `key.pem`, and whether to
    verify the engine's certificate."""

    directory: str
    verify: bool = True

    def file(self, name: str) -> str | None:
        """Return the path of one of the files, or None if it does not exist."""
        path = f"{self.directory}/{name}"
        return path if os.path.isfile(path) else None  # noqa: PTH113 - pathlib takes 10 ms


@dataclass(frozen=True)
class EngineAddress:
    """An engine's address: `url` is `unix://PATH`, `tcp://HOST:PORT` or `ssh://[USER@]HOST[:PORT]`,
    `context` the name of the Docker context it comes from. `is_users` says that root works for a
    user, who chose another engine than root's own, and `held` is the path by which root reaches
    that engine's Unix socket."""

    url: str = _UNIX + SOCKET
    context: str = DEFAULT
    tls: Tls | None = None
    is_users: bool = False
    held: str | None = None

    @property
    def socket_path(self) -> str | None:
        """The path of the Unix socket, or None for other addresses."""
        return self.held or (self.url[len(_UNIX) :] if self.url.startswith(_UNIX) else None)

    @property
    def is_local(self) -> bool:
        """Whether the engine's paths are on this host, which is assumed of Unix sockets only."""
        return self.url.startswith(_UNIX)

    @property
    def is_ssh(self) -> bool:
        """Whether the engine is reached over SSH."""
        return self.url.startswith(_SSH)

    def client_environment(self, environ: Mapping[str, str]) -> dict[str, str]:
        """Return an environment in which the docker client uses this engine, too.

        DOCKER_HOST has precedence over DOCKER_CONTEXT, in some clients even if it is empty. With
        the variables for TLS the client would expect TLS on a Unix socket, too.
        """
        found = {**environ, CONTEXT_VARIABLE: self.context}
        unwanted = [HOST_VARIABLE] if self.context != DEFAULT else []
        for name in [*unwanted, *((TLS_VARIABLE, VERIFY_VARIABLE) if self.is_local else ())]:
            found.pop(name, None)
        return {**found, **self.without_proxy(found)}

    def without_proxy(self, environ: Mapping[str, str]) -> dict[str, str]:
        """Return variables with which the docker client connects to this engine directly, as this
        program does. Go looks for NO_PROXY first, so a no_proxy for builds stays as it is."""
        if not self.url.startswith(_TCP) or not any(map(environ.get, _PROXIES)):
            return {}
        from urllib.parse import urlsplit

        host = urlsplit(self.url).hostname or ""
        others = environ.get("NO_PROXY") or environ.get("no_proxy") or ""
        return {"NO_PROXY": f"{others},{host}".lstrip(",")}

    def without_a_name(self) -> dict[str, str]:
        """Return variables by which the docker client of root finds this engine without reading
        the user's contexts, nor root's logins for an engine of the user's choice."""
        url = _UNIX + self.held if self.held else self.url
        found = {HOST_VARIABLE: url, CONTEXT_VARIABLE: DEFAULT}
        if self.tls is not None:
            found[CERTIFICATES_VARIABLE] = self.tls.directory
            found[VERIFY_VARIABLE if self.tls.verify else TLS_VARIABLE] = "1"
        if self.is_users:
            found[CONFIGURATION_VARIABLE] = NO_CONFIGURATION
            found[_BUILDX_VARIABLE] = os.path.join(root_home(), ".docker/buildx")  # noqa: PTH118
        return found


def resolve(environ: Mapping[str, str], chosen: str | None = None) -> EngineAddress:
    """Return the address of the engine to use, of the context `chosen` with --context if given.

    Raises UsageError if there is no such context, or an address is invalid.
    """
    with _rights(environ):
        name = chosen
        if name is None and not environ.get(HOST_VARIABLE):
            name = environ.get(CONTEXT_VARIABLE) or _current(environ)
        is_named = name is not None and name != DEFAULT
        found = _of_context(name, environ) if name and is_named else _default(environ)
    if not is_for_another(environ):
        return found
    if (path := found.socket_path) and os.path.realpath(path) == os.path.realpath(SOCKET):
        return replace(found, url=_UNIX + SOCKET)
    return replace(found, is_users=not (is_named and _has_roots_configuration(environ)))


def context_names(environ: Mapping[str, str]) -> list[str]:
    """Return the names of all contexts, the default one first."""
    with _rights(environ):
        return _context_names(environ)


def _context_names(environ: Mapping[str, str]) -> list[str]:
    found = []
    metadata = f"{_configuration(environ)}/contexts/meta"
    try:
        directories = os.listdir(metadata)  # noqa: PTH208
    except OSError:
        directories = []
    for each in directories:
        name = _read(f"{metadata}/{each}/meta.json").get("Name")
        if isinstance(name, str):
            found.append(name)
    return [DEFAULT, *sorted(found)]


def _default(environ: Mapping[str, str]) -> EngineAddress:
    verify = bool(environ.get(VERIFY_VARIABLE))
    host = environ.get(HOST_VARIABLE, "").strip()
    if not host:
        host = _WITH_TLS_ALONE if verify else _UNIX + SOCKET
    url = _normal(host, HOST_VARIABLE)
    tls = None
    if (verify or environ.get(TLS_VARIABLE)) and not url.startswith(_UNIX):
        directory = environ.get(CERTIFICATES_VARIABLE) or _configuration(environ)
        tls = Tls(directory, verify)
    return EngineAddress(url, DEFAULT, tls)


def _of_context(name: str, environ: Mapping[str, str]) -> EngineAddress:
    import hashlib

    # docker/cli, context/store: a directory is named by the digest of its context's name.
    digest = hashlib.sha256(name.encode(errors="surrogateescape")).hexdigest()
    contexts = f"{_configuration(environ)}/contexts"
    found = _read(f"{contexts}/meta/{digest}/meta.json")
    if not found:
        existing = ", ".join(_context_names(environ))
        raise UsageError(
            f"There is no Docker context {shown(name)}. Existing contexts: {existing}.",
            "To create it: docker context create NAME --docker host=ssh://USER@HOST",
        )
    endpoints = found.get("Endpoints", {})
    endpoint = endpoints.get("docker", {}) if isinstance(endpoints, dict) else None
    host = (endpoint.get("Host") or "") if isinstance(endpoint, dict) else None
    if endpoint is None or not isinstance(host, str):
        raise UsageError(
            f"The Docker context {shown(name)} has no valid engine address. Inspect it with "
            "docker context inspect, and recreate it with docker context create."
        )
    verify = not endpoint.get("SkipTLSVerify")
    directory = f"{contexts}/tls/{digest}/docker"
    has_tls = os.path.isdir(directory) or not verify  # noqa: PTH112
    url = _normal(host, f"Docker context {shown(name)}") if host else _UNIX + SOCKET
    return EngineAddress(url, name, Tls(directory, verify) if has_tls else None)


def _normal(host: str, source: str) -> str:
    """Return an address in full, with the default path, host or port."""
    if host.startswith(_UNIX):
        path = host[len(_UNIX) :] or SOCKET
        if path.startswith("/"):
            return _UNIX + check_file_name(path)
    elif host.startswith(_SSH):
        place = host[len(_SSH) :].strip("/").partition("/")[0].rpartition("@")[2]
        if host.isprintable() and _is_place(place):
            return host
    elif host.startswith(_TCP) or "://" not in host:
        place = host.removeprefix(_TCP).rstrip("/") or "localhost"
        if place.startswith(":"):
            place = f"localhost{place}"
        if _is_place(place):
            has_port = ":" in place.rpartition("]")[2]
            return _TCP + (place if has_port else f"{place}:{_PORT}")
    raise UsageError(
        f"{source} is {shown(host)}, which is not a valid engine address.",
        "Use unix:///PATH, tcp://HOST:PORT or ssh://USER@HOST.",
    )


def _is_place(text: str) -> bool:
    """Whether the text is HOST or HOST:PORT."""
    end = text.rfind("]") + 1
    name, colon, port = text[end:].partition(":")
    if colon and not (re.fullmatch(_PORT_NUMBER, port) and int(port) <= _LAST_PORT):
        return False
    if not end:
        return re.fullmatch(_HOST, name) is not None
    from ipaddress import AddressValueError, IPv6Address

    try:
        IPv6Address(text[1 : end - 1])
    except AddressValueError:
        return False
    return text[0] == "[" and not name and text.isprintable() and " " not in text


def _current(environ: Mapping[str, str]) -> str | None:
    """Return the context of `docker context use`, or None if the file cannot be read."""
    name = _read(f"{_configuration(environ)}/config.json").get("currentContext")
    return name if isinstance(name, str) and name else None


def _rights(environ: Mapping[str, str]) -> AbstractContextManager[None]:
    """Read a user's settings with the user's rights while root works for them."""
    if not is_for_another(environ) or _has_roots_configuration(environ):
        return contextlib.nullcontext()
    return rights_of(caller(environ))


def _has_roots_configuration(environ: Mapping[str, str]) -> bool:
    return not environ.get(CONFIGURATION_VARIABLE) and _home(environ) == root_home()


def _configuration(environ: Mapping[str, str]) -> str:
    directory = environ.get(CONFIGURATION_VARIABLE)
    return directory or os.path.join(_home(environ), ".docker")  # noqa: PTH118


def _home(environ: Mapping[str, str]) -> str:
    if home := environ.get("HOME"):
        return home
    import pwd

    try:
        return pwd.getpwuid(os.getuid()).pw_dir
    except KeyError as error:
        raise MlcError(
            "HOME is not set, and this UID has no home directory.",
            "Set it, as in: export HOME=/home/NAME",
        ) from error


def _non_blocking(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)  # a FIFO reads as empty


def _read(path: str) -> Mapping[str, Any]:
    try:
        with open(path, encoding="utf-8", opener=_non_blocking) as file:
            found = parsed(file.read(_LARGEST))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}

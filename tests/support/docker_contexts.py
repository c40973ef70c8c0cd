"""A home directory with Docker contexts, as `docker context create` makes them."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

CONTEXTS = {
    "far": {"Host": "ssh://me@far.example"},
    "tls": {"Host": "tcp://10.0.0.7:2376"},
    "careless": {"Host": "tcp://10.0.0.8:2376", "SkipTLSVerify": True},
    "here": {"Host": "unix:///run/other.sock"},
}


def make_contexts(home: Path) -> None:
    """Create CONTEXTS, one of them with certificates, and none of them current."""
    for name, endpoint in CONTEXTS.items():
        make_context(home, name, endpoint)
    certificates = home / ".docker/contexts/tls" / digest_of("tls") / "docker"
    certificates.mkdir(parents=True)
    (certificates / "ca.pem").write_text("")


def make_context(home: Path, name: str, endpoint: object) -> None:
    """Create a context with this endpoint."""
    meta = home / ".docker/contexts/meta" / digest_of(name)
    meta.mkdir(parents=True)
    content = {"Name": name, "Metadata": {}, "Endpoints": {"docker": endpoint}}
    (meta / "meta.json").write_text(json.dumps(content))


def digest_of(name: str) -> str:
    """Return the name of a context's directory."""
    return hashlib.sha256(name.encode()).hexdigest()


def use(home: Path, name: str) -> None:
    """Make a context the current one."""
    (home / ".docker/config.json").write_text(json.dumps({"currentContext": name}))

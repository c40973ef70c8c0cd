"""What the tests' engine holds: containers and images."""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from mlc_patched.engine.podman import familiar
from mlc_patched.names.labels import TEMPORARY
from mlc_patched.temporary import KINDS
from support.engine_requests import ask
from support.users import User

_NAMELESS = f"filters={quote(json.dumps({'dangling': ['true'], 'label': [TEMPORARY]}))}"
_OWN_NAMES = (*((f"mlc-{kind}", "-") for kind in KINDS), ("ds01", "/"), ("mlc-account", ":"))


def docker(*arguments: str, check: bool = True) -> str:
    """Run Docker's client as root and return what it printed."""
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)
    assert not check or done.returncode == 0, f"docker {arguments}: {done.stderr}"
    return done.stdout.strip()


def has_containerd_store() -> bool:
    """Return whether containerd stores the engine's images."""
    status = dict(ask("GET", "/info").get("DriverStatus") or ())
    return status.get("driver-type") == "io.containerd.snapshotter.v1"


def is_podman() -> bool:
    """Return whether the engine is Podman."""
    return any("Podman" in each["Name"] for each in ask("GET", "/version")["Components"])


def inspect(name: str) -> dict[str, Any]:
    """Return what the engine knows of a container or image, without what Podman adds: options of
    mounts, and a registry before an image's name."""
    found = ask("GET", "/containers/{}/json", name) or ask("GET", "/images/{}/json", name)
    assert found, f"there is no {name}"
    host = found.get("HostConfig") or {}
    if binds := host.get("Binds"):
        host["Binds"] = [re.sub(r":(?:rw,)?rprivate,rbind$", "", bind) for bind in binds]
    if isinstance(image := (found.get("Config") or {}).get("Image"), str):
        found["Config"]["Image"] = familiar(image)
    return dict(found)


def containers() -> dict[str, dict[str, Any]]:
    """Return what the engine lists of all containers, by name."""
    # It may go on listing a container that it has removed, then without a name.
    listed = [each for each in ask("GET", "/containers/json", query="all=1") if each["Names"]]
    return {each["Names"][0][1:]: each for each in listed}


def container_names() -> set[str]:
    """Return the names of all containers."""
    return set(containers())


def image_ids() -> set[str]:
    """Return the ids of all images, those without a name included."""
    return {each["Id"] for each in ask("GET", "/images/json", query="all=1")}


def sweep(*users: User) -> None:
    """Remove what users' tests have left in the engine."""
    tags = tuple(f"._.{user.uid}" for user in users)
    own = tuple(f"{kind}-{user.uid}{end}" for user in users for kind, end in _OWN_NAMES)
    for name in container_names():
        if name.endswith(tags) or name.startswith(own):
            ask("DELETE", "/containers/{}", name, "force=1&v=1")
    images = ask("GET", "/images/json")
    for name in [name for each in images for name in each["RepoTags"] or ()]:
        if name.endswith(tags) or familiar(name).startswith(own):
            ask("DELETE", "/images/{}", name)
    # Steps of builds: containerd's store sometimes keeps them when their image goes.
    marks = tuple(f"{user.uid}-" for user in users)
    for each in ask("GET", "/images/json", query=_NAMELESS):
        if (each["Labels"] or {}).get(TEMPORARY, "").startswith(marks):
            ask("DELETE", "/images/{}", each["Id"])


@contextlib.contextmanager
def nothing_left() -> Iterator[None]:
    """Check that a block leaves the engine's containers and images as they were."""
    before = container_names(), image_ids()
    yield
    assert (container_names(), image_ids()) == before


def unpacked_size(image: str) -> int:
    """Return the bytes of an image's layers."""
    sizes = docker("history", "--human=false", "--format", "{{.Size}}", image)
    return sum(map(int, sizes.split()))

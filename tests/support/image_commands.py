"""Run the image commands as a user, and examine what they leave in the engine."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from mlc_patched.images.build.client import find_client
from mlc_patched.images.build.environment import Builder
from mlc_patched.images.versions.lockfile import Lock, parse
from support.engine_state import docker, inspect
from support.reliability import sized
from support.users import SYSTEM_PATH, User

FREEZE = "uv pip freeze --system"
HOST_CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
CLIENT_PATHS = (SYSTEM_PATH, "/usr/sbin:/usr/bin:/sbin:/bin")
"""A machine may have a different Docker client in each; the first one on PATH is used."""


def builders() -> dict[Builder, str]:
    """Return the builders of this machine's clients, each with the PATH that finds its client, and
    the tests' ssh if there is one."""
    found: dict[Builder, str] = {}
    ssh, colon, _ = os.environ.get("MLC_TEST_PATH", "").partition(":")
    for path in (f"{ssh}{colon}{each}" for each in CLIENT_PATHS):
        if shutil.which("docker", path=path):
            found.setdefault(find_client({"PATH": path}).builder, path)
            found.setdefault(Builder.CLASSIC, path)
    return found


BUILDERS = builders()
_QUICKEST_FIRST = (Builder.BUILDX, Builder.BUILDKIT, Builder.CLASSIC)
QUICK = BUILDERS.get(Builder.BUILDX) or BUILDERS.get(Builder.BUILDKIT) or CLIENT_PATHS[0]
"""PATH of the client with the fastest builder, for tests that are not about builders."""


quickest_builder = pytest.mark.parametrize(
    "each_builder",
    [each for each in _QUICKEST_FIRST if each in BUILDERS][: sized(1, len(Builder))],
    indirect=True,
    ids=lambda builder: builder.name.lower(),
)
"""For long tests that hardly depend on the builder: at full size they run with each."""


@dataclass(frozen=True)
class ImageUser:
    """A user who runs the image commands, with a certain Docker client."""

    user: User
    path: str = QUICK
    buildkit: str = ""

    @property
    def environ(self) -> dict[str, str]:
        """Additional variables for the user's commands."""
        environ = {"PATH": self.path}
        if self.buildkit:
            environ["DOCKER_BUILDKIT"] = self.buildkit
        if Path(HOST_CERTIFICATES).is_file():
            environ["DS01_CA_CERTIFICATE"] = HOST_CERTIFICATES
        return environ

    def command(self, name: str) -> Path:
        """Return the path of a command."""
        return self.user.tree / "bin/user" / name

    def run(
        self, name: str, *arguments: str | Path, ok: bool = True, stdin: str = "", **environ: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a command without a terminal, and check whether it succeeds as expected."""
        done = self.user.run(
            self.command(name), *arguments, stdin=stdin, **{**self.environ, **environ}
        )
        said = (
            f"{name} {arguments}: {done.returncode}\n{done.stdout[-3000:]}\n{done.stderr[-5000:]}"
        )
        assert (done.returncode == 0) == ok, said
        return done

    def json(self, name: str, *arguments: str, **environ: str) -> Any:
        """Run a command with --json and return what it printed, without the envelope."""
        done = self.run(name, *arguments, "--json", **environ)
        envelope = json.loads(done.stdout)
        assert envelope.pop("version") == 1
        return next(iter(envelope.values()))

    def image(self, project: str, tag: str = "latest") -> str:
        """Return the name of a project's image."""
        return f"ds01-{self.user.uid}/{project}:{tag}"

    def dockerfile(self, project: str) -> Path:
        """Return the path of a project's Dockerfile."""
        return self.user.home / "dockerfiles" / f"{project}.Dockerfile"

    def names(self) -> set[str]:
        """Return the names of all of the user's images."""
        found = docker("images", "--format", "{{.Repository}}:{{.Tag}}").split()
        return {name for name in found if name.startswith(f"ds01-{self.user.uid}/")}

    def leftovers(self) -> set[str]:
        """Return what no command may leave: its own containers, unfinished images."""
        containers = docker("ps", "-a", "--format", "{{.Names}}").split()
        ours = (f"mlc-look-{self.user.uid}-", f"mlc-verify-{self.user.uid}-")
        return {name for name in containers if name.startswith(ours)} | {
            name for name in self.names() if ":mlc-build-" in name
        }

    def run_in(self, image: str, script: str, *options: str) -> str:
        """Run a script in a container of an image, as the image's own user."""
        return docker(
            "run", "--rm", "--network=host", *options, "--entrypoint", "bash", image, "-c", script
        )


def nameless() -> set[str]:
    """Return the IDs of images without a name that no other image is based on."""
    return set(docker("images", "-q", "--no-trunc", "-f", "dangling=true").split())


def wait_for(process: subprocess.Popen[str], text: str) -> str:
    """Read the output of a command until it contains a text; return what was read."""
    assert process.stdout
    said = ""
    while text not in said:
        line = process.stdout.readline()
        assert line, f"it ended before it printed {text!r}:\n{said}"
        said += line
    return said


def labels_of(image: str) -> dict[str, str]:
    """Return an image's labels."""
    return dict(inspect(image)["Config"]["Labels"] or {})


def frozen(it: ImageUser, project: str = "demo") -> str:
    """Return the Python packages in a project's image, as uv lists them."""
    return it.run_in(it.image(project), FREEZE)


def lock_of(it: ImageUser, project: str = "demo") -> Lock:
    """Return a project's lock."""
    path = it.dockerfile(project).with_name(f"{project}.lock")
    return parse(path.read_text(), str(path))


def clean_home(user: User) -> None:
    """Remove the files of a user's projects."""
    for name in ("dockerfiles", ".ds01-config/images", "source"):
        shutil.rmtree(user.home / name, ignore_errors=True)


ImageFrom = Callable[..., str]

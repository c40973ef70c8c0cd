"""The guide's devcontainer.json, used by the Dev Containers CLI, as VS Code uses it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.base_images import BASE
from support.documented_steps import GUIDE
from support.engine_state import docker, inspect
from support.image_commands import QUICK
from support.users import User

pytestmark = pytest.mark.real_engine

VERSION = "0.89.0"
CACHE = Path("/var/cache/mlc-patched/devcontainers-cli") / VERSION


@pytest.fixture(scope="module")
def cli() -> Path:
    """The Dev Containers CLI, from npm; installed once on a machine."""
    program = CACHE / "node_modules/.bin/devcontainer"
    if not program.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        npm = ("npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", str(CACHE))
        subprocess.run([*npm, f"@devcontainers/cli@{VERSION}"], check=True)
    return program


@pytest.fixture
def folder(alice: User) -> Iterator[Path]:
    """A folder with the guide's file, for alice's image dev."""
    page = (GUIDE / "vscode.md").read_text(encoding="utf-8")
    match = re.search(r"^```json devcontainer\n(.*?)^```$", page, re.M | re.S)
    assert match
    text = match[1].replace("ds01-1001/thesis", f"ds01-{alice.uid}/dev")
    folder = alice.home / "code"
    (folder / ".devcontainer").mkdir(parents=True)
    (folder / ".devcontainer/devcontainer.json").write_text(text)
    alice.workspace.mkdir(exist_ok=True)
    commands = alice.tree / "bin/user"
    built = alice.run(commands / "image-create", "dev", "--base", BASE, "-y", PATH=QUICK)
    assert built.returncode == 0, built.stderr
    for path in (folder, *folder.rglob("*"), alice.workspace):
        shutil.chown(path, alice.uid, alice.gid)
    yield folder
    for name in docker(
        "ps", "-aq", "--filter", f"label=devcontainer.local_folder={folder}"
    ).split():
        docker("rm", "-f", name)
    alice.run(commands / "image-retire", "dev", "--with-dockerfile", "-y")
    shutil.rmtree(folder)


@pytest.mark.not_by_ssh
def test_the_container_has_the_user_the_workspace_and_the_gpus(
    alice: User, folder: Path, cli: Path
) -> None:
    path = f"{cli.parent}:{QUICK}"
    # It stores files in TMPDIR, below a name that an earlier run's user of the same name has taken.
    temporary = {"PATH": path, "TMPDIR": str(alice.home)}
    up = alice.run(cli, "up", "--workspace-folder", folder, **temporary)
    assert up.returncode == 0, up.stdout + up.stderr
    made = json.loads(up.stdout.splitlines()[-1])
    assert made["remoteWorkspaceFolder"] == "/workspace"

    def inside(line: str) -> str:
        command = ("exec", "--workspace-folder", folder, "bash", "-c", line)
        done = alice.run(cli, *command, **temporary)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.strip()

    assert inside("id -u; id -g; pwd").split() == [str(alice.uid), str(alice.gid), "/workspace"]
    inside("echo here > /workspace/here")
    assert (alice.workspace / "here").stat().st_uid == alice.uid
    about = inspect(made["containerId"])
    assert about["HostConfig"]["DeviceRequests"][0]["Count"] == -1
    images = docker("images", "--format", "{{.Repository}}").split()
    assert not [each for each in images if each.startswith("vsc-")]

"""What image-export writes, run by a real Apptainer as a user whom the image does not know.

`make apptainer` runs it, after it has made a root file system of Debian sid (tools/apptainer.sh).
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.base_images import BASE
from support.image_commands import ImageUser
from support.users import ROOT, User

pytestmark = pytest.mark.real_engine

UNCOMPRESSED = "-noI -noD -noF -noX"
INSTALLED = 'place=$(python3 -m site --user-site); mkdir -p "$place"; touch "$place/mine.py"'
"""Stands for `pip install` in a container, which puts packages in the home."""
STRANGER = 54321
"""UID and GID of the account on the cluster."""


@pytest.fixture
def there(alice: User) -> Iterator[Path]:
    """The home of the account on the cluster, with an image and its job."""
    with tempfile.TemporaryDirectory(prefix="mlc-test-", dir="/var/tmp") as directory:
        place = Path(directory, "home")
        it = ImageUser(alice)
        it.run("image-create", "demo", "--base", BASE, "-p", "six", "-y")
        it.run("container-deploy", "demo", "--background", "-g", "none", "-y")
        assert alice.mlc("start", "demo", INSTALLED).returncode == 0
        it.run("container-retire", "demo", "--save", "kept", "-y")
        made = alice.file("made/")
        for name, runtime in (("demo", "apptainer"), ("other", "enroot")):
            job = ("--for", runtime, "-o", made / f"{name}.tar", "-d", place / "data")
            it.run("image-export", "demo:kept", *job)
        shutil.copytree(made, place)
        (place / "data").mkdir()
        (place / "data/set").write_text("some data\n")
        for each in (place, *place.iterdir()):
            os.chown(each, STRANGER, STRANGER)
        yield place


def on_the_cluster(place: Path, *command: str) -> str:
    """Run a command where there is Apptainer, and return what it printed."""
    argv = [ROOT / "tools/apptainer.sh", "run", place, *command]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}: {done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    return done.stdout


def test_an_exported_image_runs_in_apptainer_as_another_user(there: Path) -> None:
    made = ("demo.sif", "docker-archive:demo.tar")
    on_the_cluster(there, "apptainer", "build", f"--mksquashfs-args={UNCOMPRESSED}", *made)
    script = """
        echo "$(id -u):$(id -g) $PWD $HOME"
        cat /data/set
        touch /workspace/made
        python3 -c 'import mine, six; print(mine.__file__)'
        python3 -m site --user-base
        echo "$PATH" | cut -d: -f1
        echo "${PYTHONPATH-none} $1"
        touch /opt/x 2>/dev/null || echo read-only
    """
    run = ("env", "PYTHONPATH=/x", "bash", "demo.sbatch", "sh", "-euc", script, "sh", "$HOME  x")
    account = on_the_cluster(there, *run).splitlines()
    _, _, name, _, _, python, *_ = account[2].split("/")
    assert account == [
        f"{STRANGER}:{STRANGER} /workspace /workspace",
        "some data",
        f"/home/{name}/.local/lib/{python}/site-packages/mine.py",
        f"/home/{name}/.local",
        f"/home/{name}/.local/bin",
        "none $HOME  x",
        "read-only",
    ]
    made = there / "workspace/made"
    assert (made.stat().st_uid, made.stat().st_gid) == (STRANGER, STRANGER)
    # Enroot is not to be had, but its file is made as the job says, and Apptainer reads it, too.
    job = (there / "other.sbatch").read_text()
    [line] = re.findall("^# Once: +(.*)", job, re.M)
    on_the_cluster(there, "sh", "-euc", f"{line} {UNCOMPRESSED}")
    said = on_the_cluster(
        *(there, "apptainer", "exec", "--bind", f"{there}/workspace:/workspace", "other.sqsh"),
        *("/etc/rc", "sh", "-c", "pwd; ls; cat /etc/environment"),
    )
    assert said.splitlines()[:2] == ["/workspace", "made"]
    assert f"HOME=/home/{name}" in said.splitlines()

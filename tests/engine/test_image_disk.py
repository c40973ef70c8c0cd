"""A disk that is nearly full: an engine of its own, whose data is on a small file system."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import BASE
from image_bench import Builds, builds  # noqa: F401 - fixture

pytestmark = pytest.mark.engine

MEGABYTES = 700
START_SECONDS = 40


def call(*argv: str | Path) -> None:
    subprocess.run([str(each) for each in argv], check=True, capture_output=True)


@pytest.fixture(scope="module")
def small_engine() -> Iterator[str]:
    """The address of an engine with a few hundred megabytes of disk.

    In a network namespace of its own: started in the host's, it would take the bridge of
    the engine that is there away.
    """
    place = Path(tempfile.mkdtemp(prefix="mlc-small-", dir="/var/tmp"))
    disk, data = place / "disk", place / "data"
    data.mkdir()
    with disk.open("wb") as file:
        file.truncate(MEGABYTES * 1024**2)
    try:
        call("mkfs.ext4", "-q", "-m", "0", disk)
        call("mount", "-o", "loop", disk, data)
    except (subprocess.CalledProcessError, FileNotFoundError) as error:
        shutil.rmtree(place)
        pytest.fail(f"no loop-mounted file system can be had: {error}")
    socket = place / "docker.sock"
    log = (place / "log").open("wb")
    engine = subprocess.Popen(
        [
            *("unshare", "--net", "dockerd", "--host", f"unix://{socket}", "--group", "docker"),
            *("--data-root", data, "--exec-root", place / "run", "--pidfile", place / "pid"),
            *("--bridge", "none", "--iptables=false", "--ip6tables=false"),
        ],
        stdout=log,
        stderr=log,
    )
    try:
        place.chmod(0o755)
        address = f"unix://{socket}"
        deadline = time.monotonic() + START_SECONDS
        while on(address, "version", check=False).returncode != 0:
            assert engine.poll() is None, (place / "log").read_text()[-2000:]
            assert time.monotonic() < deadline, (place / "log").read_text()[-2000:]
            time.sleep(0.2)
        with subprocess.Popen(["docker", "save", BASE], stdout=subprocess.PIPE) as saving:
            subprocess.run(
                ["docker", "-H", address, "load"],
                stdin=saving.stdout,
                check=True,
                capture_output=True,
            )
        yield address
    finally:
        engine.terminate()
        engine.wait(timeout=30)
        log.close()
        # The engine leaves its network namespace mounted.
        for mounted in (place / "run/netns/default", data):
            for _ in range(50):
                if not _is_mounted(mounted):
                    break
                subprocess.run(["umount", mounted], check=False, capture_output=True)
                time.sleep(0.1)
        shutil.rmtree(place)


def _is_mounted(path: Path) -> bool:
    """Whether something is mounted at a path."""
    mounts = Path("/proc/self/mountinfo").read_text().splitlines()
    return str(path) in (line.split()[4] for line in mounts)


def on(address: str, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["docker", "-H", address, *arguments], capture_output=True, text=True, check=check
    )


@pytest.mark.parametrize("buildkit", ["0", ""], ids=["classic", "default"])
def test_a_full_disk_leaves_the_old_image_and_nothing_else(
    builds: Builds,
    small_engine: str,
    buildkit: str,
) -> None:
    environ = {"DOCKER_HOST": small_engine}
    if buildkit:
        environ["DOCKER_BUILDKIT"] = buildkit
    project = f"demo-{buildkit or 'x'}"
    source = builds.user.file("source/Dockerfile", f"FROM {BASE}\nRUN echo one\n")
    builds.run("image-create", project, "--dockerfile", source, "-y", **environ)
    text = builds.dockerfile(project).read_text()
    image = on(small_engine, "inspect", "--format", "{{.Id}}", builds.image(project)).stdout
    builds.dockerfile(project).write_text(
        text.replace("RUN echo one", "RUN head -c 2G /dev/zero >/big")
    )
    done = builds.run("image-update", project, "-y", ok=False, **environ)
    assert "No space left on device" in done.stderr
    assert "failed at line 2 of the Dockerfile: RUN head" in done.stderr
    after = on(small_engine, "inspect", "--format", "{{.Id}}", builds.image(project)).stdout
    assert after == image
    names = on(small_engine, "images", "--format", "{{.Repository}}:{{.Tag}}").stdout.split()
    assert set(names) == {BASE, builds.image(project)}
    assert on(small_engine, "ps", "-aq").stdout == ""
    # Once there is room again, it goes on.
    builds.dockerfile(project).write_text(text)
    builds.run("image-update", project, "-y", **environ)
    builds.run("image-retire", project, "-y", **environ)

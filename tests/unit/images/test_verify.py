"""What the verification of an image finds in it, run by the shell of this machine."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from support.accounts import own_image
from support.fakes.engine import FakeEngine
from support.recording_reporter import RecordingReporter

from mlc_patched.context import Context
from mlc_patched.images.probe import ProbeResult
from mlc_patched.images.verify import PRIVATE_SCRIPT, verify


def found(*places: Path) -> list[str]:
    """Return what the script prints for these directories of packages."""
    environ = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": ":".join(map(str, places)),
    }
    argv = ["sh", "-c", PRIVATE_SCRIPT]
    done = subprocess.run(argv, env=environ, capture_output=True, text=True, check=False)
    ours = tuple(str(each.parent) for each in places)
    return [line for line in done.stdout.splitlines() if line.split()[-1].startswith(ours)]


@pytest.fixture
def packages(open_place: Path) -> Path:
    """A directory of packages that everybody can read."""
    place = open_place / "lib/site-packages"
    (place / "six").mkdir(parents=True)
    (place / "six.py").touch()
    (place / "gone").symlink_to("nowhere")
    for each in (open_place / "lib", place, place / "six"):
        each.chmod(0o755)
    (place / "six.py").chmod(0o644)
    return place


def test_packages_that_everybody_can_read_are_fine(packages: Path) -> None:
    assert found(packages) == []


@pytest.mark.parametrize(
    ("path", "mode"), [("six", 0o750), ("six.py", 0o600), (".", 0o711), ("..", 0o700)]
)
def test_a_package_that_only_its_owner_can_read_is_found(
    packages: Path, path: str, mode: int
) -> None:
    private = Path(os.path.normpath(packages / path))
    private.chmod(mode)
    assert found(packages) == [f"private {private}"]
    private.chmod(0o755)


def test_a_build_says_how_to_make_a_private_package_readable(
    context: Context, fake: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = ("id 1001:2001 alice", "private /opt/my packages")
    monkeypatch.setattr(
        "mlc_patched.images.verify.run_in_image", lambda *args, **more: ProbeResult(0, lines)
    )
    context.report = RecordingReporter()
    image = replace(fake.image(own_image(fake)), user="1001")
    verify(image, context.account, context)
    [said] = context.report.said
    assert "only the owner of /opt/my packages can read it" in said
    assert said.endswith("Dockerfile: RUN chmod -R go+rX '/opt/my packages'")

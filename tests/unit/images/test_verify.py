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
from mlc_patched.errors import SetupError
from mlc_patched.images import verify as verifying
from mlc_patched.images.probe import ProbeResult
from mlc_patched.images.verify import PRIVATE_SCRIPT, verify
from mlc_patched.maintenance import adopt
from mlc_patched.names import labels
from mlc_patched.names.labels import Claim, claim_labels


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


@pytest.mark.parametrize(
    ("volumes", "fault", "hint"),
    [
        (("/data", "/home"), "wrong: /home/alice is not writable", "has VOLUME /home, so this"),
        (("/home/alice/",), "lacks: there is no /home/alice/.local/bin", "VOLUME /home/alice/, so"),
        (("/home",), "lacks: sudo does not work", "account block"),
        (("/home/bob", "/ho"), "wrong: /home/alice is not writable", "account block"),
    ],
)
def test_a_home_in_a_volume_is_named_as_the_cause(
    context: Context,
    fake: FakeEngine,
    monkeypatch: pytest.MonkeyPatch,
    volumes: tuple[str, ...],
    fault: str,
    hint: str,
) -> None:
    lines = ("id 1001:2001 alice", fault)
    monkeypatch.setattr(
        "mlc_patched.images.verify.run_in_image", lambda *args, **more: ProbeResult(0, lines)
    )
    image = replace(fake.image(own_image(fake)), user="1001", volumes=volumes)
    with pytest.raises(SetupError) as error:
        verify(image, context.account, context)
    assert hint in (error.value.hint or "")


OWN = claim_labels(Claim(1001, 2001, "alice"))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "its labels name no account"),
        ({**OWN, labels.USER_ID: "x"}, labels.USER_ID),
        (claim_labels(Claim(7, 8, "bob")), "its labels name bob 7:8, not alice 1001:2001"),
    ],
)
def test_an_image_that_does_not_claim_the_account_is_not_even_run(
    context: Context, fake: FakeEngine, given: dict[str, str], message: str
) -> None:
    image = fake.add_image("x", given)
    with pytest.raises(SetupError, match=f"would not work for you: .*{message}"):
        verify(image, context.account, context)
    assert "create_container" not in fake.calls


@pytest.mark.parametrize(
    ("status", "lines", "user", "wrong"),
    [
        (1, (), "1001", "it does not run: exit status 1"),
        (0, ("no id",), "1001", "it does not run: no id"),
        (0, ("id 0:0 root",), "1001", "id says 0:0 root, not 1001:2001 alice"),
        (0, ("id 1001:2001 alice",), "", "its user is root"),
        (0, ("id 1001:2001 alice",), "0:0", "its user is 0:0"),
        (0, ("id 1001:2001 alice", "wrong: no home"), "alice:alice", "no home"),
        (0, ("id 1001:2001 alice", "lacks: no sudo"), "1001:2001", "no sudo"),
    ],
)
def test_what_is_wrong_with_the_account_is_said(
    context: Context,
    fake: FakeEngine,
    monkeypatch: pytest.MonkeyPatch,
    status: int,
    lines: tuple[str, ...],
    user: str,
    wrong: str,
) -> None:
    result = ProbeResult(status, lines)
    monkeypatch.setattr("mlc_patched.images.verify.run_in_image", lambda *args, **more: result)
    image = replace(fake.image(own_image(fake)), user=user)
    with pytest.raises(SetupError) as failed:
        verify(image, context.account, context)
    assert failed.value.message == (
        f"The image was built, but would not work for you: {wrong}. It was removed."
    )


@pytest.mark.parametrize("script", [adopt._CHECKS, verifying._CHECKS], ids=["adopt", "verify"])
def test_why_sudo_fails_is_its_last_line(tmp_path: Path, script: str) -> None:
    """Without a network it also warns, before it, that it cannot resolve the host's name."""
    sudo = tmp_path / "sudo"
    sudo.write_text(
        "#!/bin/sh\necho 'sudo: unable to resolve host x' >&2\n"
        "echo 'sudo: a password is required' >&2\nexit 1\n"
    )
    sudo.chmod(0o755)
    environ = {"PATH": f"{tmp_path}:/usr/bin:/bin", "HOME": str(tmp_path)}
    argv = ["sh", "-c", script]
    done = subprocess.run(argv, env=environ, capture_output=True, text=True, check=False)
    [said] = [line for line in done.stdout.splitlines() if "sudo does" in line]
    assert said.endswith(": sudo does not work: sudo: a password is required")

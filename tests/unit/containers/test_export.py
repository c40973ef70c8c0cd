"""Export a container to a file, and import it again, through the Python API."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from support.accounts import OWN, own_image
from support.fakes.engine import FakeEngine
from support.recording_reporter import RecordingReporter
from support.run_command import call

import mlc_patched
from mlc_patched.containers import archive
from mlc_patched.containers.create import create
from mlc_patched.context import Context
from mlc_patched.engine.interface import Engine
from mlc_patched.engine.specification import Resources
from mlc_patched.errors import (
    AlreadyExistsError,
    EngineError,
    MlcError,
    UsageError,
)
from mlc_patched.host.account import Account
from mlc_patched.new_file import write_files
from mlc_patched.plan.request import CreateRequest
from mlc_patched.settings.model import Settings


@pytest.fixture
def words(context: Context) -> RecordingReporter:
    context.report = RecordingReporter()
    return context.report


def faulty(engine: Engine, call: str, occurrence: int, after: bool, error: Exception) -> None:
    """Make the n-th use of a method fail, before or after it has done its work."""
    real, count = getattr(engine, call), 0

    def instead(*arguments: object, **named: object) -> object:
        nonlocal count
        count += 1
        if count != occurrence:
            return real(*arguments, **named)
        if after:
            real(*arguments, **named)
        raise error

    setattr(engine, call, instead)


def test_a_round_trip_through_a_file(
    fake: FakeEngine, context: Context, tmp_path: object, words: RecordingReporter
) -> None:
    own_image(fake)
    mlc_patched.create("n", image=OWN, context=context)
    file = f"{tmp_path}/n.mlc.tar"
    exported = mlc_patched.export("n", file, context=context)
    with pytest.raises(AlreadyExistsError, match="-f"):
        mlc_patched.export("n", file, context=context)
    assert mlc_patched.export("n", file, force=True, context=context).size == exported.size
    with pytest.raises(AlreadyExistsError, match="mlc open n"):
        mlc_patched.import_(file, context=context)
    copy = mlc_patched.import_(file, "copy", context=context)
    assert (copy.tag, copy.image) == ("copy._.1001", "mlc-import:copy._.1001")
    found = {each.name: each for each in mlc_patched.list_containers(context=context)}
    assert found["copy"].framework == found["n"].framework
    assert mlc_patched.remove("copy", context=context).image_removed == copy.image
    assert len(fake.images) == 1


def test_an_export_that_fails_leaves_no_file(
    fake: FakeEngine, context: Context, tmp_path: object
) -> None:
    own_image(fake)
    mlc_patched.create("n", image=OWN, context=context)
    directory = tmp_path / "to"
    directory.mkdir()
    faulty(fake, "export", 1, False, EngineError("fault"))
    with pytest.raises(EngineError):
        mlc_patched.export("n", str(directory / "n"), context=context)
    assert list(directory.iterdir()) == []


def test_a_relative_name_in_a_deleted_directory_is_a_failure(
    fake: FakeEngine, context: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own_image(fake)
    mlc_patched.create("n", image=OWN, context=context)
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    with pytest.raises(MlcError, match=r"n\.mlc\.tar cannot be written: .* was deleted"):
        mlc_patched.export("n", context=context)
    mlc_patched.export("n", f"{tmp_path}/n.mlc.tar", context=context)


def test_a_file_name_need_not_be_utf_8(
    fake: FakeEngine, context: Context, tmp_path: object, words: RecordingReporter
) -> None:
    own_image(fake)
    mlc_patched.create("n", image=OWN, context=context)
    file = os.fsdecode(f"{tmp_path}/caf".encode() + b"\xe9.mlc.tar")
    mlc_patched.export("n", file, context=context)
    assert Path(file).stat().st_size > 0
    assert mlc_patched.import_(file, "m", context=context).name == "m"


@pytest.mark.parametrize("file", ["", "a\0b", "\ud800"])
def test_what_no_file_can_be_called_is_refused(
    fake: FakeEngine, context: Context, file: str
) -> None:
    own_image(fake)
    mlc_patched.create("n", image=OWN, context=context)
    with pytest.raises(UsageError, match="not the name of a file"):
        mlc_patched.export("n", file, context=context)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can work for others")
def test_under_sudo_the_mode_of_the_file_is_set_by_its_owner(
    context: Context, open_place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On NFS, root may not change the user's files."""
    os.chown(open_place, 65534, 65534)
    context.__dict__["account"] = Account("nobody", 65534, 65534, str(open_place))
    real, by = os.fchmod, []

    def fchmod(file: int, mode: int) -> None:
        by.append(os.geteuid())
        real(file, mode)

    monkeypatch.setattr(os, "fchmod", fchmod)
    assert write_files({open_place / "x.tar": [b"content"]}, context, force=False) == (7,)
    assert by[-1] == 65534
    assert oct((open_place / "x.tar").stat().st_mode & 0o777) == "0o600"


def limited(fake: FakeEngine, context: Context, tmp_path: Path) -> str:
    """Export a container with limits and a label; return the file."""
    own_image(fake)
    request = CreateRequest(
        "n",
        image=OWN,
        cpus="0.5",
        memory="200m",
        pids_limit="50",
        shm_size="32m",
        labels={"k": "v", "site": "mine"},
    )
    create(request, context)
    return mlc_patched.export("n", tmp_path / "n", context=context).file


def test_a_container_keeps_its_limits_and_labels(
    fake: FakeEngine, context: Context, tmp_path: Path
) -> None:
    file = limited(fake, context, tmp_path)
    copy = fake.made[mlc_patched.import_(file, "copy", context=context).id].specification
    assert copy.resources == Resources(5 * 10**8, 200 * 1024**2, 50)
    assert (copy.shm_size, copy.ipc) == (32 * 1024**2, "")
    assert {label: copy.labels.get(label) for label in ("k", "site")} == {"k": "v", "site": "mine"}


def test_limits_and_labels_of_the_importing_site_count(
    fake: FakeEngine, context: Context, tmp_path: Path, words: RecordingReporter
) -> None:
    file = limited(fake, context, tmp_path)
    context.__dict__["settings"] = Settings(memory=100 * 1024**2, pids=60, labels={"site": "here"})
    copy = fake.made[mlc_patched.import_(file, "copy", context=context).id].specification
    assert copy.resources == Resources(5 * 10**8, 100 * 1024**2, 50)
    assert copy.labels["site"] == "here"
    assert "--memory of the archive is more than is allowed here" in " ".join(words.said)


def test_labels_of_the_image_and_the_site_are_not_a_users(
    fake: FakeEngine, context: Context, tmp_path: Path
) -> None:
    own_image(fake)
    context.__dict__["settings"] = Settings(labels={"site": "here"})
    create(CreateRequest("n", image=OWN, labels={"k": "v"}), context)
    with Path(mlc_patched.export("n", tmp_path / "n", context=context).file).open("rb") as file:
        assert archive.read_head(file, "n").own_labels == {"k": "v"}


@pytest.mark.parametrize("is_forced", [True, False])
def test_a_pipe_or_device_behind_a_link_is_not_replaced(
    fake: FakeEngine, context: Context, tmp_path: Path, is_forced: bool
) -> None:
    own_image(fake)
    mlc_patched.create("n", image=OWN, context=context)
    os.mkfifo(tmp_path / "fifo")
    for name, target in (("pipe", "fifo"), ("device", "/dev/null")):
        link = tmp_path / name
        link.symlink_to(target)
        with pytest.raises(MlcError, match="exists and is not a file"):
            mlc_patched.export("n", link, force=is_forced, context=context)
        assert link.is_symlink()
    nowhere = tmp_path / "nowhere"
    nowhere.symlink_to("missing")
    mlc_patched.export("n", nowhere, force=True, context=context)
    assert nowhere.is_file()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_of_a_full_disk_its_own_directory_is_named(
    fake: FakeEngine, context: Context, tmp_path: Path, number: int
) -> None:
    own_image(fake)
    mlc_patched.create("n", image=OWN, context=context)
    faulty(fake, "export", 1, False, OSError(number, os.strerror(number)))
    with pytest.raises(MlcError) as raised:
        mlc_patched.export("n", tmp_path / "n", context=context)
    assert raised.value.message == f"{tmp_path}/n cannot be written: {os.strerror(number)}."
    assert raised.value.hint == f"See: df -h {tmp_path} - and: quota -s"


def test_a_name_that_is_invalid_is_aimes_failure(context: Context) -> None:
    assert call(["mlc", "export", "bad name"], context).code == 1

"""image-export: the archive and the job, both or neither."""

from __future__ import annotations

import io
import json
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest
from support.accounts import PASSWD
from support.fakes.engine import FakeEngine
from support.recording_reporter import RecordingReporter

from mlc_patched.cli.commands import image_export
from mlc_patched.context import Context
from mlc_patched.errors import AlreadyExistsError, EngineError, MlcError, NotFoundError
from mlc_patched.images.export import export_image
from mlc_patched.images.job_file import ENROOT, RUNTIMES, JobRequest
from mlc_patched.names.labels import Claim, claim_labels

IMAGE = "ds01-1001/thesis:latest"


@pytest.fixture
def there(tmp_path: Path, fake: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current directory of a user with an image."""
    fake.add_image(IMAGE, claim_labels(Claim(1001, 2001, "alice")), PASSWD)
    place = tmp_path / "there"
    place.mkdir()
    monkeypatch.chdir(place)
    return place


def names(place: Path) -> list[str]:
    """Return the names of all files in a directory."""
    return sorted(each.name for each in place.iterdir())


def test_the_archive_and_the_job_are_the_user_s_alone(
    there: Path, fake: FakeEngine, context: Context
) -> None:
    context.report = RecordingReporter()
    exported = export_image("thesis", JobRequest(), context)
    assert names(there) == ["thesis.sbatch", "thesis.tar"]
    assert {each.stat().st_mode & 0o777 for each in there.iterdir()} == {0o600}
    with tarfile.open(there / "thesis.tar") as tar:
        [saved] = json.load(tar.extractfile("manifest.json"))  # type: ignore[arg-type]
    assert saved["RepoTags"] == [IMAGE]
    assert exported.size == (there / "thesis.tar").stat().st_size
    assert exported.commands == (
        "apptainer build thesis.sif docker-archive:thesis.tar",
        "sbatch thesis.sbatch python3 train.py",
    )
    assert exported.commands[0] in (there / "thesis.sbatch").read_text()
    assert f"Exporting {IMAGE} to thesis.tar" in context.report.said


def test_another_tag_and_another_name_of_the_files(
    there: Path, fake: FakeEngine, context: Context
) -> None:
    fake.tag_image(fake.image(IMAGE).id, "ds01-1001/thesis", "kept")
    export_image("thesis:kept", JobRequest(), context)
    exported = export_image("thesis:kept", JobRequest(), context, file=f"{there}/x.y.tar")
    assert names(there) == ["thesis-kept.sbatch", "thesis-kept.tar", "x.y.sbatch", "x.y.tar"]
    assert exported.job == f"{there}/x.y.sbatch"
    assert "image=x.y.sif\n" in (there / "x.y.sbatch").read_text()


@pytest.mark.parametrize("name", ["a.txt", "a.tar.gz", "a"])
def test_an_archive_of_any_name_is_the_one_that_the_job_names(
    there: Path, context: Context, name: str
) -> None:
    exported = export_image("thesis", JobRequest(), context, file=name)
    assert names(there) == sorted([name, f"{name}.sbatch"])
    text = (there / f"{name}.sbatch").read_text()
    assert exported.commands[0] == f"apptainer build {name}.sif docker-archive:{name}"
    assert f"# Once:     {exported.commands[0]}\n" in text
    enroot = export_image("thesis", JobRequest(ENROOT), context, file=name, force=True)
    assert f" -xf {name} -C {name}.root && " in enroot.commands[0]


def test_enroot_s_archive_has_the_variables_and_the_entrypoint(
    there: Path, fake: FakeEngine, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = fake._find_image(IMAGE)
    found.image = replace(
        found.image, environment=("A=b",), entrypoint=("/init",), volumes=("/srv/",)
    )
    written = {}

    def write(container: str, path: str, archive: object) -> None:
        assert fake._get(container).specification.tmpfs == ("/srv",)
        with tarfile.open(fileobj=io.BytesIO(b"".join(archive))) as tar:
            for member in tar:
                assert (member.uid, member.mode) == (0, 0o755)
                written[f"{path}/{member.name}"] = tar.extractfile(member).read()

    monkeypatch.setattr(fake, "write_directory", write)
    export_image("thesis", JobRequest(ENROOT), context)
    assert written["/etc/environment"] == b"A=b\n"
    assert b'exec /init "$@"' in written["/etc/rc"]
    with tarfile.open(there / "thesis.tar") as tar:
        assert tar.getnames() == ["etc/passwd"]
    assert fake.made == {}


@pytest.mark.parametrize("taken", ["thesis.tar", "thesis.sbatch"])
def test_a_file_that_exists_is_replaced_only_on_request(
    there: Path, context: Context, taken: str
) -> None:
    (there / taken).write_text("precious")
    with pytest.raises(AlreadyExistsError, match=f"{taken} exists. Replace it with: -f"):
        export_image("thesis", JobRequest(), context)
    assert names(there) == [taken]
    export_image("thesis", JobRequest(), context, force=True)
    assert (there / taken).read_text(errors="replace") != "precious"


@pytest.mark.parametrize("call", ["export", "write_directory"])
def test_an_export_that_fails_leaves_nothing(
    there: Path, fake: FakeEngine, context: Context, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    def refuse(*arguments: object) -> None:
        raise EngineError("refused by the test")

    monkeypatch.setattr(fake, call, refuse)
    with pytest.raises(EngineError, match="refused by the test"):
        export_image("thesis", JobRequest(ENROOT), context)
    assert (names(there), fake.made) == ([], {})


def test_a_name_that_is_taken_meanwhile_takes_the_other_file_back(
    there: Path, fake: FakeEngine, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = fake.save_image

    def save(reference: str) -> object:
        (there / "thesis.sbatch").write_text("another command's")
        yield from real(reference)

    monkeypatch.setattr(fake, "save_image", save)
    with pytest.raises(AlreadyExistsError, match=r"thesis\.sbatch was created by another command"):
        export_image("thesis", JobRequest(), context)
    assert names(there) == ["thesis.sbatch"]
    assert (there / "thesis.sbatch").read_text() == "another command's"


def test_a_file_that_was_replaced_is_restored_if_the_other_cannot_be(
    there: Path, fake: FakeEngine, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = fake.save_image

    def save(reference: str) -> object:
        (there / "thesis.sbatch").mkdir()
        yield from real(reference)

    (there / "thesis.tar").write_text("former")
    with monkeypatch.context() as patch:
        patch.setattr(fake, "save_image", save)
        with pytest.raises(MlcError, match=r"thesis\.sbatch cannot be written: Is a directory"):
            export_image("thesis", JobRequest(), context, force=True)
        assert names(there) == ["thesis.sbatch", "thesis.tar"]
        assert (there / "thesis.tar").read_text() == "former"
        (there / "thesis.sbatch").rmdir()
        (there / "thesis.tar").unlink()
        with pytest.raises(MlcError, match="Is a directory"):
            export_image("thesis", JobRequest(), context, force=True)
        assert names(there) == ["thesis.sbatch"]
        (there / "thesis.sbatch").rmdir()
    for _ in range(2):
        export_image("thesis", JobRequest(), context, force=True)
        assert names(there) == ["thesis.sbatch", "thesis.tar"]


def test_the_architecture_decides_how_gpus_are_made_visible(there: Path, context: Context) -> None:
    for architecture, flag in (("ROCM6", "--rocm"), (None, "--nv"), ("CPU", "--no-eval \\\n")):
        export_image("thesis", JobRequest(), context, architecture=architecture, force=True)
        assert flag in (there / "thesis.sbatch").read_text()


def test_the_command_offers_every_runtime() -> None:
    assert image_export.RUNTIMES == RUNTIMES


def test_an_image_or_a_directory_that_is_not_there(there: Path, context: Context) -> None:
    with pytest.raises(NotFoundError, match="image-create none"):
        export_image("none", JobRequest(), context)
    context.report = RecordingReporter()
    (there / "file").touch()
    for file, why in (("no/where.tar", "No such file or"), ("file/where.tar", "Not a")):
        with pytest.raises(MlcError, match=f"{file} cannot be written: {why} directory"):
            export_image("thesis", JobRequest(), context, file=file)
    assert not context.report.said
    (there / "file").unlink()
    assert names(there) == []

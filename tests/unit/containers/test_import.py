"""Import a container from a file, through the Python API."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from support.accounts import OWN, own_image
from support.fakes.engine import FakeEngine
from support.recording_reporter import RecordingReporter

import mlc_patched
from mlc_patched.containers import archive
from mlc_patched.containers.import_ import ImportRequest, directories_to_accept, import_
from mlc_patched.context import Context
from mlc_patched.engine.interface import Engine
from mlc_patched.errors import EngineError, MlcError, NotAllowedError, NotFoundError
from mlc_patched.names import labels
from mlc_patched.settings.model import Settings


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


@pytest.mark.parametrize("call", ["import_image", "create_container", "commit"])
def test_an_import_that_fails_leaves_nothing(
    fake: FakeEngine, context: Context, tmp_path: object, call: str
) -> None:
    own_image(fake)
    mlc_patched.create("n", image=OWN, context=context)
    file = mlc_patched.export("n", f"{tmp_path}/n", context=context).file
    images, made = dict(fake.images), dict(fake.made)
    faulty(fake, call, 1, False, EngineError("fault"))
    with pytest.raises(EngineError):
        mlc_patched.import_(file, "copy", context=context)
    assert (fake.images, fake.made) == (images, made)


def test_where_bases_are_limited_an_import_is_refused_before_anything_is_asked(
    fake: FakeEngine, context: Context, tmp_path: Path
) -> None:
    context.__dict__["settings"] = Settings(bases=("aimehub/*", "debian:12"))
    file = archive_of(tmp_path, data="/srv")
    for refused in (import_, directories_to_accept):
        with pytest.raises(NotAllowedError, match=r"n\.mlc\.tar cannot be imported") as error:
            refused(ImportRequest(file), context)
        assert "mlc-import" not in str(error.value)
        assert "aimehub/*, debian:12" in str(error.value)
        assert "image-create" in error.value.hint
    assert fake.calls == []
    context.__dict__["settings"] = Settings(bases=("aimehub/*", "mlc-import"))
    directories_to_accept(ImportRequest(file), context)


def archive_of(place: Path, **directories: str) -> str:
    """Write an archive that wants directories of the host; return its path."""
    named = {"workspace": labels.WORKSPACE, "data": labels.DATA, "models": labels.MODELS}
    own = {named[field]: path for field, path in directories.items()}
    file = place / "n.mlc.tar"
    file.write_bytes(archive.head(archive.Manifest("n", "alice", own)) + b"\0" * 1024)
    return str(file)


@pytest.mark.parametrize("path", ["/", "/var/run", "{home}", "{home}/../other", "{home}/link"])
@pytest.mark.parametrize("field", ["workspace", "data", "models"])
def test_a_directory_that_is_not_below_the_home_is_mounted_only_on_request(
    context: Context, fake: FakeEngine, tmp_path: Path, path: str, field: str
) -> None:
    """An archive can come from anybody."""
    home = Path(context.account.home)
    (tmp_path / "other").mkdir()
    (home / "link").symlink_to("/var")
    path = path.format(home=home)
    request = ImportRequest(archive_of(tmp_path, **{field: path}), "copy")
    assert directories_to_accept(request, context) == {field: path}
    with pytest.raises(MlcError, match="which is not below your home") as raised:
        import_(request, context)
    assert f"-{field[0]} -" in str(raised.value.hint)
    assert not fake.images
    for asked, is_mounted in (
        (replace(request, accepted=frozenset({path})), True),
        (replace(request, **{field: "-"}), False),
        (replace(request, **{field: str(home / "workspace")}), False),
    ):
        import_(asked, context)
        [made] = fake.made.values()
        sources = [bind.source for bind in made.specification.binds]
        assert (str(Path(path).resolve()) in map(os.path.realpath, sources)) == is_mounted
        fake.made.clear()


def test_directories_below_the_home_are_mounted_without_a_question(
    context: Context, tmp_path: Path
) -> None:
    home = Path(context.account.home)
    (home / "data").mkdir()
    request = ImportRequest(
        archive_of(tmp_path, workspace=f"{home}/workspace", data=f"{home}/data", models="/nowhere")
    )
    assert directories_to_accept(request, context) == {}


def test_a_file_that_cannot_be_read_is_named(context: Context, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"There is no file .*/missing\. mlc export NAME"):
        import_(ImportRequest(f"{tmp_path}/missing", "copy"), context)
    with pytest.raises(MlcError, match=f"{tmp_path} cannot be read: Is a directory"):
        import_(ImportRequest(str(tmp_path), "copy"), context)


def test_what_fails_besides_the_reading_is_not_the_file_s_fault(
    context: Context, fake: FakeEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = archive_of(tmp_path)

    def fail(*arguments: object, **named: object) -> str:
        raise OSError("no space for locks")

    with monkeypatch.context() as patch:
        patch.setattr(fake, "import_image", fail)
        with pytest.raises(OSError, match="no space for locks"):
            import_(ImportRequest(file, "copy"), context)
    monkeypatch.setattr(archive, "rest", fail)
    with pytest.raises(MlcError, match="cannot be read"):
        import_(ImportRequest(file, "copy"), context)


def test_the_directories_of_a_remote_host_cannot_be_looked_at(
    context: Context, tmp_path: Path
) -> None:
    context.environ = {**context.environ, "DOCKER_HOST": "tcp://far:2375"}
    home = context.account.home
    request = ImportRequest(archive_of(tmp_path, data="/not/here", models=f"{home}/not/here"))
    assert directories_to_accept(request, context) == {"data": "/not/here"}


@pytest.mark.parametrize(("has_gpu", "count"), [(True, 2), (False, None)])
def test_the_archive_says_how_many_gpus_and_the_host_whether_any(
    context: Context, fake: FakeEngine, tmp_path: Path, has_gpu: bool, count: int | None
) -> None:
    context.__dict__["host"] = replace(context.host, has_gpu=has_gpu)
    file = tmp_path / "n.mlc.tar"
    manifest = archive.Manifest("n", "alice", {labels.GPUS: "2", labels.FRAMEWORK: "Jax-1"})
    file.write_bytes(archive.head(manifest) + b"\0" * 1024)
    context.environ = {name: value for name, value in context.environ.items() if name != "MLC_ARCH"}
    import_(ImportRequest(str(file)), context)
    [made] = fake.made.values()
    assert made.specification.labels[labels.FRAMEWORK] == "Jax-1"
    gpus = made.specification.gpus
    assert (gpus.count if gpus else None) == count


def test_a_directory_that_this_host_lacks_is_not_mounted(
    context: Context, fake: FakeEngine, tmp_path: Path
) -> None:
    context.report = RecordingReporter()
    import_(ImportRequest(archive_of(tmp_path, models="/nowhere"), "copy"), context)
    assert "Not mounted, because this host does not have it: /nowhere" in context.report.said
    [made] = fake.made.values()
    assert "/models" not in [bind.target for bind in made.specification.binds]


def test_an_archive_sets_no_label_that_says_whose_a_container_is(
    fake: FakeEngine, context: Context, tmp_path: Path
) -> None:
    """An archive can come from anybody."""
    own = {
        **dict.fromkeys((labels.OWNER, labels.JOB, labels.TEMPORARY, labels.PROJECT), "bob"),
        **dict.fromkeys((labels.DS01_OWNER, "ds01.username", labels.DEVCONTAINER), "bob"),
        **{"": "x", "a=b": "x", "lone": "\udc80", "k": "v"},
    }
    file = tmp_path / "n"
    file.write_bytes(
        archive.head(archive.Manifest("n", "alice", {}, own_labels=own)) + b"\0" * 1024
    )
    import_(ImportRequest(str(file)), context)
    [made] = fake.made.values()
    assert "bob" not in made.specification.labels.values()
    found = {label: made.specification.labels.get(label) for label in ("", "a=b", "lone", "k")}
    assert found == {"": None, "a=b": None, "lone": None, "k": "v"}

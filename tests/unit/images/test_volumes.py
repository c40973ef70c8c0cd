"""What is in volumes, by the archives that engines return of them."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from dataclasses import replace

import pytest
from support.fakes.engine import FakeEngine

from mlc_patched.context import Context
from mlc_patched.engine.interface import VOLUME, Container, Mount
from mlc_patched.errors import EngineError
from mlc_patched.images.volumes import changed_volumes

DOCKERS = ("data", "data/sub", "data/sub/file")
PODMANS = ("/", "/sub/", "/sub/file")


def archive(*names: str) -> bytes:
    """Return an archive of directories, and of empty files where a name ends with `file`."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as tar:
        for name in names:
            info = tarfile.TarInfo(name)
            info.type = tarfile.REGTYPE if name.endswith("file") else tarfile.DIRTYPE
            tar.addfile(info)
    return made.getvalue()


@pytest.fixture
def container(fake: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> Container:
    """A container with a volume, on an engine that does not keep the owners of files."""
    monkeypatch.setattr(fake, "copies_owners", False)
    monkeypatch.setattr(fake, "real_path", lambda container, path: path)
    image = fake.add_image("img:1")
    made = Container("c", "it._.1001", "img:1", image.id, {}, "exited", "", 0)
    return replace(made, mounts=(Mount(VOLUME, "/srv/data", "a" * 64),))


@pytest.mark.parametrize("names", [DOCKERS, PODMANS])
def test_files_in_a_volume_are_seen_whatever_the_engine_calls_its_directory(
    fake: FakeEngine,
    context: Context,
    container: Container,
    monkeypatch: pytest.MonkeyPatch,
    names: tuple[str, ...],
) -> None:
    found, of_the_image = [names], [DOCKERS[:1]]

    def read_directory(name: str, path: str) -> Iterator[bytes]:
        return iter([archive(*(found if name == container.id else of_the_image)[0])])

    monkeypatch.setattr(fake, "read_directory", read_directory)
    assert [each.path for each in changed_volumes(container, context)] == ["/srv/data"]
    of_the_image[0] = DOCKERS
    assert changed_volumes(container, context) == [], "the image has the same files"
    found[0] = names[:1]
    assert changed_volumes(container, context) == [], "the container was never started"


def test_an_archive_of_something_else_is_not_an_empty_volume(
    fake: FakeEngine, context: Context, container: Container, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = archive("data", "else/file")
    monkeypatch.setattr(fake, "read_directory", lambda *_: iter([other]))
    with pytest.raises(EngineError, match="is not in /srv/data: else/file"):
        changed_volumes(container, context)

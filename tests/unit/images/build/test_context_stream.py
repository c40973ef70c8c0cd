"""A build context that a process of the user's reads for root's client."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

import docker.utils.build  # noqa: F401 - once, instead of in each child
import pytest

from mlc_patched.errors import MlcError
from mlc_patched.host.account import Account
from mlc_patched.images.build.context_stream import SENT_DOCKERFILE, sent_context
from mlc_patched.images.build.environment import Builder

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="only root can work for others")
USER = Account("nobody", 65534, 65534, "/nonexistent")


@pytest.fixture
def directory(open_place: Path) -> Path:
    """A directory of the user's with a file."""
    made = open_place / "context"
    made.mkdir()
    (made / "data.txt").write_text("the data")
    return made


def sent(directory: Path, builder: Builder = Builder.BUILDKIT) -> dict[str, str]:
    """Return what a client would get: the text of each file, by name."""
    with sent_context(str(directory), "FROM x\n", USER, builder) as stream:
        with os.fdopen(os.dup(stream.file), "rb") as file:
            content = file.read()
        stream.check()
    found = {}
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        for member in tar:
            file = tar.extractfile(member)
            found[member.name] = file.read().decode() if file else ""
    return found


def test_the_files_and_the_dockerfile_are_sent(directory: Path) -> None:
    assert sent(directory) == {"data.txt": "the data", SENT_DOCKERFILE: "FROM x\n"}


def test_the_classic_builder_is_kept_from_copying_the_dockerfile(directory: Path) -> None:
    assert ".mlc-build.*" in sent(directory, Builder.CLASSIC)[".dockerignore"]


def test_a_file_that_only_root_can_read_is_not_sent(directory: Path) -> None:
    (directory / "key").write_text("of root")
    (directory / "key").chmod(0o600)
    with pytest.raises(MlcError, match="key"):
        sent(directory)


def test_a_directory_that_the_user_cannot_read_is_named(directory: Path) -> None:
    directory.chmod(0o700)
    with pytest.raises(MlcError, match=str(directory)):
        sent(directory)


def test_a_link_in_place_of_the_directory_is_refused(directory: Path) -> None:
    link = directory.parent / "link"
    link.symlink_to(directory)
    with pytest.raises(MlcError, match=str(link)):
        sent(link)

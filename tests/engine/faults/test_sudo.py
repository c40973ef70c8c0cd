"""Commands under sudo: root works for a user, who gets nothing of root's in return."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.base_images import BASE
from support.image_commands import ImageUser

pytestmark = pytest.mark.real_engine

SECRET = "a secret of root"


@pytest.fixture
def of_root() -> Iterator[Path]:
    """A directory that only root may enter, with a file `key`."""
    place = Path(tempfile.mkdtemp(prefix="mlc-test-root-", dir="/var/tmp"))
    (place / "key").write_text(SECRET)
    yield place
    shutil.rmtree(place)


def sudo(it: ImageUser, name: str, *arguments: str | Path, ok: bool = True, **more: str) -> str:
    """Run an image command under sudo; return what it said."""
    done = it.user.sudo(it.command(name), *arguments, "-y", **{**it.environ, **more})
    assert (done.returncode == 0) == ok, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_a_build_gets_only_what_its_user_may_read(each_builder: ImageUser, of_root: Path) -> None:
    it, home = each_builder, each_builder.user.home
    own = "COPY . /all/\nCOPY sub/part /part\nRUN ls -AR /all\n"
    dockerfile = it.user.file("source/Dockerfile", f"FROM {BASE}\n{own}")
    it.user.file("source/sub/part", "content")
    it.user.file("source/left-out", "content")
    it.user.file("source/.dockerignore", "left-out\n.dockerignore\n")
    (home / "source/link").symlink_to(of_root / "key")
    sudo(it, "image-create", "demo", "--dockerfile", dockerfile)
    said = it.run_in(
        it.image("demo"), "cat /part; echo; readlink /all/link; ls -A /all; cat /all/link || true"
    )
    content, link, *names = said.split()
    assert (content, link) == ("content", str(of_root / "key"))
    # BuildKit takes the Dockerfile of a stream from among its files.
    assert set(names) - {".mlc-build.Dockerfile"} == {"Dockerfile", "link", "sub"}

    # The directory becomes a link after it was named; and one of root's is named.
    leak = dockerfile.with_name("key")
    leak.write_text("the user's own")
    (home / "dockerfiles/demo.Dockerfile").write_text(
        (home / "dockerfiles/demo.Dockerfile").read_text().replace(own, "COPY key /leak\n")
    )
    shutil.move(home / "source", home / "moved")
    (home / "source").symlink_to(of_root)
    assert f"{home}/source, in the build context, cannot be read" in sudo(
        it, "image-update", "demo", ok=False
    )
    (home / "source").unlink()
    for named in (of_root, f"/proc/self/root{of_root}", "/root"):
        it.user.file(
            "dockerfiles/other.Dockerfile",
            f"# Build context: {named}\nFROM {BASE}\nCOPY . /leak/\n",
        )
        said = sudo(it, "image-create", "other", "--force", ok=False)
        assert "in the build context, cannot be read: Permission denied" in said
        assert SECRET not in said
    assert it.names() == {it.image("demo")}
    shutil.rmtree(home / "moved")


def test_a_build_whose_files_cannot_all_be_read_fails(commands: ImageUser) -> None:
    """Docker's clients take a stream that ends early for a whole one."""
    dockerfile = commands.user.file("source/Dockerfile", f"FROM {BASE}\nCOPY . /all/\n")
    commands.user.file("source/a", "content")
    (commands.user.home / "source/b").touch(0o600)  # of root, between two of the user's
    commands.user.file("source/c", "content")
    said = sudo(commands, "image-create", "demo", "--dockerfile", dockerfile, ok=False)
    assert "source/b, in the build context, cannot be read: Permission denied" in said
    assert commands.names() == set()

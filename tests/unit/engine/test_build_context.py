"""Build contexts as tar archives: what they contain, and what stops them."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

import pytest

from mlc_patched.engine.build_context import DOCKERFILE, added_name, context_archive
from mlc_patched.errors import MlcError
from mlc_patched.host.account import Account

ME = Account("me", os.getuid(), os.getgid(), "/home/me")


def members(directory: Path | None, **added: str) -> dict[str, tarfile.TarInfo]:
    with opened(directory, **added) as tar:
        return {each.name: each for each in tar.getmembers()}


def opened(directory: Path | None, **added: str) -> tarfile.TarFile:
    files = {added_name(name): content for name, content in added.items()}
    content = b"".join(context_archive(directory and str(directory), ME, files))
    return tarfile.open(fileobj=io.BytesIO(content))


def content_of(tar: tarfile.TarFile, name: str) -> bytes:
    file = tar.extractfile(name)
    assert file is not None
    return file.read()


def test_files_directories_and_links_are_sent_as_they_are_but_belong_to_root(
    tmp_path: Path,
) -> None:
    (tmp_path / "sub").mkdir(mode=0o750)
    (tmp_path / "sub/run.sh").write_bytes(b"x" * 3_000_000)
    (tmp_path / "sub/run.sh").chmod(0o755)
    (tmp_path / "empty").touch()
    (tmp_path / ("long" * 40)).write_text("a long name")
    (tmp_path / "link").symlink_to("/etc/passwd")
    (tmp_path / "umlaut-ä").write_text("ä")
    os.mkfifo(tmp_path / "fifo")
    with opened(tmp_path) as tar:
        found = {each.name: each for each in tar.getmembers()}
        assert content_of(tar, "sub/run.sh") == b"x" * 3_000_000
        assert content_of(tar, "long" * 40) == b"a long name"
        assert content_of(tar, "umlaut-ä") == "ä".encode()
    assert "fifo" not in found
    assert found["sub"].isdir()
    assert found["sub"].mode == 0o750
    assert found["sub/run.sh"].mode == 0o755
    assert found["empty"].size == 0
    assert found["link"].issym()
    assert found["link"].linkname == "/etc/passwd"
    assert {(each.uid, each.gid) for each in found.values()} == {(0, 0)}


def test_what_dockerignore_excludes_is_not_sent(tmp_path: Path) -> None:
    for name in ("data/big", "data/keep", "src/a.pyc", "src/a.py", "notes.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / ".dockerignore").write_text("# a comment\ndata\n!data/keep\n**/*.pyc\n*.md\n")
    found = set(members(tmp_path))
    assert {"data/keep", "src/a.py"} <= found
    assert not {"data/big", "src/a.pyc", "notes.md"} & found


@pytest.mark.parametrize("own", [None, "*.md"])
def test_added_files_are_there_but_hidden_from_copy(tmp_path: Path, own: str | None) -> None:
    (tmp_path / "a").touch()
    (tmp_path / DOCKERFILE).write_text("a user's, by chance")
    if own:
        (tmp_path / ".dockerignore").write_text(own)
    with opened(tmp_path, Dockerfile="FROM x\n", secret="s") as tar:
        names = tar.getnames()
        assert content_of(tar, DOCKERFILE) == b"FROM x\n"
        assert content_of(tar, added_name("secret")) == b"s"
        ignored = content_of(tar, ".dockerignore").decode().split()
    assert sorted(names) == sorted({*names}), "each name is there once"
    assert ".mlc-build.*" in ignored
    assert ("*.md" in ignored) == bool(own)
    # Without a .dockerignore of the user's, COPY finds none of ours.
    assert (".dockerignore" in ignored) != bool(own)


@pytest.mark.parametrize(
    ("ignored", "sent"),
    [("*.md\n", "*.md\n"), ("*.md\n.dockerignore\n", None), (None, None)],
)
def test_buildkit_gets_dockerignore_as_it_is(
    tmp_path: Path, ignored: str | None, sent: str | None
) -> None:
    (tmp_path / "a.md").touch()
    if ignored is not None:
        (tmp_path / ".dockerignore").write_text(ignored)
    archive = context_archive(str(tmp_path), ME, {DOCKERFILE: "FROM x\n"}, hides_added=False)
    with tarfile.open(fileobj=io.BytesIO(b"".join(archive))) as tar:
        names = tar.getnames()
        assert (".dockerignore" in names) == (sent is not None)
        if sent is not None:
            assert content_of(tar, ".dockerignore").decode() == sent
    assert ("a.md" in names) == (ignored is None)
    assert DOCKERFILE in names


def test_a_build_without_a_context_has_the_added_files_alone() -> None:
    assert set(members(None, Dockerfile="FROM x")) == {DOCKERFILE}


def test_a_context_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(MlcError, match="gone, in the build context, cannot be read"):
        members(tmp_path / "gone")


def test_a_file_that_shrinks_while_it_is_read_stops_the_build(tmp_path: Path) -> None:
    (tmp_path / "big").write_bytes(b"x" * 5_000_000)
    archive = context_archive(str(tmp_path), ME, {})
    for chunk in archive:
        if b"xxx" in chunk:
            os.truncate(tmp_path / "big", 10)
            break
    with pytest.raises(MlcError, match="big, in the build context, became shorter"):
        b"".join(archive)


def test_a_file_that_is_removed_while_others_are_read_is_left_out(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / name).write_text(f"content of {name}")
    found = b""
    for chunk in context_archive(str(tmp_path), ME, {}):
        found += chunk
        if b"content of a" in chunk:
            (tmp_path / "b").unlink()
    with tarfile.open(fileobj=io.BytesIO(found)) as tar:
        assert set(tar.getnames()) == {".dockerignore", "a", "c"}


@pytest.mark.skipif(os.getuid() != 0, reason="only root can work for others")
@pytest.mark.parametrize(
    ("path", "mode"),
    [
        ("", 0o700),
        ("sub", 0o700),  # it cannot be listed
        ("sub", 0o744),  # it can be listed, but its files not be looked at
        ("sub/file", 0o600),
    ],
)
def test_what_the_user_may_not_read_is_not_sent_by_root(
    open_place: Path, path: str, mode: int
) -> None:
    context = open_place / "context"
    (context / "sub").mkdir(parents=True)
    (context / "sub/file").write_text("of root")
    (context / path).chmod(mode)
    user = Account("nobody", 65534, 65534, "/nonexistent")
    sent = b""
    with pytest.raises(MlcError) as caught:
        for chunk in context_archive(str(context), user, {}):
            sent += chunk
    named = context / "sub/file" if mode == 0o744 else context / path
    assert (
        f"{named}, in the build context, cannot be read: Permission denied" in caught.value.message
    )
    assert b"of root" not in sent
    (context / path).chmod(0o755)
    assert b"of root" in b"".join(context_archive(str(context), user, {}))


def test_an_unreadable_file_is_named_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "private").touch()
    real = os.open

    def refusing(path: str, *arguments: int, **named: int) -> int:
        if str(path).endswith("private"):
            raise PermissionError(13, "Permission denied", path)
        return real(path, *arguments, **named)

    monkeypatch.setattr(os, "open", refusing)
    with pytest.raises(MlcError, match=r"private.*Permission denied.*\.dockerignore"):
        members(tmp_path)

"""Files named by users: with whose rights they are read, and what an archive may contain."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.bad_input.files import archives, extended, member
from support.base_images import BASE
from support.fakes.engine import FakeEngine
from support.run_command import call

from mlc_patched.containers.archive import checked
from mlc_patched.context import Context
from mlc_patched.errors import MlcError
from mlc_patched.host.account import Account
from mlc_patched.host.files import LARGEST_TEXT, read_text, rights_of
from mlc_patched.images.build.environment import settings_from
from mlc_patched.images.editor import edited
from mlc_patched.plan import catalog
from mlc_patched.settings import file as settings

HERE = Account("alice", os.getuid(), os.getgid(), "/")
root_alone = pytest.mark.skipif(os.getuid() != 0, reason="only root can work for others")


def test_a_pipe_is_read_to_its_end() -> None:
    """As a shell passes it for `<(command)`."""
    reader, writer = os.pipe()
    os.write(writer, b"numpy\n")
    os.close(writer)
    try:
        assert read_text(f"/dev/fd/{reader}", "requirements file", HERE) == "numpy\n"
    finally:
        os.close(reader)


def test_a_file_is_read_up_to_the_limit(tmp_path: Path) -> None:
    file = tmp_path / "f"
    file.write_text("a\r\n" + "b" * (LARGEST_TEXT - 3))
    assert len(read_text(str(file), "Dockerfile", HERE)) == LARGEST_TEXT
    with file.open("a") as more:
        more.write("c")
    with pytest.raises(MlcError, match="is larger than 1 MiB"):
        read_text(str(file), "Dockerfile", HERE)


@pytest.mark.promise("homes")
@root_alone
def test_root_reads_only_what_the_user_may_read(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("of root")
    secret.chmod(0o600)
    (tmp_path / "link").symlink_to(secret)
    user = Account("nobody", 65534, 65534, "/nonexistent")
    for name in ("secret", "link"):
        with pytest.raises(MlcError, match="Permission denied") as refused:
            read_text(str(tmp_path / name), "requirements file", user)
        assert "of root" not in str(refused.value)
    assert read_text(str(secret), "requirements file", HERE) == "of root"


READERS = {
    "a catalog": catalog.load,
    "settings": lambda path, user: settings.load(
        {"DS01_SETTINGS": str(path)}, Path("/nonexistent/mlc.ini"), user
    ),
    "a certificate": lambda path, user: settings_from({"DS01_CA_CERTIFICATE": str(path)}, user),
}


@pytest.mark.promise("homes")
@root_alone
@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
def test_a_file_named_by_a_variable_is_read_with_the_user_s_rights(read, tmp_path: Path) -> None:
    """An error message about a line would reveal it."""
    secret = tmp_path / "secret"
    secret.write_text("root:hash:1\n")
    secret.chmod(0o600)
    (tmp_path / "link").symlink_to(secret)
    for name in ("secret", "link"):
        with pytest.raises(MlcError, match="Permission denied") as refused:
            read(tmp_path / name, Account("nobody", 65534, 65534, "/nonexistent"))
        assert "hash" not in str(refused.value)
    with pytest.raises(MlcError, match=r"expected|not understood|not contain a certificate"):
        read(secret, HERE)


@pytest.mark.promise("homes", "input-refused")
@root_alone
@pytest.mark.parametrize(
    ("left", "says"),
    [
        ("ln -s /etc/shadow", "cannot be read: Permission denied"),
        ("mkfifo", "is not a file, and reading it returned nothing"),
        ("mkdir", "cannot be read: Is a directory"),
        (": ", "There is no edited text"),
    ],
)
def test_an_edited_file_is_read_with_the_user_s_rights(left: str, says: str) -> None:
    user = Account("nobody", 65534, 65534, "/nonexistent")
    editor = f"""sh -c 'rm "$1"; {left} "$1"' sh"""
    with pytest.raises(MlcError) as refused:
        edited("FROM debian\n", "p.Dockerfile", user, {**os.environ, "VISUAL": editor})
    assert says in str(refused.value)


@root_alone
def test_rights_are_restored_after_an_error() -> None:
    before = os.getresuid(), os.getresgid(), os.getgroups()
    user = Account("no such login", 54321, 54322, "/")
    with pytest.raises(MlcError), rights_of(user):
        assert (os.geteuid(), os.getegid(), os.getgroups()) == (54321, 54322, [54322])
        raise MlcError("inside")
    assert (os.getresuid(), os.getresgid(), os.getgroups()) == before
    with rights_of(Account("root", 0, 0, "/root")):
        assert os.geteuid() == 0


FORMATS = {"ustar": tarfile.USTAR_FORMAT, "GNU": tarfile.GNU_FORMAT, "pax": tarfile.PAX_FORMAT}


@pytest.mark.parametrize("form", FORMATS.values(), ids=FORMATS)
@given(
    files=st.dictionaries(
        st.text("abcdefgh\xe4/", min_size=1, max_size=90).filter(
            lambda name: not name.startswith("/")
        ),
        st.binary(max_size=2000),
    ),
    step=st.integers(1, 3000),
)
def test_archives_of_any_tar_pass_unchanged(form: int, files: dict[str, bytes], step: int) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form) as tar:
        for name, content in files.items():
            made = tarfile.TarInfo(name)
            made.size = len(content)
            tar.addfile(made, io.BytesIO(content))
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/../etc/passwd"
        tar.addfile(link)
    whole = buffer.getvalue()
    pieces = (whole[at : at + step] for at in range(0, len(whole), step))
    assert b"".join(checked(pieces, "f")) == whole


def test_a_size_in_an_extended_header_counts() -> None:
    """How the engine writes files of more than 8 GiB."""
    good = extended("size", "600") + member("big") + bytes(1024) + member("next") + bytes(1024)
    assert b"".join(checked([good], "f")) == good
    with pytest.raises(MlcError, match="cut off"):
        list(checked([good[: 1024 + 512 + 700]], "f"))


BAD = {
    **{name: content for name, content in archives().items() if name != "good"},
    "a device of another kind": member("x", b"D"),
    "a global header": member("x", b"g", size=512) + bytes(512),
    "a directory with content": member("x", tarfile.DIRTYPE, size=512) + bytes(512),
    "an extended header of gigabytes": member("x", b"x", size=2**30),
    "an invalid extended header": member("x", b"x", size=512) + b"99 nonsense".ljust(512, b"\0"),
    "a length that points back": member("x", b"x", size=512) + b"0 a=b\n".ljust(512, b"\0"),
    "two sizes": extended("size", "1") + extended("size", "2") + member("x"),
    "a size that is not a number": extended("size", "-1") + member("x"),
    "a path out in an extended header": extended("path", "../../x") + member("x"),
}


@pytest.mark.promise("input-refused")
@pytest.mark.parametrize("content", BAD.values(), ids=BAD)
@pytest.mark.parametrize("step", [1, 512, 700, 10**6])
def test_an_invalid_archive_is_refused(content: bytes, step: int) -> None:
    pieces = (content[at : at + step] for at in range(0, len(content), step))
    passed = []
    with pytest.raises(MlcError, match=r"never writes|cut off"):
        passed.extend(checked(pieces, "f"))
    assert b"bomb" not in b"".join(passed)


@pytest.mark.promise("homes")
@pytest.mark.parametrize("umask", [0, 0o077, 0o777])
def test_an_export_is_private_under_any_umask(
    context: Context, fake: FakeEngine, tmp_path: Path, umask: int
) -> None:
    fake.add_image(BASE)
    assert call(["mlc", "create", "n", "--image", BASE, "-s"], context).code == 0
    before = os.umask(umask)
    try:
        assert call(["mlc", "export", "n", str(tmp_path / "n.tar")], context).code == 0
    finally:
        os.umask(before)
    assert (tmp_path / "n.tar").stat().st_mode & 0o777 == 0o600

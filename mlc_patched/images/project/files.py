"""A project's files in the home: its Dockerfile, copies of older ones, and its metadata.

Every file is replaced atomically, and links are not followed (see host/home.py).
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import secrets
import stat
import time
from collections.abc import Iterable, Iterator, Mapping
from itertools import count
from pathlib import Path

from ...errors import MlcError
from ...host.account import Account
from ...host.files import rights_of
from ...host.home import CONFIGURATION, directory, open_file
from ...json_text import parsed
from ...lean import TYPE_CHECKING
from ...names.projects import PREVIOUS, Project
from ...temporary import HALF
from ..dockerfile.render import build_context_in

if TYPE_CHECKING:
    from typing import Any

DOCKERFILES = "dockerfiles"
LOCK = ".lock"
"""Ending of the file with the exact versions in a project's image."""
METADATA = (CONFIGURATION, "images")
METADATA_VERSION = 1
BEFORE = f".{PREVIOUS}"
"""Suffix of the copy of the Dockerfile that the previous image was built from."""
REJECTED = ".rejected"
"""Suffix of the copy of an edited Dockerfile that was not built, as its build failed, say."""
_COPIED = ("requirements.txt", "pyproject.toml", "uv.lock", "environment.yml")
_COPIES = "|".join((*(each.replace(".", r"(?:-\d+)?\.") for each in _COPIED), r"[^/]+\.whl"))
"""Names of copies beside the Dockerfile, after that of the project (images/brought)."""
_OWN = "It must be a directory of your own, not a link."
_HINTS = {
    **dict.fromkeys((errno.ELOOP, errno.ENOTDIR, errno.EACCES, errno.EPERM), _OWN),
    errno.ENOENT: "Your home does not exist; have it created, or set HOME to one that exists.",
    errno.EROFS: "Its file system is mounted read-only; have it mounted writable.",
}
"""What to do if a directory cannot be used. For a full disk the command line adds that."""
_DOCKERFILE_MODE = 0o644
_METADATA_MODE = 0o600
_LARGEST = 4 * 1024**2


class ProjectFiles:
    """The files of one user's project (design document, "User Files")."""

    def __init__(self, account: Account, project: Project) -> None:
        self._account = account
        self.project = project

    @property
    def directory(self) -> str:
        """The directory of Dockerfiles, and the build context of those that name no other."""
        return f"{self._account.home}/{DOCKERFILES}"

    @property
    def dockerfile_path(self) -> str:
        """The path of the Dockerfile."""
        return f"{self.directory}/{self.project.dockerfile}"

    def build_context(self, text: str) -> str:
        """Return the build context of a Dockerfile of the project: the one it names in a comment,
        else the directory of Dockerfiles."""
        return build_context_in(text) or self.directory

    def read_dockerfile(self, suffix: str = "") -> str | None:
        """Return the text of the Dockerfile, or of its copy with a suffix, without a byte order
        mark; None if there is none.

        Raises MlcError if it is a link, or cannot be read.
        """
        content = self._read((DOCKERFILES,), f"{self.project.dockerfile}{suffix}")
        if content is None:
            return None
        try:
            return content.decode("utf-8").removeprefix("\ufeff")
        except UnicodeDecodeError as error:
            raise MlcError(f"{self.dockerfile_path}{suffix} is not text: {error}") from error

    def write_dockerfile(self, text: str, suffix: str = "") -> str:
        """Write the Dockerfile, or a copy of it, and return its path, or raise MlcError."""
        name = f"{self.project.dockerfile}{suffix}"
        self._write((DOCKERFILES,), name, text.encode(), _DOCKERFILE_MODE)
        return f"{self.dockerfile_path}{suffix}"

    def check_writable(self, text: str) -> None:
        """Raise MlcError if the Dockerfile could not be written, before a build in vain."""
        half = _temporary(self.project.dockerfile)
        with self._directory((DOCKERFILES,)) as parent:
            try:
                flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
                with os.fdopen(open_file(parent, half, flags), "wb") as stream:
                    stream.write(text.encode())
            finally:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(half, dir_fd=parent)

    def remove_dockerfile(self, suffix: str = "") -> None:
        """Remove the Dockerfile or a copy, if it exists."""
        self._remove((DOCKERFILES,), f"{self.project.dockerfile}{suffix}")

    def set_copy_aside(self, name: str) -> str | None:
        """Give a file in the directory of Dockerfiles a temporary name, and return that; None if
        there is no such file.

        Raises MlcError if it is a link or a directory, or cannot be renamed.
        """
        aside = _temporary(name)
        with self._directory((DOCKERFILES,)) as parent:
            try:
                found = os.stat(name, dir_fd=parent, follow_symlinks=False)
            except FileNotFoundError:
                return None
            if not stat.S_ISREG(found.st_mode):
                raise MlcError(f"{self.directory}/{name} is not a file; replace or remove it.")
            with contextlib.suppress(PermissionError):  # prune goes by age, and by the owner
                os.utime(name, dir_fd=parent, follow_symlinks=False)
            os.rename(name, aside, src_dir_fd=parent, dst_dir_fd=parent)
        return aside

    def put_copy_back(self, aside: str, name: str) -> None:
        """Give a file that was set aside its name back, unless it has it already."""
        with self._directory((DOCKERFILES,)) as parent, contextlib.suppress(FileNotFoundError):
            os.rename(aside, name, src_dir_fd=parent, dst_dir_fd=parent)

    def write_copy(self, name: str, content: bytes) -> None:
        """Write a file that the Dockerfile copies into the image beside it, or raise MlcError."""
        self._write((DOCKERFILES,), name, content, _DOCKERFILE_MODE)

    def has_content(self, name: str, content: bytes) -> bool | None:
        """Whether a file in the directory of Dockerfiles has this content; None if it is missing.

        Raises MlcError if it is a link or a directory, or cannot be read.
        """
        found = self._read((DOCKERFILES,), name, most=len(content) + 1)
        return None if found is None else found == content

    def back_up_copy(self, aside: str, name: str) -> str:
        """Make a file that was set aside the next numbered backup of its name, and return the
        backup's path, or raise MlcError."""
        backup = self._back_up(aside, (f"{name}.{number}" for number in count(1)), move=True)
        return backup or f"{self.directory}/{name}"

    def remove_copy(self, name: str) -> None:
        """Remove such a file, if it exists."""
        self._remove((DOCKERFILES,), name)

    def files_beside(self) -> list[str]:
        """Return the paths of the copies that were made beside the Dockerfile, for it to copy, with
        their backups, of an edited one that was not built, and of the previous Dockerfile and lock,
        in order."""
        name, dockerfile = re.escape(self.project.name), re.escape(self.project.dockerfile)
        former = f"({dockerfile}|{name}{LOCK}){re.escape(BEFORE)}"
        rejected = f"{dockerfile}{re.escape(REJECTED)}"
        pattern = re.compile(rf"{former}|{rejected}|{name}\.({_COPIES})(\.\d+)?")
        with rights_of(self._account), contextlib.suppress(OSError):
            found = sorted(Path(self.directory).iterdir())
            return [str(path) for path in found if pattern.fullmatch(path.name)]
        return []

    @property
    def lock_path(self) -> str:
        """The path of the lock."""
        return f"{self.directory}/{self.project.name}{LOCK}"

    def read_lock(self, suffix: str = "") -> str | None:
        """Return the text of the lock, or of its copy with a suffix; None if there is none.

        Raises MlcError if it is a link, or cannot be read.
        """
        content = self._read((DOCKERFILES,), f"{self.project.name}{LOCK}{suffix}")
        return None if content is None else content.decode("utf-8", "replace")

    def write_lock(self, text: str | None, suffix: str = "") -> None:
        """Write the lock, or a copy of it; remove it if there is no text."""
        name = f"{self.project.name}{LOCK}{suffix}"
        if text is None:
            self._remove((DOCKERFILES,), name)
        else:
            self._write((DOCKERFILES,), name, text.encode(), _DOCKERFILE_MODE)

    def restore_dockerfile(self, text: str | None, suffix: str = "") -> None:
        """Write, or remove without a text, the Dockerfile or a copy, if it differs: a full disk
        takes no file, not even one that is there already."""
        if self.read_dockerfile(suffix) == text:
            return
        if text is None:
            self.remove_dockerfile(suffix)
        else:
            self.write_dockerfile(text, suffix)

    def restore_lock(self, text: str | None, suffix: str = "") -> None:
        """Write or remove the lock or a copy, if it differs, for the same reason."""
        if self.read_lock(suffix) != text:
            self.write_lock(text, suffix)

    def is_older(self, suffix: str) -> bool:
        """Whether there is a copy of the Dockerfile with this suffix, and the Dockerfile was
        written after it."""
        if not self._exists((DOCKERFILES,)):
            return False
        name, written = self.project.dockerfile, []
        with self._directory((DOCKERFILES,)) as parent, contextlib.suppress(FileNotFoundError):
            for each in (f"{name}{suffix}", name):
                found = os.stat(each, dir_fd=parent, follow_symlinks=False)
                written.append(found.st_mtime_ns)
        return len(written) == 2 and written[0] < written[1]

    def back_up_dockerfile(
        self, suffix: str | None = None, *, move: bool = False, of: str = ""
    ) -> str | None:
        """Make a backup of the Dockerfile, or of the copy with the suffix `of`, under an unused
        name, and return its path, or None if there is no such file.

        The suffix is the next free number if None; `move` removes the file. Raises MlcError if the
        backup could not be made.
        """
        name = self.project.dockerfile
        numbers = (f"{name}.{number}" for number in count(1))
        names = numbers if suffix is None else _with_suffix(name, suffix)
        return self._back_up(f"{name}{of}", names, move=move)

    def move_lock(self, suffix: str) -> None:
        """Make the lock, if there is one, a backup with this suffix, or raise MlcError."""
        name = f"{self.project.name}{LOCK}"
        self._back_up(name, _with_suffix(name, suffix), move=True)

    def _back_up(self, source: str, names: Iterable[str], *, move: bool) -> str | None:
        """Make a backup of a file under the first of these names that is not used, and return its
        path, or None if there is no such file."""
        with self._directory((DOCKERFILES,)) as parent:
            for backup in names:
                try:
                    _link_or_copy(source, backup, parent)
                except FileExistsError:
                    continue
                except FileNotFoundError:
                    return None
                if move:
                    os.unlink(source, dir_fd=parent)
                return f"{self.directory}/{backup}"
        return None

    def read_metadata(self) -> dict[str, Any]:
        """Return the project's metadata; empty if missing, invalid or of another version."""
        with contextlib.suppress(MlcError, ValueError):
            content = self._read(METADATA, f"{self.project.name}.json")
            found = parsed(content) if content else None
            if isinstance(found, dict) and found.get("version") == METADATA_VERSION:
                return found
        return {}

    def write_metadata(self, metadata: Mapping[str, Any]) -> None:
        """Write the project's metadata, or raise MlcError."""
        content = json.dumps({"version": METADATA_VERSION, **metadata}, indent=2, sort_keys=True)
        self._write(METADATA, f"{self.project.name}.json", f"{content}\n".encode(), _METADATA_MODE)

    def remove_metadata(self) -> None:
        """Remove the project's metadata, if there is any."""
        self._remove(METADATA, f"{self.project.name}.json")

    def remove_half_written(self) -> None:
        """Remove what a killed command left of these files; the caller holds the project's lock.

        Raises MlcError if a directory is a link or something else.
        """
        for parts, name in (
            ((DOCKERFILES,), re.escape(self.project.dockerfile) + r"(\.[\w-]+)?"),
            ((DOCKERFILES,), re.escape(self.project.name) + rf"\.({_COPIES})"),
            ((DOCKERFILES,), re.escape(f"{self.project.name}{LOCK}") + r"(\.[\w-]+)?"),
            (METADATA, re.escape(self.project.name) + r"\.json"),
        ):
            if not self._exists(parts):
                continue
            with self._directory(parts) as parent:
                with os.scandir(parent) as found:
                    names = [each.name for each in found]
                for half in names:
                    if re.fullmatch(rf"\.{name}\.[0-9a-f]{{8}}{HALF}", half):
                        with contextlib.suppress(OSError):
                            os.unlink(half, dir_fd=parent)

    def _exists(self, parts: tuple[str, ...]) -> bool:
        with rights_of(self._account):
            return os.path.lexists("/".join((self._account.home, *parts)))

    @contextlib.contextmanager
    def _directory(self, parts: tuple[str, ...]) -> Iterator[int]:
        path = "/".join((self._account.home, *parts))
        mode = 0o755 if parts == (DOCKERFILES,) else 0o700
        try:
            with directory(self._account, *parts, mode=mode) as parent:
                yield parent
        except OSError as error:
            hint = _HINTS.get(error.errno or 0, "")
            raise MlcError(f"{path} cannot be used: {error.strerror}.", hint) from error

    def _read(self, parts: tuple[str, ...], name: str, *, most: int | None = None) -> bytes | None:
        """Return the content of a file, or its first `most` bytes; None if it is missing."""
        path = "/".join((self._account.home, *parts))
        if not self._exists(parts):
            return None
        with self._directory(parts) as parent:
            try:
                flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
                file = os.open(name, flags, dir_fd=parent)
            except FileNotFoundError:
                return None
            except OSError as error:
                raise MlcError(
                    f"{path}/{name} cannot be read: {error.strerror}. "
                    "It must be a file, not a link."
                ) from error
            if not stat.S_ISREG(os.fstat(file).st_mode):  # Python opens no directory
                os.close(file)
                raise MlcError(f"{path}/{name} is not a file; replace or remove it.")
            with os.fdopen(file, "rb") as stream:
                content = stream.read(_LARGEST + 1 if most is None else most)
            # Else a part of it could be written back as the whole.
            if most is None and len(content) > _LARGEST:
                raise MlcError(f"{path}/{name} is larger than {_LARGEST >> 20} MiB.")
            return content

    def _write(self, parts: tuple[str, ...], name: str, content: bytes, mode: int) -> None:
        temporary = _temporary(name)
        with self._directory(parts) as parent:
            try:
                flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
                with os.fdopen(open_file(parent, temporary, flags, mode), "wb") as stream:
                    stream.write(content)
                    stream.flush()
                    os.fsync(stream.fileno())
                os.rename(temporary, name, src_dir_fd=parent, dst_dir_fd=parent)
            except BaseException:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(temporary, dir_fd=parent)
                raise

    def _remove(self, parts: tuple[str, ...], name: str) -> None:
        if not self._exists(parts):
            return
        with self._directory(parts) as parent, contextlib.suppress(FileNotFoundError):
            os.unlink(name, dir_fd=parent)


def _link_or_copy(source: str, target: str, parent: int) -> None:
    """Give a file in an opened directory a second name, or FileExistsError if there is such a file,
    which a renaming would replace. Make a copy where the system has no links, or if the file is
    another user's."""
    try:
        os.link(source, target, src_dir_fd=parent, dst_dir_fd=parent, follow_symlinks=False)
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.EOPNOTSUPP):
            raise
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        with os.fdopen(os.open(source, flags, dir_fd=parent), "rb") as file:
            content = file.read()
        made = open_file(parent, target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _DOCKERFILE_MODE)
        try:
            with os.fdopen(made, "wb") as copy:
                copy.write(content)
        except BaseException:
            os.unlink(target, dir_fd=parent)
            raise


def numbered(name: str, number: int) -> str:
    """Return the name of a copy with its number: `requirements-2.txt`; the first has none."""
    stem, _, ending = name.partition(".")
    return name if number == 1 else f"{stem}-{number}.{ending}"


def _with_suffix(name: str, suffix: str) -> Iterator[str]:
    """Yield names of backups with a suffix: `NAME.SUFFIX`, `NAME.SUFFIX.2` and so on."""
    yield f"{name}.{suffix}"
    yield from (f"{name}.{suffix}.{number}" for number in count(2))


def _temporary(name: str) -> str:
    return f".{name}.{secrets.token_hex(4)}{HALF}"


def rebuild_command(project: Project, account: Account) -> str:
    """Return the command that builds an image of the account's own project for it again: from its
    Dockerfile, or, where there is none, as after `mlc adopt`, on the image under another name."""
    try:
        has_dockerfile = ProjectFiles(account, project).read_dockerfile() is not None
    except MlcError:
        has_dockerfile = True  # building it says what is wrong with it
    if has_dockerfile:
        return f"image-create {project.name} --force"
    return f"image-create {project.name}-2 --from {project.image}"


def projects_with_files(account: Account) -> set[str]:
    """Return the names of the projects that have a Dockerfile."""
    ending = Project(0, "").dockerfile
    try:
        with rights_of(account):
            names = [path.name for path in Path(account.home, DOCKERFILES).iterdir()]
    except OSError:
        return set()
    return {name.removesuffix(ending) for name in names if name.endswith(ending)} - {""}


def dated_suffix(now: float | None = None) -> str:
    """Return the suffix of a backup, such as `retired-2026-11-23T150000Z`."""
    return time.strftime("retired-%Y-%m-%dT%H%M%SZ", time.gmtime(now))

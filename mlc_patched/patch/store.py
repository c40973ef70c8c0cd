"""The store of a patched checkout: AIME's originals, their manifest, and the switch.

    .mlc-patched/
        active                while it exists, the commands run our program; holds our Python's path
        mlc.py                link to our program
        original              link to the generation in force
        generation-…/         the originals, manifest.json, and links to the rest of the checkout

Everything is complete on disk (fsync) before the one rename that puts it in force.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import secrets
import shutil
import stat
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path

from ..errors import MlcError
from ..json_text import parsed
from ..lean import dataclass
from .layout import MARKER, ORIGINAL, STORE

MANIFEST = "manifest.json"
_MANIFEST_VERSION = 1
_PARTIAL = f"{STORE}.partial"
_REMOVED = f"{STORE}.removed"


@dataclass(frozen=True)
class Kept:
    """A stored original: its name, digest (SHA-256, hexadecimal) and mode bits."""

    name: str
    sha256: str
    mode: int


@dataclass(frozen=True)
class Manifest:
    """The list of the originals, with the form and version of AIME's program."""

    form: str
    version: str
    files: tuple[Kept, ...]
    shims: tuple[str, ...] = ()
    """Digests of the shims that were put in place; empty if an earlier version wrote this."""

    def kept(self, name: str) -> Kept | None:
        """Return the entry of one original, or None."""
        return next((each for each in self.files if each.name == name), None)


@dataclass(frozen=True)
class Original:
    """One of AIME's files: text, mode bits, times (ns since 1970: access, modification)."""

    text: bytes
    mode: int
    times: tuple[int, int] | None = None


def digest(text: bytes) -> str:
    """Return the SHA-256 of a text, hexadecimal."""
    return hashlib.sha256(text).hexdigest()


def read_original(path: Path) -> Original:
    """Read a file with its mode and times."""
    with path.open("rb") as file:
        status = os.fstat(file.fileno())
        return Original(
            file.read(), stat.S_IMODE(status.st_mode), (status.st_atime_ns, status.st_mtime_ns)
        )


def read_manifest(checkout: Path) -> Manifest | None:
    """Return the manifest in force, None if there is none or it is damaged.

    Raises MlcError if it cannot be read.
    """
    path = checkout / STORE / ORIGINAL / MANIFEST
    try:
        found = parsed(path.read_text(encoding="utf-8"))
        files = tuple(
            Kept(str(e["name"]), str(e["sha256"]), int(e["mode"])) for e in found["files"]
        )
        shims = tuple(str(each) for each in found.get("shims", ()))
        return Manifest(str(found["form"]), str(found["version"]), files, shims)
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None
    except OSError as error:
        raise MlcError(f"{path} cannot be read: {error.strerror}.") from error


@contextlib.contextmanager
def locked(checkout: Path) -> Iterator[None]:
    """Lock the checkout against other mlc-patch and update-sys commands, or raise MlcError."""
    place = os.open(checkout, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(place, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise MlcError(
                f"Another mlc-patch or update-sys is changing {checkout}. Wait until it is done; "
                f"to see who runs it: fuser -v {checkout}"
            ) from None
        yield
    finally:
        os.close(place)


def write(path: Path, original: Original) -> None:
    """Write a file and sync it to disk; an existing one is replaced atomically."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    file = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(file, "wb") as stream:
            stream.write(original.text)
            stream.flush()
            os.fchmod(stream.fileno(), original.mode)
            if original.times:
                os.utime(stream.fileno(), ns=original.times)
            os.fsync(stream.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def replace(checkout: Path, name: str, original: Original) -> None:
    """Replace a file of the checkout by one rename; processes with it open keep the old one."""
    staged = checkout / STORE / f"new-{name}"
    write(staged, original)
    staged.replace(checkout / name)
    sync(checkout)


def link(path: Path, target: str) -> None:
    """Make or redirect a symbolic link by one rename."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    temporary.symlink_to(target)
    temporary.replace(path)
    sync(path.parent)


def sync(directory: Path) -> None:
    """Sync a directory's entries to disk."""
    file = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(file)
    finally:
        os.close(file)


def open_store(checkout: Path) -> Path:
    """Return the store; a missing one is made under another name and renamed when complete."""
    store = checkout / STORE
    if store.exists():
        store.chmod(0o755)
    else:
        partial = checkout / _PARTIAL
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(mode=0o755)
        partial.chmod(0o755)
        write(partial / ".gitignore", Original(b"*\n", 0o644))
        sync(partial)
        partial.replace(store)
        sync(checkout)
    return store


def keep(checkout: Path, manifest: Manifest, originals: Mapping[str, Original]) -> None:
    """Store all originals of a manifest, by name, as a new generation; put it in force by one
    rename."""
    store = checkout / STORE
    before = _generations(store)
    generation = store / f"generation-{secrets.token_hex(4)}"
    generation.mkdir(mode=0o755)
    generation.chmod(0o755)
    for name, original in originals.items():
        write(generation / name, original)
    # An original that looks for a file beside itself must find it here, too.
    for entry in sorted(each.name for each in checkout.iterdir()):
        if entry not in originals and not entry.startswith((STORE, ".git")):
            (generation / entry).symlink_to(f"../../{entry}")
    text = json.dumps({"manifest": _MANIFEST_VERSION, **asdict(manifest)}, indent=2)
    write(generation / MANIFEST, Original(f"{text}\n".encode(), 0o644))
    sync(generation)
    link(store / ORIGINAL, generation.name)
    for former in before:
        shutil.rmtree(former)


def copy_aside(checkout: Path, name: str) -> Path:
    """Copy a stored original to a file beside its command, and return that file."""
    original = read_original(checkout / STORE / ORIGINAL / name)
    number = 1
    while (copy := checkout / f"{name}.original-{number}").exists():
        if copy.read_bytes() == original.text:
            return copy
        number += 1
    write(copy, Original(original.text, original.mode & ~0o111, original.times))
    sync(checkout)
    return copy


def activate(checkout: Path, python: str) -> None:
    """Switch on: as soon as this rename is done, every command runs our program."""
    write(checkout / STORE / MARKER, Original(f"{python}\n".encode(), 0o644))
    sync(checkout / STORE)


def deactivate(checkout: Path) -> None:
    """Switch off: as soon as this unlink is done, every command runs AIME's program."""
    (checkout / STORE / MARKER).unlink(missing_ok=True)
    sync(checkout / STORE)


def is_active(checkout: Path) -> bool:
    """Whether the commands run our program."""
    return (checkout / STORE / MARKER).is_file()


def remove(checkout: Path) -> None:
    """Remove the store, and what an interrupted mlc-patch left beside it."""
    store = checkout / STORE
    if store.exists():
        shutil.rmtree(checkout / _REMOVED, ignore_errors=True)
        store.replace(checkout / _REMOVED)
        sync(checkout)
    tidy(checkout)


def tidy(checkout: Path) -> None:
    """Remove unused files that an interrupted mlc-patch left in or beside the store."""
    for left in (_REMOVED, _PARTIAL):
        shutil.rmtree(checkout / left, ignore_errors=True)
    store = checkout / STORE
    if store.is_dir():
        in_force = os.path.realpath(store / ORIGINAL)
        for generation in _generations(store):
            if str(generation) != in_force and os.path.realpath(generation) != in_force:
                shutil.rmtree(generation)
        for pattern in ("new-*", ".*.????????", "stage-*"):
            for left_file in store.glob(pattern):
                if left_file.is_dir():
                    shutil.rmtree(left_file)
                else:
                    left_file.unlink()


def _generations(store: Path) -> list[Path]:
    return sorted(store.glob("generation-*"))

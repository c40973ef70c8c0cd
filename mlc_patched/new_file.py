"""Write large files under temporary names; they get their own names when they are complete."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from pathlib import Path
from shlex import quote

from .context import Context
from .errors import AlreadyExistsError, MlcError
from .host.files import rights_of
from .interrupts import defer_signals
from .temporary import HALF
from .undo import Undo


def check_target(target: Path, context: Context, *, force: bool) -> None:
    """Refuse to replace a file without `force`, anything that is neither a file nor a link to a
    file or directory, and a directory that does not exist. A link itself is replaced, not what it
    points to."""
    with _failing(target), rights_of(context.account):
        target.parent.stat()
        try:
            mode = target.lstat().st_mode
        except FileNotFoundError:
            return
        is_link = stat.S_ISLNK(mode)
        with contextlib.suppress(OSError):  # a link that leads nowhere
            mode = target.stat().st_mode
    # A pipe or device behind a link, such as /dev/stdout, is meant to be written to.
    if not (stat.S_ISREG(mode) or (is_link and (stat.S_ISLNK(mode) or stat.S_ISDIR(mode)))):
        raise MlcError(f"{target} exists and is not a file.", "Choose another name.")
    if not force:
        raise AlreadyExistsError(f"{target} exists.", "Replace it with: -f")


def write_files(
    files: Mapping[Path, Iterable[bytes]], context: Context, *, force: bool
) -> tuple[int, ...]:
    """Write files that only the user can read, all or none, and return their sizes in bytes.

    `force` replaces existing ones. Raises AlreadyExistsError, and MlcError if one cannot be
    written.
    """
    sizes, partials, formers = [], {}, {}
    first = next(iter(files))
    try:
        name = f"export {first.absolute()}"
    except FileNotFoundError:
        raise MlcError(
            f"{first} cannot be written: the current directory was deleted.",
            "Change to another one, or give an absolute path.",
        ) from None
    # Commands that write the same files take turns, and remove what a killed one left.
    with context.lock(name) as job, Undo(context.report) as undo:
        for target, chunks in files.items():
            partial = target.with_name(f".{target.name}.{job.token}{HALF}")
            former = target.with_name(f".{target.name}.former.{job.token}{HALF}")
            with _failing(target):
                for left in (partial, former) if job.is_alone else ():
                    _removal(left, context)()
                sizes.append(_write(partial, chunks, context, undo))
            partials[target], formers[target] = partial, former
        with defer_signals():
            for target, partial in partials.items():
                with _failing(target), rights_of(context.account):
                    if force:
                        undo.add(f"The file {target}", _keep(target, formers[target], context))
                        partial.replace(target)
                    else:
                        _rename(partial, target)
                        undo.add(f"The file {target}", _removal(target, context))
            for former in formers.values():
                with contextlib.suppress(OSError):
                    _removal(former, context)()
    return tuple(sizes)


@contextlib.contextmanager
def _failing(target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        is_full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        raise MlcError(
            f"{target} cannot be written: {error.strerror}{'.' if is_full else ''}",
            f"See: df -h {quote(str(target.absolute().parent))} - and: quota -s" if is_full else "",
        ) from error


def _write(partial: Path, chunks: Iterable[bytes], context: Context, undo: Undo) -> int:
    size = 0
    with rights_of(context.account):
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(partial, flags, 0o600)
    undo.add(f"The file {partial}", _removal(partial, context))
    with os.fdopen(descriptor, "wb") as out, contextlib.ExitStack() as stack:
        if isinstance(chunks, Generator):
            stack.callback(chunks.close)  # also if writing failed
        with rights_of(context.account):  # on NFS root may not change it
            os.fchmod(descriptor, 0o600)  # whatever the umask
        for chunk in chunks:
            out.write(chunk)
            size += len(chunk)
            context.report.progress(f"{size / 1e6:.0f} MB written")
        out.flush()
        os.fsync(descriptor)
    return size


def _removal(path: Path, context: Context) -> Callable[[], None]:
    """Return a function that removes a file, if it exists, with the user's rights."""

    def remove() -> None:
        with rights_of(context.account):
            path.unlink(missing_ok=True)

    return remove


def _keep(target: Path, former: Path, context: Context) -> Callable[[], None]:
    """Give a file that will be replaced a second name; return a function that undoes both."""
    try:
        os.link(target, former, follow_symlinks=False)
    except FileNotFoundError:
        return _removal(target, context)
    except OSError:
        return lambda: None  # a file system without links, such as FAT: it stays replaced

    def restore() -> None:
        with rights_of(context.account):
            former.replace(target)
            former.unlink(missing_ok=True)  # if both are still one file, nothing was renamed

    return restore


def _rename(partial: Path, target: Path) -> None:
    """Rename the file unless the target exists by now."""
    try:
        os.link(partial, target)
    except FileExistsError:
        raise AlreadyExistsError(
            f"{target} was created by another command; nothing was written"
        ) from None
    except OSError:
        partial.rename(target)  # a file system without links, such as FAT
    partial.unlink(missing_ok=True)

"""Run a command line in this process, with any context; get its output and exit code."""

from __future__ import annotations

import contextlib
import io
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from mlc_patched.cli.main import run
from mlc_patched.context import Context


@dataclass(frozen=True)
class Outcome:
    """The exit code and output of a command."""

    code: int
    out: str
    err: str

    @property
    def last(self) -> str:
        """The last line of standard error, which says what failed."""
        return self.err.rstrip("\n").rpartition("\n")[2]


def call(argv: list[str], context: Context) -> Outcome:
    """Run `argv`, beginning with `mlc` or the name of a program such as image-create."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), _signals_kept():
        try:
            code = run(argv[1:] if argv[0] == "mlc" else argv, "mlc", copy_of(context))
        except SystemExit as ended:  # argparse's own, after -h
            code = int(ended.code or 0)
    return Outcome(code, out.getvalue(), err.getvalue())


def copy_of(context: Context) -> Context:
    """Return another context with the same cached values."""
    made = replace(context)
    made.__dict__.update({key: context.__dict__[key] for key in context.__dict__ if key in KNOWN})
    return made


KNOWN = ("engine", "account", "host", "settings", "catalog")


@contextlib.contextmanager
def _signals_kept() -> Iterator[None]:
    before = {each: signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGHUP)}
    umask = os.umask(0o022)
    os.umask(umask)
    try:
        yield
    finally:
        os.umask(umask)
        for number, handler in before.items():
            signal.signal(number, handler)


def files_of(home: str | Path) -> dict[str, tuple[int, str]]:
    """Return the files below a directory, with mode and content, or a link's target."""
    found = {}
    for path in sorted(Path(home).rglob("*")):
        status = path.lstat()
        content = str(path.readlink()) if path.is_symlink() else ""
        if path.is_file() and not path.is_symlink():
            content = path.read_bytes().hex()
        found[str(path.relative_to(home))] = (status.st_mode, content)
    return found

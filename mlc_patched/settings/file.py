"""The settings file: which one is in force, and its settings over the built-in ones."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ..host.account import Account
from ..host.files import read_text
from .model import BUILT_IN_SETTINGS, Settings

FILE = Path("/etc/ds01/mlc.ini")
FILE_VARIABLE = "DS01_SETTINGS"
"""Names another file where `FILE` does not exist; where it does, nobody may go around it."""


def locate(environ: Mapping[str, str], file: Path = FILE) -> Path | None:
    """Return the settings file in force, or None where there is none.

    Args:
        environ: the environment; its DS01_SETTINGS counts only where `file` is missing, so
            that no user can put a file of their own in place of the administrator's.
        file: the administrator's file.
    """
    try:
        file.stat()
    except (FileNotFoundError, NotADirectoryError):
        pass
    except OSError:
        return file  # it may not be looked at: reading it will say so
    else:
        return file
    named = environ.get(FILE_VARIABLE)
    return Path(named) if named else None


def load(environ: Mapping[str, str], file: Path = FILE, account: Account | None = None) -> Settings:
    """Return the built-in settings with those of the file over them.

    The environment (`Setting.variable`) and flags go over these where they are used.

    Args:
        environ: the environment, for DS01_SETTINGS.
        file: the administrator's file.
        account: the user, whose rights count for a file that DS01_SETTINGS names.

    Raises:
        MlcError: the file cannot be read, or a key or value is wrong; the message names the
            file, the line and what is allowed.
    """
    path = locate(environ, file)
    if path is None:
        return BUILT_IN_SETTINGS
    from .parse import parse  # most hosts have no file, and the tables take time to import

    text = read_text(str(path), "settings file", account if path != file else None)
    return parse(text.removeprefix("\ufeff"), str(path))

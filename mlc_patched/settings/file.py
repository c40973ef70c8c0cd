"""The settings file: which one is in force, and its settings over the built-in ones."""

from __future__ import annotations

import os
from collections.abc import Mapping

from ..host.account import Account
from ..host.files import read_text
from .model import BUILT_IN_SETTINGS, Settings

FILE = "/etc/ds01/mlc.ini"
FILE_VARIABLE = "DS01_SETTINGS"
"""Names another file if `FILE` does not exist; if it exists, it cannot be bypassed."""


def locate(environ: Mapping[str, str], file: str = FILE) -> str | None:
    """Return the path of the settings file, or None.

    DS01_SETTINGS is used only if `file` is missing: no user can replace the administrator's file.
    """
    try:
        os.stat(file)  # noqa: PTH116 - pathlib takes 3 ms
    except (FileNotFoundError, NotADirectoryError):
        return environ.get(FILE_VARIABLE) or None
    except OSError:
        pass  # it cannot be accessed: reading it will fail with a message
    return file


def load(environ: Mapping[str, str], file: str = FILE, account: Account | None = None) -> Settings:
    """Return the settings: those of the file, and built-in values for the others.

    A file that DS01_SETTINGS names is read with the user's rights. Raises MlcError if it cannot be
    read, or if a key or value is wrong, with file, line and the allowed values.
    """
    path = locate(environ, file)
    if path is None:
        return BUILT_IN_SETTINGS
    from .parse import parse  # most hosts have no file, and the import takes time

    text = read_text(path, "settings file", account if path != file else None)
    return parse(text.removeprefix("\ufeff"), path)

"""The settings file: which one is in force, and its settings over the built-in ones."""

from __future__ import annotations

import os
from collections.abc import Mapping

from ..errors import MlcError, NotFoundError
from ..host.account import Account
from ..host.files import read_text
from .model import BUILT_IN_SETTINGS, Settings

FILE = "/etc/ds01/mlc.ini"
FILE_VARIABLE = "DS01_SETTINGS"
"""Names another file if `FILE` does not exist; if it exists, it cannot be bypassed."""


def locate(environ: Mapping[str, str], file: str = FILE) -> str | None:
    """Return the path of the settings file, or None.

    DS01_SETTINGS is used only if `file` is missing: no user can replace the administrator's file.
    A link that leads nowhere is not missing: what it leads to may be away for a while only.
    """
    try:
        os.lstat(file)
    except (FileNotFoundError, NotADirectoryError):
        if _broken_link(file) is None:
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

    try:
        text = read_text(path, "settings file", account if path != file else None)
    except NotFoundError:
        if link := _broken_link(path):
            raise MlcError(
                f"{link} is a link, and what it leads to is missing, so the settings are unknown.",
                "Restore it, or remove the link.",
            ) from None
        raise
    return parse(text.removeprefix("\ufeff"), path)


def _broken_link(file: str) -> str | None:
    """Return which of the file and its directory is a link that leads nowhere; None if neither."""
    for path in (file, os.path.dirname(file)):  # noqa: PTH120 - pathlib takes 3 ms
        if os.path.islink(path) and not os.path.exists(path):  # noqa: PTH110, PTH114
            return path
    return None

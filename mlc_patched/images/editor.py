"""Let the user edit a text in an editor: a private copy is edited, the result is returned."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from ..errors import MlcError, shown
from ..host.account import Account
from ..host.files import read_bytes
from ..temporary import EDIT_PREFIX, new_directory

_LARGEST = 4 * 1024**2  # as for a Dockerfile in the home
_USUAL = ("sensible-editor", "nano", "vim", "vi")


class EditEncodingError(MlcError):
    """An edited text is not UTF-8; `text` is what it has, with escapes for its other bytes."""

    def __init__(self, why: UnicodeDecodeError) -> None:
        super().__init__(f"The edited text is not valid UTF-8: {why}.")
        self.text = why.object.decode("utf-8", "backslashreplace")


def edited(text: str, name: str, account: Account, environ: Mapping[str, str]) -> str:
    """Return a text as the user edited it, in a file of this name.

    Under sudo the editor, of VISUAL or EDITOR, runs as the account, not as root. Raises MlcError if
    no editor is found, it failed, or the text is empty, and EditEncodingError.
    """
    command = _editor(environ)
    with new_directory(EDIT_PREFIX) as directory:
        path = Path(directory, name)
        try:
            path.write_text(text, encoding="utf-8", newline="")
        except OSError as error:
            raise MlcError(f"{path} cannot be written: {error.strerror}.") from error
        uid, gid = account.file_ids
        as_root = os.geteuid() == 0 and uid != 0
        if as_root:
            os.chown(path, uid, gid)
            os.chown(directory, uid, gid)
        try:
            done = subprocess.run(
                [*command, str(path)],
                env={**environ, "HOME": account.home} if as_root else dict(environ),
                check=False,
                user=uid if as_root else None,
                group=gid if as_root else None,
                extra_groups=os.getgrouplist(account.login, gid) if as_root else None,
            )
        except OSError as error:
            raise MlcError(f"The editor {command[0]} did not start: {error.strerror}") from error
        if done.returncode != 0:
            raise MlcError(
                f"The editor {command[0]} ended with exit status {done.returncode}. "
                "Nothing was changed."
            )
        # An editor may replace the file, and its user the directory, by a link.
        after = read_bytes(str(path), "edited text", account, largest=_LARGEST)
    if not after.strip():
        raise MlcError(f"The edited {name} is empty. Nothing was changed.")
    try:
        return after.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise EditEncodingError(error) from error


def _editor(environ: Mapping[str, str]) -> list[str]:
    for variable in ("VISUAL", "EDITOR"):
        if value := environ.get(variable):
            return _words(variable, value)
    for name in _USUAL:
        if path := shutil.which(name, path=environ.get("PATH")):
            return [path]
    raise MlcError("No editor was found.", "Name one in the environment variable EDITOR.")


def _words(variable: str, value: str) -> list[str]:
    try:
        if words := shlex.split(value):
            return words
        why = "names no program"
    except ValueError as error:
        why = f"cannot be parsed: {error}"
    raise MlcError(
        f"The environment variable {variable} is {shown(value)}, which {why}.",
        f"Example: {variable}=nano",
    )

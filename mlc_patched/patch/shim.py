"""What stands in for AIME's commands in a patched checkout, as text.

Each stand-in asks one thing: is the store's marker there? If so it becomes our program, else
it is AIME's original to the letter. So a checkout whose files have been replaced, all or some
of them, still is AIME's, until the marker appears, and is AIME's again when it goes.
"""

from __future__ import annotations

from .layout import MARKER, ORIGINAL, PROGRAM, STORE

MAGIC = "mlc-patched stands in for AIME's"
"""In every stand-in's second line; nothing of AIME's holds it."""

_PYTHON = """\
#!/usr/bin/env python3
# {magic} {name} here. AIME's comes back by: mlc-patch revert
import os
import sys

_here = os.path.dirname(os.path.realpath(__file__))
_store = os.path.join(_here, "{store}")
try:
    with open(os.path.join(_store, "{marker}")) as _source:
        _python = _source.readline().strip()
except FileNotFoundError:
    _file = os.path.join(_store, "{original}", "{name}")
    if not os.path.exists(_file):
        _file = os.path.join(_here, "{name}")  # given back this very moment, or lost
        if b"{magic}" in open(_file, "rb").read(200):
            sys.exit("Error: {lost}" % _file)
else:
    _file = os.path.join(_store, "{program}")
    if not os.path.exists(_file):
        sys.exit("Error: {gone}" % (os.path.realpath(_file), _store))
    if __name__ == "__main__":
        _python = _python if os.access(_python, os.X_OK) else sys.executable
        os.execv(_python, [_python, _file, {verb_list}*sys.argv[1:]])
    __file__ = _file
with open(_file, "rb") as _source:
    _code = compile(_source.read(), _file, "exec")
exec(_code)
"""

_SHELL = """\
#!/usr/bin/env bash
# {magic} {name} here. AIME's comes back by: mlc-patch revert
mlc_self=$(readlink -f -- "${{BASH_SOURCE[0]}}")
mlc_store=${{mlc_self%/*}}/{store}
if {{ IFS= read -r mlc_python <"$mlc_store/{marker}"; }} 2>/dev/null; then
    if [[ ! -e $mlc_store/{program} ]]; then
        printf 'Error: {gone}\\n' "$(readlink -m "$mlc_store/{program}")" "$mlc_store" >&2
        exit 1
    fi
    [[ -x $mlc_python ]] || mlc_python=python3
    exec "$mlc_python" "$mlc_store/{program}" {verb}"$@"
elif [[ -e $mlc_store/{original}/{name} ]]; then
    source "$mlc_store/{original}/{name}"
elif head -n 2 "$mlc_self" | grep -q "{magic}"; then
    printf 'Error: {lost}\\n' "$mlc_self" >&2
    exit 1
else
    exec "$mlc_self" "$@" # given back this very moment
fi
"""

_GONE = (
    "mlc-patched, which this checkout uses, is gone: %s. An administrator installs it again, "
    "or removes %s/{marker}: then this is AIME mlc again."
)
_LOST = "AIME original of %s is gone. An administrator gives it back by: git checkout -- FILE"


def stand_in(name: str, original: bytes) -> bytes:
    """Return the text of the file that stands in for a command.

    Args:
        name: the command's file name.
        original: what it stands in for; its first line says which language it is in.
    """
    first = original.split(b"\n", 1)[0]
    is_python = name.endswith(".py") or (first.startswith(b"#!") and b"python" in first)
    verb = name.removeprefix("mlc-") if name.startswith("mlc-") else ""
    text = (_PYTHON if is_python else _SHELL).format(
        magic=MAGIC,
        name=name,
        store=STORE,
        marker=MARKER,
        program=PROGRAM,
        original=ORIGINAL,
        verb=f"{verb} " if verb else "",
        verb_list=f'"{verb}", ' if verb else "",
        gone=_GONE.format(marker=MARKER),
        lost=_LOST,
    )
    return text.encode()


def is_stand_in(text: bytes) -> bool:
    """Whether a file's text is a stand-in, of this or another version of ours."""
    lines = text.split(b"\n", 2)
    return len(lines) > 2 and lines[1].startswith(f"# {MAGIC} ".encode())

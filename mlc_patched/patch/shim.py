"""Text of the shims that replace AIME's commands in a patched checkout.

A shim asks one question: does the store's marker exist? If so, it runs our program; otherwise it
runs AIME's original, unchanged. So a checkout with some or all of its files replaced still behaves
as AIME's until the marker appears, and does so again once the marker is gone.

Our program gets -I: Python ignores the caller's PYTHON* variables, as with bin/mlc. (-S, too, would
need a tree with packages of its own.)
"""

from __future__ import annotations

from .layout import MARKER, ORIGINAL, PROGRAM, STORE

MAGIC = "mlc-patched shim for AIME's"
"""In the second line of every shim; no file of AIME's contains it."""
_MAGICS = (MAGIC, "mlc-patched stands in for AIME's")
"""Also those of earlier versions."""

_PYTHON = """\
#!/usr/bin/env python3
# {magic} {name}. To restore AIME's file, run: mlc-patch revert
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
        _file = os.path.join(_here, "{name}")  # just restored, or lost
        if b"{magic}" in open(_file, "rb").read(200):
            sys.exit("Error: {lost}" % _file)
except PermissionError:
    sys.exit("Error: {closed}" % (os.path.join(_store, "{marker}"), _here))
else:
    _file = os.path.join(_store, "{program}")
    if not os.path.exists(_file):
        sys.exit("Error: {gone}" % (os.path.realpath(_file), _store))
    if __name__ == "__main__":
        _python = _python if os.access(_python, os.X_OK) else sys.executable
        os.execv(_python, [_python, "-I", _file, {verb_list}*sys.argv[1:]])
    __file__ = _file
with open(_file, "rb") as _source:
    _code = compile(_source.read(), _file, "exec")
exec(_code)
"""

_SHELL = """\
#!/usr/bin/env bash
# {magic} {name}. To restore AIME's file, run: mlc-patch revert
mlc_self=$(readlink -f -- "${{BASH_SOURCE[0]}}")
mlc_store=${{mlc_self%/*}}/{store}
if {{ IFS= read -r mlc_python <"$mlc_store/{marker}"; }} 2>/dev/null; then
    if [[ ! -e $mlc_store/{program} ]]; then
        printf 'Error: {gone}\\n' "$(readlink -m "$mlc_store/{program}")" "$mlc_store" >&2
        exit 1
    fi
    [[ -x $mlc_python ]] || mlc_python=python3
    exec "$mlc_python" -I "$mlc_store/{program}" {verb}"$@"
elif [[ -d $mlc_store && ! -x $mlc_store ]] ||
    [[ -e $mlc_store/{marker} && ! -r $mlc_store/{marker} ]]; then
    printf 'Error: {closed}\\n' "$mlc_store/{marker}" "${{mlc_self%/*}}" >&2
    exit 1
elif [[ -e $mlc_store/{original}/{name} ]]; then
    source "$mlc_store/{original}/{name}"
elif head -n 2 "$mlc_self" | grep -q "{magic}"; then
    printf 'Error: {lost}\\n' "$mlc_self" >&2
    exit 1
else
    exec "$mlc_self" "$@" # just restored
fi
"""

_GONE = (
    "mlc-patched, which this checkout runs, is missing: %s. Ask an administrator to install it "
    "again, or to remove %s/{marker}, which switches back to AIME mlc."
)
_CLOSED = (
    "%s cannot be read, so it is not known which mlc this checkout runs. Ask an administrator to "
    "run: mlc-patch apply %s"
)
_LOST = "The AIME original of %s is missing. Ask an administrator to run: git checkout -- FILE"


def shim(name: str, original: bytes) -> bytes:
    """Return the text of the shim for a command, in the language of its original."""
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
        closed=_CLOSED,
        lost=_LOST,
    )
    return text.encode()


def is_shim(text: bytes) -> bool:
    """Whether a file's text is a shim of this or another version of mlc-patched."""
    lines = text.split(b"\n", 2)
    return len(lines) > 2 and lines[1].startswith(
        tuple(f"# {magic} ".encode() for magic in _MAGICS)
    )

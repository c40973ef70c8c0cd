#!/usr/bin/env python3
"""mlc under the name that DS01's scripts call; it can also replace AIME's mlc.py.

It can be run by any Python 3, linked to from anywhere, and imported: like AIME's module it has
`main()`, `mlc_version` and `mlc_container_version`.
"""

# No pathlib: every command waits for these imports.
# ruff: noqa: PTH118, PTH120
import _signal
import gc
import os
import sys

if __name__ == "__main__" and _signal.getsignal(_signal.SIGINT) is _signal.default_int_handler:
    # Until main() handles it, Ctrl-C ends the process instead of printing a traceback.
    _signal.signal(_signal.SIGINT, _signal.SIG_DFL)

_ROOT = os.path.realpath(os.path.join(os.path.dirname(os.path.realpath(__file__)), "../.."))
_BIN = os.path.join(_ROOT, ".venv/bin")
_PYTHON = os.path.join(_BIN, "python")
_PACKAGES = f".venv/lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages"

if (
    __name__ == "__main__"
    and os.path.realpath(os.path.dirname(sys.executable)) != os.path.realpath(_BIN)
    and os.access(_PYTHON, os.X_OK)
):
    # Another Python would lack our packages; nothing else in this file has run yet.
    # -IS: for the reasons in bin/mlc.
    os.execv(_PYTHON, [_PYTHON, "-IS", *sys.argv])  # noqa: S606 - no shell is wanted

if __name__ == "__main__":
    # A short command leaves nothing to collect; looking for it takes a twentieth of its time.
    gc.set_threshold(100_000)

for _place in (os.path.join(_ROOT, "lib"), _ROOT):
    if _place not in sys.path:
        sys.path.insert(0, _place)
if os.path.join(_ROOT, _PACKAGES) not in sys.path:
    sys.path.append(os.path.join(_ROOT, _PACKAGES))

try:
    from mlc_patched.cli import main as _main
    from mlc_patched.version import AIME_VERSION, CONTAINER_VERSION
except ImportError as _error:
    sys.exit(
        f"Error: {os.path.realpath(__file__)} cannot find its package, mlc_patched: {_error}. "
        "It needs the directories mlc_patched, lib and .venv beside bin: link to it instead of "
        "copying it, or install it with: make install"
    )

mlc_version = AIME_VERSION
mlc_container_version = CONTAINER_VERSION


def main() -> None:
    """Run mlc on the process's arguments and exit with its exit code."""
    _main.main(program=__file__)


if __name__ == "__main__":
    try:
        main()
    except SystemExit as ended:
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        except (AttributeError, OSError):  # closed, or the disk is full: Python reports it
            raise ended from None
        if not isinstance(ended.code, int):
            raise
        # Skip the teardown of a hundred modules.
        os._exit(ended.code)

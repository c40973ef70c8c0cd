"""The parser of mlc-patch."""

from __future__ import annotations

import argparse

from .parser import Parser


def parser(name: str) -> argparse.ArgumentParser:
    """Return the parser of `mlc-patch`."""
    top = Parser(
        prog=name,
        description="Make an AIME checkout run mlc-patched, in place, or restore AIME's mlc.",
        epilog="examples:\n"
        "  mlc-patch status                            the checkout found through PATH\n"
        "  sudo mlc-patch apply /opt/aime-ml-containers\n"
        "  mlc-patch verify                            exit code 1 if there is a fault\n"
        "  sudo mlc-patch revert                       byte for byte as it was",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = top.add_subparsers(dest="action", metavar="action", required=True)
    for action, text in (
        ("status", "show AIME's version and whether the checkout is patched"),
        ("apply", "patch the checkout: users keep typing the same commands"),
        ("verify", "check that the patch is complete and the commands work"),
        ("revert", "restore AIME's files"),
    ):
        command = commands.add_parser(action, help=text, description=f"{text.capitalize()}.")
        command.add_argument(
            "checkout", nargs="?", help="AIME's checkout (default: the one found through PATH)"
        )
        command.add_argument("--json", action="store_true", help="print JSON")
        if action in ("apply", "revert"):
            command.add_argument(
                "-f",
                "--force",
                action="store_true",
                help="also an untested version or edited files",
            )
            command.add_argument(
                "-n", "--dry-run", action="store_true", help="only show what would be done"
            )
            command.add_argument("-y", "--yes", action="store_true", help="do not ask")
    top.set_defaults(command=name)
    return top

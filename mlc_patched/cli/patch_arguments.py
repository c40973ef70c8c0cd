"""The command line of mlc-patch, without what carries it out."""

from __future__ import annotations

import argparse

from .parser import Parser


def parser(name: str) -> argparse.ArgumentParser:
    """Return the parser of `mlc-patch`."""
    top = Parser(
        prog=name,
        description="Have an AIME checkout run mlc-patched, in place, and give AIME's back.",
        epilog="examples:\n"
        "  mlc-patch status                            the checkout that PATH finds\n"
        "  sudo mlc-patch apply /opt/aime-ml-containers\n"
        "  mlc-patch verify                            exit code 1 if anything is wrong\n"
        "  sudo mlc-patch revert                       byte for byte as it was",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = top.add_subparsers(dest="action", metavar="action", required=True)
    for action, text in (
        ("status", "say what is there, and whether it is patched"),
        ("apply", "patch it: users go on typing what they typed"),
        ("verify", "check that the patch is whole and its commands answer"),
        ("revert", "give AIME's files back"),
    ):
        command = commands.add_parser(action, help=text, description=f"{text.capitalize()}.")
        command.add_argument(
            "checkout", nargs="?", help="AIME's checkout (default: the one PATH finds)"
        )
        command.add_argument("--json", action="store_true", help="print JSON")
        if action in ("apply", "revert"):
            command.add_argument(
                "-f", "--force", action="store_true", help="also with unknown or edited files"
            )
            command.add_argument(
                "-n", "--dry-run", action="store_true", help="only say what would be done"
            )
            command.add_argument("-y", "--yes", action="store_true", help="do not ask")
    top.set_defaults(command=name)
    return top

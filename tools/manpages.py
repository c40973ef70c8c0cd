"""Write the manual pages of every command, from its argparse parser.

.venv/bin/python tools/manpages.py DIRECTORY
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from commands import LISTED, flags, programs

from mlc_patched.cli.parser import Parser, top_parser
from mlc_patched.version import __version__

EXIT_STATUS = (
    ("0", "It was done."),
    ("1", "It could not be done; the last line on standard error says what failed."),
    ("2", "The command was not understood."),
    ("130", "It was interrupted; all changes were rolled back."),
)
ENVIRONMENT = (
    ("DOCKER_HOST", "Where the Docker Engine is, as for docker(1)."),
    ("DOCKER_CONTEXT", "The Docker context whose engine is used, as for docker(1)."),
    ("MLC_AS", "Your UID:GID on engines elsewhere, where they are others than here."),
    ("MLC_ARCH", "The GPU architecture, where \\-arch does not say one."),
    ("MLC_GPUS", "The GPUs of a new container, where \\-g does not say."),
    ("MLC_CATALOG", "The catalog of images."),
    ("DS01_MLC_WRAPPER", "A program that container-create and container-deploy create by."),
    ("NO_COLOR", "Print without colours."),
    ("MLC_DEBUG", "Set to 1: show where an unexpected error came from."),
)
FILES = (
    ("/etc/ds01/mlc.ini", "The administrator's settings; mlc config shows those in force."),
    ("~/dockerfiles/*.Dockerfile", "The Dockerfiles of a user's projects."),
    ("~/.ds01-config/", "What is kept of images, and locks."),
    ("~/workspace", "What /workspace in a container is, unless another is named."),
)


def page(name: str, parser: argparse.ArgumentParser, also: Iterable[str]) -> str:
    """Return the manual page of a command."""
    parser.prog = name
    summary = (parser.description or "").strip()
    usage = re.sub(r"\s+", " ", parser.format_usage().removeprefix("usage: ")).strip()
    parts = [
        f'.TH "{name.upper()}" "1" "" "mlc-patched {__version__}" "User Commands"',
        f".SH NAME\n{_text(name)} \\- {_text(summary[:1].lower() + summary[1:].rstrip('.'))}",
        f".SH SYNOPSIS\n.nf\n{_text(usage)}\n.fi",
        f".SH DESCRIPTION\n{_text(summary)}",
    ]
    if name == "mlc":
        commands = ((each.name, each.summary) for each in LISTED)
        parts.append(".SH COMMANDS\n" + _list(commands))
    if options := list(_options(parser)):
        parts.append(".SH OPTIONS\n" + _list(options))
    if parser.epilog:
        lines = parser.epilog.partition("\n")[2]
        parts.append(f".SH EXAMPLES\n.nf\n{_text(_dedented(lines))}\n.fi")
    parts += [
        ".SH EXIT STATUS\n" + _list(EXIT_STATUS),
        ".SH ENVIRONMENT\n" + _list(ENVIRONMENT),
        ".SH FILES\n" + _list(FILES),
        ".SH SEE ALSO\n" + ",\n".join(f".BR {each} (1)" for each in also).replace(",\n", "\n"),
    ]
    return "\n".join(parts) + "\n"


def top() -> Parser:
    """Return a parser that stands for `mlc`."""
    real = top_parser()
    made = Parser(description=real.description, epilog=real.epilog)
    for action in flags(real):
        made._add_action(action)
    made.add_argument("command", nargs="?", help="what to do; see mlc COMMAND -h")
    return made


def main(directory: Path) -> None:
    """Write the pages."""
    directory.mkdir(parents=True, exist_ok=True)
    pages = {"mlc": top(), **programs()}
    for name, parser in pages.items():
        also = [other for other in pages if other != name][:8]
        (directory / f"{name}.1").write_text(page(name, parser, also), encoding="utf-8")


def _options(parser: argparse.ArgumentParser) -> Iterator[tuple[str, str]]:
    for action in parser._actions:
        if action.help == argparse.SUPPRESS:
            continue
        value = action.metavar or (action.dest.upper() if action.nargs != 0 else "")
        if action.option_strings:
            shown = ", ".join(action.option_strings)
            yield f"{shown} {value if action.nargs != 0 else ''}".strip(), action.help or ""
        else:
            yield str(action.metavar or action.dest), action.help or ""


def _list(pairs: Iterable[tuple[str, str]]) -> str:
    return "\n".join(f".TP\n.B {_text(name)}\n{_text(text)}" for name, text in pairs)


def _dedented(lines: str) -> str:
    return "\n".join(line.removeprefix("  ") for line in lines.splitlines())


def _text(text: str) -> str:
    """Return text that roff takes as it is: no escapes, and no requests at the line's start."""
    text = text.replace("\\-", "-").replace("\\", "\\e").replace("-", "\\-").replace("…", "...")
    return re.sub(r"(?m)^([.'])", r"\\&\1", text).replace("%%", "%")


if __name__ == "__main__":
    main(Path(sys.argv[1]))

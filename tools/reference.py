"""Write the generated parts of docs/api.md, from the docstrings of the Python API, and of
docs/scripting.md, from the parsers.

PYTHONPATH=. python tools/reference.py      after a change; a test fails until it is done
"""

from __future__ import annotations

import dataclasses
import inspect
import re
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import mlc_patched
from mlc_patched.cli.dispatch import COMMANDS
from mlc_patched.cli.parser import command_parser

DOCS = Path(__file__).resolve().parents[1] / "docs"
MARK = "<!-- From here to the end written by tools/reference.py. -->\n"
FLAGS = ("--json", "--quiet", "--exist-ok", "--missing-ok")
_KEY = re.compile(r'print_json\(\s*"(\w+)"|for_each\(.*?context,\s*"(\w+)"', re.S)
_SECTION = re.compile(r"^(Args|Raises|Returns):\n", re.M)
_ANNOTATION = re.compile(r": '([^']*)'")
_TYPE = re.compile(r"\b[A-Z]\w+")
_ENTRY = re.compile(r"^(\w[\w, ]*): ", re.M)


def flags_of_commands() -> str:
    """Return the generated part of docs/scripting.md."""
    lines = ["## Flags of the commands", ""]
    lines += ["| command | keys of `--json` | `-q` | `--exist-ok` | `--missing-ok` |"]
    lines += ["| --- | --- | --- | --- | --- |"]
    for command in COMMANDS.values():
        module = command.load()
        used = [each for each in vars(module).values() if "cli.commands." in str(each)]
        modules = [module, *filter(inspect.ismodule, used)]
        flags = {flag for each in command_parser(command)._actions for flag in each.option_strings}
        found = _KEY.findall("".join(map(inspect.getsource, modules)))
        keys = sorted({f"`{one or other}`" for one, other in found})
        if command.is_listed or command.program == command.name:
            marks = ("yes" if flag in flags else "" for flag in FLAGS[1:])
            shown = ", ".join(keys) if FLAGS[0] in flags else "none"
            lines.append(" | ".join((f"| `{command.program}`", shown, *marks)) + " |")
    return "\n".join(lines) + "\n"


def api() -> str:
    """Return the generated part of docs/api.md."""
    public = {name: getattr(mlc_patched, name) for name in dir(mlc_patched)}
    functions = [each for each in public.items() if inspect.isfunction(each[1])]
    results = [each for each in public.items() if dataclasses.is_dataclass(each[1])]
    failures = [
        each
        for each in public.values()
        if isinstance(each, type) and issubclass(each, mlc_patched.MlcError)
    ]
    lines = ["## Functions", ""]
    for name, function in functions:
        lines += [f"### {name}", "", "```text", *_signature(name, function), "```", ""]
        lines += [*_documented(function), ""]
    lines += ["## Results", "", "Frozen dataclasses.", ""]
    shown = {name: result for name, result in results if name != "Context"}
    for result in list(shown.values()):
        _add_parts(result, shown)
    for name, result in shown.items():
        lines += [f"### {name}", "", *_text(_first(result)), "", *_fields(result), ""]
    lines += [
        "## Errors",
        "",
        "| error | code | exit code | meaning |",
        "| --- | --- | --- | --- |",
    ]
    for each in sorted(failures, key=lambda each: (len(each.__mro__), each.__name__)):
        meaning = " ".join(_first(each).split("\n\n")[0].split())
        lines.append(f"| `{each.__name__}` | `{each.code}` | {each.exit_code} | {meaning} |")
    return "\n".join(lines) + "\n"


def _signature(name: str, function: Callable[..., object]) -> list[str]:
    found = inspect.signature(function)
    parts, is_keyword_only = [], False
    for each in found.parameters.values():
        if each.kind is each.KEYWORD_ONLY and not is_keyword_only:
            parts.append("*")
            is_keyword_only = True
        if each.name != "context":
            parts.append(_ANNOTATION.sub(r": \1", str(each)))
    if parts[-1:] == ["*"]:
        parts.pop()
    end = f") -> {found.return_annotation}"
    line = f"{name}({', '.join(parts)}{end}"
    return [line] if len(line) <= 96 else [f"{name}(", *(f"    {each}," for each in parts), end]


def _documented(function: Callable[..., object]) -> Iterator[str]:
    """Yield a function's docstring, with its sections as lists."""
    text, *sections = _SECTION.split(_first(function))
    yield from _text(text.strip())
    for title, body in zip(sections[::2], sections[1::2], strict=True):
        _, *entries = _ENTRY.split(textwrap.dedent(body).strip())
        yield from ("", {"Args": "Arguments:", "Raises": "Errors:"}.get(title, title), "")
        for name, words in zip(entries[::2], entries[1::2], strict=True):
            if name != "context":
                names = ", ".join(f"`{each}`" for each in name.split(", "))
                yield from _wrapped(f"- {names}: {' '.join(words.split())}", "  ")


def _fields(result: type) -> list[str]:
    fields = ", ".join(f"`{each.name}: {each.type}`" for each in dataclasses.fields(result))
    return _wrapped(f"Fields: {fields}.")


def _add_parts(result: type, shown: dict[str, type]) -> None:
    """Add the types of a dataclass's fields that are dataclasses themselves."""
    names = vars(inspect.getmodule(result))
    for field in dataclasses.fields(result):
        for name in _TYPE.findall(str(field.type)):
            part = names.get(name)
            if dataclasses.is_dataclass(part) and name not in {*shown, "Context"}:
                shown[name] = part
                _add_parts(part, shown)


def _text(text: str) -> Iterator[str]:
    for number, paragraph in enumerate(text.split("\n\n")):
        yield from [""] if number else []
        yield from _wrapped(" ".join(paragraph.split()))


def _first(documented: object) -> str:
    return inspect.getdoc(documented) or ""


def _wrapped(text: str, indent: str = "") -> list[str]:
    return textwrap.wrap(
        text, 100, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )


PAGES: dict[str, tuple[Callable[[], str], str]] = {
    "api.md": (api, "[Remote engines](remote.md)"),
    "scripting.md": (flags_of_commands, "[Python API](api.md)"),
}
"""What is generated on a page, and the link to the next one."""


def page(name: str) -> str:
    """Return a whole page, with the part that is written by hand as it is."""
    generated, following = PAGES[name]
    by_hand = (DOCS / name).read_text(encoding="utf-8").partition(MARK)[0]
    return f"{by_hand}{MARK}\n{generated()}\n---\n[Documentation](README.md) · next: {following}\n"


if __name__ == "__main__":
    for name in PAGES:
        (DOCS / name).write_text(page(name), encoding="utf-8")

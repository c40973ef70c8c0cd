"""The stages of a Dockerfile and their bases, with build arguments in FROM as Docker expands them.

The rules are those of Docker's Dockerfile reference, "Understand how ARG and FROM interact" and
"Environment replacement". Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from ...lean import dataclass, field
from .syntax import Instruction, instructions

SCRATCH = "scratch"
"""What FROM calls an empty image."""
_SIDES, _PARTS = ("TARGET", "BUILD"), ("PLATFORM", "OS", "ARCH", "VARIANT")
_OF_PLATFORM = tuple(f"{side}{part}" for side in _SIDES for part in _PARTS)
"""Arguments that FROM knows without an ARG ("Automatic platform ARGs in the global scope")."""
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
_CONTINUATION = r"\\[ \t]*\r?\n(?:[ \t]*(?:#[^\n]*)?\r?\n)*"
_JOINED = re.compile(_CONTINUATION)
_FROM_WORD = re.compile(rf"(?:{_CONTINUATION}|\S)+")
_ARG_WORD = re.compile(r"""(?:'[^']*'?|"(?:\\.|[^"\\])*"?|\\.|[^\s'"\\])+""")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_MODIFIER = re.compile(r":?[-+?]|\}")


@dataclass(frozen=True)
class Stage:
    """A stage of a Dockerfile.

    `name` is its name in small letters, if it has one, `word` what its FROM names, in line `line`;
    `source` is the image or the earlier stage that this means, and `base` its base image, also
    through earlier stages. Both are empty if arguments without a value are all that is named, and
    None if they are not known. `is_from_image` says that its FROM names that image itself.
    """

    name: str
    word: str
    line: int
    source: str | None
    base: str | None
    is_from_image: bool


@dataclass(frozen=True)
class Arguments:
    """The build arguments of a build, by name, and the machine of its engine, as `uname -m` names
    it; empty if that is not known."""

    given: Mapping[str, str] = field(default_factory=dict)
    machine: str = ""

    def of_platform(self) -> dict[str, str | None]:
        """Return the values of the arguments that name the platform; None for unknown ones."""
        found: dict[str, str | None] = dict.fromkeys(_OF_PLATFORM)
        if architecture := _ARCHITECTURES.get(self.machine):
            values = (f"linux/{architecture}", "linux", architecture, "")
            found = {
                f"{side}{part}": value
                for side in _SIDES
                for part, value in zip(_PARTS, values, strict=True)
            }
        return {name: self.given.get(name, value) for name, value in found.items()}


class _UnknownError(Exception):
    """What an argument in FROM means is not known."""


def stages_of(text: str, arguments: Arguments | None = None) -> list[Stage]:
    """Return the stages of a Dockerfile.

    Without the arguments of the build, the defaults count in FROM, and what has none is unknown.
    """
    scope = (arguments or Arguments()).of_platform()
    found: list[Stage] = []
    for each in instructions(text):
        if each.keyword == "ARG" and not found:
            _declare(_JOINED.sub("", each.body(text)), arguments, scope)
        elif each.keyword == "FROM":
            word, *more = [word for _, _, word in _words(text, each)] or [""]
            source = _value(word, scope)
            named = (one for one in reversed(found) if one.name and one.name == _small(source))
            earlier = next(named, None)
            found.append(
                Stage(
                    name=more[1].lower() if len(more) == 2 and more[0].lower() == "as" else "",
                    word=word,
                    line=each.line,
                    source=source,
                    base=earlier.base if earlier else source,
                    is_from_image=earlier is None and source != SCRATCH,
                )
            )
    return found


def base_of(text: str, arguments: Arguments | None = None) -> str:
    """Return the base image of the last stage of a Dockerfile, also through earlier stages.

    The result is empty if it is not known or is `scratch`. Without the arguments of the build, the
    defaults count.
    """
    stages = stages_of(text, arguments)
    base = stages[-1].base if stages else ""
    return "" if base is None or base == SCRATCH else base


def uses_platform(text: str) -> bool:
    """Whether a Dockerfile may name the platform before its first stage or in a FROM."""
    return any(
        each.keyword in ("ARG", "FROM") and name in each.body(text)
        for each in instructions(text)
        for name in _OF_PLATFORM
    )


def with_bases(text: str, arguments: Arguments | None, bases: Mapping[str, str]) -> str:
    """Return a Dockerfile whose FROM lines have no arguments in the names, as far as those are
    known, and other names for some images. Its lines stay where they are."""
    found = [each for each in instructions(text) if each.keyword == "FROM"]
    for each, stage in reversed(list(zip(found, stages_of(text, arguments), strict=True))):
        new = stage.source
        if stage.is_from_image and new is not None:
            new = bases.get(new, new)
        if new and new != stage.word and not new.endswith("\\"):
            start, end, _ = next(_words(text, each))
            breaks = "".join(_JOINED.findall(text[start:end]))
            text = f"{text[:start]}{breaks}{new}{text[end:]}"
    return text


def _words(text: str, instruction: Instruction) -> Iterator[tuple[int, int, str]]:
    """Yield the words of a FROM but its flags: where they begin and end, and what they are."""
    begin = instruction.end - len(instruction.body(text))
    for match in _FROM_WORD.finditer(text, begin, instruction.end):
        word = _JOINED.sub("", match[0])
        if word and not word.startswith("--"):
            yield match.start(), match.end(), word


def _small(name: str | None) -> str | None:
    return None if name is None else name.lower()


def _declare(body: str, arguments: Arguments | None, scope: dict[str, str | None]) -> None:
    """Add the arguments that an ARG declares to those that are known."""
    for word in _ARG_WORD.findall(body):
        name, has_default, default = word.partition("=")
        if arguments is not None and name in arguments.given:
            scope[name] = arguments.given[name]
        elif has_default:
            scope[name] = _value(default, scope)
        elif arguments is None:
            scope[name] = None


def _value(word: str, scope: Mapping[str, str | None]) -> str | None:
    """Return what Docker makes of a word, without quotes; None if that is not known."""
    try:
        return _expanded(word, scope)[0]
    except _UnknownError:
        return None


def _expanded(
    text: str, scope: Mapping[str, str | None], at: int = 0, until: str = ""
) -> tuple[str, int]:
    """Return what a word is from a position on, to a character or the end, and the position after
    it."""
    found: list[str] = []
    quote = ""
    while at < len(text):
        char = text[at]
        at += 1
        if char == until and not quote:
            return "".join(found), at
        if char == quote or (char in "'\"" and not quote):
            quote = "" if quote else char
        elif char == "\\" and quote != "'":
            if quote and text[at : at + 1] not in ('"', "$", "\\"):
                found.append(char)
            found.append(text[at : at + 1])
            at += 1
        elif char == "$" and quote != "'":
            value, at = _variable(text, scope, at)
            found.append(value)
        else:
            found.append(char)
    if quote or until:
        raise _UnknownError
    return "".join(found), at


def _variable(text: str, scope: Mapping[str, str | None], at: int) -> tuple[str, int]:
    """Return the value of the argument after a `$`, and the position after it."""
    in_braces = text[at : at + 1] == "{"
    name = _NAME.match(text, at + in_braces)
    if name is None or (value := scope.get(name[0], "")) is None:
        raise _UnknownError
    if not in_braces:
        return value, name.end()
    modifier = _MODIFIER.match(text, name.end())
    if modifier is None:
        raise _UnknownError
    if modifier[0] == "}":
        return value, modifier.end()
    word, at = _expanded(text, scope, modifier.end(), "}")
    is_set = bool(value) if modifier[0].startswith(":") else name[0] in scope
    if modifier[0].endswith("+"):
        return word if is_set else "", at
    if modifier[0].endswith("?") and not is_set:
        raise _UnknownError
    return value if is_set else word, at

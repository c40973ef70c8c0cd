"""Find the requirements in files that a Dockerfile copies, such as requirements.txt. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import PurePosixPath

from ..dockerfile.syntax import final_stage, instructions, step_words
from ..packages import parsed_requirement, requirement_lines

_MOST = 100
_FILES = (".txt", ".in", ".lock", ".toml")
_OPTION = re.compile(r"(?:-r|-c|--requirements?|--constraints?)(?:=?(\S+))?")
_LINE_OPTION = re.compile(r"(?:-r|-c|--requirement|--constraint)[ =]?\s*(\S+)")
_LOCKED = re.compile(r'^\[\[package\]\]\nname = "([^"]+)"\nversion = "([^"]+)"', re.M)


def copied_requirements(text: str, read: Callable[[str], str | None]) -> tuple[str, ...]:
    """Return the requirements in the files that the last stage of a Dockerfile copies.

    `read` returns the text of a file of the build context by its path, or None.
    """
    found: list[str] = []
    paths = list(dict.fromkeys(_paths(text)))
    for number, path in enumerate(paths):  # which grows
        content = read(path) if number < _MOST else None
        if content is None:
            continue
        if path.endswith(".lock"):
            found += (f"{name}=={version}" for name, version in _LOCKED.findall(content))
        elif path.endswith(".toml"):
            found += re.findall(r"[\"']([^\"'\n]+)[\"']", content)
        else:
            for line in requirement_lines(content):
                if option := _LINE_OPTION.match(line):
                    other = str(PurePosixPath(path).parent / option[1])
                    paths += [other] if other not in paths else []
                else:
                    found.append(line)
    return tuple(each for each in found if parsed_requirement(each))


def _paths(text: str) -> Iterator[str]:
    """Yield paths in the build context that COPY names, or an option of pip in a step."""
    for instruction in final_stage(instructions(text)):
        words = [each.value for each in step_words(text, instruction)]
        if instruction.keyword in ("COPY", "ADD"):
            yield from (each for each in words[:-1] if each.endswith(_FILES))
        elif instruction.keyword == "RUN":
            for word, after in zip(words, [*words[1:], ""], strict=True):
                option = _OPTION.fullmatch(word)
                named = option and (option[1] or after)
                if named and named.endswith(_FILES):
                    yield PurePosixPath(named).name if named.startswith("/") else named

"""Parse a Dockerfile into instructions, and a RUN step into words, with their positions.

This is only as much as editing needs. Positions are offsets into the text, so that an edit changes
no other byte. The rules are those of Docker's Dockerfile reference.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache

from ...errors import MlcError
from ...lean import dataclass

DIRECTIVE = re.compile(r"#\s*[A-Za-z][A-Za-z0-9]*\s*=")
"""A line such as `# syntax=`, which counts only at the very top."""
ROOT = ("root", "0", "root:root", "0:0")
"""What USER calls root."""
_KEYWORD = re.compile(r"[ \t]*([A-Za-z]+)(?=\s|$)")
_CONTINUED = re.compile(r"\\[ \t]*\r?\n?$")
_ESCAPE_DIRECTIVE = re.compile(r"#\s*escape\s*=\s*(\S)", re.I)
_HEREDOC = re.compile(r"\d*<<(-?)([^<]+)", re.S)
_TAKES_HEREDOC = re.compile(r"\s*(?:ONBUILD\s+)?(?:RUN|COPY|ADD)\s", re.I)
_QUOTED_WORD = re.compile(r"""(?:[^\s'"\\]|\\.|"(?:[^"\\]|\\.)*"|'[^']*')+""", re.S)
_QUOTING = re.compile(r"""\\(.)|["']""", re.S)
_OPERATOR = re.compile(r"&&|\|\||;;|[;|&(){}](?=\s|$)|[;|&()]")
_BLANK = re.compile(r"\\[ \t]*\r?\n|\s+")


class DockerfileError(MlcError):
    """A Dockerfile could not be parsed or changed; the message says where and why."""


@dataclass(frozen=True)
class Instruction:
    """An instruction: its keyword in capitals, and its position.

    `start` and `end` are the offsets of its first character and after its last line; `line` and
    `last_line` count from 1. `heredoc` says whether it contains a here-document.
    """

    keyword: str
    start: int
    end: int
    line: int
    last_line: int
    heredoc: bool = False

    def body(self, text: str) -> str:
        """Return the text after the keyword, with line breaks."""
        return text[self.start : self.end].lstrip()[len(self.keyword) :]


@dataclass(frozen=True)
class Word:
    """A word of a step as the shell would see it, without quotes, and its position."""

    value: str
    start: int
    end: int
    is_operator: bool = False


@lru_cache(maxsize=32)  # an update looks at the same few texts dozens of times
def instructions(text: str) -> tuple[Instruction, ...]:
    """Return the instructions of a Dockerfile.

    Raises DockerfileError if a line is not an instruction, a step does not end, or the Dockerfile
    changes the escape character.
    """
    _refuse_other_escape(text)
    found: list[Instruction] = []
    lines = list(_lines(text))
    position = 0
    while position < len(lines):
        start, line = lines[position]
        if is_skipped(line):
            position += 1
            continue
        match = _KEYWORD.match(line)
        if match is None:
            raise DockerfileError(
                f"Line {position + 1} of the Dockerfile is not an instruction: {line.strip()[:60]}"
            )
        last = _last_line(lines, position)
        keyword = match[1].upper()
        documents = _heredocs("".join(each for _, each in lines[position : last + 1]))
        for word, is_indented in documents:
            last = _heredoc_end(lines, last + 1, word, position + 1, is_indented=is_indented)
        end = lines[last][0] + len(lines[last][1])
        found.append(Instruction(keyword, start, end, position + 1, last + 1, bool(documents)))
        position = last + 1
    return tuple(found)


def final_stage(found: Sequence[Instruction]) -> Sequence[Instruction]:
    """Return the instructions of the last stage, from its FROM on, or raise DockerfileError."""
    stages = [number for number, each in enumerate(found) if each.keyword == "FROM"]
    if not stages:
        raise DockerfileError("The Dockerfile has no FROM line.")
    return found[stages[-1] :]


@lru_cache(maxsize=512)
def step_words(text: str, instruction: Instruction) -> tuple[Word, ...]:
    """Return the words and operators of a RUN step; none for an exec form or a here-document."""
    begin = instruction.end - len(instruction.body(text))
    if instruction.heredoc or text[begin : instruction.end].lstrip().startswith("["):
        return ()
    words: list[Word] = []
    position = begin
    while position < instruction.end:
        if blank := _BLANK.match(text, position, instruction.end):
            position = blank.end()
            if "\n" in blank.group():
                position = _after_comments(text, position, instruction.end)
            continue
        if operator := _OPERATOR.match(text, position, instruction.end):
            words.append(Word(operator.group(), position, operator.end(), is_operator=True))
            position = operator.end()
            continue
        if text[position] == "#":
            break  # the shell sees one line, of which the rest is a comment
        word = _word(text, position, instruction.end)
        words.append(word)
        position = word.end
    return tuple(words)


def line_of(text: str, offset: int) -> tuple[int, int]:
    """Return the offsets of the start of a line and after its line break."""
    start = text.rfind("\n", 0, offset) + 1
    end = text.find("\n", offset)
    return start, len(text) if end < 0 else end + 1


def line_break(text: str) -> str:
    """Return the line break of a text, which is that of its first line."""
    return "\r\n" if text[: text.find("\n") + 1].endswith("\r\n") else "\n"


def is_continued(line: str) -> bool:
    """Whether an instruction continues after this line."""
    return _CONTINUED.search(line) is not None


def is_skipped(line: str) -> bool:
    """Whether a line is empty or a comment, which may also stand inside a step."""
    return not line.strip() or line.lstrip().startswith("#")


def _refuse_other_escape(text: str) -> None:
    for line in text.split("\n"):
        if (match := _ESCAPE_DIRECTIVE.match(line.strip())) and match[1] != "\\":
            raise DockerfileError(
                f"The Dockerfile sets the escape character to {match[1]!r}, which is not "
                "supported. Remove this line, and end lines that continue with a backslash."
            )
        if not DIRECTIVE.match(line.strip()):
            return


def _lines(text: str) -> Iterator[tuple[int, str]]:
    start = 0
    # Unlike for str.splitlines, only a line feed ends a line.
    for line in re.findall(r"[^\n]*\n|[^\n]+", text):
        yield start, line
        start += len(line)


def _last_line(lines: list[tuple[int, str]], first: int) -> int:
    """Return the index of the last line of the instruction that begins at `first`."""
    last = position = first
    while is_continued(lines[last][1]):
        position += 1
        while position < len(lines) and is_skipped(lines[position][1]):
            position += 1
        if position >= len(lines):
            raise DockerfileError(
                f"The step in line {first + 1} of the Dockerfile does not end: "
                "its last line ends with a backslash."
            )
        last = position
    return last


def _heredocs(step: str) -> list[tuple[str, bool]]:
    """Return of each here-document in a step the line at which it ends, and whether tabs may stand
    before that. They are words, so they are not in quotes."""
    if "<<" not in step or not _TAKES_HEREDOC.match(step):
        return []
    kept = (line for _, line in _lines(step) if not is_skipped(line))
    joined = "".join(_CONTINUED.sub("", line) for line in kept)
    if _QUOTED_WORD.sub("", joined).strip():
        return []  # a quote does not end
    matches = (_HEREDOC.fullmatch(word) for word in _QUOTED_WORD.findall(joined))
    found = ((_QUOTING.sub(r"\1", match[2]), bool(match[1])) for match in matches if match)
    return [each for each in found if each[0]]


def _heredoc_end(
    lines: list[tuple[int, str]], first: int, word: str, beginning: int, *, is_indented: bool
) -> int:
    for number in range(first, len(lines)):
        line = lines[number][1].rstrip("\r\n")
        if (line.lstrip("\t") if is_indented else line) == word:
            return number
    raise DockerfileError(
        f"The here-document {word} that begins in line {beginning} of the Dockerfile does not end."
    )


def _after_comments(text: str, position: int, end: int) -> int:
    """Skip comment lines inside a step."""
    while position < end:
        start, after = line_of(text, position)
        line = text[start:after]
        if text[start:position].strip() or not line.lstrip().startswith("#"):
            return position
        position = after
        while position < end and text[position] in " \t":
            position += 1
    return position


def _word(text: str, start: int, end: int) -> Word:
    value: list[str] = []
    position, quote = start, ""
    while position < end:
        char = text[position]
        if char == "\\" and quote != "'":
            if continued := _BLANK.match(text, position, end):
                if not quote:
                    break
                position = continued.end()
                continue
            value.append(text[position + 1 : position + 2])
            position += 1
        elif quote or char in "'\"":
            if quote not in ("", char):
                value.append(char)
            else:
                quote = "" if quote else char
        elif char.isspace() or char in ";|&()":
            break
        else:
            value.append(char)
        position += 1
    # A word with an unclosed quote is never edited.
    return Word("" if quote else "".join(value), start, min(position, end))


def quoted(value: str) -> str:
    """Return a value in double quotes, for ENV and LABEL."""
    escaped = re.sub(r'(["$\\])', r"\\\1", value)
    return f'"{escaped}"'

"""The instructions of a Dockerfile."""

from __future__ import annotations

import pytest

from mlc_patched.images.dockerfile.syntax import (
    DockerfileError,
    Instruction,
    final_stage,
    instructions,
    line_break,
    line_of,
    step_words,
)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "RUN pip install a\n",
        "FROM x\nRUN pip install \\\n",
        "FROM x\nRUN <<EOF\npip install a\n",
        "# escape=`\nFROM x\nRUN pip install `\n a\n",
        "FROM x\n123\n",
    ],
)
def test_an_unreadable_dockerfile_is_refused(text: str) -> None:
    with pytest.raises(DockerfileError, match="Dockerfile"):
        final_stage(instructions(text))


def test_the_lines_of_a_here_document_are_no_instructions() -> None:
    text = "FROM x\nRUN <<EOF\nFROM y\n123\nEOF\nUSER z\n"
    assert [each.keyword for each in instructions(text)] == ["FROM", "RUN", "USER"]


def test_instructions_are_told_with_their_place() -> None:
    text = "# a\n\n  from x\nRUN a \\\n # b\n\n c\nCOPY <<-A <<'B' /\n1\n\tA\n2\nB\nCMD d"
    found = instructions(text)
    assert found == (
        Instruction("FROM", 5, 14, 3, 3),
        Instruction("RUN", 14, 31, 4, 7),
        Instruction("COPY", 31, 58, 8, 12, heredoc=True),
        Instruction("CMD", 58, 63, 13, 13),
    )
    assert [each.body(text) for each in found] == [
        " x\n",
        " a \\\n # b\n\n c\n",
        " <<-A <<'B' /\n1\n\tA\n2\nB\n",
        " d",
    ]
    assert final_stage(instructions(f"FROM a\nFROM b\n{text}"))[0].line == 5


@pytest.mark.parametrize(
    "step",
    [
        """echo "cat <<EOF" '<<EOF' \\<<EOF it's""",
        'echo "a <<EOF\\\n <<EOF"',
        "echo $((1<<EOF)) a<<EOF <<<EOF << <<''",
        "<<EOF\n\tEOF\n EOF\nEOF \n 1\nEOF",
        "<<EOF\nif a; then\n\tcat <<-EOF\n\tEOF\nfi\nEOF",
        "<<-EOF\n123\n\t\tEOF",
        "<<E-F\n1\nE-F",
        "<<1\n2\n1",
        "<<'E O F' 2<<\"EOF\" \\\n # <<X\n 3<<E\\F\n1\nE O F\n2\nEOF\n3\nEF\r",
        "a <<EOF>b\n1\nEOF\nEOF>b",
    ],
)
def test_a_here_document_is_what_docker_takes_for_one(step: str) -> None:
    for on in ("", "ONBUILD "):
        text = f"FROM x\n{on}RUN {step}\nUSER z\n"
        assert [each.keyword for each in instructions(text)][::2] == ["FROM", "USER"]
        has_one = "\n" in step and not step.startswith("echo")
        assert instructions(text)[1].heredoc == has_one


@pytest.mark.parametrize("keyword", ["RUN", "COPY", "ADD"])
def test_only_steps_that_take_a_here_document_have_one(keyword: str) -> None:
    assert len(instructions(f"FROM x\n{keyword} <<EOF\nUSER a\nEOF\n")) == 2
    assert len(instructions("FROM x\nCMD cat <<EOF\nUSER a\n")) == 3


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("FROM x\n\n  12  \n", "Line 3 of the Dockerfile is not an instruction: 12$"),
        ("FROM x\n1" + "2" * 60, "instruction: 1" + "2" * 59 + "$"),
        ("FROM x\nRUN a \\\n\n# b\n", "The step in line 2 of the Dockerfile does not end"),
        ("FROM x\nRUN <<EOF\na\n EOF\n", "here-document EOF that begins in line 2 of the"),
        (
            "# syntax=docker/dockerfile:1\n  # ESCAPE = `\nFROM x\n",
            "character to '`', which is not",
        ),
        ("USER x\n", "no FROM line"),
    ],
)
def test_the_message_says_what_cannot_be_read_and_where(text: str, words: str) -> None:
    with pytest.raises(DockerfileError, match=words):
        final_stage(instructions(text))


@pytest.mark.parametrize(
    "top", ["# escape=\\\n", "# mine\n# escape=`\n", "\n# escape=`\n", "#escape `\n"]
)
def test_what_does_not_change_the_escape_character_is_no_reason_to_refuse(top: str) -> None:
    assert [each.keyword for each in instructions(f"{top}FROM x\n")] == ["FROM"]


@pytest.mark.parametrize(
    ("step", "words"),
    [
        ("a  b\tc", ["a", "b", "c"]),
        ("a&&b||c;d|e&f", ["a", "&&", "b", "||", "c", ";", "d", "|", "e", "&", "f"]),
        ("(a) { b; }", ["(", "a", ")", "{", "b", ";", "}"]),
        ("a${B}{c,d} e}", ["a${B}{c,d}", "e}"]),
        ("case a in b) c;; esac", ["case", "a", "in", "b", ")", "c", ";;", "esac"]),
        ("'a b' \"c'd\" 'e\"f' g'h'\"i\"", ["a b", "c'd", 'e"f', "ghi"]),
        (r"""a\ b "c\"d" 'e\f' \'""", ["a b", 'c"d', r"e\f", "'"]),
        ("a \\\n  b\\\n c", ["a", "b", "c"]),
        ('"a\\\nb" c', ["ab", "c"]),
        ("a \\\n# b\n  # c \\\n\td \\\n\n  # e\n f", ["a", "d", "f"]),
        ("a b#c # d && e", ["a", "b#c"]),
        ("a \\\n b # c \\\n d", ["a", "b"]),
        ("a 'b", ["a", ""]),
        ("'a;b' \"c&&d\"", ["a;b", "c&&d"]),
        (' ["a", "b"]', []),
        ("<<EOF\na\nEOF", []),
        ("", []),
    ],
)
def test_the_words_of_a_step_are_those_a_shell_sees(step: str, words: list[str]) -> None:
    text = f"FROM x\nRUN {step}\nUSER z\n"
    found = step_words(text, instructions(text)[1])
    assert [each.value for each in found] == words
    for each in found:
        piece = text[each.start : each.end]
        assert piece == piece.strip() or not each.value
        assert each.value in (piece, "") or any(mark in piece for mark in "\\'\"")
        assert each.is_operator == (each.value in ("&&", "||", ";;", *";|&(){}"))
    ends = [each.end for each in found]
    assert all(end <= each.start for end, each in zip(ends, found[1:], strict=False))


def test_a_line_is_found_from_any_place_in_it() -> None:
    text = "ab\ncd\nef"
    assert [line_of(text, at) for at in range(8)] == [(0, 3)] * 3 + [(3, 6)] * 3 + [(6, 8)] * 2


def test_an_empty_first_line_is_a_line() -> None:
    assert [line_of("\na", at) for at in range(3)] == [(0, 1), (1, 2), (1, 2)]


def test_the_line_break_is_that_of_the_first_line() -> None:
    assert line_break("a\r\nb\n") == "\r\n"
    assert line_break("a\nb\r\n") == line_break("a") == line_break("") == "\n"

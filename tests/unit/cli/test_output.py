"""Words on the terminal and in a pipe: progress, tables, questions, exit codes."""

from __future__ import annotations

import io
import json
import sys

import pytest
from support.reliability import Counted

from mlc_patched.cli import output as console
from mlc_patched.cli.output import ConsoleReporter, table


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_in_a_pipe_every_word_is_a_plain_line() -> None:
    pipe = io.StringIO()
    report = ConsoleReporter(pipe, {})
    report.step("Pulling x")
    for _ in range(100):
        report.progress("1 of 2 MB")
    report.warn("careful")
    report.error("a\nb")
    assert pipe.getvalue() == "Pulling x …\nWarning: careful\nError: a\nb\n"


def test_in_a_pipe_long_work_shows_that_it_moves(monkeypatch: pytest.MonkeyPatch) -> None:
    pipe, now = io.StringIO(), iter(range(0, 1000, 6))
    monkeypatch.setattr(console.time, "monotonic", lambda: next(now))
    report = ConsoleReporter(pipe, {})
    report.step("Pulling x")
    for count in range(4):
        report.progress(f"{count} MB")
    assert pipe.getvalue().splitlines() == ["Pulling x …", "  1 MB", "  3 MB"]


def test_on_a_terminal_progress_is_one_line_that_goes_away() -> None:
    terminal = Terminal()
    report = ConsoleReporter(terminal, {"TERM": "xterm"})
    report.progress("half\r\x1b[31mway")
    report.finish()
    assert terminal.getvalue() == "\r\033[K   [31mway\r\033[K"


@pytest.mark.parametrize(("environ", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_colour_can_be_refused(environ: dict[str, str], coloured: bool) -> None:
    terminal = Terminal()
    ConsoleReporter(terminal, environ).warn("x")
    assert ("\033[" in terminal.getvalue()) is coloured


def test_a_terminal_that_is_gone_does_not_stop_the_work() -> None:
    class Gone(Terminal):
        def write(self, text: str) -> int:
            raise OSError(5, "Input/output error")

    ConsoleReporter(Gone(), {}).warn("x")


def test_an_ascii_terminal_is_written_to_all_the_same() -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    ConsoleReporter(stream, {}).step("Größe")
    assert raw.getvalue() == b"Gr??e ?\n"


SHOWN = {
    "an escape sequence": ("a\x1b[2Jb", r"a\x1b[2Jb"),
    "a C1 control": ("a\x9bb", r"a\x9bb"),
    "NUL": ("a\0b", r"a\x00b"),
    "a carriage return": ("a\rb", r"a\rb"),
    "written from right to left": ("\u202eabc", r"\u202eabc"),
    "bytes that are no text": ("caf\udce9", r"caf\udce9"),
    "lines and tabs": ("a\tb\nc", "a\tb\nc"),
    "umlauts": ("Größe …", "Größe …"),
    "2000 characters": ("x" * 2000, "x" * 2000),
    "more": ("a" * 5000 + "b" * 5000, f"{'a' * 1000} [...] {'b' * 1000}"),
}


@pytest.mark.promise("plain-output")
@pytest.mark.parametrize(("text", "seen"), SHOWN.values(), ids=SHOWN)
def test_nothing_in_a_message_steers_a_terminal_or_floods_a_log(
    text: str, seen: str, counted: Counted
) -> None:
    pipe = io.StringIO()
    report = ConsoleReporter(pipe, {})
    for tell in (report.step, report.note, report.warn, report.error):
        tell(text)
    assert pipe.getvalue() == f"{seen} …\n{seen}\nWarning: {seen}\nError: {seen}\n"
    counted("inputs", 4)


@pytest.mark.promise("plain-output")
@pytest.mark.parametrize("stream", [io.StringIO, Terminal])
def test_a_result_steers_no_terminal_behind_a_pipe_either(
    stream: type[io.StringIO], monkeypatch: pytest.MonkeyPatch
) -> None:
    out = stream()
    monkeypatch.setattr(sys, "stdout", out)
    console.say("a\x1b[2J\x9b\x7f\r\t\u202e\n" + "b" * 3000)
    assert out.getvalue() == "a\\x1b[2J\\x9b\\x7f\\r\t\\u202e\n" + "b" * 3000 + "\n"


def test_a_result_keeps_the_line_ends_of_windows(capsys: pytest.CaptureFixture[str]) -> None:
    console.say("FROM x\r\nRUN y\r\n")
    assert capsys.readouterr().out == "FROM x\r\nRUN y\r\n\n"


@pytest.mark.promise("plain-output")
def test_json_holds_no_control_characters(capsys: pytest.CaptureFixture[str]) -> None:
    said = {"label": "a\x1b[2J\x9b\x7f\u202e"}
    console.print_json("found", said)
    out = capsys.readouterr().out
    assert out.replace("\n", "").isprintable()
    assert json.loads(out)["found"] == said


def test_a_pipe_gets_every_column_and_a_line_a_row(capsys: pytest.CaptureFixture[str]) -> None:
    table(("A", "LONGER", "EMPTY"), [("[x]", "y " * 60 + "y", "-"), ("z\x1b[2J\n", "", "")])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["A", "LONGER", "EMPTY"]
    assert lines[1].split() == ["[x]", *"y" * 61, "-"]
    assert lines[2:] == ["z?[2J?"]


def on_terminal(monkeypatch: pytest.MonkeyPatch, columns: int) -> Terminal:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setenv("COLUMNS", str(columns))
    return terminal


def test_a_terminal_gets_no_empty_column_and_none_that_repeats_the_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    terminal = on_terminal(monkeypatch, 80)
    headings = ("CONTAINER", "PROJECT", "GPU", "DATA")
    table(headings, [("[x]", "x", "1", "-"), ("[y]", "y", "", "-")], repeats=("PROJECT",))
    assert terminal.getvalue() == "CONTAINER  GPU\n[x]        1\n[y]\n"
    table(headings, [("[x]", "other", "-", "-")], repeats=("PROJECT",))
    assert terminal.getvalue().endswith("CONTAINER  PROJECT\n[x]        other\n")


def test_a_terminal_gets_the_headings_of_an_empty_table(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = on_terminal(monkeypatch, 80)
    table(("A", "B"), [])
    assert terminal.getvalue() == "A  B\n"


def test_what_does_not_fit_the_terminal_continues_below_and_no_word_is_cut(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    terminal = on_terminal(monkeypatch, 30)
    table(
        ("CONTAINER", "STATUS", "IMAGE"),
        [("[thesis]", "Exited (0) 3 hours ago", "x/y"), ("[b]", "Up", "x/y (image updated since)")],
    )
    assert terminal.getvalue().splitlines() == [
        "CONTAINER  STATUS    IMAGE",
        "[thesis]   Exited    x/y",
        "           (0) 3",
        "           hours",
        "           ago",
        "[b]        Up        x/y",
        "                     (image",
        "                     updated",
        "                     since)",
    ]


def test_a_name_longer_than_the_terminal_stays_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = on_terminal(monkeypatch, 10)
    table(("A", "B"), [("x" * 30, "y" * 30)])
    assert terminal.getvalue().splitlines()[1] == "x" * 30 + "  " + "y" * 30

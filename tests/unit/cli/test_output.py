"""Words on the terminal and in a pipe: progress, tables, questions, exit codes."""

from __future__ import annotations

import io
import signal
import sys

import pytest
from support.reliability import Counted

from mlc_patched.cli import main, prompts
from mlc_patched.cli import output as console
from mlc_patched.cli.dispatch import COMMANDS
from mlc_patched.cli.output import ConsoleReporter, table
from mlc_patched.errors import MlcError, NotFoundError, Terminated, UsageError
from mlc_patched.units import size_in_words


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


@pytest.mark.promise("input-refused")
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


def test_a_result_is_exact_in_a_pipe_and_harmless_on_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    console.say("a\x1b[2J" + "b" * 3000)
    assert capsys.readouterr().out == "a\x1b[2J" + "b" * 3000 + "\n"
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    console.say("a\x1b[2J\n" + "b" * 3000)
    assert terminal.getvalue() == "a\\x1b[2J\n" + "b" * 3000 + "\n"


def test_a_table_in_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    table(("A", "LONGER"), [("[x]", "y"), ("z\x1b[2J\n", "")])
    assert capsys.readouterr().out == "A       LONGER\n[x]     y\nz?[2J?\n"


@pytest.mark.parametrize(
    ("size", "words"),
    [(None, "-"), (0, "0B"), (999, "999B"), (1500, "1.5kB"), (161e6, "161MB"), (3e12, "3TB")],
)
def test_sizes(size: int | None, words: str) -> None:
    assert size_in_words(size) == words


def answer(monkeypatch: pytest.MonkeyPatch, *lines: str) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("".join(f"{line}\n" for line in lines)))


def test_questions(monkeypatch: pytest.MonkeyPatch) -> None:
    answer(monkeypatch, "", "maybe", "YES", "n")
    assert prompts.ask_yes_no("Sure?", False) is False
    assert prompts.ask_yes_no("Sure?", False) is True
    assert prompts.ask_yes_no("Sure?", True) is False
    answer(monkeypatch, "0", "4", "x", "2", "", "b")
    assert prompts.ask_choice("Which?", ["a", "b", "c"]) == 1
    assert prompts.ask_choice("Which?", ["a", "b"], default=0) == 0
    assert prompts.ask_choice("Which?", ["a", "b"]) == 1

    def check(text: str) -> None:
        if text == "bad":
            raise UsageError("not that")

    answer(monkeypatch, "", "bad", "good", "")
    assert prompts.ask_text("Name", check=check) == "good"
    assert prompts.ask_text("Name", "default") == "default"


def test_an_input_that_ends_is_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    answer(monkeypatch)
    with pytest.raises(MlcError, match="input ended"):
        prompts.ask_yes_no("Sure?", True)


@pytest.mark.parametrize(
    ("raised", "code"),
    [
        (NotFoundError("x"), 1),
        (UsageError("x"), 2),
        (KeyboardInterrupt(), 130),
        (Terminated(signal.SIGTERM), 143),
        (Terminated(signal.SIGHUP), 129),
        (ValueError("x"), 1),
    ],
)
def test_exit_codes(raised: BaseException, code: int, capsys: pytest.CaptureFixture[str]) -> None:
    def command() -> int:
        raise raised

    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)]
    try:
        assert main.guarded(command, ConsoleReporter()) == code
    finally:
        signal.signal(signal.SIGTERM, before[0])
        signal.signal(signal.SIGHUP, before[1])
    assert capsys.readouterr().err.startswith("Error: ")


def test_no_command_is_a_hint_and_no_failure(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run([], "mlc") == 0
    assert "mlc -h" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (["-g=device=0,1"], {"gpus": "device=0,1"}),
        (["-g", "2"], {"gpus": "2"}),
        (["--num_gpus=all"], {"gpus": "all"}),
        (["-g=none"], {"gpus": "none"}),
        (["--cpu-only"], {"gpus": "none"}),
        ([], {"gpus": None, "script": False, "yes": False}),
        (["-w=/a b", "-d=/d", "-Y"], {"workspace": "/a b", "data": "/d", "yes": True}),
        (["-arch", "ROCM6", "-m", "/m"], {"architecture": "ROCM6", "models": "/m"}),
        (["--ds01-label", "a=b,c=d", "--ds01-label", "e="], {"ds01_label": ["a=b,c=d", "e="]}),
        (["--shm-size=16g", "--cgroup-parent=x.slice"], {"shm_size": "16g"}),
    ],
)
def test_the_spellings_of_both_aime_versions_and_of_ds01(
    argv: list[str], expected: dict[str, object]
) -> None:
    found = vars(main.parse(["create", "n", "Pytorch", "2.8.0", *argv])[1])
    assert expected.items() <= found.items()
    assert (found["container_name"], found["framework"], found["version"]) == (
        "n",
        "Pytorch",
        "2.8.0",
    )


@pytest.mark.parametrize(
    "argv", [["create", "--no-such"], ["nonsense"], ["create", "a", "b", "c", "d"]]
)
def test_usage_errors_are_2(argv: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main.run(argv, "mlc")
    assert ended.value.code == 2


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_examples(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main.run([name, "-h"], "mlc")
    assert ended.value.code == 0
    assert "examples:" in capsys.readouterr().out

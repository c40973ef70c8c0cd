"""A build as a child process: real ones of the shell."""

from __future__ import annotations

import fcntl
import os
import pty
import signal
import struct
import termios
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from mlc_patched.host.child import Stream
from mlc_patched.images.build.client import BuildCommand
from mlc_patched.images.build.process import plain, run_build


def build(script: str, **options: object) -> tuple[int, list[str]]:
    return run_build(
        BuildCommand(("sh", "-c", script), {"SET": "by the command"}),
        {"PATH": os.environ["PATH"], "SET": "by the caller", "OF": "the caller"},
        **options,
    )


@contextmanager
def standard_error(file: int) -> Iterator[None]:
    """Have another standard error for a while."""
    saved = os.dup(2)
    os.dup2(file, 2)
    try:
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)


def resize(terminal: int, rows: int, columns: int) -> None:
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


def open_files() -> set[str]:
    return {each.name for each in Path("/proc/self/fd").iterdir()}


def all_from(terminal: int) -> bytes:
    """Return what was written to a terminal that nobody has open any more."""
    said = b""
    with suppress(OSError):  # it ends so
        while True:
            said += os.read(terminal, 65536)
    return said


class Interrupted:
    """Hears the process ID of a build, which is its first line, and is interrupted then."""

    def __call__(self, line: str) -> None:
        self._process = line
        raise KeyboardInterrupt

    @property
    def build_is_gone(self) -> bool:
        return not Path("/proc", self._process).exists()


def test_output_is_passed_on_in_lines_and_kept_without_colours(
    capfd: pytest.CaptureFixture[str],
) -> None:
    heard: list[str] = []
    script = r"printf 'one\n\033[31mred\033[0m\n10%%\r100%%\nno end' >&2; exit 3"
    status, log = build(script, hear=heard.append)
    assert (status, log) == (3, ["one", "red", "100%", "no end"])
    assert heard == log[:-1], "the last is no whole line"
    assert capfd.readouterr().err.splitlines() == heard


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("\x1b[31mred\x1b[0m\ttab", "red\ttab"),
        ("a\x9b2Jb", "ab"),
        ("bell\x07", r"bell\x07"),
        ("\x1b]0;title\x07a \x1b]8;;http://x\x1b\\link", "a link"),
        ("\x1b", r"\x1b"),
        ("\x90\x7f\x00", r"\x90\x7f\x00"),
        ("a\u202eb", r"a\u202eb"),
        ("é 100 %", "é 100 %"),
        ("10%\r100%", "100%"),
    ],
)
def test_a_line_of_a_build_steers_no_terminal(line: str, text: str) -> None:
    assert plain(line.encode()) == text


def test_only_the_lines_to_be_shown_are_and_all_are_heard(
    capfd: pytest.CaptureFixture[str],
) -> None:
    heard: list[str] = []
    show = {"a": "A", "b": None, "c": "C"}.get
    assert build("echo a; echo b; echo c", hear=heard.append, show=show) == (0, ["a", "b", "c"])
    assert heard == ["a", "b", "c"]
    assert capfd.readouterr().err == "A\nC\n"


def test_the_variables_of_the_command_are_set_among_the_callers() -> None:
    assert build("echo $SET, $OF") == (0, ["by the command, the caller"])


def test_the_end_of_a_long_output_is_kept() -> None:
    _, log = build("seq 5000")
    assert (len(log), log[-1]) == (2000, "5000")


def test_standard_input_is_the_stream_or_empty() -> None:
    assert build("cat; echo end") == (0, ["end"])
    data, out = os.pipe()
    os.write(out, b"the context\n")
    os.close(out)
    stream = Stream(data, -1)
    assert build("cat", stdin=stream) == (0, ["the context"])
    assert stream.file == -1, "the client alone reads on, so that its end is seen"


def test_a_build_whose_output_nobody_reads_does_not_fail() -> None:
    reader, gone = os.pipe()
    os.close(reader)
    with standard_error(gone):
        result = build("echo a; echo b")
    os.close(gone)
    assert result == (0, ["a", "b"])


@pytest.mark.parametrize(
    "last",
    [
        "seq 20000",
        "for i in $(seq 100); do echo $i; sleep 0.001; done",  # each line is one read
        "exec >/dev/null 2>&1; sleep 0.2",
    ],
)
def test_an_interrupted_build_is_stopped_and_waited_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, last: str
) -> None:
    monkeypatch.setattr("mlc_patched.images.build.process._GRACE_SECONDS", 600)  # under any load
    ended = tmp_path / "ended"
    script = (
        f"trap 'kill $!; {last}; echo cancelled >{ended}; exit 130' INT\nsleep 60 & echo $$; wait"
    )
    hear = Interrupted()
    with pytest.raises(KeyboardInterrupt):
        build(script, hear=hear)
    assert ended.read_text() == "cancelled\n"
    assert hear.build_is_gone


def test_a_build_that_does_not_stop_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlc_patched.images.build.process._GRACE_SECONDS", 0)
    hear = Interrupted()
    with pytest.raises(KeyboardInterrupt):
        build("trap '' INT; echo $$; exec sleep 60", hear=hear)
    assert hear.build_is_gone


def test_a_client_that_cannot_be_started_leaves_nothing_open() -> None:
    before = open_files()
    with pytest.raises(FileNotFoundError):
        run_build(BuildCommand(("/nowhere/docker",)), {})
    assert open_files() == before


def test_a_killed_command_takes_its_build_with_it(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    command = os.fork()
    if not command:
        try:
            build(f"exec sleep 60 3>{pipe}")
        finally:
            os._exit(0)
    with pipe.open("rb") as held_by_the_build:  # opens when the build has opened it, too
        os.kill(command, signal.SIGKILL)
        os.waitpid(command, 0)
        assert held_by_the_build.read() == b""


def test_on_a_terminal_the_build_has_one_of_the_same_size(tmp_path: Path) -> None:
    go = tmp_path / "go"
    os.mkfifo(go)
    ours, theirs = pty.openpty()
    resize(ours, 30, 100)
    usual = signal.getsignal(signal.SIGWINCH)

    def enlarge(line: str) -> None:
        if line == "30 100":
            resize(ours, 50, 120)
            signal.raise_signal(signal.SIGWINCH)
            go.write_text("on\n")

    with standard_error(theirs):
        size = "stty size <&2"
        result = build(rf"{size}; cat {go}; {size}; printf '\033[1mbold\033[0m\n'", hear=enlarge)
    assert result == (0, ["30 100", "on", "50 120", "bold"])
    os.close(theirs)
    assert b"\x1b[1mbold\x1b[0m" in all_from(ours), "colours are shown there"
    assert signal.getsignal(signal.SIGWINCH) is usual
    os.close(ours)


def test_a_thread_can_build_on_a_terminal() -> None:
    ours, theirs = pty.openpty()
    resize(ours, 30, 100)
    with standard_error(theirs), ThreadPoolExecutor() as pool:
        result = pool.submit(build, "stty size <&2").result()
    assert result == (0, ["30 100"])
    os.close(theirs)
    os.close(ours)

"""Command lines and what they mean, on every Python."""

from __future__ import annotations

import json

import pytest

from mlc_patched.cli.dispatch import COMMANDS
from mlc_patched.cli.main import parse, run


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("start n -d l", {"container_name": "n", "execute_command": "l", "detach": True}),
        ("start -d n l", {"container_name": "n", "execute_command": "l", "detach": True}),
        ("start n -d -- l", {"container_name": "n", "execute_command": "l", "detach": True}),
        ("start -- n -l", {"container_name": "n", "execute_command": "-l", "detach": False}),
        ("create n -g 2 P -w=/x 2.8", {"framework": "P", "version": "2.8", "workspace": "/x"}),
        ("import f -s n", {"file": "f", "container_name": "n", "script": True}),
        ("container-retire a -y b", {"names": ["a", "b"], "yes": True}),
        ("container-retire -y -- -rf", {"names": ["-rf"], "yes": True}),
        ("image-create -p a b -- p", {"packages": ["a", "b"], "project": "p"}),
        ("image-create p -p a -p b c", {"packages": ["a", "b", "c"], "project": "p"}),
        ("mlc-patch --json status /x", {"action": "status", "checkout": "/x", "json": True}),
    ],
)
def test_flags_may_stand_anywhere(line: str, expected: dict[str, object]) -> None:
    _, arguments = parse(line.split())
    assert expected.items() <= vars(arguments).items()


@pytest.mark.parametrize("line", ["--context x list -a", "--context=x list -a", "list --context x"])
def test_the_engine_flags_may_also_come_before_the_command(line: str) -> None:
    command, arguments = parse(line.split())
    assert command is not None
    assert (command.name, arguments.docker_context) == ("list", "x")


def test_a_flag_after_the_command_wins_over_one_before_it() -> None:
    _, arguments = parse(["--as", "1:1", "list", "--as", "2:2"])
    assert arguments.as_ids == "2:2"


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("nonsense", "mlc: error: there is no command 'nonsense'. See the commands with: mlc -h"),
        ("-x list", "mlc list: error: unrecognized arguments: -x, before list"),
        ("--context", "mlc: error: argument --context: expected one argument"),
        ("start --no-such", "mlc start: error: unrecognized arguments: --no-such"),
        ("open a b", "mlc open: error: unrecognized arguments: b"),
        ("import", "mlc import: error: the following arguments are required: file"),
        ("mlc-patch", "mlc-patch: error: the following arguments are required: ACTION"),
        ("image-list --no-such", "image-list: error: unrecognized arguments: --no-such"),
    ],
)
def test_a_usage_error_shows_the_usage_and_names_the_word(
    line: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(line.split(), "mlc") == 2
    usage, *_, last = capsys.readouterr().err.splitlines()
    assert usage.startswith("usage: ")
    assert last == says


def test_a_usage_error_is_json_if_the_command_line_asks_for_json(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["list", "--json", "--wrong"], "mlc") == 2
    printed = json.loads(capsys.readouterr().out)
    error = {"code": "usage", "message": "unrecognized arguments: --wrong", "hint": None}
    assert printed == {"version": 1, "error": error}


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
    found = vars(parse(["create", "n", "Pytorch", "2.8.0", *argv])[1])
    assert expected.items() <= found.items()
    assert (found["container_name"], found["framework"], found["version"]) == (
        "n",
        "Pytorch",
        "2.8.0",
    )


AIMES_FLAGS = {
    "create n P 2.8": "architecture= data_dir= num_gpus= info models_dir= script workspace_dir=",
    "list": "all all_users architecture data models size workspace",
    "open n": "script",
    "start n": "detach script",
    "stop n": "force script",
    "remove n": "force script",
    "update-sys": "force",
}
"""Lines, and AIME's long flags of that command; `=`: with a value (docs/contracts.md)."""


@pytest.mark.parametrize("line", AIMES_FLAGS)
def test_abbreviations_that_aimes_commands_take_mean_the_same(line: str) -> None:
    flags = AIMES_FLAGS[line].split()
    names = [flag.rstrip("=") for flag in (*flags, "help")]
    for flag, name in zip(flags, names, strict=False):
        value = "=1" * flag.endswith("=")
        wanted = parse([*line.split(), f"--{name}{value}"])[1]
        for length in range(1, len(name)):
            short = name[:length]
            if sum(each.startswith(short) for each in names) == 1:
                assert parse([*line.split(), f"--{short}{value}"])[1] == wanted, short


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_examples(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        run([name, "-h"], "mlc")
    assert ended.value.code == 0
    assert "examples:" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("argv", "works"),
    [
        (["a", "python3", "-V"], "mlc start a 'python3 -V'"),
        (["a", "python3", "train.py", "-d"], "mlc start a -d 'python3 train.py'"),
        (["-d", "a", "--", "python3", "--epochs=3"], "mlc start a -d 'python3 --epochs=3'"),
        (["a", "-s", "echo", "it's", "a  b"], """mlc start a -s 'echo '"'"'it'"'"'"'"""),
    ],
)
def test_a_command_that_is_not_quoted_is_said_with_what_works(
    argv: list[str], works: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["start", *argv], "mlc") == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert f"error: the command has to be quoted: {works}" in last
    assert "mlc exec a -- " in last


@pytest.mark.parametrize(
    ("argv", "command"),
    [
        (["a", "python3", "-V"], ["python3", "-V"]),
        (["a", "--", "python3", "-V"], ["python3", "-V"]),
        (["--", "a"], ["a"]),
        (["--context", "x", "a", "ls", "--context", "y"], ["ls", "--context", "y"]),
        (["a", "grep", "--", "-h"], ["grep", "--", "-h"]),
        (["a", "--", "grep", "--", "-h"], ["grep", "--", "-h"]),
        (["a"], []),
    ],
)
def test_exec_leaves_the_command_as_it_is(argv: list[str], command: list[str]) -> None:
    _, arguments = parse(["exec", *argv])
    assert arguments.command == command


@pytest.mark.parametrize(
    ("line", "command"),
    [
        ("it --context far -- ls --as x", ["ls", "--as", "x"]),
        ("it --context=far --as 7:7 -- ls", ["ls"]),
        ("--as 7:7 it --context far ls -l -- x", ["ls", "-l", "--", "x"]),
        ("--context far it ls --context near", ["ls", "--context", "near"]),
    ],
)
def test_flags_around_the_name_of_a_container_are_not_the_programs(
    line: str, command: list[str]
) -> None:
    _, found = parse(["exec", *line.split()])
    assert found.container_name == "it"
    assert found.docker_context == "far"
    assert getattr(found, "as_ids", "7:7") == "7:7"
    assert found.command == command


def test_a_flag_after_the_name_that_lacks_its_value_runs_nothing() -> None:
    _, found = parse(["exec", "it", "--context", "--", "ls"])
    assert (found.container_name, found.command) == (None, ["ls"])

"""Command lines and what they mean, on every Python."""

from __future__ import annotations

import pytest

from mlc_patched.cli.main import parse


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
        ("nonsense", "mlc: error: there is no command 'nonsense'; see the commands with: mlc -h"),
        ("-x list", "mlc: error: unrecognized arguments: -x"),
        ("--context", "mlc: error: argument --context: expected one argument"),
        ("start a b c", "mlc start: error: unrecognized arguments: c"),
        ("import", "mlc import: error: the following arguments are required: file"),
        ("mlc-patch", "mlc-patch: error: the following arguments are required: ACTION"),
        ("image-list --no-such", "image-list: error: unrecognized arguments: --no-such"),
    ],
)
def test_usage_errors(line: str, says: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(line.split())
    assert ended.value.code == 2
    assert capsys.readouterr().err.splitlines()[-1] == says

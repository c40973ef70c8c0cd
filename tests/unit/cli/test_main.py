"""How failures reach people and scripts: messages, exit codes, JSON, a log for bug reports."""

from __future__ import annotations

import errno
import json
import os
import platform
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.accounts import own_image
from support.fakes.engine import FakeEngine
from support.run_command import call

import mlc_patched
from mlc_patched import errors
from mlc_patched.cli import bug_report, main
from mlc_patched.cli.output import ConsoleReporter
from mlc_patched.context import Context
from mlc_patched.errors import MlcError, NotFoundError, Terminated, UsageError
from mlc_patched.host.account import Account
from mlc_patched.images.build.failure import cause
from mlc_patched.version import __version__


@pytest.fixture(autouse=True)
def _handlers_stay() -> Iterator[None]:
    before = {each: signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGHUP)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def guarded(raised: BaseException, *, as_json: bool = False) -> int:
    def command() -> int:
        raise raised

    return main.guarded(command, ConsoleReporter(), as_json=as_json)


@pytest.mark.parametrize(
    ("raised", "status", "code"),
    [
        (MlcError("x"), 1, "failed"),
        (NotFoundError("x"), 1, "not_found"),
        (errors.ImageNotFoundError("x"), 1, "not_found"),
        (errors.MountMissingError("/x"), 1, "not_found"),
        (errors.AlreadyExistsError("x"), 1, "exists"),
        (errors.InUseError("x"), 1, "in_use"),
        (errors.ConflictError("x"), 1, "in_use"),
        (errors.NotAllowedError("x"), 1, "not_allowed"),
        (errors.EngineError("x"), 1, "engine"),
        (errors.EngineUnreachableError("x"), 1, "engine_unreachable"),
        (errors.SetupError("x"), 1, "setup_failed"),
        (errors.DeclinedError("x"), 1, "declined"),
        (UsageError("x"), 2, "usage"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (Terminated(signal.SIGTERM), 143, "interrupted"),
        (Terminated(signal.SIGHUP), 129, "interrupted"),
        (ValueError("x"), 1, "unexpected"),
    ],
)
def test_exit_codes_and_the_code_words_of_json(
    raised: BaseException, status: int, code: str, capsys: pytest.CaptureFixture[str]
) -> None:
    begin = "" if isinstance(raised, errors.DeclinedError) else "Error: "
    assert guarded(raised) == status
    said = capsys.readouterr()
    assert said.err.startswith(begin or "x")
    assert said.out == ""
    assert guarded(raised, as_json=True) == status
    said = capsys.readouterr()
    assert said.err.startswith(begin)
    printed = json.loads(said.out)
    assert printed["version"] == 1
    assert printed["error"]["code"] == code


def test_a_hint_is_the_end_of_the_message_and_a_field_of_the_json(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert guarded(NotFoundError("There is no x.", "See: mlc list"), as_json=True) == 1
    said = capsys.readouterr()
    assert said.err == "Error: There is no x. See: mlc list\n"
    error = {"code": "not_found", "message": "There is no x.", "hint": "See: mlc list"}
    assert json.loads(said.out)["error"] == error


def test_a_full_disk_is_said_with_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    guarded(errors.EngineError("write /x: No space left on device"))
    said = capsys.readouterr().err
    assert "No space left on device. The disk is full" in said
    assert "make room with: mlc prune" in said


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_home_is_not_taken_for_the_engines_disk(
    capsys: pytest.CaptureFixture[str], number: int
) -> None:
    full = errors.MlcError(f"~/x cannot be written: {os.strerror(number)}")
    full.__cause__ = OSError(number, os.strerror(number))
    guarded(full)
    said = capsys.readouterr().err
    assert f"{os.strerror(number)}. This disk, or your quota on it, is full" in said
    assert "mlc prune" not in said


def test_a_disk_of_the_docker_client_is_not_taken_for_the_engines(
    capsys: pytest.CaptureFixture[str],
) -> None:
    line = (
        "ERROR: failed to build: failed to update builder last activity time: write "
        "/home/a/.docker/buildx/activity/.tmp-default29: no space left on device"
    )
    guarded(errors.MlcError(f"{cause([line])}\n{line}"))
    said = capsys.readouterr().err
    assert "The disk is full; nothing of this was kept" not in said


def test_a_reader_that_went_away_gets_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    closed = []
    monkeypatch.setattr(os, "dup2", lambda *descriptors: closed.append(descriptors))
    assert guarded(BrokenPipeError()) == 1
    assert closed


def test_no_command_is_a_hint_and_no_failure(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run([], "mlc") == 0
    assert "mlc -h" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("line", "is_json"),
    [
        ("mlc list --json --nope", True),
        ("mlc list --nope --js", True),
        ("mlc logs it --job x --jso", True),
        ("mlc logs it --job x", False),
        ("mlc run thesis --nope -- train --json", False),
    ],
)
def test_a_usage_error_is_in_json_if_that_was_asked_for(
    context: Context, line: str, is_json: bool
) -> None:
    done = call(line.split(), context)
    assert (done.code, bool(done.out)) == (2, is_json)
    if is_json:
        assert json.loads(done.out)["error"]["code"] == "usage"


def test_a_command_with_json_fails_in_json(context: Context) -> None:
    outcome = call(["container-retire", "absent", "-y", "--json"], context)
    assert (outcome.code, outcome.last[:7]) == (1, "Error: ")
    assert json.loads(outcome.out)["error"]["code"] == "not_found"
    assert call(["container-retire", "absent", "-y"], context).out == ""


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("container-create nope", "Build it with: image-create nope"),
        ("container-deploy nope", "Build it with: image-create nope"),
        ("mlc create new Jax 1", "Available: Pytorch, Tensorflow"),
        ("mlc create new Pytorch 9", "Available: 2.8.0"),
        ("mlc create new --image no/such", "List local images with: docker images"),
        ("mlc nonsense", "See the commands with: mlc -h"),
        ("container-retire it", "pass -y to confirm."),
        ("mlc stop it", "pass -f to confirm."),
    ],
)
def test_in_json_what_to_do_next_is_the_hint(
    line: str, hint: str, fake: FakeEngine, context: Context
) -> None:
    own_image(fake)
    mlc_patched.create("it", image="ds01-1001/p", context=context)
    mlc_patched.start("it", context=context)
    outcome = call([*line.split(), "--json"], context)
    error = json.loads(outcome.out)["error"]
    assert outcome.code
    assert error["hint"].startswith(hint)
    assert hint not in error["message"]
    assert error["hint"] in outcome.err


# The log file for bug reports.


@pytest.fixture
def broken(fake: FakeEngine, context: Context, monkeypatch: pytest.MonkeyPatch) -> Context:
    """A context whose engine has a bug."""

    def fail(*arguments: object, **keywords: object) -> None:
        raise ValueError("http://me:pass-word@more-of-it@proxy:8080 said no to 'TOKEN=abc-def'")

    monkeypatch.setattr(fake, "containers", fail)
    monkeypatch.setattr(fake, "container", fail)
    return context


def logs(context: Context) -> list[Path]:
    return sorted(Path(context.account.home, ".cache/mlc").glob("*"))


def test_an_unexpected_error_leaves_a_log_with_versions(broken: Context) -> None:
    outcome = call(["mlc", "list", "--json"], broken)
    assert outcome.code == 1
    (log,) = logs(broken)
    assert log.stat().st_mode & 0o777 == 0o600
    assert log.parent.stat().st_mode & 0o777 == 0o700
    assert outcome.last.endswith(f"Please report it with the log file {log}")
    assert json.loads(outcome.out)["error"]["hint"].endswith(str(log))
    text = log.read_text()
    for expected in (
        f"mlc-patched {__version__}",
        f"Python {platform.python_version()}",
        "System: Linux",
        "Engine: ",
        "Command: mlc list",
        "json: True",
        "Traceback (most recent call last)",
        "ValueError",
    ):
        assert expected in text


def test_a_log_has_no_secrets(broken: Context) -> None:
    call(["mlc", "start", "mine", "TOKEN=abc-def python train.py"], broken)
    call(["mlc", "create", "x", "--image", "y", "--ds01-label", "a=abc-def", "-s"], broken)
    both = [log.read_text() for log in logs(broken)]
    assert len(both) == 2
    for text in both:
        assert "ValueError" in text
        assert "pass-word" not in text
        assert "more-of-it" not in text
        assert "abc-def" not in text
    assert "train.py" not in both[0]


@pytest.mark.parametrize(
    "line",
    [
        "image-create thesis -f Pytorch -p git+https://me:top@secret@host/x --json",
        "image-create thesis more git+https://me:top@secret@host/x --json",
        "mlc git+https://me:top@secret@host/x --json",
    ],
)
def test_a_refused_word_is_shown_without_its_login(line: str, context: Context) -> None:
    outcome = call(line.split(), context)
    assert outcome.code
    for text in (outcome.out, outcome.err):
        assert "****@host/x" in text
        assert "me:" not in text
        assert "secret" not in text


@pytest.mark.parametrize(
    "line",
    [
        "mlc exec mine -- env TOKEN=abc-def train.py",
        "mlc run thesis -- train.py --token abc-def",
        "mlc start mine -d TOKEN=abc-def",
        "mlc create x Pytorch --ds01-label TOKEN=abc-def",
        "image-create thesis --build-arg TOKEN=abc-def",
        "image-update thesis --build-arg A=1 TOKEN=abc-def",
        "image-export thesis -- train.py abc-def",
    ],
)
def test_a_log_has_nothing_that_a_user_passes_on(line: str, context: Context) -> None:
    _, arguments = main.parse(line.removeprefix("mlc ").split())
    text = bug_report.text(ValueError("abc-def"), "mlc", arguments, context)
    assert "ValueError" in text
    assert "abc-def" not in text
    assert "train.py" not in text


def test_the_last_ten_logs_are_kept(broken: Context) -> None:
    folder = Path(broken.account.home, ".cache/mlc")
    folder.mkdir(parents=True)
    old = [folder / f"mlc-20200101T0000{number:02}Z-1.log" for number in range(12)]
    for file in (*old, folder / "other.txt"):
        file.write_text("")
    call(["mlc", "list"], broken)
    kept = logs(broken)
    assert kept[: bug_report.KEPT - 1] == old[-bug_report.KEPT + 1 :]
    assert kept[-1].name == "other.txt"
    assert len(kept) == bug_report.KEPT + 1


def test_the_log_follows_xdg_cache_home(broken: Context, tmp_path: Path) -> None:
    broken.environ = {**broken.environ, "XDG_CACHE_HOME": str(tmp_path / "cache")}
    call(["mlc", "list"], broken)
    assert len(list((tmp_path / "cache/mlc").iterdir())) == 1
    assert not logs(broken)


def test_a_relative_xdg_cache_home_is_ignored(
    broken: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    broken.environ = {**broken.environ, "XDG_CACHE_HOME": "cache"}
    call(["mlc", "list"], broken)
    assert not (tmp_path / "cache").exists()
    assert logs(broken)


def test_a_log_that_cannot_be_written_does_not_hide_the_error(broken: Context) -> None:
    Path(broken.account.home, ".cache").write_text("a file")
    outcome = call(["mlc", "list"], broken)
    assert outcome.code == 1
    assert "Unexpected ValueError" in outcome.last
    assert "MLC_DEBUG=1 shows where" in outcome.last


def test_mlc_debug_prints_the_traceback(broken: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLC_DEBUG", "1")
    assert "Traceback" in call(["mlc", "list"], broken).err


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can work for others")
def test_under_sudo_the_log_is_written_with_the_user_s_rights(
    fake: FakeEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fake, "containers", lambda **keywords: 1 / 0)
    with tempfile.TemporaryDirectory(dir="/var/tmp") as home:
        os.chown(home, 65534, 65534)
        context = Context(environ={}, make_engine=lambda: fake)
        context.__dict__["account"] = Account("nobody", 65534, 65534, home)
        call(["mlc", "list"], context)
        (log,) = logs(context)
        assert (log.stat().st_uid, log.parent.stat().st_uid) == (65534, 65534)
        (tmp_path / "root").mkdir(mode=0o700)
        context.environ = {"XDG_CACHE_HOME": str(tmp_path / "root")}
        assert "MLC_DEBUG" in call(["mlc", "list"], context).last
        assert not list((tmp_path / "root").iterdir())

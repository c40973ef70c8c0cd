"""What commands offer to scripts: JSON, names only, and what may exist or be missing."""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.accounts import OWN, PASSWD, THESIS_LABELS, own_image
from support.fakes.engine import FakeEngine
from support.run_command import Outcome, call

import mlc_patched
from mlc_patched.cli.dispatch import COMMANDS
from mlc_patched.cli.parser import command_parser
from mlc_patched.context import Context

THESIS = "ds01-1001/thesis"
WITHOUT_JSON = {
    "open": "a shell, for a person",
    "exec": "the output is the program's",
    "logs": "the output is the job's",
    "complete": "for the shells, which read lines",
    "slurm_job": "the output is the job's",
    "slurm_save": "its output is always JSON, for container-retire",
}
"""The modules of commands without --json, and why."""
_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
_TIMES = ("created", "started", "ended", "since")


def flags(name: str) -> set[str]:
    """Return the flags of a command."""
    actions: list[argparse.Action] = command_parser(COMMANDS[name])._actions
    return {flag for action in actions for flag in action.option_strings}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_json_or_a_reason(name: str) -> None:
    reason = WITHOUT_JSON.get(COMMANDS[name].module.rstrip("_"))
    assert ("--json" in flags(name)) == (reason is None)


@pytest.mark.parametrize(
    ("flag", "names"),
    [
        ("--exist-ok", ("create", "container-create", "container-deploy", "image-create")),
        ("--missing-ok", ("stop", "remove", "container-retire", "image-retire", "image-delete")),
        ("-q", ("list", "container-list", "image-list", "create", "import", "image-create")),
    ],
)
def test_what_may_exist_or_be_missing(flag: str, names: tuple[str, ...]) -> None:
    assert all(flag in flags(name) for name in names)


@pytest.fixture
def thesis(fake: FakeEngine, context: Context) -> FakeEngine:
    """An engine with the image of alice's project."""
    created = {"aime.mlc.DS01_CREATED": "2026-11-23T16:00:00+01:00"}
    fake.add_image(THESIS, {**THESIS_LABELS, **created}, PASSWD)
    return fake


def answer(context: Context, *argv: str, code: int = 0) -> dict[str, Any]:
    """Return what a command prints with --json."""
    done = call([*argv, "--json"], context)
    assert done.code == code, done
    found = json.loads(done.out)
    assert found.pop("version") == 1
    return dict(found)


def ok(context: Context, *argv: str) -> Outcome:
    """Run a command, which must succeed."""
    done = call(list(argv), context)
    assert done.code == 0, done
    return done


def times(found: object, key: str = "") -> Iterator[str]:
    """Yield the texts in JSON that are times: by their key, or by their look."""
    if isinstance(found, dict):
        for name, value in found.items():
            yield from times(value, name)
    elif isinstance(found, list):
        for value in found:
            yield from times(value, key)
    elif isinstance(found, str) and (key in _TIMES or re.match(r"\d{4}-\d\d-\d\d", found)):
        yield found


@pytest.mark.parametrize(
    ("argv", "count"),
    [
        (("mlc", "list"), 1),
        (("mlc", "jobs", "thesis"), 1),
        (("container-list",), 2),
        (("image-list",), 1),
        (("mlc", "start", "thesis", "-d", "sleep 9"), 1),
    ],
)
def test_times_are_rfc_3339_in_utc(
    thesis: FakeEngine, context: Context, argv: tuple[str, ...], count: int
) -> None:
    mlc_patched.deploy("thesis", context=context)
    mlc_patched.start("thesis", "python train.py", detach=True, context=context)
    found = list(times(answer(context, *argv)))
    assert len(found) >= count
    assert all(_RFC_3339.fullmatch(each) for each in found), found


def test_an_image_s_time_is_converted_to_utc(thesis: FakeEngine, context: Context) -> None:
    assert answer(context, "image-list")["images"][0]["created"] == "2026-11-23T15:00:00Z"


def test_what_is_not_given_is_null(thesis: FakeEngine, context: Context) -> None:
    made = answer(context, "container-deploy", "thesis", "-g", "none")["container"]
    assert (made["data"], made["models"], made["existed"]) == (None, None, False)
    (listed,) = answer(context, "container-list")["containers"]
    assert [listed[key] for key in ("data", "models", "node", "size")] == [None] * 4
    (plain,) = answer(context, "mlc", "list")["containers"]
    assert plain["data"] is None
    assert "-" in call(["container-list", "-d"], context).out.split()


def test_the_life_of_a_container_in_json(fake: FakeEngine, context: Context) -> None:
    own_image(fake)
    made = answer(context, "mlc", "create", "c", "--image", OWN)["container"]
    assert (made["name"], made["tag"], made["flow"]) == ("c", "c._.1001", "image")
    (started,) = answer(context, "mlc", "start", "c")["started"]
    assert (started["was_running"], started["job"]) == (False, None)
    (job,) = answer(context, "mlc", "start", "c", "-d", "sleep 9")["started"]
    assert job["job"]["command"] == "sleep 9"
    refused = answer(context, "mlc", "start", "c", "ls", code=2)["error"]
    assert "needs -d" in refused["message"]
    assert answer(context, "mlc", "stop", "c", code=2)["error"]["code"] == "usage"
    assert answer(context, "mlc", "stop", "c", "-f")["stopped"][0]["was_running"]
    removed = answer(context, "mlc", "remove", "c", "-f")
    assert removed["removed"][0]["volumes_kept"] == []
    assert removed["missing"] == []
    assert not fake.made
    catalog = answer(context, "mlc", "create", "--info")["catalog"]
    assert catalog["architecture"] == "CUDA_ADA"
    assert catalog["frameworks"]


def test_dry_runs_in_json(context: Context) -> None:
    argv = ("image-create", "paper", "--base", "debian:12", "-p", "numpy")
    planned = answer(context, *argv, "--no-build", "--dry-run")["planned"]
    assert planned["dockerfile"].startswith("#") or "FROM debian:12" in planned["dockerfile"]
    ok(context, *argv, "--no-build", "-y")
    planned = answer(context, "image-update", "paper", "--add", "scipy", "--dry-run")["planned"]
    assert "+" in planned["diff"]
    assert "scipy" in planned["diff"]


def test_quiet_prints_names_and_nothing_else(thesis: FakeEngine, context: Context) -> None:
    assert ok(context, "container-list", "-q") == Outcome(0, "", "")
    assert ok(context, "mlc", "list", "-q") == Outcome(0, "", "")
    assert ok(context, "container-deploy", "thesis", "-q") == Outcome(0, "thesis\n", "")
    assert ok(context, "container-create", "--project", "thesis", "-q").out == "thesis-2\n"
    assert ok(context, "mlc", "create", "third", "--image", THESIS, "-q").out == "third\n"
    names = "third\nthesis-2\nthesis\n"
    assert ok(context, "mlc", "list", "-q") == Outcome(0, names, "")
    assert ok(context, "container-list", "-q").out.split() == ["thesis", "thesis-2", "third"]
    assert "thesis._.1001\n" in ok(context, "mlc", "list", "-au", "-q").out
    assert ok(context, "image-list", "-q") == Outcome(0, "thesis\n", "")
    assert ok(context, "image-list", "-a", "-q").out == f"{THESIS}:latest\n"
    argv = ("image-create", "paper", "--base", "debian:12", "--no-build", "-q")
    assert ok(context, *argv) == Outcome(0, "paper\n", "")
    assert call(["mlc", "list", "-q", "--json"], context).code == 2
    assert call(["container-deploy", "thesis", "-q"], context).last.startswith("Error: ")


def test_an_existing_container_that_fits_is_kept(thesis: FakeEngine, context: Context) -> None:
    argv = ("mlc", "create", "c", "--image", THESIS, "-g", "1", "--exist-ok")
    made = answer(context, *argv)["container"]
    assert made["existed"] is False
    kept = answer(context, *argv)["container"]
    assert (kept["existed"], kept["id"], kept["flow"]) == (True, made["id"], "image")
    assert "exists already" in ok(context, *argv).out
    assert ok(context, *argv, "-q").out == "c\n"
    without = ("mlc", "create", "c", "--image", THESIS, "--exist-ok")
    assert ok(context, *without)
    assert "limits were not compared" in ok(context, *without, "--memory", "8g").err
    assert len(thesis.made) == 1
    assert call(["mlc", "create", "c", "--image", THESIS], context).code == 1


@pytest.mark.parametrize(
    ("more", "difference"),
    [
        (("-g", "2"), "its GPU request is 1, not 2"),
        (("-arch", "CUDA_AMPERE"), "its architecture is CUDA_ADA, not CUDA_AMPERE"),
        (("-d", "DATA"), "its data directory is not set, not "),
        (("-w", "DATA"), "its workspace is "),
        (("--ds01-label", "a=b"), "its label a is not set, not b"),
        (("--image", "debian:12"), f"its image is {THESIS}:latest, not debian:12"),
    ],
)
def test_an_existing_container_that_differs_is_said(
    thesis: FakeEngine, context: Context, more: tuple[str, ...], difference: str
) -> None:
    thesis.add_image("debian:12", {}, PASSWD)
    data = Path(context.account.home, "data")
    data.mkdir()
    more = tuple(word.replace("DATA", str(data)) for word in more)
    ok(context, "mlc", "create", "c", "--image", THESIS, "-g", "1", "-s")
    argv = ["mlc", "create", "c", *(() if "--image" in more else ("--image", THESIS)), *more]
    done = call([*argv, "--exist-ok"], context)
    assert done.code == 1
    assert difference in done.last
    assert len(thesis.made) == 1


def test_a_deployment_that_exists_is_kept_and_started(thesis: FakeEngine, context: Context) -> None:
    ok(context, "container-create", "thesis")
    for argv in (("thesis",), ("--project", "thesis"), ("--image", THESIS)):
        kept = answer(context, "container-deploy", *argv, "--exist-ok")["container"]
        assert (kept["name"], kept["existed"], kept["state"]) == ("thesis", True, "running")
    created = ok(context, "container-create", "thesis", "--exist-ok").out
    assert created.startswith("[thesis] was there already and is running")
    assert len(thesis.made) == 1
    # After an update of the image, the container is still the project's.
    thesis.add_image(THESIS, {**THESIS_LABELS, "new": "1"}, PASSWD)
    assert answer(context, "container-deploy", "thesis", "--exist-ok")["container"]["existed"]


def test_a_container_of_another_image_is_not_the_project_s(
    thesis: FakeEngine, context: Context
) -> None:
    own_image(thesis)
    ok(context, "mlc", "create", "thesis", "--image", OWN, "-s")
    done = call(["container-deploy", "thesis", "--exist-ok"], context)
    assert "its image is" in done.last
    assert done.code == 1


def test_an_existing_project_that_fits_is_kept(context: Context) -> None:
    argv = ("image-create", "paper", "--base", "debian:12", "-p", "numpy<2", "scipy", "--no-build")
    assert answer(context, *argv, "--exist-ok")["created"]["existed"] is False
    for again in (argv, ("image-create", "paper", "-p", "SciPy", "--no-build")):
        assert answer(context, *again, "--exist-ok")["created"]["existed"] is True
    assert "exists already" in ok(context, *argv, "--exist-ok").out
    for more, difference in (
        (("--base", "debian:13"), "its base is debian:12, not debian:13"),
        (("-p", "numpy"), ""),
        (("-p", "numpy<3"), "it does not install numpy<3"),
        (("--apt", "ffmpeg"), "it does not install ffmpeg"),
    ):
        done = call(["image-create", "paper", *more, "--no-build", "--exist-ok"], context)
        assert done.code == bool(difference), done
        assert difference in done.last
    done = call(["image-create", "paper", "--exist-ok"], context)
    assert "is not built: image-update paper" in done.last
    assert call(["image-create", "paper", "--exist-ok", "--force"], context).code == 2


def test_a_missing_one_may_be_fine(thesis: FakeEngine, context: Context) -> None:
    for argv in (
        ("mlc", "stop", "gone", "--missing-ok"),
        ("mlc", "remove", "gone", "--missing-ok"),
        ("container-retire", "gone", "--missing-ok"),
        ("image-retire", "gone", "--missing-ok"),
    ):
        assert ok(context, *argv).out == "[gone] does not exist.\n"
        assert answer(context, *argv)["missing"] == ["gone"]
        assert call([*argv[:-1], "-f"], context).code == 1
        assert call([*argv[:-2], "no name", "--missing-ok"], context).code != 0
    assert ok(context, "image-retire", "gone", "thesis", "--missing-ok", "-y")
    assert thesis.image(THESIS) is None


def test_several_are_tried_and_one_failure_is_a_failure(
    thesis: FakeEngine, context: Context
) -> None:
    for name in ("a", "b"):
        ok(context, "mlc", "create", name, "--image", THESIS, "-s")
    done = call(["mlc", "start", "--names", "a", "x", "b"], context)
    assert done.code == 1
    assert done.out.splitlines()[1].startswith("[b] started.")
    assert "Warning: [x] You have no container 'x'." in done.err
    assert done.last.startswith("Error: 1 of 3 containers were not started: x;")
    found = answer(context, "mlc", "stop", "a", "x", "b", "-f", code=1)
    assert [each["name"] for each in found["stopped"]] == ["a", "b"]
    assert [(each["name"], each["code"]) for each in found["failed"]] == [("x", "not_found")]
    assert found["error"]["code"] == "failed"
    ok(context, "mlc", "start", "--names", "[a]")
    done = call(["mlc", "remove", "a", "b", "x", "-f", "--missing-ok"], context)
    assert (done.code, done.out) == (1, "[b] removed.\n[x] does not exist.\n")
    assert "[a] The container a is running." in done.err
    assert call(["mlc", "stop", "a", "a"], context).last.endswith("pass -f to confirm.")
    ok(context, "container-stop", "a", "-s")
    ok(context, "container-remove", "a", "x", "-s", "--missing-ok")
    assert not thesis.made


def test_a_second_word_of_start_is_a_command(
    thesis: FakeEngine, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b"):
        ok(context, "mlc", "create", name, "--image", THESIS, "-s")
    ran = []
    monkeypatch.setattr("mlc_patched.containers.start.fitting_client", lambda *_: "docker")
    monkeypatch.setattr(
        "mlc_patched.containers.start.run_inside", lambda tag, line, *_: ran.append(line) or 127
    )
    done = call(["mlc", "start", "a", "b"], context)
    assert (done.code, ran) == (127, [("bash", "-c", "b")])
    assert "To start both containers: mlc start --names a b" in done.err
    assert call(["mlc", "start", "--names", "a", "-d"], context).code == 2
    assert "mlc start --names a b c" in call(["mlc", "start", "a", "b", "c"], context).last

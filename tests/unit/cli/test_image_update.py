"""image-update on the command line: what is shown and asked, and what to do after it."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from support.sandbox import BASE, EDITED, Result, Sandbox

from mlc_patched.cli.commands import image_update
from mlc_patched.errors import MlcError
from mlc_patched.images.dockerfile.compact import MOST
from mlc_patched.images.project.files import ProjectFiles
from mlc_patched.images.update import ImageUpdated

Answer = Callable[..., object]
IMAGE = "ds01-1001/demo:latest"


@pytest.fixture
def demo(sandbox: Sandbox) -> Sandbox:
    """A sandbox with the built project `demo`."""
    sandbox.ok("image-create", "demo", "--base", BASE, "-y")
    return sandbox


def run(sandbox: Sandbox, *words: str, code: int = 0) -> Result:
    return sandbox.ok("image-update", *words, code=code)


def dockerfile(sandbox: Sandbox) -> Path:
    return sandbox.home / "dockerfiles/demo.Dockerfile"


def image_id(sandbox: Sandbox) -> str:
    found = sandbox.fake.image(IMAGE)
    assert found is not None
    return found.id


def test_a_person_sees_the_change_and_decides(demo: Sandbox, answer: Answer) -> None:
    text, built = dockerfile(demo).read_text(), image_id(demo)
    answer("1", "n")
    said = run(demo, "--add", "six", code=1).output
    question = said.index(f"Build {IMAGE} now?")
    assert -1 < said.index("Which one to update?") < said.index("six") < question
    assert "Nothing was done." in said[question:]
    assert (dockerfile(demo).read_text(), image_id(demo)) == (text, built)
    answer("")
    assert f"[demo] {IMAGE} is ready" in run(demo, "demo", "--add", "six").output
    assert "six" in dockerfile(demo).read_text()
    assert image_id(demo) != built
    assert "six is already in the Dockerfile" in run(demo, "demo", "--add", "six", "-y").output


def test_what_still_uses_the_previous_image_is_named_and_it_can_be_restored(demo: Sandbox) -> None:
    built = image_id(demo)
    demo.run("container-create", "demo")
    said = run(demo, "demo", "--add", "six", "-y").output
    assert "Containers that still use the previous image:\n  demo._.1001 (created): " in said
    assert "container-retire demo, then container-deploy demo --project demo" in said
    assert "image-update demo --rollback" in said
    for flags in (("--add", "x"), ("--edit",), ("--upgrade",), ("--compact",)):
        said = run(demo, "demo", "--rollback", *flags, code=2).output
        assert "--rollback cannot be combined with changes" in said
    assert f"[demo] {IMAGE} is restored" in run(demo, "demo", "--rollback").output
    assert image_id(demo) == built
    assert "six" not in dockerfile(demo).read_text()


def test_a_dry_run_changes_nothing(demo: Sandbox) -> None:
    text, built = dockerfile(demo).read_text(), image_id(demo)
    assert "six" in run(demo, "demo", "--add", "six", "--dry-run").output
    said = run(demo, "demo", "--add", "six", "--dry-run", "--json").output
    planned = json.loads(said[said.index("{\n") :])["planned"]
    assert planned["image"] == IMAGE
    assert "six" in planned["diff"]
    assert (dockerfile(demo).read_text(), image_id(demo)) == (text, built)


def test_an_edit_is_built_and_an_edit_that_fails_is_gone_on_with(
    demo: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = dockerfile(demo).read_text()
    with monkeypatch.context() as failing:
        failing.setattr(
            "mlc_patched.images.build.run.run_build", lambda *arguments, **named: (1, ["broken"])
        )
        failed = run(demo, "demo", "--edit", "-y", code=1).output
    assert "To try again: image-update demo" not in failed, "the edit is not in a command line"
    assert dockerfile(demo).read_text() == text
    said = run(demo, "demo", "--edit", "-y").output
    assert "Continuing from your edit whose build failed." in said
    assert EDITED in dockerfile(demo).read_text()
    assert "The Dockerfile is unchanged." in run(demo, "demo", "--edit", "-y").output


def test_without_a_terminal_no_editor_is_opened_that_nobody_asked_for(
    demo: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDITOR", "")
    said = run(demo, "demo", "--edit", "-y", code=2).output
    assert "--edit needs a terminal" in said


@pytest.mark.parametrize(("failure", "code"), [(None, 1), (KeyboardInterrupt, 130)])
def test_an_edit_that_cannot_be_kept_does_not_hide_why_the_build_failed(
    demo: Sandbox, monkeypatch: pytest.MonkeyPatch, failure: type[BaseException] | None, code: int
) -> None:
    def fail(*arguments: object, **named: object) -> tuple[int, list[str]]:
        if failure is not None:
            raise failure
        return 1, ["broken"]

    def refuse(*arguments: object) -> None:
        raise MlcError("the file system is read-only")

    monkeypatch.setattr("mlc_patched.images.build.run.run_build", fail)
    monkeypatch.setattr(ProjectFiles, "write_dockerfile", refuse)
    said = run(demo, "demo", "--edit", "-y", code=code).output
    assert "Your edit could not be kept: the file system is read-only" in said
    assert ("broken" in said) == (failure is None)


def test_an_edit_that_is_saved_during_the_build_becomes_a_backup(
    demo: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    build = "mlc_patched.images.build.run.run_build"

    def save_and_build(*arguments: object, **named: object) -> object:
        dockerfile(demo).write_text("FROM mine\n")
        return demo._build(*arguments, **named)

    monkeypatch.setattr(build, save_and_build)
    said = run(demo, "demo", "--add", "six", "-y").output
    backup = dockerfile(demo).with_name("demo.Dockerfile.1")
    assert backup.read_text() == "FROM mine\n"
    assert "six" in dockerfile(demo).read_text()
    assert f"{dockerfile(demo)} was changed during the build" in said
    assert f"Your version is kept in {backup}" in said
    monkeypatch.setattr(build, demo._build)
    assert "Your version" not in run(demo, "demo", "--add", "tqdm", "-y").output


def test_the_command_to_try_again_has_every_flag(
    demo: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "mlc_patched.images.build.run.run_build", lambda *arguments, **named: (1, ["broken"])
    )
    words = ("--add", "numpy<2", "--apt", "ffmpeg", "--build-arg", "A=b c", "--no-cache")
    said = run(demo, "demo", *words, "-y", code=1).output
    again = "--add 'numpy<2' --apt ffmpeg --build-arg 'A=b c' --no-cache -y"
    assert said.rstrip("\n").endswith(f"To try again: image-update demo {again}")


def test_which_project_has_to_be_said_without_a_terminal(demo: Sandbox) -> None:
    assert "image-update PROJECT" in run(demo, "--add", "six", code=2).output


def test_many_changes_and_many_steps_are_summed_up(capsys: pytest.CaptureFixture[str]) -> None:
    changes = tuple(f"package-{number} 1 -> 2" for number in range(50))
    updated = ImageUpdated(
        *("demo", IMAGE, "sha256:1", 5, 1.0, "Dockerfile", None),
        changes=changes,
        appended=MOST + 1,
    )
    image_update._say_updated(updated, argparse.Namespace(json=False), "is ready")
    said = capsys.readouterr().out
    shown = said.count("package-")
    assert 0 < shown < 50
    assert f"  and {50 - shown} more; see the lock" in said
    assert f"{MOST + 1} steps with packages were appended" in said
    assert "image-update demo --compact" in said

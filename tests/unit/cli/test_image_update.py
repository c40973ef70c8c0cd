"""image-update on the command line: what is shown and asked, and what to do after it."""

from __future__ import annotations

import argparse
import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from support.sandbox import BASE, EDITED, Result, Sandbox

from mlc_patched.cli.commands import image_update
from mlc_patched.errors import MlcError
from mlc_patched.images.build.uv import refusal
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


@pytest.mark.parametrize(
    "flags",
    [
        *(("--add", "x"), ("--apt", "x"), ("--remove", "x"), ("-r", "x"), ("--edit",)),
        *(("--upgrade",), ("--upgrade", "x"), ("--compact",), ("--rebuild",)),
        *(("--pull",), ("--no-cache",), ("--build-arg", "A=b")),
    ],
)
def test_a_rollback_takes_no_flags_of_a_build(demo: Sandbox, flags: tuple[str, ...]) -> None:
    run(demo, "demo", "--add", "six", "-y")
    built = image_id(demo)
    said = run(demo, "demo", "--rollback", *flags, code=2).output
    assert f"--rollback cannot be combined with {flags[0]}" in said
    assert image_id(demo) == built


def test_a_dry_run_of_a_rollback_changes_nothing(demo: Sandbox) -> None:
    before = image_id(demo)
    run(demo, "demo", "--add", "six", "-y")
    there = demo.state()
    said = run(demo, "demo", "--rollback", "--dry-run").output
    assert re.search(r"^-.*six", said, re.M)
    assert f"{IMAGE} would be {before}, which is ds01-1001/demo:previous now" in said
    said = run(demo, "demo", "--rollback", "--dry-run", "--json").output
    planned = json.loads(said)["planned"]
    assert (planned["image"], planned["image_id"]) == (IMAGE, before)
    assert demo.state() == there


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
    assert "Continuing from your edit that was not built. To drop it, remove /" in said
    assert EDITED in dockerfile(demo).read_text()
    assert "The Dockerfile is unchanged." in run(demo, "demo", "--edit", "-y").output


def rejected(sandbox: Sandbox) -> Path:
    return dockerfile(sandbox).with_suffix(".Dockerfile.rejected")


def edits(sandbox: Sandbox, patch: pytest.MonkeyPatch, change: Callable[[str], str]) -> list[str]:
    """Have the editor make this change; return the texts that it was opened with."""
    seen: list[str] = []

    def edit(argv: list[str], **named: object) -> SimpleNamespace:
        path = Path(argv[-1])
        seen.append(path.read_text())
        path.write_text(change(seen[-1]))
        return SimpleNamespace(returncode=0)

    patch.setattr("mlc_patched.images.editor.subprocess", SimpleNamespace(run=edit))
    return seen


@pytest.mark.parametrize(
    "added", ["RUN echo \\\n", "# escape=`\n", "ARG DS01_USER_ID\n"], ids=["open", "escape", "half"]
)
def test_an_edit_that_cannot_be_parsed_is_kept(
    demo: Sandbox, monkeypatch: pytest.MonkeyPatch, added: str
) -> None:
    mine = f"{added}FROM {BASE}\n" if added.startswith("#") else f"FROM {BASE}\n{added}"
    edits(demo, monkeypatch, lambda text: mine)
    text = dockerfile(demo).read_text()
    said = run(demo, "demo", "--edit", "-y", code=1).output
    assert f"Your edit is kept in {rejected(demo)}. Continue with: image-update demo --edit" in said
    assert rejected(demo).read_text() == mine
    assert dockerfile(demo).read_text() == text
    seen = edits(demo, monkeypatch, lambda text: dockerfile(demo).read_text() + EDITED)
    run(demo, "demo", "--edit", "-y")
    assert seen == [mine]
    assert not rejected(demo).exists()


def test_an_edit_in_another_encoding_is_kept(
    demo: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    def edit(argv: list[str], **named: object) -> SimpleNamespace:
        Path(argv[-1]).write_bytes(b"FROM x\n# caf\xe9\n")
        return SimpleNamespace(returncode=0)

    monkeypatch.setattr("mlc_patched.images.editor.subprocess", SimpleNamespace(run=edit))
    said = run(demo, "demo", "--edit", "-y", code=1).output
    assert "The edited text is not valid UTF-8: " in said
    assert f"Your edit is kept in {rejected(demo)}. Continue with: image-update demo --edit" in said
    assert rejected(demo).read_text() == "FROM x\n# caf\\xe9\n"


def test_an_edit_whose_packages_conflict_is_kept(
    demo: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: object, **named: object) -> None:
        raise refusal("Because sixx was not found in the package registry")

    monkeypatch.setattr("mlc_patched.images.update.resolve", refuse)
    edits(demo, monkeypatch, lambda text: f"{text}RUN pip install sixx\n")
    said = run(demo, "demo", "--edit", "-y", code=1).output
    assert f"Your edit is kept in {rejected(demo)}." in said
    assert "sixx" in rejected(demo).read_text()


@pytest.mark.parametrize(("reply", "code"), [("n", 1), (None, 130)])
def test_an_edit_that_is_not_to_be_built_is_kept(
    demo: Sandbox, answer: Answer, monkeypatch: pytest.MonkeyPatch, reply: str | None, code: int
) -> None:
    def interrupt(*arguments: object, **named: object) -> bool:
        raise KeyboardInterrupt

    answer(*([reply] if reply else []))
    if reply is None:
        monkeypatch.setattr("mlc_patched.cli.prompts.ask_yes_no", interrupt)
    said = run(demo, "demo", "--edit", code=code).output
    assert said.count(f"Your edit is kept in {rejected(demo)}.") == 1
    assert rejected(demo).read_text().endswith(EDITED)


def test_an_edit_of_a_dry_run_is_kept_and_no_edit_is_not(
    demo: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = run(demo, "demo", "--edit", "--dry-run").output
    assert f"Your edit is kept in {rejected(demo)}." in said
    assert rejected(demo).read_text().endswith(EDITED)
    rejected(demo).unlink()
    edits(demo, monkeypatch, lambda text: text)
    assert "kept" not in run(demo, "demo", "--edit", "--dry-run").output
    assert not rejected(demo).exists()


def test_an_edit_that_is_older_than_the_dockerfile_undoes_no_later_update(
    demo: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(demo, "demo", "--edit", "--dry-run")
    edit = rejected(demo).read_text()
    os.utime(rejected(demo), (1, 1))
    run(demo, "demo", "--add", "six", "-y")
    seen = edits(demo, monkeypatch, lambda text: f"{text}ENV MORE=1\n")
    said = run(demo, "demo", "--edit", "-y").output
    kept = dockerfile(demo).with_name("demo.Dockerfile.1")
    assert f"that is in {kept} now, and this edit starts from the Dockerfile" in said
    assert kept.read_text() == edit
    assert not rejected(demo).exists()
    assert "six" in seen[0]
    assert "six" in dockerfile(demo).read_text()


def test_other_changes_are_not_combined_with_an_edit_that_is_gone_on_with(demo: Sandbox) -> None:
    run(demo, "demo", "--edit", "--dry-run")
    said = run(demo, "demo", "--edit", "--add", "six", "-y", code=2).output
    assert "it cannot be combined with other changes" in said
    assert str(rejected(demo)) in said
    rejected(demo).unlink()
    run(demo, "demo", "--edit", "--add", "six", "-y")
    assert "six" in dockerfile(demo).read_text()
    assert EDITED in dockerfile(demo).read_text()


def test_hints_name_the_project(demo: Sandbox) -> None:
    said = run(demo, "demo", "--add=--pre", "-y", code=2).output
    assert "Add options to the Dockerfile yourself (image-update demo --edit)" in said


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
    assert f"{MOST + 1} appended steps with packages can be folded" in said
    assert "image-update demo --compact" in said

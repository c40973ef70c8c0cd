"""image-create on the command line: what is shown and asked before anything is built or written."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from support.sandbox import BASE, Result, Sandbox

from mlc_patched.errors import MlcError

Answer = Callable[..., object]
IMAGE = "ds01-1001/demo:latest"


def run(sandbox: Sandbox, *words: str, code: int = 0) -> Result:
    return sandbox.ok("image-create", *words, code=code)


def dockerfile(sandbox: Sandbox) -> Path:
    return sandbox.home / "dockerfiles/demo.Dockerfile"


def test_a_person_sees_what_will_be_built_and_agrees(sandbox: Sandbox, answer: Answer) -> None:
    answer("none", "numpy six", "y")
    said = run(sandbox, "demo", "--base", BASE, "--apt", "ffmpeg").output
    summary, _, after = said.partition("Build it now?")
    for field, value in (
        ("Project", "demo"),
        ("Image", IMAGE),
        ("Python packages", "numpy six"),
    ):
        assert any(line.split() == [*field.split(), *value.split()] for line in summary.split("\n"))
    assert "ffmpeg" in summary.partition("System packages")[2].partition("\n")[0]
    assert f"[demo] {IMAGE} is ready" in after
    assert f"Its Dockerfile: {dockerfile(sandbox)}" in after
    assert sandbox.fake.image(IMAGE) is not None


def test_who_does_not_agree_keeps_everything_as_it_was(sandbox: Sandbox, answer: Answer) -> None:
    answer("none", "none", "n")
    said = run(sandbox, "demo", "--base", BASE, "--no-build", code=1).output
    assert "Write the Dockerfile?" in said
    assert "Nothing was done." in said
    assert not dockerfile(sandbox).exists()


def test_a_project_that_exists_is_refused_before_any_question(
    sandbox: Sandbox, answer: Answer
) -> None:
    run(sandbox, "demo", "--base", BASE, "-y")
    answer()
    said = run(sandbox, "demo", "--base", BASE, code=1).output
    assert "(1-" not in said
    assert "demo" in said
    assert "--force" in said


def test_an_image_without_a_dockerfile_is_built_on(sandbox: Sandbox) -> None:
    sandbox.fake.add_image(IMAGE)  # as `mlc adopt` makes it
    own = IMAGE.removesuffix(":latest")
    for words in (("--base", BASE, "-y"), ("--force", "-y")):
        said = run(sandbox, "demo", *words, code=1).output
        assert f"image-create demo-2 --from {own}:latest" in said
    assert "is ready" in run(sandbox, "demo-2", "--from", IMAGE, "-y").output


def test_without_a_terminal_the_project_has_to_be_named(sandbox: Sandbox) -> None:
    assert "image-create PROJECT -f PyTorch -y" in run(sandbox, code=2).output


def test_an_own_dockerfile_gets_the_block_it_lacks(sandbox: Sandbox, tmp_path: Path) -> None:
    own = tmp_path / "Dockerfile"
    own.write_text(f"FROM {BASE}\nRUN true\n")
    said = run(sandbox, "demo", "--dockerfile", str(own), "-y").output
    assert "Your Dockerfile lacks the account block" in said
    assert dockerfile(sandbox).read_text().startswith(own.read_text())
    again = run(sandbox, "demo", "--dockerfile", str(dockerfile(sandbox)), "--force", "-y").output
    assert "lacks the account block" not in again


def test_a_dry_run_shows_the_dockerfile_and_the_command(sandbox: Sandbox) -> None:
    words = ("demo", "--base", BASE, "-p", "numpy", "--dry-run")
    said = run(sandbox, *words).output
    assert f"FROM {BASE}\n" in said
    assert "# Build command:\n# " in said
    assert run(sandbox, *words, "-q").output == "demo\n"
    planned = json.loads(run(sandbox, *words, "--json").output)["planned"]
    assert (planned["image"], planned["command"][0][-6:]) == (IMAGE, "docker")
    assert not dockerfile(sandbox).exists()


def test_what_exists_and_fits_is_kept(sandbox: Sandbox) -> None:
    words = ("demo", "--base", BASE, "-y", "--exist-ok")
    assert "is ready" in run(sandbox, *words).output
    assert f"[demo] exists already: {IMAGE}" in run(sandbox, *words).output
    assert "give one of them" in run(sandbox, *words, "--force", code=2).output


def test_a_replaced_dockerfile_is_kept_beside_it(sandbox: Sandbox) -> None:
    assert "image-update demo" in run(sandbox, "demo", "--base", BASE, "--no-build", "-y").output
    before = dockerfile(sandbox).read_text()
    said = run(sandbox, "demo", "--base", BASE, "-p", "six", "--no-build", "--force", "-y").output
    backup = said.partition("The previous Dockerfile is now ")[2].partition("\n")[0]
    assert Path(backup).read_text() == before


@pytest.mark.parametrize("is_interactive", [False, True])
def test_the_command_to_try_again_has_every_answer(
    sandbox: Sandbox, answer: Answer, monkeypatch: pytest.MonkeyPatch, is_interactive: bool
) -> None:
    monkeypatch.setattr(
        "mlc_patched.images.build.run.run_build", lambda *arguments, **named: (1, ["broken"])
    )
    words = ("demo", "--base", BASE, "--apt", "ffmpeg", "--pull", "--build-arg", "A=b c")
    sandbox.fake.pullable[BASE] = BASE
    if is_interactive:
        answer("cv", "'numpy<2'", "")
    else:
        words = (*words, "--preset", "cv", "-p", "numpy<2", "-y")
    said = run(sandbox, *words, code=1).output
    again = (
        f"image-create demo --base {BASE} --preset cv -p 'numpy<2' --apt ffmpeg "
        "--build-arg 'A=b c' --pull -y"
    )
    assert said.rstrip("\n").endswith(f"To try again: {again}")


def test_a_project_that_exists_comes_with_the_three_commands(sandbox: Sandbox) -> None:
    run(sandbox, "demo", "--base", BASE, "--no-build", "-y")
    said = run(sandbox, "demo", "--base", BASE, "-y", code=1).output
    for command in ("image-update demo", "image-create demo --force"):
        assert f"with: {command} - " in said
    assert said.endswith("with: image-create demo --force --base IMAGE\n")


def test_the_command_to_try_again_without_a_build_builds_nothing(
    sandbox: Sandbox, answer: Answer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object) -> None:
        raise MlcError("The disk is full.")

    monkeypatch.setattr("mlc_patched.images.create.place_dockerfile", fail)
    answer("none", "", "")
    said = run(sandbox, "demo", "--base", BASE, "--no-build", code=1).output
    assert said.rstrip("\n").endswith(
        f"To try again: image-create demo --base {BASE} --no-build -y"
    )


def test_a_home_that_cannot_be_written_is_found_before_the_build(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object) -> None:
        raise MlcError("dockerfiles cannot be used: Read-only file system.")

    monkeypatch.setattr("mlc_patched.images.project.files.ProjectFiles.check_writable", fail)
    monkeypatch.delattr("mlc_patched.images.create.publish")
    said = sandbox.ok("image-create", "demo", "--base", BASE, "-y", code=1).output
    assert "Read-only file system" in said

"""image-create: which Dockerfile is built, and what becomes of one whose build fails."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from support.fakes.engine import FakeEngine
from support.recording_reporter import RecordingReporter
from support.sandbox import BASE, Sandbox

from mlc_patched.context import Context
from mlc_patched.errors import NotFoundError, UsageError
from mlc_patched.images.build.client import Client
from mlc_patched.images.build.environment import Builder
from mlc_patched.images.create import (
    ImageCreateRequest,
    from_own_dockerfile,
    planned_command,
    prepare,
)
from mlc_patched.images.dockerfile.render import account_block, build_context_in
from mlc_patched.images.project.files import ProjectFiles
from mlc_patched.images.recipe import ImageRequest
from mlc_patched.images.versions.lockfile import Lock, render
from mlc_patched.names.projects import Project

TEXT = f"FROM hub/base\nRUN true  # by hand\n{account_block('p', 'Jax-1', 'hub/base')}"
REQUEST = ImageCreateRequest(ImageRequest("p"), force=True)


@pytest.fixture
def files(context: Context, fake: FakeEngine) -> ProjectFiles:
    found = ProjectFiles(context.account, Project(1001, "p"))
    found.write_dockerfile(TEXT)
    return found


def test_force_alone_rebuilds_the_project_s_own_dockerfile(
    context: Context, files: ProjectFiles
) -> None:
    request = from_own_dockerfile(REQUEST, context)
    assert request.dockerfile == files.dockerfile_path
    prepared = prepare(request, context)
    assert (prepared.text, prepared.block_added) == (TEXT, "")


@pytest.mark.parametrize(
    "request_",
    [
        replace(REQUEST, force=False),
        replace(REQUEST, image=ImageRequest("p", framework="Pytorch")),
        replace(REQUEST, image=ImageRequest("p", base="debian")),
        replace(REQUEST, image=ImageRequest("p", pip=("numpy",))),
        replace(REQUEST, image=ImageRequest("other")),
        replace(REQUEST, dockerfile="/x/Dockerfile"),
    ],
)
def test_whatever_else_is_asked_for_counts(
    context: Context, files: ProjectFiles, request_: ImageCreateRequest
) -> None:
    assert from_own_dockerfile(request_, context) == request_


def test_an_image_without_a_dockerfile_is_not_replaced_by_another(
    context: Context, fake: FakeEngine
) -> None:
    assert from_own_dockerfile(REQUEST, context) == REQUEST
    fake.add_image("ds01-1001/p:latest")  # as `mlc adopt` makes it
    with pytest.raises(NotFoundError, match="no Dockerfile to rebuild it from") as refused:
        from_own_dockerfile(REQUEST, context)
    assert "image-create p-2 --from ds01-1001/p:latest" in refused.value.hint
    with_base = replace(REQUEST, image=ImageRequest("p", base="debian"))
    assert from_own_dockerfile(with_base, context) == with_base


def test_a_first_build_that_fails_keeps_the_dockerfile_to_be_edited(tmp_path: Path) -> None:
    said = (
        "ERROR: Could not find a version that satisfies the requirement sixx (from versions: none)"
    )
    with pytest.MonkeyPatch.context() as patch:
        sandbox = Sandbox(tmp_path, patch)
        sandbox.fake.add_image(BASE)
        build = "mlc_patched.images.build.run.run_build"
        with pytest.MonkeyPatch.context() as failing:
            failing.setattr(build, lambda *arguments, **named: (1, ["Step 1/1 : FROM x", said]))
            failed = sandbox.run(*f"image-create demo --base {BASE} -p sixx -y".split())
        rejected = sandbox.home / "dockerfiles/demo.Dockerfile.rejected"
        assert failed.status == 1
        words = failed.output.partition("Error: ")[2].splitlines()
        assert words[0] == "PyPI has no package sixx; did you mean six?"
        assert words[-3:] == [
            f"  {said}",
            "The images of the project were not changed. "
            f"The Dockerfile is kept in {rejected}. To build it, give it by --dockerfile.",
            f"To try again: image-create demo --base {BASE} -p sixx -y",
        ]
        assert not rejected.with_suffix("").exists()
        rejected.write_text(rejected.read_text().replace("sixx", "six"))
        built = sandbox.run(*f"image-create demo --dockerfile {rejected} -y".split())
        assert built.status == 0, built.output
        assert "six" in rejected.with_suffix("").read_text()
        assert not rejected.exists()


def own(place: Path, text: str) -> ImageCreateRequest:
    """Write a user's own Dockerfile; return the request for it."""
    place.mkdir(exist_ok=True)
    (place / "Dockerfile").write_text(text)
    return replace(REQUEST, dockerfile=str(place / "Dockerfile"))


def test_an_own_dockerfile_keeps_its_directory_as_the_build_context(
    context: Context, tmp_path: Path
) -> None:
    request = own(tmp_path / "elsewhere", "FROM x\nCOPY a /a\n")
    prepared = prepare(request, context)
    assert build_context_in(prepared.text) == str(tmp_path / "elsewhere")
    assert prepared.block_added
    request = own(tmp_path / "elsewhere", "FROM x\nRUN true\n")
    assert build_context_in(prepare(request, context).text) is None


def test_another_projects_dockerfile_gets_the_labels_of_its_own_project(
    context: Context, files: ProjectFiles
) -> None:
    image = ImageRequest("copy")
    text = prepare(ImageCreateRequest(image, dockerfile=files.dockerfile_path), context).text
    assert text == TEXT.replace('="p"', '="copy"')
    assert 'DS01_PROJECT="copy"' in text


def test_a_byte_order_mark_is_no_part_of_an_own_dockerfile(
    context: Context, tmp_path: Path
) -> None:
    request = own(tmp_path / "elsewhere", "\ufeffFROM x\nCOPY a /a\n")
    assert "\ufeff" not in prepare(request, context).text
    assert build_context_in(prepare(request, context).text) == str(tmp_path / "elsewhere")


def test_an_own_dockerfile_cannot_copy_from_two_directories(
    context: Context, tmp_path: Path
) -> None:
    wheel = tmp_path / "x-1-py3-none-any.whl"
    wheel.touch()
    request = own(tmp_path / "elsewhere", "FROM x\nCOPY a /a\n")
    request = replace(request, image=ImageRequest("p", pip=(str(wheel),)))
    with pytest.raises(UsageError, match=r"what you bring is in .*dockerfiles; a build has one"):
        prepare(request, context)


def test_the_same_image_is_prepared_from_another_projects_lock(
    context: Context, files: ProjectFiles
) -> None:
    request = ImageCreateRequest(ImageRequest("copy", pip=("six",)), source="p")
    prepared = prepare(request, context)
    assert prepared.framework == "Jax-1"
    assert 'aime.mlc.DS01_PROJECT="copy"' in prepared.text
    assert "RUN true  # by hand" in prepared.text
    assert "six" in prepared.text
    assert prepared.lock is not None
    (Path(context.account.home) / "work").mkdir()
    (Path(context.account.home) / "work/pyproject.toml").write_text("[build-system]\nrequires=[]\n")
    editable = Path(context.account.home, "work/requirements.txt")
    editable.write_text(".\n")
    prepared = prepare(replace(request, requirements=str(editable)), context)
    assert build_context_in(prepared.text) == str(editable.parent)


def test_a_lock_whose_steps_use_the_callers_ssh_agent_is_named(
    context: Context, tmp_path: Path
) -> None:
    context.report = reporter = RecordingReporter()
    path = tmp_path / "theirs.lock"
    request = ImageCreateRequest(ImageRequest("copy"), source=str(path))
    path.write_text(render(Lock("p", "FROM x\nRUN true\n")))
    prepare(request, context)
    assert reporter.said == []
    path.write_text(render(Lock("p", "FROM x\nRUN --mount=type=ssh git clone x\n")))
    prepare(request, context)
    assert f"A step of the Dockerfile in {path} uses your ssh agent" in reporter.said[0]


@pytest.mark.parametrize(
    "image", [ImageRequest("copy", framework="PyTorch"), ImageRequest("copy", version="99")]
)
def test_a_lock_has_a_framework_and_takes_no_other(
    context: Context, files: ProjectFiles, image: ImageRequest
) -> None:
    with pytest.raises(UsageError, match="--from p has its own"):
        prepare(ImageCreateRequest(image, source="p"), context)


@pytest.mark.parametrize(
    ("base", "dockerfile", "source"),
    [("debian", None, "p"), ("debian", "own", None), (None, "own", "p")],
)
def test_an_image_is_built_from_one_thing(
    base: str | None, dockerfile: str | None, source: str | None, context: Context, tmp_path: Path
) -> None:
    own = tmp_path / "own"
    own.write_text("FROM hub/base\n")
    ProjectFiles(context.account, Project(1001, "p")).write_dockerfile(TEXT)
    request = ImageCreateRequest(
        ImageRequest("copy", base=base), str(own) if dockerfile else None, source
    )
    with pytest.raises(UsageError, match="name only one of them"):
        prepare(request, context)


def test_an_image_is_the_base_if_no_lock_has_the_name(context: Context) -> None:
    request = ImageCreateRequest(ImageRequest("p", framework="Mine"), source="hub/theirs:1")
    prepared = prepare(request, context)
    assert "FROM hub/theirs:1\n" in prepared.text
    assert prepared.framework == "Mine"


@pytest.mark.parametrize(
    ("source", "words", "hint"),
    [
        (
            "chian",
            "You have no project chian, and this engine has no image chian. Did you mean chain?",
            "--base chian",
        ),
        (
            "python",
            "You have no project python, and this engine has no image python.",
            "--base python",
        ),
        (
            "adopted",
            "Your project adopted has neither a lock nor a Dockerfile.",
            "--from ds01-1001/adopted:latest",
        ),
        (
            "ds01-1001/chian",
            "There is no image ds01-1001/chian on this engine. Did you mean chain?",
            "image-list -a",
        ),
        (
            "ds01-1002/x:latest",
            "There is no image ds01-1002/x:latest on this engine.",
            "image-list -a",
        ),
    ],
)
def test_a_mistyped_project_is_not_pulled_from_a_registry(
    context: Context, fake: FakeEngine, source: str, words: str, hint: str
) -> None:
    ProjectFiles(context.account, Project(1001, "chain")).write_dockerfile("FROM x\n")
    fake.add_image("ds01-1001/adopted:latest")
    with pytest.raises(NotFoundError) as error:
        prepare(ImageCreateRequest(ImageRequest("p"), source=source), context)
    assert error.value.message == words
    assert error.value.hint.endswith(hint)


def test_a_local_image_of_a_plain_name_is_a_base(context: Context, fake: FakeEngine) -> None:
    fake.add_image("python:latest")
    prepared = prepare(ImageCreateRequest(ImageRequest("p"), source="python"), context)
    assert "\nFROM python\n" in prepared.text


def test_the_files_that_a_lock_lacks_are_named_before_the_build(tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        sandbox = Sandbox(tmp_path, patch)
        sandbox.fake.add_image(BASE)
        for name in ("r.txt", "x-1-py3-none-any.whl"):
            (sandbox.home / name).write_text("six; python_version > '3'\n")
        brought = ["-r", "r.txt", "-p", "x-1-py3-none-any.whl", "-y"]
        sandbox.ok("image-create", "demo", "--base", BASE, *brought)
        (sandbox.home / "dockerfiles").rename(sandbox.home / "theirs")
        files = sandbox.home / "dockerfiles"
        files.mkdir()
        asked = ["image-create", "same", "--from", "theirs/demo.lock", "-y"]
        with pytest.MonkeyPatch.context() as refusing:
            build = "mlc_patched.images.build.run.run_build"
            refusing.setattr(build, lambda *_, **__: pytest.fail("It was built."))
            assert (
                "The Dockerfile in theirs/demo.lock copies demo.requirements.txt and "
                f"demo.x-1-py3-none-any.whl, which {files} lacks."
                in sandbox.ok(*asked, code=1).output
            )
            (files / "demo.requirements.txt").touch()
            assert "copies demo.x-1-py3-none-any.whl, which" in sandbox.ok(*asked, code=1).output
        (files / "demo.x-1-py3-none-any.whl").touch()
        sandbox.ok(*asked)


def test_a_dry_run_shows_the_command_and_asks_the_engine_for_nothing(
    context: Context, fake: FakeEngine, files: ProjectFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = Client("/usr/bin/docker", Builder.BUILDX)
    monkeypatch.setattr("mlc_patched.images.create.choose_builder", lambda context: client)
    request = replace(from_own_dockerfile(REQUEST, context), arguments=("A=1",), no_cache=True)
    argv = planned_command(request, prepare(request, context), context)
    assert argv[:3] == ["/usr/bin/docker", "buildx", "build"]
    assert {"A=1", "DS01_USER_ID=1001", "--no-cache", files.dockerfile_path} <= set(argv)
    assert argv[argv.index("--tag") + 1] == "ds01-1001/p:latest"
    assert argv[-1] == files.directory
    assert fake.calls == []


def test_a_dockerfile_without_a_base_is_not_checked_before_the_build(tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        sandbox = Sandbox(tmp_path, patch)
        request = own(sandbox.home, "FROM scratch\n")
        built: list[str] = []
        patch.setattr(
            "mlc_patched.images.build.run.run_build",
            lambda *arguments, **named: (built.append("built"), (1, ["no"]))[1],
        )
        done = sandbox.run("image-create", "demo", "--dockerfile", str(request.dockerfile), "-y")
        assert (done.status, built) == (1, ["built"])
        assert "pull" not in sandbox.fake.calls


def test_an_own_dockerfile_whose_base_takes_files_keeps_its_directory(tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        sandbox = Sandbox(tmp_path, patch)
        sandbox.fake.add_image(BASE, triggers=("COPY a /a",))
        request = own(sandbox.home / "elsewhere", f"FROM {BASE}\n")
        for path in (str(request.dockerfile), "dockerfiles/demo.Dockerfile"):
            command = f"image-create demo --dockerfile {path} --force --no-build -y"
            assert sandbox.run(*command.split()).status == 0
            text = (sandbox.home / "dockerfiles/demo.Dockerfile").read_text()
            assert build_context_in(text) == str(sandbox.home / "elsewhere")


def test_a_conda_environment_needs_a_base_with_conda(tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        sandbox = Sandbox(tmp_path, patch)
        sandbox.fake.add_image(BASE)
        (sandbox.home / "environment.yml").write_text("dependencies:\n  - numpy\n")
        done = sandbox.run(*f"image-create demo --base {BASE} -r environment.yml -y".split())
        assert done.status == 1
        assert "has neither conda nor micromamba" in done.output
        assert not (sandbox.home / "dockerfiles/demo.Dockerfile").exists()

"""image-retire on the command line: what goes is shown before the question, and what stays."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from support.fakes.engine import FakeEngine
from support.run_command import call
from support.sandbox import BASE, CLAIM, Result, Sandbox

from mlc_patched.context import Context
from mlc_patched.engine.specification import ContainerSpecification
from mlc_patched.errors import EngineError, MlcError
from mlc_patched.images.project.files import ProjectFiles
from mlc_patched.names import labels
from mlc_patched.temporary import LOOK

Answer = Callable[..., object]
IMAGE = "ds01-1001/demo:latest"


@pytest.fixture
def demo(sandbox: Sandbox) -> Sandbox:
    """A sandbox with the built projects `demo` and `other`."""
    for name in ("demo", "other"):
        sandbox.ok("image-create", name, "--base", BASE, "-y")
    return sandbox


def run(sandbox: Sandbox, *words: str, code: int = 0) -> Result:
    return sandbox.ok("image-retire", *words, code=code)


def test_a_project_is_chosen_shown_and_removed(demo: Sandbox, answer: Answer) -> None:
    answer("demo", "n")
    said = run(demo, code=1).output
    assert said.index("Which one to retire?") < said.index(f"To be removed: {IMAGE} (")
    assert said.index(f"To be removed: {IMAGE} (") < said.index("Remove it?")
    assert demo.fake.image(IMAGE) is not None
    answer("y")
    said = run(demo, "demo").output
    assert f"[demo] removed {IMAGE}." in said
    dockerfile = demo.home / "dockerfiles/demo.Dockerfile"
    assert f"Its Dockerfile {dockerfile} is kept; build it again with: image-update demo" in said
    assert (demo.fake.image(IMAGE), dockerfile.exists()) == (None, True)


def test_what_was_noted_of_the_image_goes_with_the_last_one(demo: Sandbox) -> None:
    demo.ok("image-update", "demo", "--add", "six", "-y")
    noted = demo.home / ".ds01-config/images/demo.json"
    run(demo, "demo:previous", "-y")
    assert noted.exists()
    run(demo, "demo:latest", "-y")
    assert not noted.exists(), "mlc doctor would miss the image"


def test_a_container_of_a_command_that_runs_is_not_to_be_removed_by_hand(
    demo: Sandbox, answer: Answer
) -> None:
    demo.fake.create_container(
        ContainerSpecification("mlc-look-1001-29c0f8366e72", IMAGE, labels={labels.TEMPORARY: LOOK})
    )
    answer("n")
    assert f"To be removed: {IMAGE} (" in run(demo, "demo", code=1).output
    demo.fake.create_container(ContainerSpecification("own", IMAGE))
    said = run(demo, "demo", "-y", code=1).output
    assert "Containers on it: own. Remove them first with: docker rm -f own" in said


def test_the_question_counts_the_images_and_names_the_dockerfile(
    demo: Sandbox, answer: Answer
) -> None:
    demo.ok("image-update", "demo", "--add", "six", "-y")
    answer("n")
    assert "Remove these 2 images? (y/N)" in run(demo, "demo", code=1).output
    answer("n")
    said = run(demo, "other", "--with-dockerfile", code=1).output
    assert "Remove it and move the Dockerfile to a backup? (y/N)" in said
    run(demo, "other", "-y")
    answer("y")
    said = run(demo, "other", "--with-dockerfile").output
    assert "Move the Dockerfile to a backup? (y/N)" in said


def test_several_are_one_question_and_the_missing_may_be_missing(
    demo: Sandbox, answer: Answer
) -> None:
    run(demo, "demo", "absent", "-y", code=1)
    assert demo.fake.image(IMAGE) is not None, "all are looked at before the first is removed"
    answer("y")
    said = run(demo, "demo", "other", "absent", "--missing-ok", "--with-dockerfile").output
    moved = demo.home / "dockerfiles/demo.Dockerfile"
    assert said.index(f"To be moved to a backup: {moved}\n") < said.index(
        "Remove these 2 images and move the Dockerfiles to a backup? (y/N)"
    )
    assert "[absent] does not exist." in said
    backup = said.partition("Its Dockerfile is now ")[2].partition("\n")[0]
    assert BASE in (demo.home / backup).read_text()
    found = json.loads(run(demo, "absent", "--missing-ok", "--json").output)
    assert (found["retired"], found["missing"]) == ([], ["absent"])


def test_those_before_one_that_fails_are_named_as_retired(
    demo: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    remove = demo.fake.remove_image

    def fail_at_demo(reference: str) -> None:
        if reference == IMAGE:
            raise EngineError("layer is locked")
        remove(reference)

    monkeypatch.setattr(demo.fake, "remove_image", fail_at_demo)
    said = run(demo, "other", "demo", "-y", "--json", code=1).output
    found = json.loads(said[said.index("{") : said.rindex("}") + 1])
    assert [each["project"] for each in found["retired"]] == ["other"]
    assert [each["name"] for each in found["failed"]] == ["demo"]
    assert "1 of 2 projects were not retired: demo" in found["error"]["message"]
    assert run(demo, "demo", "-y", code=1).output.endswith("layer is locked\n")


def test_files_beside_the_dockerfile_stay_and_are_named(demo: Sandbox) -> None:
    beside = demo.home / "dockerfiles"
    names = ["demo.Dockerfile.previous", "demo.Dockerfile.rejected", "demo.lock.previous"]
    names += ["demo.x-1.whl"]
    for name in (*names, "demo2.requirements.txt", "other.x-1.whl", "demo.notes"):
        (beside / name).write_text("")
    said = run(demo, "demo", "other", "-y", "--with-dockerfile").output
    paths = " ".join(f"{beside}/{name}" for name in names)
    assert f"Remove these as well, unless a Dockerfile needs them: {paths}\n" in said
    assert f"Remove these as well, unless a Dockerfile needs them: {beside}/other.x-1.whl\n" in said
    assert all((beside / name).exists() for name in names)


def test_a_tag_that_stays_is_named(demo: Sandbox) -> None:
    image = demo.fake.image(IMAGE)
    assert image is not None
    demo.fake.tag_image(image.id, "ds01-1001/demo", "paper")
    demo.fake.tag_image(image.id, "ds01-1001/demo", "try._.1002")  # of a colleague's container
    said = run(demo, "demo", "-y").output
    assert "Kept: ds01-1001/demo:paper; remove it with: image-retire demo:paper" in said
    assert "try._.1002" not in said


def test_one_tag_leaves_the_dockerfile_which_would_build_another(demo: Sandbox) -> None:
    image = demo.fake.image(IMAGE)
    assert image is not None
    demo.fake.tag_image(image.id, "ds01-1001/demo", "paper")
    said = run(demo, "other", "demo:paper", "-y", "--with-dockerfile", code=2).output
    assert "demo:paper is one image of demo, and --with-dockerfile is for a whole project." in said
    assert demo.fake.image("ds01-1001/demo:paper") is not None
    assert demo.fake.image("ds01-1001/other:latest") is not None
    assert run(demo, "demo:paper", "-y").output.endswith("[demo] removed ds01-1001/demo:paper.\n")
    assert "build it again with: image-update demo" in run(demo, "demo:latest", "-y").output


def test_orphans_are_shown_and_removed_together(
    fake: FakeEngine, context: Context, answer: Answer
) -> None:
    assert call(["image-retire", "--orphans"], context).out == "You have no leftover images.\n"
    assert call(["image-retire", "demo", "--orphans", "-y"], context).code == 2
    for flag in ("--with-dockerfile", "--missing-ok"):
        done = call(["image-retire", "--orphans", flag, "-y"], context)
        assert (done.code, f"{flag} is for projects, not for --orphans." in done.last) == (2, True)
    for name in ("one", "two"):
        image = fake.add_image(f"base:{name}._.1001", CLAIM, layers=(name,))
        fake.images[image.id].comment = f"mlc create {name}._.1001"
    answer("n")
    done = call(["image-retire", "--orphans"], context)
    assert (done.code, "To be removed: base:one._.1001" in done.err) == (1, True)
    assert "Together they free " in done.err
    answer("y")
    said = call(["image-retire", "--orphans"], context).out
    assert "Removed base:one._.1001\n" in said
    assert said.endswith(" of disk freed.\n")
    assert fake.images == {}
    found = json.loads(call(["image-retire", "--orphans", "--json"], context).out)["orphans"]
    assert (found["removed"], found["kept"]) == ([], [])


def test_an_orphan_that_a_container_uses_by_then_is_said(
    fake: FakeEngine, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = fake.add_image("base:one._.1001")

    def create_and_confirm(*arguments: object, **named: object) -> None:
        fake.create_container(ContainerSpecification("new", image.id))

    monkeypatch.setattr("mlc_patched.cli.prompts.confirm", create_and_confirm)
    said = call(["image-retire", "--orphans", "-y"], context).out
    assert "Kept base:one._.1001: a container uses it" in said


def test_an_orphan_that_cannot_be_removed_is_a_failure(
    fake: FakeEngine, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("one", "two"):
        fake.add_image(f"base:{name}._.1001")
    remove = fake.remove_image

    def fail_at_one(reference: str) -> None:
        if "one" in reference:
            raise EngineError("layer is locked")
        remove(reference)

    monkeypatch.setattr(fake, "remove_image", fail_at_one)
    done = call(["image-retire", "--orphans", "-y"], context)
    assert done.code == 1
    assert "Removed base:two._.1001\nKept base:one._.1001: layer is locked\n" in done.out
    assert "1 of 2 leftover images were not removed; see the messages above." in done.last
    assert call(["image-retire", "--orphans", "-y", "--json"], context).code == 1


def test_a_full_disk_has_room_to_move_the_dockerfile_and_the_lock(
    demo: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: object) -> None:
        raise MlcError("No space left on device.")

    monkeypatch.setattr(ProjectFiles, "_write", full)
    lock = (demo.home / "dockerfiles/demo.lock").read_text()
    run(demo, "demo", "-y", "--with-dockerfile")
    files = [each for each in (demo.home / "dockerfiles").iterdir() if "demo" in each.name]
    assert len(files) == 2
    moved = next(each for each in files if each.name.startswith("demo.lock.retired-"))
    assert moved.read_text() == lock

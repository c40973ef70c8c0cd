"""What image-list says about each image: its account, and what is wrong with it."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.accounts import AccountOfThisProcess
from support.fakes.engine import FakeEngine
from support.recording_reporter import RecordingReporter
from support.run_command import call

from mlc_patched.context import Context
from mlc_patched.errors import EngineError
from mlc_patched.images.list import list_images
from mlc_patched.images.project.files import ProjectFiles
from mlc_patched.names import labels
from mlc_patched.names.labels import Claim, claim_labels
from mlc_patched.names.projects import Project

OWN = claim_labels(Claim(1001, 2001, "alice"))


@pytest.mark.parametrize(
    ("given", "account", "problem"),
    [
        (OWN, "alice 1001:2001", ""),
        ({}, None, "it contains no account; rebuild it with: image-create demo --force"),
        ({**OWN, labels.USER_ID: "x"}, None, "its labels are invalid (.*); rebuild"),
        (
            claim_labels(Claim(1002, 2001, "al")),
            "al 1002:2001",
            "its UID is 1002, yours is 1001; rebuild",
        ),
        (
            claim_labels(Claim(1001, 7, "alice")),
            "alice 1001:7",
            "its GID is 7, yours is 2001; rebuild",
        ),
    ],
)
def test_an_account_that_would_not_work_is_a_problem(
    context: Context, fake: FakeEngine, given: dict[str, str], account: str | None, problem: str
) -> None:
    fake.add_image("ds01-1001/demo:latest", given)
    (listed,) = list_images(context)
    if problem:
        assert "rebuild it with: image-create demo-2 --from ds01-1001/demo" in listed.problem
    ProjectFiles(context.account, Project(1001, "demo")).write_dockerfile("FROM x\n")
    (listed,) = list_images(context)
    assert listed.account == account
    for part in problem.split("(.*)"):
        assert part in listed.problem
    assert bool(listed.problem) == bool(problem)


def test_what_to_do_about_the_previous_image_is_another_thing(
    context: Context, fake: FakeEngine
) -> None:
    ProjectFiles(context.account, Project(1001, "demo")).write_dockerfile("FROM x\n")
    fake.add_image("ds01-1001/demo:latest", OWN)
    fake.add_image("ds01-1001/demo:previous", claim_labels(Claim(1001, 7, "alice")))
    latest, previous = list_images(context)
    assert latest.problem == ""
    assert previous.problem == (
        "its GID is 7, yours is 2001; after image-update demo --rollback, "
        "rebuild it with: image-create demo --force"
    )


def test_an_image_of_another_user_is_judged_by_its_own_user(
    context: Context, fake: FakeEngine
) -> None:
    fake.add_image("ds01-1002/good:latest", claim_labels(Claim(1002, 7, "bob")))
    fake.add_image("ds01-1002/wrong:latest", OWN)
    assert list_images(context) == []
    good, wrong = list_images(context, all_users=True, detailed=True)
    assert (good.problem, good.note, good.uid) == ("", "", 1002)
    assert "its UID is 1001, its user's is 1002" in wrong.problem
    assert good.details is not None
    assert good.details.dockerfile is None


def test_files_that_cannot_be_read_are_noted_and_the_image_is_listed(
    context: Context, fake: FakeEngine
) -> None:
    context.report = RecordingReporter()
    fake.add_image("ds01-1001/demo:latest", OWN)
    files = ProjectFiles(context.account, Project(1001, "demo"))
    files.write_lock("nonsense")
    (listed,) = list_images(context)
    assert "demo.lock" in listed.note
    files.write_lock(None)
    Path(files.dockerfile_path).symlink_to("elsewhere")
    (listed,) = list_images(context, detailed=True)
    assert listed.details is not None
    assert listed.details.pip == ()
    assert "demo.Dockerfile cannot be read" in context.report.said[-1]


def test_images_are_listed_without_their_shared_sizes_if_the_engine_fails_at_them(
    context: Context, fake: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise EngineError("too busy")

    monkeypatch.setattr(fake, "shared_sizes", fail)
    context.report = RecordingReporter()
    fake.add_image("ds01-1001/demo:latest", OWN, size=7)
    (listed,) = list_images(context)
    assert (listed.size, listed.shared) == (7, None)
    assert context.report.said == ["The shared sizes are unknown: too busy"]


def test_a_project_that_is_not_built_is_listed_with_its_packages(context: Context) -> None:
    files = ProjectFiles(context.account, Project(1001, "demo"))
    files.write_dockerfile("FROM x\nRUN pip install six\n")
    (listed,) = list_images(context, detailed=True)
    assert (listed.name, listed.id, listed.size) == ("demo", None, None)
    assert listed.details is not None
    assert listed.details.pip == ("six",)


def test_an_image_committed_for_a_container_is_not_a_projects(
    context: Context, fake: FakeEngine
) -> None:
    fake.add_image("ds01-1001/demo:latest", OWN)
    committed = {**claim_labels(Claim(1002, 7, "bob")), labels.SETUP_FOR: "try._.1002"}
    fake.add_image("ds01-1001/demo:try._.1002", committed)
    assert [each.name for each in list_images(context)] == ["demo"]
    assert [each.name for each in list_images(context, all_users=True)] == ["demo"]


def test_root_has_no_images_but_may_list_those_of_all_users(
    context: Context, fake: FakeEngine, tmp_path: Path
) -> None:
    fake.add_image("ds01-1001/demo:latest", OWN)
    context.__dict__["account"] = AccountOfThisProcess("root", 0, 0, str(tmp_path))
    for argv in (["image-list"], ["image-list", "-d"], ["image-list", "-q"]):
        done = call(argv, context)
        assert (done.code, done.out) == (1, "")
        assert "images belong to users" in done.last
    assert "demo" in call(["image-list", "-a"], context).out
    assert call(["image-list", "--orphans"], context).code == 0

"""Containers that other tools have created: DS01's own, and AIME's under sudo."""

from __future__ import annotations

import pytest
from support.accounts import AccountOfThisProcess
from support.fakes.engine import FakeEngine
from support.recording_reporter import RecordingReporter

import mlc_patched
from mlc_patched.containers.list import list_containers, list_with_images
from mlc_patched.context import Context
from mlc_patched.engine.specification import ContainerSpecification
from mlc_patched.errors import AlreadyExistsError, NotFoundError

IMAGE = "hub/torch:n._.1001"
DS01 = {
    "ds01.user": "alice",
    "ds01.name": "n",
    "ds01.framework": "Pytorch-2.8.0",
    "ds01.work_mount": "/home/alice/workspace",
    "ds01.gpus": "device=0",
}


def aimes(name: str, user: str = "alice") -> dict[str, str]:
    """Return the labels that every version of AIME's mlc writes."""
    values = {"NAME": name, "USER": user, "MLC_VERSION": "3", "FRAMEWORK": "Pytorch-2.0"}
    values |= {"WORK_MOUNT": "/w", "DATA_MOUNT": "-", "GPUS": "all"}
    return {"aime.mlc": user, **{f"aime.mlc.{label}": each for label, each in values.items()}}


def made(fake: FakeEngine, name: str, own: dict[str, str]) -> str:
    if fake.image(IMAGE) is None:
        fake.add_image(IMAGE)
    return fake.create_container(ContainerSpecification(name, IMAGE, labels=own))


def test_a_container_of_ds01_is_listed_like_aime_s(fake: FakeEngine, context: Context) -> None:
    made(fake, "n._.1001", DS01)
    for found in (list_containers(context=context), list_with_images(context)):
        [listed] = found
        assert (listed.name, listed.user, listed.framework) == ("n", "alice", "Pytorch-2.8.0")
        assert (listed.workspace, listed.gpus) == ("/home/alice/workspace", "device=0")
    [listed] = list_containers(context=context, all_users=True)
    assert listed.user == "alice"


def test_a_container_of_ds01_is_started_stopped_and_removed(
    fake: FakeEngine, context: Context
) -> None:
    made(fake, "n._.1001", DS01)
    mlc_patched.start("n", context=context)
    assert [each.name for each in mlc_patched.stats(context=context)] == ["n"]
    mlc_patched.stop("n", context=context)
    removed = mlc_patched.remove("n", context=context)
    assert removed.image_removed == IMAGE
    assert not fake.made


def test_a_container_with_both_kinds_of_labels_is_listed_once(
    fake: FakeEngine, context: Context
) -> None:
    made(fake, "n._.1001", {**DS01, "aime.mlc": "alice", "aime.mlc.FRAMEWORK": "Jax-1"})
    [listed] = list_containers(context=context)
    assert listed.framework == "Jax-1"


def test_what_ds01_labels_for_other_programs_is_not_listed(
    fake: FakeEngine, context: Context
) -> None:
    made(fake, "postgres", {"ds01.user": "alice"})
    made(fake, "n._.1002", {**DS01, "ds01.user": "alice"})
    assert list_containers(context=context) == []
    with pytest.raises(NotFoundError):
        mlc_patched.start("postgres", context=context)


@pytest.mark.parametrize("own", [DS01, {}])
def test_a_name_in_use_is_refused_before_the_set_up(
    fake: FakeEngine, context: Context, own: dict[str, str]
) -> None:
    made(fake, "n._.1001", own)
    fake.calls.clear()
    with pytest.raises(AlreadyExistsError, match=r"_\.1001|already"):
        mlc_patched.create("n", "Pytorch", "2.8.0", context=context)
    assert not {"create_container", "pull", "commit"} & set(fake.calls)


def test_what_aime_created_under_sudo_is_the_users(fake: FakeEngine, context: Context) -> None:
    made(fake, "n._.0", aimes("n"))
    made(fake, "other._.0", aimes("other", "bob"))
    assert [each.tag for each in list_containers(context=context)] == ["n._.0"]
    assert mlc_patched.start("n", context=context).tag == "n._.0"
    with pytest.raises(NotFoundError):
        mlc_patched.start("other", context=context)
    made(fake, "n._.1001", {"aime.mlc": "alice"})
    assert context.get("n").name == "n._.1001"


def test_nobody_else_has_it(fake: FakeEngine, context: Context) -> None:
    made(fake, "n._.1001", DS01)
    made(fake, "m._.0", aimes("m"))
    context.__dict__["account"] = AccountOfThisProcess("bob", 1002, 1002, context.account.home)
    assert list_containers(context=context) == []
    for name in ("n", "m"):
        with pytest.raises(NotFoundError):
            mlc_patched.stop(name, context=context)


@pytest.mark.parametrize("name", ["n", "n._.0"])
@pytest.mark.parametrize(
    "own",
    [
        {"aime.mlc": "alice"},
        {"aime.mlc": "alice", "aime.mlc.NAME": "n", "aime.mlc.USER": "alice"},
        aimes("m"),
        {**aimes("n"), "aime.mlc.USER": "bob"},
    ],
)
def test_a_name_that_says_nothing_needs_all_of_aimes_labels(
    fake: FakeEngine, context: Context, name: str, own: dict[str, str]
) -> None:
    """Anybody can write a label."""
    made(fake, name, own)
    for all_users in (False, True):
        assert list_containers(context=context, all_users=all_users) == []
    for act in (mlc_patched.start, mlc_patched.stop, mlc_patched.remove):
        with pytest.raises(NotFoundError):
            act("n", context=context)
    assert len(fake.made) == 1


def test_what_acts_on_a_container_of_the_first_version_says_so(
    fake: FakeEngine, context: Context
) -> None:
    made(fake, "n", aimes("n"))
    context.report = report = RecordingReporter()
    assert [each.tag for each in list_containers(context=context)] == ["n"]
    assert report.said == []
    mlc_patched.start("n", context=context)
    mlc_patched.stop("n", context=context)
    assert len([line for line in report.said if "yours by its labels alone" in line]) == 1

"""Names of projects, and the repositories of their images."""

from __future__ import annotations

import pytest

from mlc_patched.errors import MlcError, UsageError
from mlc_patched.host.account import Account
from mlc_patched.names.images import parse_reference
from mlc_patched.names.projects import (
    Project,
    check_project,
    image_of,
    is_own_project,
    project_of,
    project_of_repository,
    projects_in,
    proposed_name,
)

ALICE = Account("alice", 1001, 2001, "/home/alice")


@pytest.mark.parametrize("name", ["a", "my-project", "a.b_c-1", "0", "x" * 128])
def test_a_valid_project_name_is_taken_as_it_is(name: str) -> None:
    assert check_project(name) == name


@pytest.mark.parametrize(
    ("name", "proposal"),
    [
        ("My Project", "my-project"),
        ("a--b", "a-b"),
        ("-a", "a"),
        ("a__b", "a_b"),
        ("Füße", "f-e"),
        ("a/b", "a-b"),
        ("x" * 129, "x" * 128),
        ("a\n", "a"),
        ("x" * 127 + "-y", "x" * 127),
        ("._-a-._b-._", "a_b"),
    ],
)
def test_another_name_is_proposed(name: str, proposal: str) -> None:
    assert proposed_name(name) == proposal
    assert check_project(proposal)
    with pytest.raises(UsageError, match=proposal[:50]):
        check_project(name)


@pytest.mark.parametrize(
    ("name", "proposal"),
    [
        ("ds01-1001/p", "p"),
        ("q:latest", "q"),
        ("ds01-1001/my.q:v1", "my.q"),
        ("My Q:latest", "my-q-latest"),
        ("ds01-1001/a/b", "ds01-1001-a-b"),
        ("x" * 129 + ":v", "x" * 128),
    ],
)
def test_of_an_image_its_project_is_proposed(name: str, proposal: str) -> None:
    with pytest.raises(UsageError, match=f"How about '{proposal}'"):
        check_project(name)


def test_a_name_with_nothing_usable_is_refused_plainly() -> None:
    for name in ("ÄÖ", ""):
        assert proposed_name(name) == ""
        with pytest.raises(UsageError, match=r"at most 128 characters\.$"):
            check_project(name)


def test_a_project_is_found_by_its_repository() -> None:
    project = project_of_repository("ds01-1722830498/my-project")
    assert (project.uid, project.name, project.image) == (
        1722830498,
        "my-project",
        "ds01-1722830498/my-project:latest",
    )
    assert project_of_repository("aimehub/pytorch") is None
    assert project_of_repository("ds01-x/y") is None
    assert project_of_repository("x/ds01-1/y") is None
    assert project_of_repository("ds01-1/y/z") is None


def test_the_names_of_a_project_follow_from_uid_and_name() -> None:
    project = Project(1001, "p")
    assert (project.repository, project.image) == ("ds01-1001/p", "ds01-1001/p:latest")
    assert (project.previous, project.dockerfile) == ("ds01-1001/p:previous", "p.Dockerfile")


def test_projects_are_found_among_names_of_images() -> None:
    names = ["hub/a:1", "ds01-1001/p", "ds01-x/q:1", "ds01-1002/p:previous"]
    assert list(projects_in(names)) == [
        (Project(1001, "p"), "latest"),
        (Project(1002, "p"), "previous"),
    ]


def test_an_image_that_was_committed_for_a_container_is_not_a_project_s() -> None:
    names = ["ds01-1001/p:a._.1002", "ds01-1001/p:my._.tag"]
    assert list(projects_in(names)) == [(Project(1001, "p"), "my._.tag")]


def test_a_project_is_one_s_own_by_the_uid_alone() -> None:
    assert is_own_project(parse_reference("ds01-1001/p:latest"), ALICE)
    assert not is_own_project(parse_reference("ds01-1002/p:latest"), ALICE)
    assert not is_own_project(parse_reference("hub/p:latest"), ALICE)


def test_root_has_no_project_and_is_told_what_to_do() -> None:
    with pytest.raises(MlcError, match="images belong to users") as refused:
        project_of("p", Account("root", 0, 0, "/root"))
    assert "with sudo" in refused.value.hint
    assert project_of("p", ALICE) == Project(1001, "p")
    with pytest.raises(UsageError, match="not a valid project name"):
        project_of("P", ALICE)


def test_a_project_can_be_named_with_a_tag() -> None:
    assert image_of("p", ALICE) == (Project(1001, "p"), None)
    assert image_of("p:1", ALICE) == (Project(1001, "p"), "1")
    with pytest.raises(UsageError, match="For instance: p:latest, or p alone"):
        image_of("p:", ALICE)
    with pytest.raises(UsageError, match="not a valid tag"):
        image_of("p:1:2", ALICE)

"""Names of projects, and the repositories of their images."""

from __future__ import annotations

import pytest

from mlc_patched.errors import UsageError
from mlc_patched.names.projects import check_project, project_of_repository, proposed_name


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
    ],
)
def test_another_name_is_proposed(name: str, proposal: str) -> None:
    assert proposed_name(name) == proposal
    assert check_project(proposal)
    with pytest.raises(UsageError, match=proposal[:50]):
        check_project(name)


def test_a_name_with_nothing_usable_is_refused_plainly() -> None:
    with pytest.raises(UsageError):
        check_project("ÄÖ")
    with pytest.raises(UsageError):
        check_project("")


def test_a_project_is_found_by_its_repository() -> None:
    project = project_of_repository("ds01-1722830498/my-project")
    assert (project.uid, project.name, project.image) == (
        1722830498,
        "my-project",
        "ds01-1722830498/my-project:latest",
    )
    assert project_of_repository("aimehub/pytorch") is None
    assert project_of_repository("ds01-x/y") is None

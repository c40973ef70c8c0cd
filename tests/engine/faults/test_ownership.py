"""Who may do what: no command touches another user's things, whatever the name or the labels."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support import aime_containers as aime
from support.base_images import BASE
from support.engine_requests import ask
from support.engine_state import container_names, containers, docker, inspect, sweep
from support.reliability import Counted
from support.run_command import call, files_of
from support.users import User, context_of

pytestmark = pytest.mark.real_engine


def left(user: User) -> str:
    """Return the name of a set-up container of the user's, as a killed command leaves one."""
    return f"mlc-setup-{user.uid}-0123456789ab"


def _labels(user: User, name: str) -> list[str]:
    return [f"{key}={value}" for key, value in aime.labels(user, name).items()]


@pytest.fixture(scope="module")
def theirs(ldap_account: User, image_with_account: Callable[[User], str]) -> Iterator[User]:
    """A user with one of everything, and left-overs that only they or root may remove.

    No test changes any of it, but the last one.
    """
    ldap_user, image = ldap_account, f"ds01-{ldap_account.uid}/project:latest"
    docker("tag", image_with_account(ldap_user), image)
    for argv in (
        ("create", "old", "--image", BASE),
        ("create", "running", "--image", image),
        ("create", "gone", "--image", BASE),
        ("start", "running"),
    ):
        done = ldap_user.mlc(*argv, "-s")
        assert done.returncode == 0, done.stderr
    assert ldap_user.mlc("remove", "gone", "-f", "--keep-image").returncode == 0
    ldap_user.file("dockerfiles/project.Dockerfile", f"FROM {BASE}\n")
    ldap_user.file(".ds01-config/images/project.json", json.dumps({"version": 1}))
    made = [
        docker("create", "--name", name, *(f"--label={label}" for label in labels), BASE)
        for name, *labels in (
            (
                left(ldap_user),
                f"aime.mlc.DS01_SETUP_FOR={ldap_user.tag('x')}",
            ),
            # Of AIME's first version: known by its labels alone.
            ("mlc-test-plain", *_labels(ldap_user, "mlc-test-plain")),
        )
    ]
    yield ldap_user
    docker("rm", "-f", *made, check=False)
    sweep(ldap_user)


def state_of(user: User, *others: str) -> object:
    """Return all that belongs to a user, in the engine and in the home."""
    listed = {
        name: (each["Id"], each["State"], each["ImageID"])
        for name, each in containers().items()
        if name.endswith((user.tag(""), left(user), "mlc-test-plain", *others))
    }
    images = {
        name: each["Id"]
        for each in ask("GET", "/images/json")
        for name in each["RepoTags"] or ()
        if name.endswith(user.tag("")) or name.startswith(f"ds01-{user.uid}/")
    }
    assert len(listed) >= 4, listed
    assert len(images) >= 3
    return listed, images, files_of(user.home)


def attempts(theirs: User, file: Path) -> list[tuple[str, ...]]:
    """Return every command that could reach for what is another's, by every name it has."""
    found: list[tuple[str, ...]] = []
    tags = (theirs.tag("running"), f"/{theirs.tag('old')}", inspect(theirs.tag("old"))["Id"])
    for name in ("old", "running", "mlc-test-plain", *tags):
        found += [
            ("mlc", "open", name),
            ("mlc", "start", name),
            ("mlc", "stop", name, "-f"),
            ("mlc", "remove", name, "-f"),
            ("mlc", "export", name, str(file)),
            ("adopt", name),
            ("container-retire", name, "-y"),
            ("container-retire", name, "--save", "v1", "-y", "-f"),
        ]
    for name in ("project", f"ds01-{theirs.uid}/project", "../project", f"{theirs.home}/x"):
        found += [
            ("image-update", name, "--add", "six", "-y"),
            ("image-update", name, "--rollback", "-y"),
            ("image-retire", name, "-y", "-f", "--with-dockerfile"),
            ("image-retire", f"{name}:latest", "-y"),
            ("container-deploy", f"--project={name}", "-y"),
        ]
    return found


@pytest.mark.promise("own-only")
def test_no_command_reaches_another_users_containers_and_images(
    alice: User, theirs: User, counted: Counted, tmp_path: Path
) -> None:
    before, mine = state_of(theirs), context_of(alice)
    for argv in attempts(theirs, tmp_path / "export.tar"):
        outcome = call([*argv], mine)
        assert outcome.code in (1, 2), (argv, outcome)
        assert "Unexpected" not in outcome.err
        counted("inputs")
    assert state_of(theirs) == before
    assert list(tmp_path.iterdir()) == []


@pytest.mark.promise("own-only")
def test_cleaning_up_keeps_what_belongs_to_others(alice: User, theirs: User) -> None:
    before, mine = state_of(theirs), context_of(alice)
    refused = alice.mlc("prune", "--all-users", "-y")
    assert refused.returncode == 2
    assert "--all-users needs root" in refused.stderr
    for argv in (
        ("prune", "--previous", "--aime", "--older-than", "0", "-y"),
        ("image-retire", "--orphans", "-y"),
        ("doctor", "--repair", "-y"),
        ("mlc", "list", "-a", "-s"),
        ("container-list", "-a"),
        ("image-list", "-a"),
    ):
        assert "Unexpected" not in call([*argv], mine).err
    assert state_of(theirs) == before


@pytest.mark.promise("own-only")
def test_sudo_gives_access_only_to_ones_own(alice: User, theirs: User) -> None:
    before = state_of(theirs)
    for argv in (("remove", "old", "-f"), ("stop", "running", "-f"), ("export", "old", "/x.tar")):
        done = alice.sudo(alice.tree / "bin/mlc", *argv)
        assert done.returncode == 1, done.stdout
        assert "You have no container" in done.stderr
    assert state_of(theirs) == before


@pytest.mark.promise("own-only")
def test_sudo_does_not_make_its_user_somebody_else(alice: User, theirs: User) -> None:
    """`--as` is a login of root's on this host's engine; for others it is for remote engines."""
    before, ids = state_of(theirs), f"{theirs.uid}:{theirs.gid}"
    for argv in (("remove", "old", "-f"), ("stop", "running", "-f"), ("open", "running")):
        done = alice.sudo(alice.tree / "bin/mlc", *argv, "--as", ids)
        assert done.returncode == 1, done.stdout
        assert f"{ids} is another user" in done.stderr
        # The variable counts on remote engines only.
        done = alice.sudo(alice.tree / "bin/mlc", *argv, MLC_AS=ids)
        assert done.returncode == 1, done.stdout
        assert "You have no container" in done.stderr
    assert state_of(theirs) == before
    root = alice.sudo(alice.tree / "bin/mlc", "list", "-a", "-s", "--as", ids, SUDO_UID="")
    assert "[running]" in root.stdout


@pytest.mark.promise("own-only")
def test_labels_that_claim_an_owner_give_no_access(alice: User, theirs: User) -> None:
    """A container's name says whose it is: `x._.UID`. Labels that say otherwise change nothing."""
    forged = f"mlc-forged._.{theirs.uid}"
    for name in (forged, "mlc-forged"):
        docker("create", "--name", name, f"--label=aime.mlc={alice.login}", BASE)
    before, mine = state_of(theirs), context_of(alice)
    for argv in (("mlc", "remove", "mlc-forged", "-f"), ("container-retire", "mlc-forged", "-y")):
        outcome = call([*argv], mine)
        assert outcome.code == 1
        assert "You have no container 'mlc-forged'" in outcome.err
    for argv in (("mlc", "list", "--json"), ("container-list", "--json")):
        assert "mlc-forged" not in call([*argv], mine).out
    docker("rm", "mlc-forged")
    assert state_of(theirs) == before


def test_root_may_act_for_all_users(theirs: User) -> None:
    """`mlc prune --all-users` of root removes the left-overs of others, and nothing in use."""
    time.sleep(1.1)  # the engine tells when a container was made to the second
    root = User("root", 0, 0, Path("/root"), theirs.tree, theirs.environ)
    done = root.mlc("prune", "--all-users", "--older-than", "0", "-y")
    assert done.returncode == 0, done.stderr
    names = container_names()
    assert left(theirs) not in names
    assert {theirs.tag("old"), theirs.tag("running")} <= names
    images = {name for each in ask("GET", "/images/json") for name in each["RepoTags"] or ()}
    assert f"mlc-test/base:{theirs.tag('gone')}" not in images
    assert f"mlc-test/base:{theirs.tag('old')}" in images

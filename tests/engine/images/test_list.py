"""image-list and image-retire on the real engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from support.base_images import BASE
from support.engine_state import docker, sweep, unpacked_size
from support.image_commands import ImageUser, clean_home
from support.users import User

pytestmark = pytest.mark.real_engine


@pytest.fixture
def it(alice_account: User, labelled: Callable[..., str]) -> Iterator[ImageUser]:
    """A user with a labelled image `one` and its Dockerfile."""
    clean_home(alice_account)
    labelled(alice_account, "one")
    commands = ImageUser(alice_account)
    alice_account.file(
        "dockerfiles/one.Dockerfile",
        f"FROM {BASE}\nRUN pip install pandas six\nRUN apt-get install -y tree\n",
    )
    yield commands
    sweep(alice_account)
    clean_home(alice_account)


def own_image(it: ImageUser, project: str, *changes: str) -> str:
    """Make a small image of a project with given labels."""
    name = it.image(project)
    container = docker("create", BASE, "true")
    docker("commit", *(f"--change=LABEL {each}" for each in changes), container, name)
    docker("rm", container)
    return name


def test_the_list_shows_size_shared_size_containers_and_account(it: ImageUser) -> None:
    it.user.mlc("create", "c", "--image", it.image("one"), "-s")
    (found,) = it.json("image-list")
    account = f"{it.user.login} {it.user.uid}:{it.user.gid}"
    assert found["project"] == "one"
    assert found["account"] == account
    assert found["containers"] == [it.user.tag("c")]
    # Not what the engine states in its list or for one image: these depend on its image store.
    assert found["size"] == unpacked_size(it.image("one"))
    assert 0 < found["shared"] <= found["size"]
    assert found["problem"] == ""
    done = it.run("image-list")
    heading, row = done.stdout.splitlines()
    assert heading.split() == [
        *("PROJECT", "FRAMEWORK", "SIZE", "SHARED", "CREATED", "CONTAINERS", "ACCOUNT")
    ]
    assert row.startswith("one ")
    assert account in row
    assert "\033" not in done.stdout


def test_details_include_packages_labels_path_and_layers(it: ImageUser) -> None:
    (found,) = it.json("image-list", "--detailed")
    details = found["details"]
    assert details["pip"] == ["pandas", "six"]
    assert details["apt"] == ["tree"]
    assert details["dockerfile"] == str(it.dockerfile("one"))
    assert details["labels"]["aime.mlc.DS01_USER_ID"] == str(it.user.uid)
    assert sum(layer["size"] for layer in details["layers"]) == found["size"]
    said = it.run("image-list", "-d").stdout
    assert "Python packages: pandas six" in said
    assert "aime.mlc.DS01_HAS_USER_SETUP=true" in said


def test_an_account_that_is_not_the_callers_is_marked(it: ImageUser) -> None:
    stale = '"aime.mlc.DS01_HAS_USER_SETUP"="true"'
    own_image(
        *(it, "stale", stale, "aime.mlc.DS01_USER_ID=7", "aime.mlc.DS01_GROUP_ID=7"),
        "aime.mlc.DS01_USERNAME=other",
    )
    own_image(it, "later", *(f"ds01.{k}={v}" for k, v in _later(it).items()))
    own_image(it, "odd", stale, "aime.mlc.DS01_USER_ID=x")
    own_image(it, "plain")
    found = {each["project"]: each["problem"] for each in it.json("image-list")}
    assert f"UID is 7, yours is {it.user.uid}" in found["stale"]
    assert f"image-create stale-2 --from {it.image('stale')}" in found["stale"]
    assert found["later"] == ""
    assert "labels are invalid" in found["odd"]
    assert "no account" in found["plain"]
    said = it.run("image-list").stdout
    assert "other 7:7 !" in said
    assert "! stale: its UID is 7" in said


def _later(it: ImageUser) -> dict[str, str]:
    return {
        "has_user_setup": "true",
        "user_id": str(it.user.uid),
        "group_id": str(it.user.gid),
        "username": it.user.login,
    }


def test_images_of_all_users(
    it: ImageUser, ldap_account: User, labelled: Callable[..., str]
) -> None:
    labelled(ldap_account, "theirs")
    assert {each["project"] for each in it.json("image-list")} == {"one"}
    every = {(each["uid"], each["project"]) for each in it.json("image-list", "--all")}
    assert {(it.user.uid, "one"), (ldap_account.uid, "theirs")} <= every


def test_a_table_on_a_terminal_is_plain_and_has_no_empty_columns(it: ImageUser) -> None:
    child = it.user.spawn(it.command("image-list"), **it.environ)
    child.setwinsize(40, 200)
    said = child.read()
    child.wait()
    assert child.exitstatus == 0
    assert "\033" not in said
    headings, *rows = said.splitlines()
    assert headings.split() == ["PROJECT", "SIZE", "SHARED", "CREATED", "ACCOUNT"]
    assert any(row.startswith("one ") for row in rows)


def test_broken_metadata_breaks_nothing(it: ImageUser) -> None:
    it.user.file(".ds01-config/images/one.json", "{broken")
    assert it.json("image-list")[0]["project"] == "one"


def committed(tag: str) -> str:
    name = f"mlc-test/committed:{tag}"
    # For Podman, equal images are related.
    container = docker("create", "--network=host", BASE, "touch", f"/{tag}")
    docker("start", "--attach", container)
    docker("commit", container, name)
    docker("rm", container)
    return name


@pytest.fixture
def orphans(it: ImageUser) -> Iterator[dict[str, str]]:
    """Committed images: the caller's, one in use, another user's, and one without labels."""
    made = {
        "mine": committed(f"left._.{it.user.uid}"),
        "used": committed(f"used._.{it.user.uid}"),
        "other": committed("left._.4242"),
        "plain": committed("left-1"),
    }
    container = docker("create", "--name", it.user.tag("used"), made["used"], "true")
    yield made
    docker("rm", "-f", container)
    for name in made.values():
        docker("rmi", name, check=False)


def test_orphaned_images_of_all_users_are_listed(it: ImageUser, orphans: dict[str, str]) -> None:
    found = {each["image"]: each for each in it.json("image-list", "--orphans")}
    assert {orphans["mine"], orphans["other"]} <= set(found)
    assert not {orphans["used"], orphans["plain"]} & set(found)
    assert found[orphans["other"]]["uid"] == 4242
    assert found[orphans["mine"]]["size"] > 0
    said = it.run("image-list", "--orphans").stdout
    assert "RECLAIMABLE" in said
    assert "image-retire --orphans" in said


def test_only_the_callers_unused_orphans_are_removed(
    it: ImageUser, orphans: dict[str, str]
) -> None:
    refused = it.run("image-retire", "--orphans", ok=False)
    assert "Together they free" in refused.stderr
    assert "-y" in refused.stderr
    done = it.run("image-retire", "--orphans", "-y")
    assert f"Removed {orphans['mine']}" in done.stdout
    left = docker("images", "--format", "{{.Repository}}:{{.Tag}}", "mlc-test/committed").split()
    assert set(left) == {orphans["used"], orphans["other"], orphans["plain"]}


def test_an_image_in_use_is_not_removed(it: ImageUser) -> None:
    it.user.mlc("create", "c", "--image", it.image("one"), "-s")
    for flags in (("-y",), ("--force",)):
        done = it.run("image-retire", "one", *flags, ok=False)
        assert it.user.tag("c") in done.stderr
        assert "container-retire c" in done.stderr
        assert it.names() == {it.image("one")}


def test_one_image_in_use_keeps_all_images_of_a_project(it: ImageUser) -> None:
    own_image(it, "two")
    docker("create", "--name", it.user.tag("c"), it.image("one"), "true")
    it.run("image-retire", "two", "one", "-y", ok=False)
    assert it.names() == {it.image("one"), it.image("two")}


def test_the_dockerfile_stays_unless_it_is_to_be_removed(it: ImageUser) -> None:
    own_image(it, "two")
    text = it.dockerfile("one").read_text()
    it.user.file("dockerfiles/two.Dockerfile", "FROM x\n")
    it.run("image-retire", "one", ok=False)
    done = it.run("image-retire", "one", "-y")
    assert "image-update one" in done.stdout
    assert it.dockerfile("one").read_text() == text
    done = it.run("image-retire", "two", "--with-dockerfile", "-y")
    assert not it.dockerfile("two").exists()
    (backup,) = it.dockerfile("two").parent.glob("two.Dockerfile.retired-*")
    assert str(backup) in done.stdout
    assert backup.read_text() == "FROM x\n"
    assert it.names() == set()
    assert "image-list" in it.run("image-retire", "one", "-y", ok=False).stderr


def test_further_tags_of_a_project_are_kept_and_named(it: ImageUser) -> None:
    docker("tag", it.image("one"), it.image("one", "paper"))
    done = it.run("image-retire", "one", "-y")
    assert it.names() == {it.image("one", "paper")}
    assert "image-retire one:paper" in done.stdout
    it.run("image-retire", "one:paper", "-y")
    assert it.names() == set()


def test_questions_on_a_terminal(it: ImageUser) -> None:
    child = it.user.spawn(it.command("image-retire"), "one", **it.environ)
    child.expect_exact("Remove it? (y/N)")
    child.sendline("")
    child.expect("Nothing was done")
    child.read()
    child.wait()
    assert child.exitstatus != 0
    assert it.names() == {it.image("one")}
    child = it.user.spawn(it.command("image-retire"), "one", **it.environ)
    child.expect_exact("Remove it? (y/N)")
    child.sendeof()
    child.read()
    child.wait()
    assert child.exitstatus == 1
    child = it.user.spawn(it.command("image-retire"), **it.environ)
    child.expect_exact("Which one to retire?")
    child.sendline("1")
    child.expect_exact("Remove it? (y/N)")
    child.sendline("y")
    child.read()
    child.wait()
    assert child.exitstatus == 0
    assert it.names() == set()


def test_retiring_leaves_no_image_of_any_step_and_sizes_agree(each_builder: ImageUser) -> None:
    """With the classic builder each step makes an image; image-retire removes them all."""

    def images() -> set[str]:
        return set(docker("images", "--all", "--quiet", "--no-trunc").split())

    it, before = each_builder, images()
    created = it.json("image-create", "steps", "--base", BASE, "-y")
    listed = next(each for each in it.json("image-list") if each["project"] == "steps")
    assert created["size"] == listed["size"] == unpacked_size(it.image("steps"))
    it.run("image-retire", "steps", "-y")
    assert images() == before

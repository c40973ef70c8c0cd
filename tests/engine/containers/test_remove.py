"""remove: the container is removed, and with it only the image that was committed for it."""

from __future__ import annotations

import time

import pytest
from support import aime_containers as aime
from support.account_in_container import run, state
from support.base_images import BASE
from support.engine_state import container_names, docker, image_ids, inspect, nothing_left
from support.users import User

pytestmark = pytest.mark.real_engine


def legacy_flow(user: User, name: str = "it") -> str:
    """Make a container by the legacy flow; return its committed image's name."""
    done = user.mlc("create", name, "Pytorch", "2.8.0", "-s")
    assert done.returncode == 0, done.stderr
    return str(inspect(user.tag(name))["Config"]["Image"])


def fast_flow(user: User, image: str, name: str = "it") -> None:
    done = user.mlc("create", name, "--image", image, "-s")
    assert done.returncode == 0, done.stderr


def test_the_committed_image_goes_with_its_container(user: User) -> None:
    with nothing_left():
        image = legacy_flow(user)
        done = user.mlc("remove", "it", "-s")
        assert (done.returncode, done.stdout) == (
            0,
            f"[it] removed, and with it the image {image}.\n",
        )


@pytest.mark.parametrize("flag", ["--keep-image", "--remove-image"])
def test_the_flags_decide_about_the_committed_image(alice: User, flag: str) -> None:
    image = legacy_flow(alice)
    identity = inspect(image)["Id"]
    done = alice.mlc("remove", "it", "-f", "-s", flag)
    assert done.returncode == 0, done.stderr
    assert alice.tag("it") not in container_names()
    assert (identity in image_ids()) == (flag == "--keep-image")
    assert (f"{image} was kept" in done.stderr) == (flag == "--keep-image")


@pytest.mark.parametrize("flags", [(), ("--remove-image",), ("-f",)])
def test_a_labelled_image_is_never_removed(user: User, labelled, flags: tuple[str, ...]) -> None:
    image = labelled(user)
    identity = inspect(image)["Id"]
    with nothing_left():
        fast_flow(user, image)
        done = user.mlc("remove", "it", "-s", *flags)
        assert (done.returncode, done.stdout) == (0, "[it] removed.\n")
    assert inspect(image)["Id"] == identity


def test_a_labelled_image_named_like_a_committed_one_is_kept(alice: User, labelled) -> None:
    name = f"mlc-test/base:{alice.tag('it')}"
    docker("tag", labelled(alice), name)
    fast_flow(alice, name)
    assert alice.mlc("remove", "it", "-s", "--remove-image").returncode == 0
    docker("image", "inspect", name)


def test_an_image_another_container_uses_is_kept(alice: User) -> None:
    image = legacy_flow(alice)
    fast_flow(alice, image, "other")
    done = alice.mlc("remove", "it", "-s")
    assert done.returncode == 0
    assert f"{image} was kept: it is used by {alice.tag('other')}" in done.stderr
    assert inspect(alice.tag("other"))["Image"] == inspect(image)["Id"]
    assert run(alice, "id -u", "other") == str(alice.uid)


def test_a_committed_image_is_removed_even_if_others_are_built_on_it(alice: User) -> None:
    """Its layers stay as long as they are used; only its name is removed."""
    image = legacy_flow(alice)
    child = docker("create", "--name", f"child._.{alice.uid}", image)
    docker("commit", child, f"mlc-test/child:{alice.tag('child')}")
    docker("rm", child)
    fast_flow(alice, f"mlc-test/child:{alice.tag('child')}", "other")
    done = alice.mlc("remove", "it", "-s")
    assert done.returncode == 0, done.stderr
    assert image not in docker("images", "--format", "{{.Repository}}:{{.Tag}}").split()
    assert run(alice, "id -u", "other") == str(alice.uid)


def test_a_running_container_is_refused(user: User, labelled) -> None:
    fast_flow(user, labelled(user))
    docker("start", user.tag("it"))
    done = user.mlc("remove", "it", "-f", "-s")
    assert (done.returncode, done.stdout) == (1, "")
    assert "is running. Stop it first with: mlc stop it" in done.stderr.splitlines()[-1]
    assert state(user) == "running"


def test_nothing_to_remove_is_a_failure(user: User) -> None:
    with nothing_left():
        done = user.mlc("remove", "it", "-s")
        assert (done.returncode, done.stdout) == (1, "")
        assert "You have no container 'it'" in done.stderr.splitlines()[-1]


def test_a_part_of_the_name_is_not_enough(alice: User, labelled) -> None:
    fast_flow(alice, labelled(alice), "project2")
    for part in ("project", "roject2", "project2._", "PROJECT2"):
        assert alice.mlc("remove", part, "-s").returncode in (1, 2)
    assert state(alice, "project2") == "created"


def test_another_users_container_of_the_name_is_untouched(
    alice: User, ldap_user: User, labelled
) -> None:
    for user in (alice, ldap_user):
        fast_flow(user, labelled(user))
    assert alice.mlc("remove", "it", "-s").returncode == 0
    assert alice.mlc("remove", "it", "-s").returncode == 1
    assert state(ldap_user) == "created"


@pytest.mark.parametrize(("answer", "gone"), [("", False), ("n", False), ("y", True)])
def test_remove_asks_first_on_a_terminal(alice: User, labelled, answer: str, gone: bool) -> None:
    fast_flow(alice, labelled(alice))
    child = alice.spawn(alice.tree / "bin/mlc", "remove", "it")
    child.expect(r"Remove the container it\?.*\(y/N\): ")
    child.sendline(answer)
    child.expect(r"\[it\] removed" if gone else "Nothing was done")
    child.wait()
    assert child.exitstatus == (0 if gone else 1)
    assert (alice.tag("it") not in container_names()) == gone


def test_without_a_terminal_the_answer_comes_from_a_pipe_or_is_refused(
    alice: User, labelled
) -> None:
    fast_flow(alice, labelled(alice))
    silent = alice.mlc("remove", "it")
    assert silent.returncode == 2
    assert "pass -f to confirm" in silent.stderr.splitlines()[-1]
    assert alice.mlc("remove", "it", stdin="n\n").returncode == 1
    assert state(alice) == "created"
    answered = alice.mlc("remove", "it", stdin="y\n")
    assert answered.returncode == 0, answered.stderr
    assert alice.tag("it") not in container_names()


def test_menus_and_list_have_the_newest_container_first(alice: User, labelled) -> None:
    """As AIME's, so that the same numbers choose the same containers."""
    image = labelled(alice)
    for name in ("b", "c", "a"):
        fast_flow(alice, image, name)
        time.sleep(1.1)  # Docker gives the time of creation in seconds
    listed = alice.mlc("list").stdout.splitlines()[1:]
    assert [line.split()[0] for line in listed] == ["[a]", "[c]", "[b]"]
    answered = alice.mlc("remove", stdin="3\ny\n")
    assert answered.returncode == 0, answered.stderr
    assert alice.tag("b") not in container_names()


@pytest.mark.parametrize("verb", ["open", "start", "stop", "remove"])
def test_a_wrong_name_on_a_terminal_leads_to_the_menu(alice: User, labelled, verb: str) -> None:
    fast_flow(alice, labelled(alice))
    if verb == "stop":
        docker("start", alice.tag("it"))
    child = alice.spawn(alice.tree / "bin/mlc", verb, "wrong")
    child.expect("You have no container 'wrong'")
    child.expect(rf"1\) it.*Which one to {verb}\? \(1-1\): ")
    child.sendeof()
    child.expect("The input ended")
    child.wait()
    assert child.exitstatus == 1


def test_a_running_container_is_refused_before_the_question(alice: User, labelled) -> None:
    fast_flow(alice, labelled(alice))
    docker("start", alice.tag("it"))
    child = alice.spawn(alice.tree / "bin/mlc", "remove", "it")
    child.expect("The container it is running")
    child.wait()
    assert child.exitstatus == 1


def test_the_menu_offers_what_does_not_run(alice: User, labelled) -> None:
    image = labelled(alice)
    fast_flow(alice, image, "runs")
    fast_flow(alice, image, "asleep")
    docker("start", alice.tag("runs"))
    child = alice.spawn(alice.tree / "bin/mlc-remove")
    child.expect(r"Your containers:(.*)Which one to remove\?")
    assert "runs" not in child.match[1]
    child.sendline("asleep")
    child.expect(r"\(y/N\): ")
    child.sendline("y")
    child.expect(r"\[asleep\] removed")
    child.wait()
    assert child.exitstatus == 0


def test_a_container_of_aimes_mlc_from_its_list_to_its_removal(user: User) -> None:
    with nothing_left():
        aime.container(user, "theirs", BASE)
        assert "[theirs]" in user.mlc("list").stdout
        assert run(user, "id -u; id -g", "theirs").split() == [str(user.uid), str(user.gid)]
        assert user.mlc("stop", "theirs", "-s").returncode == 0
        child = user.spawn(user.tree / "bin/mlc", "open", "theirs")
        child.expect(r"\$ ")
        child.sendline("exit 4")
        child.expect(r"\[theirs\] stopped")
        child.wait()
        assert child.exitstatus == 4
        done = user.mlc("remove", "theirs", "-s")
        assert done.returncode == 0, done.stderr


def test_a_container_of_aimes_first_version(user: User) -> None:
    """It is named plain NAME, whoever owns it, and its image can be anyone's."""
    name = f"mlc-test-v1-{user.uid}"
    labels = aime.labels(user, name)
    try:
        aime.create(user, name, BASE, labels, ())
        assert f"[{name}]" in user.mlc("list").stdout
        assert user.mlc("start", name, "-s").returncode == 0
        assert user.mlc("stop", name, "-s").returncode == 0
        assert user.mlc("remove", name, "-s").returncode == 0
        assert name not in container_names()
        docker("image", "inspect", BASE)
    finally:
        docker("rm", "-f", name, check=False)


def test_anothers_container_of_aimes_first_version_is_not_ours(
    alice: User, ldap_user: User
) -> None:
    name = "mlc-test-v1-theirs"
    try:
        aime.create(ldap_user, name, BASE, aime.labels(ldap_user, name), ())
        for verb in ("start", "stop", "remove", "open"):
            assert alice.mlc(verb, name, "-s").returncode == 1
        assert inspect(name)["State"]["Status"] == "created"
    finally:
        docker("rm", "-f", name, check=False)


def test_other_containers_are_left_alone(alice: User) -> None:
    docker("create", "--name", alice.tag("it"), BASE, "true")
    assert alice.mlc("remove", "it", "-s").returncode == 1
    assert alice.tag("it") in container_names()

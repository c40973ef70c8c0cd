"""list: a user's containers in two engine calls, as a table, as plain lines or as JSON."""

from __future__ import annotations

import json
import re
import time

import pytest
from support import aime_containers as aime
from support.base_images import BASE
from support.engine_proxy import Recording
from support.engine_requests import ask
from support.engine_state import docker, is_podman
from support.users import User

pytestmark = pytest.mark.real_engine

PLAIN = ["CONTAINER", "FRAMEWORK", "STATUS"]


@pytest.fixture
def two(ldap_user: User, labelled) -> User:
    """The LDAP user with two containers, one of which has all directories."""
    user = ldap_user
    image = labelled(user)
    for directory in ("data,1/", "models/"):
        user.file(directory)
    for name, more in (
        ("second", ("-d", f"{user.home}/data,1", "-m", f"{user.home}/models")),
        ("first", ("-w", "/var/tmp")),
    ):
        done = user.mlc("create", name, "Pytorch", "2.8.0", "--image", image, "-s", *more)
        assert done.returncode == 0, done.stderr
        if is_podman():  # of one second, its list has them in any order
            time.sleep(1)
    return user


def cells(output: str) -> list[list[str]]:
    return [re.split(r"\s{2,}", line.strip()) for line in output.splitlines()]


def test_names_frameworks_and_states_in_order(two: User) -> None:
    docker("start", two.tag("second"))
    shown = two.mlc("list")
    assert shown.returncode == 0, shown.stderr
    heading, first, second = cells(shown.stdout)
    assert heading == PLAIN
    assert first == ["[first]", "Pytorch-2.8.0", "Created"]
    assert second[:2] == ["[second]", "Pytorch-2.8.0"]
    assert second[2].startswith("Up ")


def written(user: User, name: str) -> str:
    """Return the size of a container as Docker's client shows it: a new one has 0B, or 4.1kB with
    containerd's image store."""
    by_name = f"name=^/{re.escape(user.tag(name))}$"
    shown = docker("ps", "--all", "--size", "--filter", by_name, "--format", "{{.Size}}")
    return shown.partition(" (")[0]


@pytest.mark.parametrize(
    ("flag", "heading", "first", "second"),
    [
        ("-w", "WORKSPACE", "/var/tmp", "~/workspace"),
        ("-d", "DATA", "-", "~/data,1"),
        ("-m", "MODELS", "-", "~/models"),
        ("-arch", "ARCHITECTURE", "CUDA_ADA", "CUDA_ADA"),
        ("-s", "SIZE", None, None),
    ],
)
def test_each_flag_adds_its_column(
    two: User, flag: str, heading: str, first: str | None, second: str | None
) -> None:
    rows = cells(two.mlc("list", flag).stdout)
    assert rows[0] == [*PLAIN, heading]
    wanted = [first or written(two, "first"), second or written(two, "second")]
    assert [row[3] for row in rows[1:]] == wanted


def test_several_flags_add_their_columns_in_aime_s_order(two: User) -> None:
    rows = cells(two.mlc("list", "-w", "-s", "-m", "-d", "-arch", "-au").stdout)
    assert rows[0] == [*PLAIN, "USER", "ARCHITECTURE", "DATA", "MODELS", "SIZE", "WORKSPACE"]
    assert rows[1][3:] == [two.login, "CUDA_ADA", "-", "-", written(two, "first"), "/var/tmp"]


def test_all_shows_every_column(two: User) -> None:
    rows = cells(two.mlc("list", "--all").stdout)
    assert rows[0] == [*PLAIN, "USER", "SIZE", "ARCHITECTURE", "WORKSPACE", "DATA", "MODELS"]
    size = written(two, "second")
    assert rows[2][3:] == [two.login, size, "CUDA_ADA", "~/workspace", "~/data,1", "~/models"]


def test_json_holds_what_scripts_need(two: User) -> None:
    shown = json.loads(two.mlc("list", "--json").stdout)
    assert shown["version"] == 1
    first, second = shown["containers"]
    assert (first["name"], first["tag"], first["state"]) == ("first", two.tag("first"), "created")
    assert (second["data"], second["workspace"]) == (
        f"{two.home}/data,1",
        f"{two.home}/workspace",
    )
    assert second["size"] is None
    sized = json.loads(two.mlc("list", "--json", "-s").stdout)
    sizes = [ask("GET", "/containers/{}/json", two.tag(n), "size=1") for n in ("first", "second")]
    assert [each["size"] for each in sized["containers"]] == [each["SizeRw"] for each in sizes]


def test_a_pipe_gets_plain_lines_and_a_terminal_a_table(alice: User, labelled) -> None:
    assert alice.mlc("create", "it", "--image", labelled(alice), "-s").returncode == 0
    plain = alice.mlc("list").stdout
    assert plain.splitlines()[0].split() == PLAIN
    assert "\x1b" not in plain
    child = alice.spawn(alice.tree / "bin/mlc", "list")
    child.expect("CONTAINER.*FRAMEWORK.*STATUS")
    child.expect(r"\[it\].*custom-latest.*Created")
    child.wait()
    assert child.exitstatus == 0


def test_all_users_containers_are_shown_with_their_owner(
    alice: User, ldap_user: User, labelled
) -> None:
    for user in (alice, ldap_user):
        assert user.mlc("create", "same", "--image", labelled(user), "-s").returncode == 0
    assert len(cells(alice.mlc("list").stdout)) == 2
    rows = cells(alice.mlc("list", "-au", "-w").stdout)
    mine = {row[3]: row[4] for row in rows[1:] if row[0] == "[same]"}
    assert mine == {alice.login: "~/workspace", ldap_user.login: f"{ldap_user.home}/workspace"}


def test_other_peoples_containers_and_other_programs_are_not_shown(alice: User) -> None:
    stranger = docker("create", "--name", f"stranger._.{alice.uid}", BASE, "true")
    shown = alice.mlc("list", "-a")
    assert stranger
    assert cells(shown.stdout) == [
        [*PLAIN, "USER", "SIZE", "ARCHITECTURE", "WORKSPACE", "DATA", "MODELS"]
    ]
    assert shown.returncode == 0
    assert "No containers" in shown.stderr


def test_containers_of_aimes_mlc_are_shown(user: User) -> None:
    labels = aime.labels(user, "theirs", framework="Tensorflow-2.16.1", data="/srv/a,b")
    aime.create(user, user.tag("theirs"), BASE, labels, ())
    rows = cells(user.mlc("list", "-d").stdout)
    assert rows[1] == ["[theirs]", "Tensorflow-2.16.1", "Created", "/srv/a,b"]


def test_a_name_with_control_characters_cannot_steer_the_terminal(alice: User) -> None:
    labels = aime.labels(alice, "odd", framework="\x1b[31mred\nline")
    aime.create(alice, alice.tag("odd"), BASE, labels, ())
    shown = alice.mlc("list").stdout
    assert "\x1b" not in shown
    assert len(shown.splitlines()) == 2


def test_two_engine_calls_however_many_containers(alice: User, engine_calls: Recording) -> None:
    calls: list[list[str]] = []
    for count in (1, 6):
        for number in range(count):
            if f"n{number}" not in alice.mlc("list").stdout:
                labels = aime.labels(alice, f"n{number}")
                aime.create(alice, alice.tag(f"n{number}"), BASE, labels, ())
        engine_calls.calls.clear()
        shown = alice.mlc("list", "-a", DOCKER_HOST=engine_calls.address)
        assert len(shown.stdout.splitlines()) == count + 1
        calls.append(engine_calls.paths())
    assert calls == [["GET /containers/json"] * 2] * 2


@pytest.mark.parametrize("verb", ["open", "remove", "stop", "start"])
def test_a_container_is_looked_up_by_name_not_in_a_list(
    alice: User, engine_calls: Recording, verb: str
) -> None:
    for number in range(3):
        aime.create(alice, alice.tag(f"n{number}"), BASE, aime.labels(alice, f"n{number}"), ())
    done = alice.mlc(verb, "n", "-s", DOCKER_HOST=engine_calls.address)
    assert (done.returncode, done.stdout) == (1, "")
    assert "You have no container 'n'" in done.stderr.splitlines()[-1]
    # The second is the name that AIME's first version would have given it.
    # After that, a cluster is asked by open, and a list for a name that resembles this one.
    assert engine_calls.paths()[:2] == [
        f"GET /containers/{alice.tag('n')}/json",
        "GET /containers/n/json",
    ]
    engine_calls.calls.clear()
    if verb in ("remove", "start"):
        done = alice.mlc(verb, "n1", "-s", DOCKER_HOST=engine_calls.address)
        assert done.returncode == 0, done.stderr
        assert engine_calls.paths()[0] == f"GET /containers/{alice.tag('n1')}/json"
        assert "GET /containers/n1/json" not in engine_calls.paths()
        assert "GET /containers/json" not in engine_calls.paths()


def test_a_refusal_of_the_engine_is_reported(alice: User, engine_calls: Recording) -> None:
    engine_calls.refuse = "GET /containers/json"
    done = alice.mlc("list", DOCKER_HOST=engine_calls.address)
    assert (done.returncode, done.stdout) == (1, "")
    assert "refused by the test" in done.stderr.splitlines()[-1]

"""stats: what running containers use now."""

from __future__ import annotations

import json
import re

import pytest
from support.engine_state import docker
from support.users import User

pytestmark = pytest.mark.real_engine


def running(user: User, image: str, name: str) -> None:
    assert user.mlc("create", name, "--image", image, "-s").returncode == 0
    docker("start", user.tag(name))


def test_running_containers_and_only_those(ldap_user: User, labelled) -> None:
    user = ldap_user
    image = labelled(user)
    running(user, image, "runs")
    assert user.mlc("create", "sleeps", "--image", image, "-s").returncode == 0
    shown = user.mlc("stats")
    assert shown.returncode == 0, shown.stderr
    heading, *rows = shown.stdout.splitlines()
    assert re.split(r"\s{2,}", heading) == [
        "CONTAINER",
        "CPU %",
        "MEMORY / LIMIT",
        "MEMORY %",
        "PIDS",
    ]
    size = r"[\d.]+[kMGT]?B"
    pattern = rf"\[runs\]\s+[\d.]+%\s+{size} / {size}\s+[\d.]+%\s+\d+"
    assert [bool(re.fullmatch(pattern, row)) for row in rows] == [True], rows


def test_json_agrees_with_the_engine(alice: User, labelled) -> None:
    user = alice
    running(user, labelled(user), "it")
    docker("update", "--memory=200m", "--memory-swap=400m", user.tag("it"))
    docker("exec", "-d", user.tag("it"), "sleep", "1000")
    shown = json.loads(user.mlc("stats", "--json").stdout)
    assert shown["version"] == 1
    (measured,) = shown["containers"]
    assert (measured["name"], measured["tag"]) == ("it", user.tag("it"))
    assert measured["user"] == user.login
    processes = len(docker("top", user.tag("it")).splitlines()) - 1
    assert measured["pids"] == processes >= 2
    assert measured["memory_limit_bytes"] == 200 * 1024**2
    share = 100 * measured["memory_bytes"] / measured["memory_limit_bytes"]
    assert measured["memory_percent"] == pytest.approx(share, abs=0.01)
    assert 0 < measured["memory_bytes"] < measured["memory_limit_bytes"]
    assert measured["cpu_percent"] >= 0


def test_a_busy_container_is_seen_to_be_busy(alice: User, labelled) -> None:
    running(alice, labelled(alice), "busy")
    docker("exec", "-d", alice.tag("busy"), "sh", "-c", "while :; do :; done")
    (measured,) = json.loads(alice.mlc("stats", "--json").stdout)["containers"]
    assert measured["cpu_percent"] > 1  # however busy the machine is


def test_all_users_are_shown_or_only_ones_own(alice: User, ldap_user: User, labelled) -> None:
    for user in (alice, ldap_user):
        running(user, labelled(user), "same")
    own = json.loads(alice.mlc("stats", "--json", "--own").stdout)["containers"]
    assert [each["user"] for each in own] == [alice.login]
    every = json.loads(alice.mlc("stats", "--json").stdout)["containers"]
    assert {alice.login, ldap_user.login} <= {each["user"] for each in every}


def test_stats_says_that_nothing_runs_and_is_empty_in_json(user: User) -> None:
    shown = user.mlc("stats")
    assert shown.returncode == 0
    assert len(shown.stdout.splitlines()) == 1
    assert "No containers are running" in shown.stderr
    assert json.loads(user.mlc("stats", "--json").stdout) == {"version": 1, "containers": []}

"""The life of a container on any engine: the tests are its steps, from creation to removal."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from support.base_images import BASE
from support.engine_state import sweep
from support.users import User

pytestmark = pytest.mark.real_engine


@pytest.fixture(scope="module")
def person(alice_account: User) -> Iterator[User]:
    """Who uses the engine."""
    found = replace(alice_account, environ={**alice_account.environ, "MLC_GPUS": "none"})
    yield found
    sweep(found)


def done(user: User, *arguments: str | Path, code: int = 0) -> str:
    result = user.mlc(*arguments, timeout=300)
    assert result.returncode == code, result.stdout + result.stderr
    return result.stdout


def test_an_account_is_set_up_once_and_reused(person: User) -> None:
    done(person, "create", "old", "--image", BASE, "-s")
    [made] = json.loads(done(person, "list", "--json"))["containers"]
    assert made["name"] == "old"
    # The image that was committed has the labels: the next container comes directly from it.
    out = done(
        person, "create", "next", "--image", f"{BASE.split(':')[0]}:old._.{person.uid}", "-s"
    )
    assert "directly from" in out
    names = [each["name"] for each in json.loads(done(person, "list", "--json"))["containers"]]
    assert names == ["next", "old"]


def test_the_user_inside_and_the_owner_of_files_is_the_user(person: User) -> None:
    line = "id -u; id -g; touch /workspace/made; sudo -n id -u; exit 3"
    out = done(person, "start", "next", line, "-s", code=3)
    assert out.split() == [str(person.uid), str(person.gid), "0"]
    made = (person.workspace / "made").stat()
    assert (made.st_uid, made.st_gid) == (person.uid, person.gid)


def test_a_shell_opens_and_the_container_stops_after_it(person: User) -> None:
    done(person, "stop", "next", "-f", "-s")
    shell = person.spawn(person.tree / "bin/mlc", "open", "next", timeout=60)
    shell.expect_exact("/workspace")
    shell.sendline("echo $((6 * 7))")
    shell.expect_exact("42")
    shell.sendline("exit")
    shell.expect("stopped")


def test_a_running_container_is_measured_and_stopped_but_not_removed(person: User) -> None:
    done(person, "start", "next", "-s")
    [measured] = json.loads(done(person, "stats", "--json"))["containers"]
    assert measured["name"] == "next"
    done(person, "remove", "next", "-f", "-s", code=1)
    done(person, "stop", "next", "-f", "-s")


def test_a_container_is_exported_and_comes_back(person: User) -> None:
    file = person.home / "old.tar"
    try:
        done(person, "export", "old", file, "-s")
        done(person, "import", file, "copy", "-s")
    finally:
        file.unlink(missing_ok=True)
    assert "copy" in done(person, "list")


def test_an_image_is_built_and_deployed(person: User) -> None:
    built = person.run(
        person.tree / "bin/user/image-create", "life", "--base", BASE, "-y", timeout=300
    )
    assert built.returncode == 0, built.stdout + built.stderr
    deploy = person.tree / "bin/user/container-deploy"
    deployed = person.run(deploy, "life", "--background", "-y", timeout=120)
    assert deployed.returncode == 0, deployed.stdout + deployed.stderr
    retire = person.tree / "bin/user/container-retire"
    retired = person.run(retire, "life", "-y", timeout=120)
    assert retired.returncode == 0, retired.stdout + retired.stderr


def test_doctor_knows_the_engine(person: User) -> None:
    done = person.mlc("doctor", "--json")
    page = json.loads(done.stdout)
    assert "findings" in page, done.stdout
    [engine] = [each for each in page["findings"] if each["check"] == "engine"]
    assert engine["health"] == "ok", engine["text"]
    assert "ms away" in engine["text"]


def test_removing_leaves_nothing(person: User) -> None:
    for name in ("copy", "next", "old"):
        done(person, "remove", name, "-f", "-s")
    assert json.loads(done(person, "list", "--json"))["containers"] == []

"""Commands that run at the same time, on the real engine: none is lost, none is doubled."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import pytest
from support.base_images import BASE
from support.engine_state import container_names, docker, image_ids, inspect
from support.reliability import Counted, sized
from support.users import User

pytestmark = pytest.mark.real_engine
MAKER = """
import json, sys
sys.path[:0] = sys.argv[3:]
import mlc_patched
from mlc_patched.errors import MlcError
image, names = sys.argv[1:3]
made, refused = [], {}
for name in json.loads(names):
    try:
        made.append(mlc_patched.create(name, image=image).name)
    except MlcError as error:
        refused[name] = str(error)
print(json.dumps([made, refused]))
"""


def mlc(user: User, *arguments: str) -> subprocess.Popen[str]:
    return user.start(user.tree / "bin/mlc", *arguments)


def ends(commands: list[subprocess.Popen[str]]) -> list[tuple[int, str]]:
    """Wait for commands; return exit codes and last lines."""
    said = [command.communicate(timeout=300)[0] for command in commands]
    return [
        (command.returncode, text.rstrip("\n").rpartition("\n")[2])
        for command, text in zip(commands, said, strict=True)
    ]


@pytest.mark.promise("one-name-once")
@pytest.mark.parametrize(
    ("flow", "small", "full"),
    [("image", 20, 20), ("commit", 4, 20)],
    ids=["labelled", "legacy"],
)
def test_of_many_creates_of_one_name_one_wins(
    alice: User, labelled, counted: Counted, flow: str, small: int, full: int
) -> None:
    image, count = labelled(alice) if flow == "image" else BASE, sized(small, full)
    before = image_ids()
    commands = [mlc(alice, "create", "it", "--image", image, "-s") for _ in range(count)]
    ended = ends(commands)
    assert [code for code, _ in ended].count(0) == 1, ended
    refused = {words for code, words in ended if code}
    assert refused == {
        "Error: You have a container 'it' already. Open it with: mlc open it "
        "- or remove it first with: mlc remove it"
    }
    assert {code for code, _ in ended} == {0, 1}
    assert [name for name in container_names() if name.endswith(alice.tag(""))] == [alice.tag("it")]
    assert len(image_ids() - before) == (flow == "commit")
    assert inspect(alice.tag("it"))["Config"]["Labels"]["aime.mlc.DS01_USER_SETUP"] == flow
    counted("races", count)


@pytest.mark.promise("none-lost")
@pytest.mark.parametrize("flow", ["image", "commit"], ids=["labelled", "legacy"])
def test_create_and_remove_at_once_leave_a_whole_container_or_nothing(
    alice: User, labelled, counted: Counted, flow: str
) -> None:
    image = labelled(alice) if flow == "image" else BASE
    before = image_ids()
    for _ in range(sized(5 if flow == "image" else 1, 20 if flow == "image" else 5)):
        create = mlc(alice, "create", "it", "--image", image, "-s")
        remove = mlc(alice, "remove", "it", "-f")
        (created, said), (removed, words) = ends([create, remove])
        assert created in (0, 1), said
        assert removed in (0, 1), words
        assert "Unexpected" not in said + words
        there = alice.tag("it") in container_names()
        # It was removed before it was checked, or after, or not at all.
        assert there == (created == 0 and removed == 1), (said, words)
        assert len(image_ids() - before) == (there and flow == "commit")
        if there:
            assert alice.mlc("remove", "it", "-f").returncode == 0
        assert image_ids() == before
        counted("races")


@pytest.mark.promise("none-lost")
def test_retire_and_deploy_at_once_leave_one_container_or_none(
    alice: User, labelled, counted: Counted
) -> None:
    image, bin_ = labelled(alice), alice.tree / "bin/user"
    deploy = (bin_ / "container-deploy", "it", "--image", image, "--background", "-y")
    for _ in range(sized(2, 15)):
        assert alice.run(*deploy).returncode == 0
        first = inspect(alice.tag("it"))["Id"]
        both = [alice.start(bin_ / "container-retire", "it", "-y"), alice.start(*deploy)]
        (retired, words), (deployed, said) = ends(both)
        assert retired == 0, words
        there = alice.tag("it") in container_names()
        assert there == (deployed == 0), said
        if there:
            again = inspect(alice.tag("it"))
            assert again["Id"] != first
            assert again["State"]["Running"]
            assert alice.run(bin_ / "container-retire", "it", "-y").returncode == 0
        else:
            assert "You have a container 'it' already" in said
        counted("races")


@pytest.mark.promise("none-lost", "own-only")
def test_two_users_can_use_the_same_names(
    alice: User, ldap_user: User, labelled, counted: Counted
) -> None:
    """Each makes and removes what the other has a namesake of, which never notices."""
    images = {user.uid: labelled(user) for user in (alice, ldap_user)}
    for user in (alice, ldap_user):
        done = user.mlc("create", "stays", "--image", images[user.uid], "-s")
        assert done.returncode == 0, done.stderr
    stay = [inspect(user.tag("stays"))["Id"] for user in (alice, ldap_user)]
    for _ in range(sized(2, 10)):
        for words in (("create", "same", "--image"), ("remove", "same", "-f")):
            commands = [
                mlc(user, *words, *([images[user.uid], "-s"] if "create" in words else []))
                for user in (alice, ldap_user)
            ]
            ended = ends(commands)
            assert [code for code, _ in ended] == [0, 0], ended
        counted("races")
    assert [inspect(user.tag("stays"))["Id"] for user in (alice, ldap_user)] == stay


@pytest.mark.promise("none-lost", "one-name-once")
def test_eight_processes_lose_and_double_no_container(
    alice: User, labelled, counted: Counted
) -> None:
    """Each name is wanted by two of the eight processes; one of them gets it."""
    image, count, makers = labelled(alice), sized(40, 200), 8
    names = [f"n{number}" for number in range(count)]
    wanted = [
        json.dumps([name for at, name in enumerate(names) if at % 4 == maker % 4])
        for maker in range(makers)
    ]
    python = alice.tree / ".venv/bin/python"
    tree = (str(alice.tree), str(alice.tree / "lib"))
    commands = [alice.start(python, "-c", MAKER, image, each, *tree) for each in wanted]
    ended = ends(commands)
    assert {code for code, _ in ended} == {0}, ended
    found = [json.loads(words) for _, words in ended]
    made = [name for names_made, _ in found for name in names_made]
    assert sorted(made) == sorted(names), "each was made once"
    refusals = {
        text.replace(name, "NAME") for _, refused in found for name, text in refused.items()
    }
    assert len(refusals) == 1
    assert sum(len(refused) for _, refused in found) == count
    own = {name for name in container_names() if name.endswith(alice.tag(""))}
    assert own == {alice.tag(name) for name in names}
    listed = json.loads(alice.mlc("list", "--json").stdout)["containers"]
    assert sorted(each["name"] for each in listed) == sorted(names)
    counted("races", count)
    docker("rm", "-f", *own)


TAKE = "import fcntl, sys; fcntl.lockf(open(sys.argv[1], 'r+'), fcntl.LOCK_EX)"
HOLD = """
import fcntl, os, sys, time
os.chdir(sys.argv[1])
os.umask(0)
os.rename(".ds01-config", ".moved")
os.mkdir(".ds01-config", 0o777)
file = open(".ds01-config/locks", "w")
fcntl.lockf(file, fcntl.LOCK_EX)
print("held", flush=True)
time.sleep(600)
"""


@pytest.mark.promise("locks")
def test_nobody_else_can_take_or_block_a_lock(alice: User, ldap_user: User, labelled) -> None:
    """Not even in a home that is open to everybody."""
    assert alice.mlc("create", "it", "--image", BASE, "-s").returncode == 0
    mode = alice.home.stat().st_mode
    alice.home.chmod(0o777)
    holder = None
    try:
        done = ldap_user.run(sys.executable, "-c", TAKE, alice.home / ".ds01-config/locks")
        assert done.returncode == 1
        assert "Permission denied" in done.stderr
        holder = ldap_user.start(sys.executable, "-c", HOLD, alice.home)
        assert holder.stdout.readline() == "held\n"
        done = alice.mlc("create", "other", "--image", BASE, "-s")
        assert done.returncode == 0, done.stderr
        assert "Waiting" not in done.stderr
        assert alice.mlc("open", "it", timeout=60).returncode == 0
    finally:
        if holder is not None:
            holder.kill()
            holder.communicate()
        alice.home.chmod(mode)
        shutil.rmtree(alice.home / ".ds01-config")
        (alice.home / ".moved").rename(alice.home / ".ds01-config")

"""The defects of AIME's mlc 2.2.0 that docs/differences.md lists, one by one."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from support import aime_containers as aime
from support.account_in_container import account, assert_account_works, run
from support.base_images import BARE, BASE, CATALOG
from support.engine_fixtures import needs_another_user
from support.engine_proxy import Recording
from support.engine_state import container_names, docker, inspect, nothing_left
from support.users import User, new_user

pytestmark = pytest.mark.real_engine

REPOSITORY = BASE.partition(":")[0]


def create(user: User, image: str, name: str = "it") -> None:
    done = user.mlc("create", name, "--image", image, "-s")
    assert done.returncode == 0, done.stderr


def committed(user: User) -> str:
    """Return the image that was committed for the container `it`."""
    return str(inspect(user.tag("it"))["Config"]["Image"])


# "`start` without a command ends in a traceback, and stop/remove right after it race with it."


def test_start_without_a_command(user: User, labelled) -> None:
    create(user, labelled(user))
    for verb in ("start", "stop", "remove"):
        done = user.mlc(verb, "it", "-s")
        assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr
    assert user.tag("it") not in container_names()


# "A failed pull, run, commit or create still prints 'ready', exit 0. 'container removed' is
# printed when nothing was removed."


@pytest.mark.parametrize(
    "refused",
    {
        "set-up create": r"POST /containers/create\?name=mlc-setup",
        "set-up run": r"POST /containers/\w+/start",
        "commit": r"POST /commit",
        "create": r"POST /containers/create\?name=it",
    }.items(),
    ids=lambda item: item[0],
)
def test_a_step_that_fails_is_a_failure(
    alice: User, engine_calls: Recording, refused: tuple[str, str]
) -> None:
    engine_calls.refuse = refused[1]
    with nothing_left():
        done = alice.mlc("create", "it", "Pytorch", "2.8.0", "-s", DOCKER_HOST=engine_calls.address)
        assert done.returncode == 1
        assert any(re.search(refused[1], call) for call in engine_calls.calls)
        assert "ready" not in done.stdout + done.stderr
        assert "refused by the test" in done.stderr.splitlines()[-1]


def test_a_pull_that_fails_is_a_failure(alice: User) -> None:
    with nothing_left():
        done = alice.mlc("create", "it", "Absent", "1.0", "-s")
        assert (done.returncode, done.stdout) == (1, "")
        assert "could not be pulled" in done.stderr.splitlines()[-1]


def test_only_removed_containers_are_reported_as_removed(
    alice: User, labelled, engine_calls: Recording
) -> None:
    create(alice, labelled(alice))
    engine_calls.refuse = "DELETE /containers"
    done = alice.mlc("remove", "it", "-s", DOCKER_HOST=engine_calls.address)
    assert (done.returncode, done.stdout) == (1, "")
    assert "refused by the test" in done.stderr
    assert alice.tag("it") in container_names()


# "Exit 0 for: workspace/data directory missing in -s, container exists already, nothing to remove."


@pytest.mark.this_host
@pytest.mark.parametrize("flag", ["-w", "-d", "-m"])
def test_a_missing_directory_is_a_failure(alice: User, flag: str) -> None:
    with nothing_left():
        done = alice.mlc("create", "it", "--image", BASE, "-s", flag, "/not/there")
        assert (done.returncode, done.stdout) == (1, "")
        assert "/not/there does not exist" in done.stderr


def test_a_container_that_exists_already_is_a_failure(alice: User, labelled) -> None:
    image = labelled(alice)
    create(alice, image)
    assert alice.mlc("create", "it", "--image", image, "-s").returncode == 1


def test_nothing_to_remove_is_a_failure(alice: User) -> None:
    assert alice.mlc("remove", "it", "-s").returncode == 1


# "Needs a login terminal (no tty: crash); no EOF handling at questions."


def test_no_terminal_is_needed(user: User, labelled) -> None:
    create(user, labelled(user))
    for arguments in (
        ["list", "-a"],
        ["start", "it"],
        ["stop", "it", "-f"],
        ["remove", "it", "-f"],
    ):
        done = user.mlc(*arguments)
        assert done.returncode == 0, done.stderr


def test_the_end_of_the_input_answers_a_question(alice: User, labelled) -> None:
    create(alice, labelled(alice))
    child = alice.spawn(alice.tree / "bin/mlc", "remove", "it")
    child.expect(r"\(y/N\): ")
    child.sendeof()
    child.expect("The input ended")
    child.wait()
    assert child.exitstatus == 1
    assert alice.tag("it") in container_names()


# "Container lookup matches a substring of the name, and one docker call per container."


def test_names_are_matched_as_a_whole(alice: User, labelled, engine_calls: Recording) -> None:
    image = labelled(alice)
    for name in ("net", "net2", "my-net"):
        create(alice, image, name)
    docker("start", alice.tag("net2"), alice.tag("my-net"))
    done = alice.mlc("remove", "net", "-s", DOCKER_HOST=engine_calls.address)
    assert done.returncode == 0, done.stderr
    assert engine_calls.paths().count("GET /containers/json") <= 2
    mine = {name for name in container_names() if name.endswith(f"._.{alice.uid}")}
    assert mine == {alice.tag("net2"), alice.tag("my-net")}


# "A label value with a comma (a path `/data,1`) breaks list."


def test_a_comma_in_a_path_does_not_break_list(alice: User) -> None:
    labels = aime.labels(alice, "comma", data="/data,1", models="a=b,c=d")
    aime.create(alice, alice.tag("comma"), BASE, {**labels, "aime.mlc.MODELS_MOUNT": "-"}, ())
    shown = alice.mlc("list", "-a").stdout.splitlines()[1]
    assert "/data,1" in shown.split()


# "Host without /dev/video0 or /dev/snd: the container is made but can never start."


@pytest.mark.this_host
def test_a_host_without_sound_and_camera(user: User, labelled) -> None:
    devices = [each for each in ("/dev/snd", "/dev/video0") if not Path(each).exists()]
    done = user.mlc("create", "it", "--image", labelled(user), "-s")
    assert done.returncode == 0, done.stderr
    for device in devices:
        assert device in done.stderr
    assert user.mlc("start", "it", "-s").returncode == 0


# "Host without a GPU, or without apt: create refuses."


@pytest.mark.this_host
def test_a_host_without_a_gpu(user: User, labelled) -> None:
    has_gpu = any(Path(f"/dev/{node}").exists() for node in ("nvidiactl", "nvidia0", "kfd", "dxg"))
    done = user.mlc(
        "create", "it", "Pytorch", "2.8.0", "--image", labelled(user), "-s", MLC_ARCH=""
    )
    assert done.returncode == 0, done.stderr
    found = inspect(user.tag("it"))
    assert bool(found["HostConfig"]["DeviceRequests"]) == has_gpu
    if not has_gpu:
        assert "No GPU was found on this host" in done.stderr
        assert found["Config"]["Labels"]["aime.mlc.ARCH"] == "CPU"
        assert found["Config"]["Labels"]["aime.mlc.GPUS"] == "none"
    assert_account_works(user)


@pytest.mark.not_by_ssh
def test_a_host_without_apt_and_other_programs(alice: User, labelled) -> None:
    """Nothing on PATH but what starts the program itself."""
    path = alice.file("path/")
    for program in ("bash", "env", "readlink", "python3"):
        found = shutil.which(program)
        assert found
        (path / program).symlink_to(found)
    done = alice.mlc("create", "it", "--image", labelled(alice), "-s", PATH=str(path))
    assert done.returncode == 0, done.stderr


# "`apt-get update` leftovers stay in each committed image."


def test_a_bare_image_gets_its_tools_and_keeps_nothing_of_apt(alice: User) -> None:
    done = alice.mlc("create", "it", "Bare", "1.0", "-s")
    assert done.returncode == 0, done.stderr
    assert f", {BARE}\n" in CATALOG
    assert_account_works(alice)
    assert run(alice, "git --version").startswith("git version")
    files = "find /var/lib/apt/lists /var/cache/apt -type f ! -name lock"
    assert run(alice, f"sudo -n {files}") == ""


# "A UID like 1722830498 (LDAP) makes lastlog/faillog sparse files of hundreds of GB."


def test_logs_that_grow_with_the_uid_are_not_committed(
    tree, user_environ, engine, sparse: str
) -> None:
    """With a UID of some millions: the layer would have a gigabyte if they were not emptied."""
    needs_another_user()
    with new_user("mlc-far", 3_000_001, 3_000_001, tree, user_environ) as far:
        try:
            done = far.mlc("create", "it", "--image", sparse, "-s")
            assert done.returncode == 0, done.stderr
            sizes = run(far, "stat -c %s /var/log/lastlog /var/log/faillog")
            assert sizes.split() == ["0", "0"]
            assert inspect(committed(far))["Size"] - inspect(sparse)["Size"] < 1_000_000
        finally:
            docker("rm", "-f", far.tag("it"), check=False)
            docker("rmi", f"{sparse.partition(':')[0]}:{far.tag('it')}", check=False)


# "A login name such as `h.baker@hertie-school.lan` is no valid account name inside."


def test_a_login_name_that_is_not_a_valid_account_name(ldap_user: User) -> None:
    create(ldap_user, BASE)
    assert run(ldap_user, "id -un") == account(ldap_user)
    assert re.fullmatch(r"h-baker\d*-at-hertie-school-lan", account(ldap_user))
    labels = inspect(ldap_user.tag("it"))["Config"]["Labels"]
    assert labels["aime.mlc.USER"] == ldap_user.login


# "`docker commit` onto an image name with a registry port or a tag already there breaks it."


@pytest.mark.parametrize(
    ("reference", "repository"),
    [
        ("localhost:5000/team/base:v1.2", "localhost:5000/team/base"),
        ("localhost:5000/team/base", "localhost:5000/team/base"),
    ],
)
def test_a_reference_with_a_registry_is_committed_correctly(
    alice: User, reference: str, repository: str
) -> None:
    docker("tag", BASE, reference)
    try:
        create(alice, reference)
        assert committed(alice) == f"{repository}:{alice.tag('it')}"
    finally:
        docker("rmi", reference)


# "An image that has its own account with that UID or GID makes adduser fail silently."


def test_an_account_that_holds_the_uid_is_replaced(ldap_user: User, image_from) -> None:
    """As `ubuntu` 1000 in Ubuntu 24.04: its files stay, and are readable as the user's own."""
    user = ldap_user
    image = image_from(
        f"useradd -m -u {user.uid} ubuntu; install -m 600 -o ubuntu /dev/null /home/ubuntu/secret;"
        "echo kept > /home/ubuntu/secret"
    )
    create(user, image)
    assert_account_works(user)
    assert run(user, "cat /home/ubuntu/secret") == "kept"
    assert run(user, "getent passwd ubuntu || echo gone") == "gone"

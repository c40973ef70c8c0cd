"""create from an image without the user's account: set-up container, commit, create."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from support.account_in_container import (
    LEGACY_FLOW,
    OPTIMIZED_FLOW,
    account,
    assert_account_works,
    flow,
    run,
)
from support.base_images import BASE
from support.engine_state import docker, has_containerd_store, image_ids, inspect, nothing_left
from support.users import User

pytestmark = pytest.mark.real_engine

REPOSITORY = BASE.partition(":")[0]
LABELS = "aime.mlc.DS01_"


def create(user: User, image: str | None = None, *more: str, **environ: str) -> str:
    """Create the container `it`, of the catalog's Pytorch or of an image; return its output."""
    what = ("--image", image) if image else ("Pytorch", "2.8.0")
    done = user.mlc("create", "it", *what, "-s", *more, **environ)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def committed(user: User) -> str:
    """Return the image that was committed for the container `it`."""
    return str(inspect(user.tag("it"))["Config"]["Image"])


def test_the_account_is_set_up_and_committed(user: User) -> None:
    create(user)
    assert flow(user) == LEGACY_FLOW
    assert committed(user) == f"{REPOSITORY}:{user.tag('it')}"
    assert_account_works(user)
    run(user, "echo here > /workspace/file")
    there = (user.workspace / "file").stat()
    assert (there.st_uid, there.st_gid) == (user.uid, user.gid)


def test_a_local_image_is_used_if_no_registry_has_it(alice: User) -> None:
    assert f"Using the local {BASE}, as it could not be pulled" in create(alice)


def test_the_committed_image_has_labels_and_is_fast_afterwards(user: User) -> None:
    create(user)
    image = committed(user)
    labels = inspect(image)["Config"]["Labels"]
    store = "containerd" if has_containerd_store() else ""
    assert labels.pop("aime.mlc.DS01_IMAGE_STORE", "") == store
    assert {key: value for key, value in labels.items() if key.startswith(LABELS)} == {
        "aime.mlc.DS01_HAS_USER_SETUP": "true",
        "aime.mlc.DS01_USER_ID": str(user.uid),
        "aime.mlc.DS01_GROUP_ID": str(user.gid),
        "aime.mlc.DS01_USERNAME": account(user),
        "aime.mlc.DS01_SETUP_FOR": user.tag("it"),
    }
    before = image_ids()
    assert user.mlc("create", "second", "--image", image, "-s").returncode == 0
    assert flow(user, "second") == OPTIMIZED_FLOW
    assert image_ids() == before
    assert_account_works(user, "second")


def test_the_configuration_of_the_base_is_kept(alice: User, image_from) -> None:
    base = image_from(
        "",
        "ENV SPACED='a b' EMPTY=",
        'ENTRYPOINT ["/usr/bin/env", "WRAPPED=1"]',
        'CMD ["cat", "/etc/hostname"]',
        "WORKDIR /srv",
        "USER daemon",
        "EXPOSE 8888",
        "LABEL own=theirs",
    )
    create(alice, base)
    before, after = inspect(base)["Config"], inspect(committed(alice))["Config"]
    for key in ("Env", "Entrypoint", "Cmd", "WorkingDir", "User", "ExposedPorts", "Volumes"):
        assert after[key] == before[key], key
    assert {key: text for key, text in after["Labels"].items() if LABELS not in key} == {
        "own": "theirs"
    }
    assert not [variable for variable in after["Env"] if "DS01_" in variable]
    assert inspect(alice.tag("it"))["Config"]["Entrypoint"] == ["/usr/bin/env", "WRAPPED=1"]
    assert_account_works(alice)


def test_the_set_up_works_with_an_entrypoint_that_runs_nothing(alice: User, image_from) -> None:
    create(alice, image_from("", 'ENTRYPOINT ["/bin/false"]'))
    assert inspect(committed(alice))["Config"]["Labels"]["aime.mlc.DS01_USERNAME"]


def test_an_image_given_by_its_id_commits_under_its_name(alice: User) -> None:
    create(alice, inspect(BASE)["Id"])
    assert committed(alice) == f"{REPOSITORY}:{alice.tag('it')}"


def test_tools_that_exist_are_not_installed(alice: User, image_from) -> None:
    """An apt that fails shows whether it was called."""
    image = image_from("printf '#!/bin/sh\\nexit 9\\n' > /usr/bin/apt-get")
    create(alice, image)
    assert_account_works(alice)


def test_the_layer_of_the_account_is_small(ldap_user: User) -> None:
    create(ldap_user)
    assert inspect(committed(ldap_user))["Size"] - inspect(BASE)["Size"] < 1_000_000


def test_the_password_is_locked_and_sudo_is_checked(user: User) -> None:
    create(user)
    shadow = run(user, f"sudo -n grep ^{account(user)}: /etc/shadow").split(":")
    assert shadow[1].startswith("!")
    assert run(user, "sudo -n stat -c '%a %U' /etc/sudoers.d/*").splitlines()[-1] == "440 root"
    assert "parsed OK" in run(user, "sudo -n visudo -c")


def test_the_password_is_empty_on_request(ldap_user: User) -> None:
    create(ldap_user, MLC_EMPTY_PASSWORD="1")
    shadow = run(ldap_user, f"sudo -n grep ^{account(ldap_user)}: /etc/shadow").split(":")
    assert shadow[1] == ""


def test_prompt_and_path_are_in_the_start_up_file(ldap_user: User) -> None:
    create(ldap_user)
    shown = run(ldap_user, "bash -ic 'echo $PATH; echo \"${PS1@P}\"' 2>/dev/null").splitlines()
    assert f"/home/{account(ldap_user)}/.local/bin" in shown[0].split(":")
    assert shown[1].startswith(f"[it] {account(ldap_user)}@")
    assert shown[1].endswith(":/workspace$")


def test_a_group_that_holds_the_gid_is_replaced(alice: User, image_from) -> None:
    user = alice
    image = image_from(
        f"groupadd -g {user.gid} theirs; echo kept > /srv/file;"
        "chown root:theirs /srv/file; chmod 640 /srv/file"
    )
    create(user, image)
    assert_account_works(user)
    assert run(user, "cat /srv/file") == "kept"


def test_a_namesake_with_another_uid_is_replaced(ldap_user: User, image_from) -> None:
    user = ldap_user
    name = account(user)
    image = image_from(
        f"groupadd -g 4445 {name}; useradd -m -u 4444 -g 4445 {name};"
        f"echo kept > /home/{name}/file; chown 4444:4445 /home/{name}/file;"
        f"chmod 600 /home/{name}/file; groupadd conda; gpasswd -a {name} conda"
    )
    create(user, image)
    assert_account_works(user)
    assert run(user, "cat ~/file") == "kept"
    assert "conda" in run(user, f"id -Gn {name}").split()


@pytest.mark.not_by_ssh
def test_the_group_of_everybody_may_be_the_users_own(alice: User) -> None:
    """GID 100 is `users` in every Debian; on many hosts it is everybody's group."""
    done = alice.sudo(alice.tree / "bin/mlc", "create", "it", "--image", BASE, "-s", SUDO_GID="100")
    assert done.returncode == 0, done.stderr
    container = inspect(alice.tag("it"))
    assert container["Config"]["User"] == f"{alice.uid}:100"
    user = f"--user={alice.uid}:100"
    said = docker("run", "--rm", "--network=host", user, container["Image"], "id", "-gn")
    assert said == alice.login


@pytest.mark.parametrize(
    ("script", "words"),
    {
        "no useradd": ("rm /usr/sbin/useradd", "no useradd"),
        "no bash": ("rm /bin/bash", "no bash"),
        "no sudo and no apt": ("rm /usr/bin/sudo /usr/bin/apt-get", "lacks sudo"),
        "apt fails": (
            "rm /usr/bin/sudo; printf '#!/bin/sh\\necho no net; exit 9\\n' > /usr/bin/apt-get",
            "apt-get update failed",
        ),
        "broken sudoers": (
            "printf '#!/bin/sh\\nexit 1\\n' > /usr/sbin/visudo",
            "sudoers file is not valid",
        ),
        "no shell": ("rm /bin/sh", "exit status 127"),
    }.values(),
)
def test_a_set_up_that_fails_leaves_nothing(
    alice: User, image_from, script: str, words: str
) -> None:
    image = image_from(script)
    with nothing_left():
        done = alice.mlc("create", "it", "--image", image, "-s")
        assert done.returncode == 1
        assert words in done.stderr
        assert f"could not be set up in {image}" in done.stderr.splitlines()[-1]
        assert done.stdout == ""


def test_an_image_that_does_not_exist_leaves_nothing(ldap_user: User) -> None:
    with nothing_left():
        done = ldap_user.mlc("create", "it", "Absent", "1.0", "-s")
        assert done.returncode == 1
        assert "mlc-test/there-is-no-such-image:1" in done.stderr
        assert "could not be pulled" in done.stderr.splitlines()[-1]


def test_a_leftover_image_of_the_name_is_superseded(alice: User) -> None:
    create(alice)
    former = inspect(committed(alice))["Id"]
    assert alice.mlc("remove", "it", "-s", "--keep-image").returncode == 0
    create(alice)
    assert inspect(committed(alice))["Id"] != former
    assert former not in image_ids()


@pytest.mark.parametrize(
    "script",
    [
        "rm /etc/passwd; mkfifo /etc/passwd",
        "mkfifo /pipe; ln -sf /pipe /etc/passwd",
        "rm /etc/group; mkfifo /etc/group",
        "ln -sf /dev/zero /etc/passwd; rm -f /dev/zero; mknod /dev/zero c 1 5",
    ],
)
def test_an_image_with_a_pipe_for_its_accounts_is_not_started(
    alice: User, image_from: Callable[..., str], script: str
) -> None:
    """dockerd would read it for ever, and hold the container's lock."""
    image = image_from(script)
    with nothing_left():
        done = alice.mlc("create", "it", "--image", image, "-s", timeout=60)
        assert (done.returncode, done.stdout) == (1, "")
        assert "is not a regular file. The container was not started" in done.stderr
        listed = alice.mlc("list", "-a", timeout=20)
        assert listed.returncode == 0

"""create from an image whose labels name the user's account: one engine call, if they are right."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from subprocess import CompletedProcess

import pytest
from support.account_in_container import (
    LEGACY_FLOW,
    OPTIMIZED_FLOW,
    account,
    assert_account_works,
    flow,
)
from support.engine_proxy import Recording
from support.engine_state import docker, inspect, nothing_left
from support.reliability import Counted
from support.users import User

pytestmark = pytest.mark.real_engine


def claim(uid: int, gid: int, name: str, prefix: str = "aime.mlc.DS01_") -> list[str]:
    """Return the image changes that put the four labels on an image."""
    words = ("HAS_USER_SETUP", "USER_ID", "GROUP_ID", "USERNAME")
    values = ("true", uid, gid, name)
    case: Callable[[str], str] = str.lower if prefix == "ds01." else str
    return [
        f'LABEL {prefix}{case(word)}="{value}"' for word, value in zip(words, values, strict=True)
    ]


def passwd_row(user: User, name: str | None = None) -> str:
    name = name or account(user)
    return f"{name}:x:{user.uid}:{user.gid}::/home/{name}:/bin/bash"


def adding(rows: Iterable[str]) -> str:
    """Return a script that adds rows to /etc/passwd."""
    return "".join(f"echo '{row}' >> /etc/passwd\n" for row in rows)


def create(user: User, image: str, *more: str, **environ: str) -> CompletedProcess[str]:
    return user.mlc("create", "it", "--image", image, "-s", *more, **environ)


def forget(user: User) -> None:
    """Make the next create read the account in the image, as the first one does."""
    (user.home / ".ds01-config/verified-images").unlink(missing_ok=True)


@pytest.mark.this_host
def test_a_create_imports_no_more_than_it_uses(user: User, labelled) -> None:
    """Start-up is most of what a create takes."""
    create(user, labelled(user))  # the first time the account is read, too
    assert user.mlc("remove", "it", "-s").returncode == 0
    python = (user.tree / ".venv/bin/python", "-IS", "-X", "importtime")
    program = user.tree / "bin/docker/mlc-patched.py"
    done = user.run(*python, program, "create", "it", "--image", labelled(user), "-s")
    assert done.returncode == 0, done.stderr
    found = re.findall(r"^import time: +\d+ \| +\d+ \| +(\S+)$", done.stderr, re.M)
    unused = {"bz2", "csv", "dataclasses", "docker", "email", "http", "inspect", "requests"}
    assert not set(found) & (unused | {"shutil", "ssl", "tarfile", "typing"})
    assert len([each for each in found if each.startswith("mlc_patched")]) <= 68
    assert len(found) <= 160


def test_three_engine_calls_and_nothing_but_the_container(
    user: User, labelled, engine_calls: Recording
) -> None:
    """The first time the account is read, too."""
    image = labelled(user)
    forget(user)
    with nothing_left():
        done = create(user, image, DOCKER_HOST=engine_calls.address)
        assert done.returncode == 0, done.stderr
        container = inspect(user.tag("it"))
        assert engine_calls.paths() == [
            f"GET /images/{image}/json",
            "POST /containers/create",
            f"GET /containers/{user.tag('it')}/json",
            f"GET /containers/{container['Id']}/archive",
        ]
        assert user.mlc("remove", "it", "-s").returncode == 0
        assert create(user, image, DOCKER_HOST=engine_calls.address).returncode == 0
        assert engine_calls.paths()[4:] == [
            f"GET /images/{image}/json",
            "POST /containers/create",
            f"GET /containers/{user.tag('it')}/json",
        ]
        assert container["Config"]["Image"] == image
        assert container["Image"] == inspect(image)["Id"]
        assert container["State"]["Status"] == "created"
        assert user.mlc("remove", "it", "-s").returncode == 0
    assert inspect(image)["Id"] == container["Image"]


def test_the_account_is_there_and_owns_what_it_writes(user: User, labelled) -> None:
    assert create(user, labelled(user)).returncode == 0
    assert_account_works(user)
    written = user.mlc("start", "it", "echo here > /workspace/file; touch ~/.local/bin/x", "-s")
    assert written.returncode == 0, written.stderr
    there = (user.workspace / "file").stat()
    assert (there.st_uid, there.st_gid) == (user.uid, user.gid)


def test_several_containers_share_one_image(user: User, labelled) -> None:
    image = labelled(user)
    for name in ("one", "two"):
        assert user.mlc("create", name, "--image", image, "-s").returncode == 0
    one, two = inspect(user.tag("one")), inspect(user.tag("two"))
    assert one["Image"] == two["Image"] == inspect(image)["Id"]
    assert user.mlc("remove", "one", "-s", "--remove-image").returncode == 0
    assert inspect(user.tag("two"))["Image"] == two["Image"]


def test_a_labelled_image_of_the_catalog_is_not_pulled(
    user: User, labelled, engine_calls: Recording
) -> None:
    catalog = user.file("own.repo", f"Mine, 1, [CUDA_ADA], {labelled(user)}\n")
    done = user.mlc(
        *("create", "it", "Mine", "1", "-s"),
        MLC_CATALOG=str(catalog),
        DOCKER_HOST=engine_calls.address,
    )
    assert done.returncode == 0, done.stderr
    assert not [call for call in engine_calls.calls if "/images/create" in call]
    assert flow(user) == OPTIMIZED_FLOW


def test_the_later_spelling_is_read(user: User, image_from) -> None:
    labels = claim(user.uid, user.gid, account(user), "ds01.")
    assert create(user, image_from(adding([passwd_row(user)]), *labels)).returncode == 0
    assert flow(user) == OPTIMIZED_FLOW


@pytest.mark.promise("input-works")
@pytest.mark.parametrize(
    "lie",
    {
        "no such account": ("it has no account", lambda user: ""),
        "the account has UID 0": (
            "disagree",
            lambda user: adding([f"{account(user)}:x:0:0::/root:/bin/sh"]),
        ),
        "the UID is somebody's else": (
            "disagree",
            lambda user: adding([passwd_row(user, "mallory")]),
        ),
        "two rows of one name": (
            "disagree",
            lambda user: adding([passwd_row(user), f"{account(user)}:x:0:0::/root:/bin/sh"]),
        ),
        "two rows of one UID": (
            "disagree",
            lambda user: adding([passwd_row(user), passwd_row(user, "mallory")]),
        ),
        "two rows of one UID, of which one is spelt otherwise": (
            "is not a valid entry",
            lambda user: adding(
                [passwd_row(user), passwd_row(user, "mallory").replace(":x:", ":x:0", 1)]
            ),
        ),
        "another group": (
            "has GID 7777, not",
            lambda user: adding([passwd_row(user).replace(f":{user.gid}::", ":7777::")]),
        ),
    }.items(),
    ids=lambda item: item[0],
)
def test_wrong_labels_are_not_trusted(alice: User, image_from, lie, counted: Counted) -> None:
    _, (why, script) = lie
    image = image_from(script(alice), *claim(alice.uid, alice.gid, account(alice)))
    done = create(alice, image)
    assert done.returncode == 0, done.stderr
    warning = next(line for line in done.stderr.splitlines() if "are wrong" in line)
    assert warning.startswith(f"Warning: The labels of {image} are wrong")
    assert why in warning
    assert flow(alice) == LEGACY_FLOW
    assert_account_works(alice)
    counted("inputs")


def test_a_passwd_that_is_not_a_file_is_not_trusted(alice: User, image_from) -> None:
    """A link could lead the reader anywhere, so only a regular file counts."""
    labels = claim(alice.uid, alice.gid, account(alice))
    script = f"{adding([passwd_row(alice)])} mv /etc/passwd /etc/real; ln -s real /etc/passwd"
    image = image_from(script, *labels)
    with nothing_left():
        done = create(alice, image)
    assert f"The labels of {image} are wrong" in done.stderr
    # Nor can the image's own programs set up an account there.
    assert f"The account could not be set up in {image}" in done.stderr
    assert done.returncode == 1


def test_another_user_s_image_is_set_up_again(user: User, labelled, image_from) -> None:
    image = image_from("", *claim(4711, 4712, "mallory"))
    done = create(user, image)
    assert done.returncode == 0, done.stderr
    assert "4711:4712" in done.stderr
    assert f"{user.uid}:{user.gid}" in done.stderr
    assert "image-create PROJECT --force" in done.stderr
    assert flow(user) == LEGACY_FLOW
    assert_account_works(user)


def test_the_mismatch_names_the_project(alice: User, ldap_account: User, labelled) -> None:
    image = labelled(ldap_account, "vision")
    done = create(alice, image)
    assert f"image-create vision --from {image}" in done.stderr
    assert_account_works(alice)


def test_another_group_alone_is_a_mismatch(alice: User, image_from) -> None:
    done = create(alice, image_from("", *claim(alice.uid, alice.uid + 1, alice.login)))
    assert f"{alice.uid}:{alice.uid + 1}" in done.stderr
    assert flow(alice) == LEGACY_FLOW


@pytest.mark.promise("input-works")
@pytest.mark.parametrize(
    "changes",
    [
        ['LABEL aime.mlc.DS01_HAS_USER_SETUP="yes"'],
        ['LABEL aime.mlc.DS01_HAS_USER_SETUP="true"'],
        claim(1, 1, ""),
        [*claim(1, 1, "x"), 'LABEL aime.mlc.DS01_USER_ID=" 1"'],
        [*claim(1, 1, "x"), 'LABEL aime.mlc.DS01_GROUP_ID="4294967295"'],
        [*claim(1, 1, "x"), 'LABEL ds01.user_id="2"'],
        [*claim(1, 1, "x"), 'LABEL aime.mlc.DS01_HAS_USER_SETUP="True"'],
    ],
)
def test_malformed_labels_count_as_none(alice: User, image_from, changes: list[str]) -> None:
    image = image_from("", *changes)
    done = create(alice, image)
    assert done.returncode == 0, done.stderr
    assert f"Warning: The labels of {image} cannot be trusted" in done.stderr
    assert flow(alice) == LEGACY_FLOW


def test_an_image_that_claims_nothing_gives_no_warning(alice: User, image_from) -> None:
    image = image_from("", 'LABEL aime.mlc.DS01_HAS_USER_SETUP="false"')
    done = create(alice, image, "-g", "none")
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr
    assert flow(alice) == LEGACY_FLOW


def test_an_image_replaced_during_create_is_not_used(
    alice: User, labelled, image_from, engine_calls: Recording
) -> None:
    """Between the check and the create, the name moves to another image."""
    image = labelled(alice)
    looked_at = inspect(image)["Id"]
    other = image_from("rm /etc/passwd")
    engine_calls.before["POST /containers/create"] = lambda: docker("tag", other, image)
    done = create(alice, image, DOCKER_HOST=engine_calls.address)
    assert done.returncode == 0, done.stderr
    assert not engine_calls.before, "the exchange did not happen"
    assert inspect(image)["Id"] != looked_at
    assert inspect(alice.tag("it"))["Image"] == looked_at
    assert_account_works(alice)


def test_the_entrypoint_of_the_image_is_kept(alice: User, labelled) -> None:
    image = labelled(alice)
    container = docker("create", image)
    docker("commit", '--change=ENTRYPOINT ["env", "FROM=entrypoint"]', container, image)
    docker("rm", container)
    assert create(alice, image).returncode == 0
    assert inspect(alice.tag("it"))["Config"]["Entrypoint"] == ["env", "FROM=entrypoint"]
    assert_account_works(alice)


@pytest.mark.parametrize("refused", ["POST /containers/create", "GET /containers/.*/archive"])
def test_a_failing_engine_leaves_nothing(
    alice: User, labelled, engine_calls: Recording, refused: str
) -> None:
    image = labelled(alice)
    forget(alice)
    engine_calls.refuse = refused
    with nothing_left():
        done = create(alice, image, DOCKER_HOST=engine_calls.address)
        assert done.returncode == 1
        assert "refused by the test" in done.stderr.splitlines()[-1]
        assert done.stdout == ""


def test_create_asks_first_on_a_terminal(alice: User, labelled) -> None:
    image = labelled(alice)
    with nothing_left():
        child = alice.spawn(alice.tree / "bin/mlc", "create", "it", "--image", image)
        child.expect(r"Create the container it from .*\? \(Y/n\)")
        child.sendline("n")
        child.expect("Nothing was done")
        child.wait()
        assert child.exitstatus == 1

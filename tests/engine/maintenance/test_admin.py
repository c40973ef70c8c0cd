"""adopt, prune and doctor on the real engine, as ordinary users and as root."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support import aime_containers as aime
from support.account_in_container import OPTIMIZED_FLOW, flow
from support.aime_checkout import checkout, v2_files
from support.base_images import BASE
from support.engine_state import (
    container_names,
    docker,
    has_containerd_store,
    inspect,
    is_podman,
    unpacked_size,
)
from support.users import SYSTEM_PATH, User

from mlc_patched.engine.podman import familiar

pytestmark = pytest.mark.real_engine

SETUP = "--label=aime.mlc.DS01_SETUP_FOR=it._.{uid}"


def mlc(user: User, *arguments: str, code: int = 0, **environ: str) -> str:
    done = user.mlc(*arguments, **environ)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def as_root(user: User, *arguments: str, code: int = 0) -> str:
    """Run mlc as root itself, not by sudo."""
    root = User("root", 0, 0, Path("/root"), user.tree, user.environ)
    return mlc(root, *arguments, code=code)


def things(*users: User) -> set[str]:
    """Return the names of the users' containers and images."""
    images = docker("images", "--format", "{{.Repository}}:{{.Tag}}").split()
    uids = [str(user.uid) for user in users]
    return {name for name in (*container_names(), *images) if any(uid in name for uid in uids)}


@pytest.fixture
def aimes_base(image_from: Callable[..., str]) -> str:
    """An image with sudo for everybody, as AIME's set-up makes it."""
    return image_from("echo 'ALL ALL=(ALL:ALL) NOPASSWD: ALL' > /etc/sudoers.d/all")


def test_a_committed_image_is_adopted_without_a_new_layer(
    alice: User, image_from: Callable[..., str], aimes_base: str
) -> None:
    aime.container(alice, "old", aimes_base)
    committed = familiar(inspect(alice.tag("old"))["Config"]["Image"])
    before = things(alice)
    assert "would be adopted" in mlc(alice, "adopt", "--all", "--dry-run")
    assert things(alice) == before
    said = mlc(alice, "adopt", "--all")
    adopted = f"ds01-{alice.uid}/old:latest"
    assert f"{committed} is now {adopted}" in said
    layers = {name: inspect(name)["RootFS"]["Layers"] for name in (adopted, committed)}
    if is_podman():  # its commits always add a layer, of two kilobytes
        assert layers[adopted][:-1] == layers[committed]
    else:
        assert layers[adopted] == layers[committed]
        assert "takes 0B more of the disk" in said
    labels = inspect(adopted)["Config"]["Labels"]
    assert labels["aime.mlc.DS01_HAS_USER_SETUP"] == "true"
    assert labels["aime.mlc.DS01_USER_ID"] == str(alice.uid)
    assert labels["aime.mlc.DS01_USERNAME"] == f"aime{alice.uid}"
    before = things(alice)
    mlc(alice, "create", "new", "--image", adopted, "-s")
    assert flow(alice, "new") == OPTIMIZED_FLOW
    assert things(alice) - before == {alice.tag("new")}
    assert mlc(alice, "start", "new", "id -u; sudo -n id -u", "-s").split() == [str(alice.uid), "0"]
    assert "already exists" in mlc(alice, "adopt", "old", code=1)
    assert "Nothing to adopt" in mlc(alice, "adopt", "--all")
    assert not [name for name in container_names() if f"-{alice.uid}-" in name]


def test_an_image_without_the_account_is_not_adopted(
    alice: User, image_from: Callable[..., str]
) -> None:
    image = image_from("")
    aime.create(alice, alice.tag("old"), image, aime.labels(alice, "old"), ())
    assert "no image that was committed for it" in mlc(alice, "adopt", "old", code=1)
    docker("rm", alice.tag("old"))
    committed = f"{image.rpartition(':')[0]}:{alice.tag('old')}"
    docker("tag", image, committed)
    aime.create(alice, alice.tag("old"), committed, aime.labels(alice, "old"), ())
    before = things(alice)
    said = mlc(alice, "adopt", "old", code=1)
    assert "was not adopted" in said
    # Podman adds the caller to the /etc/passwd of every container.
    assert (
        "the home / is not writable" if is_podman() else f"UID {alice.uid} has no account"
    ) in said
    assert things(alice) == before


def test_an_image_made_by_mlc_is_already_labelled(alice: User) -> None:
    mlc(alice, "create", "it", "Pytorch", "2.8.0", "-s")
    assert "its image is already labelled" in mlc(alice, "adopt", "it", code=1)


def test_prune_removes_the_caller_s_leftovers_and_nothing_else(
    alice: User, ldap_user: User, labelled: Callable[..., str]
) -> None:
    # Where containerd stores the images, `docker rmi` in earlier tests leaves nameless ones.
    mlc(alice, "prune", "-y", "--older-than", "0", "--previous")
    for user in (alice, ldap_user):
        name, label = f"mlc-setup-{user.uid}-0123456789ab", SETUP.format(uid=user.uid)
        docker("create", "--network=host", f"--name={name}", label, BASE, "true")
        mlc(user, "create", "it", "Pytorch", "2.8.0", "-s")
        mlc(user, "remove", "it", "-s", "--keep-image")
    docker("create", "--network=host", f"--name=mlc-setup-{alice.uid}-mine", BASE, "true")
    mlc(alice, "create", "used", "Pytorch", "2.8.0", "-s")
    own = labelled(alice)
    docker("tag", own, own.replace("latest", "previous"))
    repository = BASE.partition(":")[0]
    orphan = f"{repository}:{alice.tag('it')}"
    try:
        before = things(alice, ldap_user)
        assert f"mlc-setup-{alice.uid}-0123456789ab" not in mlc(alice, "prune", "--dry-run")
        found = json.loads(mlc(alice, "prune", "-n", "--older-than", "0", "--previous", "--json"))
        assert {each["name"] for each in found["left_over"]} == {
            f"mlc-setup-{alice.uid}-0123456789ab",
            orphan,
            own.replace("latest", "previous"),
        }
        size = {each["name"]: each["frees"] for each in found["left_over"]}
        added = unpacked_size(orphan) - unpacked_size(BASE)
        assert size[orphan] == added
        assert size[own.replace("latest", "previous")] == 0  # it has another name
        assert found["frees"] == sum(size.values())  # a new container may have some, too
        assert things(alice, ldap_user) == before
        assert "pass -y to confirm" in mlc(alice, "prune", code=2)
        mlc(alice, "prune", "-y", "--older-than", "0", "--previous")
        assert before - things(alice, ldap_user) == {
            f"mlc-setup-{alice.uid}-0123456789ab",
            orphan,
            own.replace("latest", "previous"),
        }
        assert "needs root" in mlc(alice, "prune", "--all-users", code=2)
        theirs = json.loads(
            as_root(alice, "prune", "--all-users", "-n", "--older-than=0", "--json")
        )
        assert f"mlc-setup-{ldap_user.uid}-0123456789ab" in {
            each["name"] for each in theirs["left_over"]
        }
        assert not [each for each in theirs["left_over"] if "-mine" in each["name"]]
    finally:
        docker("rm", f"mlc-setup-{alice.uid}-mine", check=False)
        docker("rmi", own.replace("latest", "previous"), check=False)


@pytest.fixture
def own_tree(tree: Path) -> Iterator[Path]:
    """A copy of the program's tree, to be damaged."""
    parent = Path(f"/var/tmp/mlc-test-broken-{os.getpid()}")
    parent.mkdir(mode=0o755)
    for part in ("bin", "lib", "mlc_patched"):
        shutil.copytree(tree / part, parent / part, symlinks=True)
    (parent / ".venv").symlink_to(tree / ".venv")
    subprocess.run(["chmod", "-R", "a+rX", parent], check=True)
    yield parent
    shutil.rmtree(parent)


def findings(user: User, tree: Path, *arguments: str, code: int, **environ: str) -> list[Any]:
    done = user.run(tree / "bin/mlc", "doctor", "--json", *arguments, **environ)
    assert done.returncode == code, done.stdout + done.stderr
    return list(json.loads(done.stdout)["findings"])


@pytest.mark.this_host
def test_doctor_finds_ten_kinds_of_problems(
    alice: User,
    own_tree: Path,
    sparse: str,
    image_from: Callable[..., str],
    labelled: Callable[..., str],
    tmp_path: Path,
) -> None:
    # 1, 2: an invalid catalog; a workspace that is a file.
    catalog = alice.file("broken.repo", "Pytorch, 2.8.0\n")
    shutil.rmtree(alice.workspace)
    alice.workspace.write_text("")
    os.chown(alice.workspace, alice.uid, alice.gid)
    # 3, 4: an image of another UID under the user's name; one with a log of two megabytes.
    stale = f"ds01-{alice.uid}/stale:latest"
    docker("tag", labelled(alice, "fine"), f"ds01-{alice.uid}/theirs:latest")
    docker(
        *("tag", image_from("", "LABEL aime.mlc.DS01_HAS_USER_SETUP=true"), stale),
    )
    blown = image_from("truncate -s 2M /var/log/lastlog")
    docker("tag", blown, f"ds01-{alice.uid}/blown:latest")
    # 5, 6, 7: containers whose device, mount or image no longer exists.
    device = Path("/dev/mlc-test-gone")
    device.unlink(missing_ok=True)  # what a killed run left
    subprocess.run(["mknod", device, "c", "1", "3"], check=True)
    gone = alice.file("gone/")
    docker("create", "--name=mlc-test-doomed", BASE, "true")
    docker("commit", "-m", "doomed", "mlc-test-doomed", "mlc-test/doomed:1")
    docker("rm", "mlc-test-doomed")
    own = {name: aime.labels(alice, name, workspace=str(gone)) for name in ("bare", "lost")}
    # A privileged container starts without the device.
    flags = ("--privileged=false", f"--device={device}")
    aime.create(alice, alice.tag("bare"), BASE, own["bare"], flags)
    aime.create(alice, alice.tag("lost"), "mlc-test/doomed:1", own["lost"], ())
    device.unlink()
    gone.rmdir()
    docker("rmi", "-f", "mlc-test/doomed:1")
    # 8: an image that was committed for a container that no longer exists.
    docker("tag", image_from("touch /left"), f"mlc-test/orphan:{alice.tag('long-gone')}")
    # 9, 10: a file of the tree is missing; completion is not installed.
    (own_tree / "lib/username-utils.sh").unlink()
    try:
        found = findings(alice, own_tree, code=1, MLC_CATALOG=str(catalog))
        wrong = {(each["check"], each["health"]): each["text"] for each in found if each["remedy"]}
        texts = "\n".join(each["text"] for each in found if each["health"] != "ok")
        for words in (
            f"{catalog}, line 1",
            f"{alice.workspace} is not a directory",
            f"{stale} is not right",
            f"/var/log/lastlog in ds01-{alice.uid}/blown:latest",
            # What Podman says of its devices was not tried.
            *(
                []
                if is_podman()
                else ["bare cannot start: the device /dev/mlc-test-gone is missing"]
            ),
            f"{gone}, which it mounts, is missing",
            # containerd's store keeps an image that a container uses, without a name. Podman
            # removes such a container with the image.
            *([] if has_containerd_store() or is_podman() else ["the image of lost is gone"]),
            "1 images that no container uses",
            "lib/username-utils.sh is missing",
            "not installed for bash",
        ):
            assert words in texts, (words, texts)
        assert ("engine", "broken") not in wrong
        page = alice.run(own_tree / "bin/mlc", "doctor", MLC_CATALOG=str(catalog))
        assert page.returncode == 1
        assert f"broken   workspace: {alice.workspace} is not a directory" in page.stdout
        assert "fix: mlc prune --aime --dry-run" in page.stdout
    finally:
        alice.workspace.unlink()
        alice.file("workspace/")
        docker("rmi", f"mlc-test/orphan:{alice.tag('long-gone')}", check=False)


def test_doctor_on_a_machine_without_an_engine_and_group(alice: User, own_tree: Path) -> None:
    environ = {"DOCKER_HOST": "unix:///var/run/there-is-none.sock"}
    found = {each["check"]: each for each in findings(alice, own_tree, code=1, **environ)}
    assert found["engine"]["health"] == "broken"
    assert found["group docker"]["health"] == "ok"
    assert found["workspace"]["health"] == "ok"


@pytest.mark.not_by_ssh
def test_doctor_finds_a_checkout_that_is_half_restored(alice: User, own_tree: Path) -> None:
    """As after a `git checkout` by someone who did not know of the patch."""
    with checkout(v2_files(f"Pytorch, 2.8.0, [CUDA_ADA], {BASE}\n")) as made:
        path = {"PATH": f"{made.path}:/root/none:{SYSTEM_PATH}"}
        found = findings(alice, own_tree, code=0, **path)
        assert {"AIME checkout": "ok"}.items() <= {e["check"]: e["health"] for e in found}.items()
        subprocess.run([own_tree / "bin/mlc-patch", "apply", made.path], check=True)
        made.git("checkout", "--", "mlc-stop")
        found = findings(alice, own_tree, code=1, **path)
        broken = [each for each in found if each["health"] == "broken"]
        assert [each["remedy"] for each in broken] == [f"sudo mlc-patch apply {made.path}"]


@pytest.mark.this_host
def test_doctor_repairs_what_is_safe(alice: User) -> None:
    shutil.rmtree(alice.workspace)
    before = findings(alice, alice.tree, code=0)
    assert [each["check"] for each in before if each["repairable"]] == ["workspace"]
    assert "Would fix workspace: make the directory" in mlc(alice, "doctor", "--repair", "-y")
    assert alice.workspace.is_dir()
    assert alice.workspace.stat().st_uid == alice.uid
    assert_nothing_repairable(alice)


def assert_nothing_repairable(user: User) -> None:
    assert not [each for each in findings(user, user.tree, code=0) if each["repairable"]]


def test_an_adopted_image_works_for_its_user(ldap_user: User, aimes_base: str) -> None:
    aime.container(ldap_user, "old", aimes_base)
    mlc(ldap_user, "adopt", "old", "--project", "taken-over")
    image = f"ds01-{ldap_user.uid}/taken-over:latest"
    mlc(ldap_user, "create", "new", "--image", image, "-s")
    assert flow(ldap_user, "new") == OPTIMIZED_FLOW

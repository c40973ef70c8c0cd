"""container-deploy, -create, -list and -retire on the real engine, as ordinary users."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pexpect
import pytest
from support.base_images import BASE
from support.container_commands import command, unchanged
from support.engine_state import docker, inspect, is_podman
from support.users import User

pytestmark = pytest.mark.real_engine


def test_deploy_list_retire(each_user: User, project) -> None:
    image = project(each_user, "my.project")
    spaced = each_user.file("a 'b' \"c/")
    with unchanged(each_user):
        done = command(each_user, "container-deploy", "my.project", "-w", spaced, "--cpus", "0.5")
        assert done.returncode == 0, done.stderr
        for words in ("[my-project] running, directly from", "mlc open my-project", "VS Code"):
            assert words in done.stdout
        assert f"/workspace is {spaced}" in done.stdout
        found = inspect(each_user.tag("my-project"))
        assert found["State"]["Running"]
        assert found["HostConfig"]["NanoCpus"] == 500_000_000
        second = command(each_user, "container-create", "--project", "my.project", "--memory", "1g")
        assert second.returncode == 0, second.stderr
        assert inspect(each_user.tag("my-project-2"))["HostConfig"]["Memory"] == 2**30
        third = command(each_user, "container-create", "other", "--project", "my.project", "--json")
        assert json.loads(third.stdout)["container"]["state"] == "created"
        listed = command(each_user, "container-list", "--json")
        shown = json.loads(listed.stdout)["containers"]
        assert [each["name"] for each in shown] == ["my-project", "my-project-2", "other"]
        assert {each["image"] for each in shown} == {image}
        assert not any(each["is_outdated"] for each in shown)
        gone = command(each_user, "container-retire", "my-project", "my-project-2", "other", "-y")
        assert gone.returncode == 0, gone.stderr
    assert inspect(image)


def test_an_outdated_image_is_reported(carol: User, project) -> None:
    image = project(carol)
    assert command(carol, "container-create", "project").returncode == 0
    docker("commit", "-c", "LABEL x=y", carol.tag("project"), image)
    listed = command(carol, "container-list")
    assert f"{image} (image updated since)" in listed.stdout
    assert "container-retire project" in listed.stderr


def test_a_missing_image_is_reported_with_those_that_exist(carol: User, project) -> None:
    project(carol)
    with unchanged(carol):
        done = command(carol, "container-deploy", "absent")
        assert done.returncode == 1
        assert f"ds01-{carol.uid}/project." in done.stderr
        assert "image-create absent" in done.stderr
        nameless = command(carol, "container-deploy")
        assert nameless.returncode == 2
        assert "container-deploy PROJECT" in nameless.stderr


def test_a_container_that_cannot_start_is_not_left(carol: User, project) -> None:
    image = project(carol)
    with unchanged(carol):
        done = command(
            carol, "container-deploy", "x", "--image", image, "-arch", "CUDA_ADA", "--memory", "5m"
        )
        assert done.returncode == 1, done.stdout
        old = command(carol, "container-deploy", "-f", "pytorch", "--memory", "1m")
        assert old.returncode == 1, old.stdout


def test_a_dry_run_does_nothing(carol: User, project) -> None:
    project(carol)
    carol.workspace.rmdir()
    with unchanged(carol):
        done = command(carol, "container-deploy", "project", "--dry-run")
        assert done.returncode == 0, done.stderr
        assert f"{carol.home}/workspace" in done.stdout
        planned = command(carol, "container-deploy", "project", "--dry-run", "--json", "--cpu-only")
        assert json.loads(planned.stdout)["planned"]["flow"] == "image"
    assert not carol.workspace.exists()
    carol.file("workspace/")


def test_save_keeps_changes_and_sets_true_labels(each_user: User, project) -> None:
    project(each_user)
    done = command(
        each_user, "container-deploy", "work", "--project", "project", "--background", "-y"
    )
    assert done.returncode == 0, done.stderr
    tag = each_user.tag("work")
    account = docker("exec", tag, "id", "-un")
    docker(
        "exec", "-u", "0", tag, "sh", "-c", "echo log > /var/log/x.log; touch /var/cache/apt/a.bin"
    )
    docker("exec", tag, "sh", "-c", "echo kept > ~/notes")
    before = command(each_user, "container-retire", "work", "--save", "v1")
    assert before.returncode == 2
    assert "-y" in before.stderr
    done = command(each_user, "container-retire", "work", "--save", "v1", "-y")
    assert done.returncode == 0, done.stderr
    saved = f"ds01-{each_user.uid}/project:v1"
    assert saved in done.stdout
    assert f"/home/{account}/notes" in done.stdout
    labels = inspect(saved)["Config"]["Labels"]
    assert labels["aime.mlc.DS01_HAS_USER_SETUP"] == "true"
    assert labels["aime.mlc.DS01_USER_ID"] == str(each_user.uid)
    assert labels["aime.mlc.DS01_GROUP_ID"] == str(each_user.gid)
    assert labels["aime.mlc.DS01_USERNAME"] == account
    [metadata] = json.loads(labels["devcontainer.metadata"])
    assert metadata == {"remoteUser": account}
    for label in ("", ".NAME", ".USER", ".DS01_USER_SETUP", ".DS01_IMAGE", ".DS01_REQUEST"):
        assert labels[f"aime.mlc{label}"] == ""
    inside = docker(
        "run",
        "--rm",
        "--network",
        "none",
        saved,
        "bash",
        "-lc",
        "cat ~/notes /var/log/x.log; sudo find /var/cache/apt -name '*.bin'",
    )
    assert inside == "kept", inside
    assert "work._." in inspect(saved)["Comment"]
    again = command(each_user, "container-deploy", "again", "--image", saved)
    assert again.returncode == 0, again.stderr
    assert inspect(each_user.tag("again"))["Image"] == inspect(saved)["Id"]
    assert docker("exec", each_user.tag("again"), "sudo", "-n", "id", "-u") == "0"


def test_a_container_of_the_legacy_flow_is_saved_for_its_user(carol: User) -> None:
    assert command(carol, "container-create", "-f", "Pytorch", "-v", "2.8.0").returncode == 0
    done = command(carol, "container-retire", "pytorch-2-8-0", "--save", "-y", "--json")
    assert done.returncode == 0, done.stderr
    saved = json.loads(done.stdout)["retired"][0]["saved"]["image"]
    assert saved.startswith(f"ds01-{carol.uid}/pytorch-2-8-0:")
    config = inspect(saved)["Config"]
    assert config["Labels"]["org.opencontainers.image.base.name"] == BASE.partition(":")[0]
    assert config["User"] == str(carol.uid)
    again = command(carol, "container-create", "again", "--image", saved, "--json")
    assert json.loads(again.stdout)["container"]["flow"] == "image"


def test_a_saved_image_is_replaced_only_on_request(carol: User, project) -> None:
    image = project(carol)
    assert command(carol, "container-create", "project").returncode == 0
    done = command(carol, "container-retire", "project", "--save", "latest")
    assert done.returncode == 2
    assert "Replace it?" in done.stderr
    first = inspect(image)["Id"]
    assert inspect(carol.tag("project"))
    terminal = carol.spawn(
        carol.tree / "bin/user/container-retire", "project", "--save", "latest", timeout=60
    )
    terminal.expect("Replace it.*y/N")
    terminal.sendline("y")
    terminal.expect("Save project as .*y/N")
    terminal.sendline("y")
    terminal.expect("saved as")
    terminal.expect(pexpect.EOF)
    assert inspect(image)["Id"] != first


def test_an_image_that_does_not_run_as_the_user_is_not_kept(carol: User, project) -> None:
    project(carol)
    assert command(carol, "container-deploy", "project", "--background").returncode == 0
    other_uid = f"s/:{carol.uid}:/:{carol.uid + 1}:/"
    docker("exec", "-u", "0", carol.tag("project"), "sed", "-i", other_uid, "/etc/passwd")
    with unchanged(carol):
        done = command(carol, "container-retire", "project", "--save", "broken", "-y")
        assert done.returncode == 1, done.stdout + done.stderr
        assert str(carol.uid) in done.stderr
        assert "mlc start project" in done.stderr
    assert not inspect(carol.tag("project"))["State"]["Running"]


def test_the_site_s_own_wrapper_creates(carol: User, project) -> None:
    image = project(carol)
    log = carol.home / "called"
    wrapper = carol.file(
        "site's wrapper.sh",
        f"""#!/bin/bash
printf '%s\\n' "$@" >"{log}"
[[ "$1" != bad ]] || {{ echo 'no room'; exit 3; }}
for each; do
    case $each in -w=*) w=${{each#-w=}} ;; --image=*) image=${{each#--image=}} ;; esac
done
python3 "{carol.tree}/bin/docker/mlc-patched.py" create "$1" "$2" "$3" -s -w "$w" --image "$image"
docker update --cpus 1 "$1._.{carol.uid}" && docker stop "$1._.{carol.uid}"
""",
    )
    wrapper.chmod(0o755)
    spaced = carol.file("w x/")
    site = {"DS01_MLC_WRAPPER": str(wrapper)}
    done = command(carol, "container-create", "project", "-w", spaced, "--cpu-only", **site)
    assert done.returncode == 0, done.stderr
    assert log.read_text().splitlines() == [
        *("project", "custom", "latest"),
        *(f"-w={spaced}", f"--image={image}", "--cpu-only"),
    ]
    host = inspect(carol.tag("project"))["HostConfig"]
    assert (host["NanoCpus"] or host["CpuQuota"] * 10**4) == 10**9  # Podman has a quota of 0.1 s
    with unchanged(carol):
        bad = command(carol, "container-create", "bad", "--project", "project", **site)
        assert bad.returncode == 1
        assert "no room" in bad.stderr
        assert "exit status 3" in bad.stderr


def test_root_is_refused(engine, tree: Path) -> None:
    for name in ("container-deploy", "container-create", "container-list", "container-retire"):
        done = subprocess.run(
            [tree / "bin/user" / name, *(["x"] if name != "container-list" else [])],
            capture_output=True,
            text=True,
            check=False,
            env={"PATH": "/usr/bin:/bin"},
        )
        assert done.returncode == 1
        assert "sudo -u USER" in done.stderr


def wrapper(user: User, *arguments: str | Path):
    return user.run(user.tree / "bin/docker/mlc-create-wrapper.sh", *arguments)


@pytest.mark.this_host
def test_our_wrapper_creates_with_limits(each_user: User, project) -> None:
    image = project(each_user)
    spaced = each_user.file("w 'x' y/")
    limits = ("--cpus=1.5", "--memory=1g", "--pids-limit", "100", "--shm-size=64m")
    done = wrapper(each_user, "w1", f"--image={image}", f"-w={spaced}", "--num-gpus=2", *limits)
    assert done.returncode == 0, done.stderr
    found = inspect(each_user.tag("w1"))
    host = found["HostConfig"]
    assert (host["NanoCpus"], host["Memory"], host["PidsLimit"]) == (15 * 10**8, 2**30, 100)
    own = "shareable" if is_podman() else "private"
    assert (host["ShmSize"], host["IpcMode"]) == (64 * 2**20, own)
    assert is_podman() or host["DeviceRequests"][0]["Count"] == 2
    assert f"{spaced}:/workspace" in host["Binds"]
    assert found["State"]["Status"] == "created"
    catalog = wrapper(
        each_user, "w2", "Pytorch", "2.8.0", "--cpu-only", "--cgroup-parent=/mlc-test"
    )
    assert catalog.returncode == 0, catalog.stderr
    assert inspect(each_user.tag("w2"))["HostConfig"]["CgroupParent"] == "/mlc-test"


def test_a_failing_wrapper_leaves_nothing(carol: User, project) -> None:
    image = project(carol)
    with unchanged(carol):
        for arguments in (
            ("w", f"--image={image}", "--memory=1k"),
            ("w", "Pytorch", "2.8.0", "--memory=1k"),
            ("w", f"--image={image}", "-w=/there/is none"),
            ("w", "Pytorch", "9.9"),
        ):
            done = wrapper(carol, *arguments)
            assert done.returncode == 1, arguments
            assert "Error: " in done.stderr.splitlines()[-1]
        for arguments in (("a", "--wrong=1"), ("a", "-w"), ("a", "b", "c", "d")):
            assert wrapper(carol, *arguments).returncode == 2
    assert wrapper(carol, "w", f"--image={image}").returncode == 0
    before = inspect(carol.tag("w"))["Id"]
    assert wrapper(carol, "w", f"--image={image}").returncode == 1
    assert inspect(carol.tag("w"))["Id"] == before

"""Calls as the wrapper scripts of DS01 servers make them (docs/contracts.md, "Wrapper scripts").

That is `python3 …/docker/mlc-patched.py` with the system's Python, no terminal, under sudo.
"""

from __future__ import annotations

import subprocess
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
from support.base_images import BASE
from support.engine_state import container_names, docker, image_ids, inspect, nothing_left
from support.users import AS_ON_NFS, User

pytestmark = [pytest.mark.real_engine, pytest.mark.not_by_ssh]

PYTHON = "/usr/bin/python3" if Path("/usr/bin/python3").exists() else "python3"
GPU_A = "GPU-11111111-2222-3333-4444-555555555555"
GPU_B = "GPU-66666666-7777-8888-9999-000000000000"
MIG = "MIG-GPU-11111111-2222-3333-4444-555555555555/3/0"


def call(user: User, *arguments: str, **environ: str) -> CompletedProcess[str]:
    """Call mlc-patched.py under sudo."""
    return user.sudo(PYTHON, user.tree / "bin/docker/mlc-patched.py", *arguments, **environ)


def create(user: User, image: str, *flags: str, name: str = "it") -> CompletedProcess[str]:
    workspace = ("-w", str(user.workspace))
    return call(
        user, "create", name, "Pytorch", "2.8.0", "-s", *workspace, "--image", image, *flags
    )


def host_config(user: User, image: str, *flags: str) -> dict[str, Any]:
    """Create a container and return what the engine notes of the host's part in it."""
    done = create(user, image, *flags)
    assert done.returncode == 0, done.stderr
    return dict(inspect(user.tag("it"))["HostConfig"])


def assert_failed(done: CompletedProcess[str], status: int, words: str) -> None:
    """Check an exit code, and that the last of the caught lines says what failed."""
    assert done.returncode == status, done.stderr
    assert words in "\n".join((done.stdout + done.stderr).splitlines()[-30:])
    assert words in done.stderr.splitlines()[-1]


def test_after_exit_0_it_can_be_inspected_updated_and_stopped(user: User, labelled) -> None:
    assert create(user, labelled(user)).returncode == 0
    tag = user.tag("it")
    assert inspect(tag)["Name"] == f"/{tag}"
    docker("update", "--cpus=0.5", "--memory=300m", "--memory-swap=300m", "--pids-limit=99", tag)
    docker("stop", tag)
    host = inspect(tag)["HostConfig"]
    assert (host["NanoCpus"], host["Memory"], host["PidsLimit"]) == (500_000_000, 314572800, 99)


def test_under_sudo_the_container_is_the_calling_user_s(user: User, labelled) -> None:
    config = inspect_created(user, labelled(user))["Config"]
    assert config["User"] == f"{user.uid}:{user.gid}"
    assert config["Labels"]["aime.mlc"] == user.login
    assert config["Labels"]["aime.mlc.USER"] == user.login
    assert f"[{'it'}]" in user.mlc("list").stdout


def inspect_created(user: User, image: str) -> dict[str, Any]:
    done = create(user, image)
    assert done.returncode == 0, done.stderr
    return inspect(user.tag("it"))


def test_the_legacy_flow_under_sudo(user: User) -> None:
    done = call(user, "create", "it", "Pytorch", "2.8.0", "-s", "-w", str(user.workspace))
    assert done.returncode == 0, done.stderr
    ran = user.mlc("start", "it", "id -u; id -g; echo x > /workspace/file")
    assert ran.stdout.split() == [str(user.uid), str(user.gid)]
    assert (user.workspace / "file").stat().st_uid == user.uid


@pytest.mark.this_host
def test_directories_made_under_sudo_belong_to_the_user(user: User, labelled) -> None:
    image = labelled(user)
    user.workspace.rename(user.home / "moved")
    before = set(user.home.rglob("*"))
    try:
        done = call(user, "create", "it", "--image", image, "-s")
        assert done.returncode == 0, done.stderr
        made = user.workspace.stat()
        assert (made.st_uid, made.st_gid) == (user.uid, user.gid)
        new = set(user.home.rglob("*")) - before
        assert user.workspace in new
        assert {each.lstat().st_uid for each in new} == {user.uid}
        user.workspace.rmdir()
    finally:
        (user.home / "moved").rename(user.workspace)


@pytest.mark.this_host
def test_under_sudo_root_needs_no_rights_in_the_home(user: User, labelled) -> None:
    image, mlc = labelled(user), (*AS_ON_NFS, user.tree / "bin/mlc")
    user.workspace.rename(user.home / "moved")
    try:
        for argv in (
            ("create", "it", "--image", image, "-s"),
            ("export", "it", user.home / "it.mlc.tar"),
            ("remove", "it", "-s"),
            ("import", user.home / "it.mlc.tar", "it"),
        ):
            done = user.sudo(*mlc, *argv)
            assert done.returncode == 0, done.stderr
        assert user.workspace.stat().st_uid == user.uid
        user.workspace.rmdir()
    finally:
        (user.home / "moved").rename(user.workspace)
    (user.home / "it.mlc.tar").unlink()


@pytest.mark.this_host
def test_the_home_is_the_users_and_not_roots(user: User, labelled) -> None:
    user.file("data/")
    done = create(user, labelled(user), "-d", "~/data")
    assert done.returncode == 0, done.stderr
    assert f"{user.home}/data:/data" in inspect(user.tag("it"))["HostConfig"]["Binds"]


def test_framework_and_version_have_defaults(alice: User, labelled) -> None:
    done = call(alice, "create", "it", "-s", "--image", labelled(alice))
    assert done.returncode == 0, done.stderr
    assert inspect(alice.tag("it"))["Config"]["Labels"]["aime.mlc.FRAMEWORK"] == "custom-latest"


def test_framework_and_version_are_words_beside_an_image(alice: User, labelled) -> None:
    done = call(alice, "create", "it", "Jax", "0.9", "-s", "--image", labelled(alice))
    assert done.returncode == 0, done.stderr
    assert inspect(alice.tag("it"))["Config"]["Labels"]["aime.mlc.FRAMEWORK"] == "Jax-0.9"


def test_an_unavailable_image_is_exit_1(user: User) -> None:
    with nothing_left():
        assert_failed(create(user, "mlc-test/nowhere:1"), 1, "mlc-test/nowhere:1")


@pytest.mark.parametrize(
    ("flags", "count", "ids"),
    [
        (("-g=all",), -1, None),
        (("-g", "all"), -1, None),
        (("-g=2",), 2, None),
        (("-g", "2"), 2, None),
        (("-g=device=0",), 0, ["0"]),
        (("-g=device=0,2",), 0, ["0", "2"]),
        (("-g", f"device={GPU_A}"), 0, [GPU_A]),
        ((f"-g=device={GPU_A},{GPU_B}",), 0, [GPU_A, GPU_B]),
        ((f"-g=device={MIG}",), 0, [MIG]),
        (("-g=device=0:1,1:0",), 0, ["0:1", "1:0"]),
        (('-g="device=0,1"',), 0, ["0", "1"]),
        (("--num_gpus=1",), 1, None),
        ((), -1, None),
    ],
)
def test_gpus_reach_the_engine_as_one_request(
    alice: User, labelled, flags: tuple[str, ...], count: int, ids: list[str] | None
) -> None:
    requests = host_config(alice, labelled(alice), *flags)["DeviceRequests"]
    assert [(each["Count"], each["DeviceIDs"]) for each in requests] == [(count, ids)]
    assert requests[0]["Capabilities"] == [["gpu"]]


@pytest.mark.parametrize("flag", ["-g=none", "--cpu-only", "-g=0"])
def test_without_gpus_there_is_no_request(alice: User, labelled, flag: str) -> None:
    assert not host_config(alice, labelled(alice), flag)["DeviceRequests"]
    labels = inspect(alice.tag("it"))["Config"]["Labels"]
    assert labels["aime.mlc.GPUS"] == "none"


@pytest.mark.parametrize("flag", ["-g=device=", "-g=some", "-g=-1", "-g=device=0,,1", "-g="])
def test_invalid_gpus_are_a_usage_error(alice: User, labelled, flag: str) -> None:
    image = labelled(alice)
    with nothing_left():
        assert_failed(create(alice, image, flag), 2, "is not understood")


def test_shm_size_replaces_the_hosts_ipc(alice: User, labelled) -> None:
    host = host_config(alice, labelled(alice), "--shm-size=16g")
    assert host["ShmSize"] == 16 * 1024**3
    assert host["IpcMode"] != "host"
    docker("start", alice.tag("it"))
    shown = docker("exec", alice.tag("it"), "df", "-k", "--output=size", "/dev/shm")
    assert shown.split()[-1] == str(16 * 1024**2)


def test_an_invalid_size_is_a_usage_error(alice: User, labelled) -> None:
    assert_failed(create(alice, labelled(alice), "--shm-size=lots"), 2, "'lots'")


def test_the_cgroup_parent_is_passed_on(alice: User, labelled) -> None:
    assert host_config(alice, labelled(alice), "--cgroup-parent=/ds01-test")["CgroupParent"] == (
        "/ds01-test"
    )


def test_labels_may_repeat_and_hold_commas_and_equals_signs(alice: User, labelled) -> None:
    done = create(
        *(alice, labelled(alice), "--ds01-label", "ds01.a=1,2=3", "--ds01-label=ds01.b=x y"),
        *("--ds01-label", "ds01.empty="),
    )
    assert done.returncode == 0, done.stderr
    labels = inspect(alice.tag("it"))["Config"]["Labels"]
    assert (labels["ds01.a"], labels["ds01.b"], labels["ds01.empty"]) == ("1,2=3", "x y", "")


@pytest.mark.parametrize("label", ["novalue", "=value", "aime.mlc=mallory"])
def test_invalid_labels_and_mlc_s_own_are_refused(alice: User, labelled, label: str) -> None:
    image = labelled(alice)
    with nothing_left():
        assert_failed(
            create(alice, image, "--ds01-label", label), 2, label.partition("=")[0] or label
        )


def test_a_workspace_with_spaces_and_colons(alice: User, labelled) -> None:
    path = alice.file("my work: all, of it/")
    done = call(alice, "create", "it", "-s", "--image", labelled(alice), "-w", str(path))
    assert done.returncode == 0, done.stderr
    docker("start", alice.tag("it"))
    docker("exec", alice.tag("it"), "touch", "/workspace/here")
    assert (path / "here").exists()


@pytest.mark.this_host
def test_a_missing_workspace_is_exit_1(alice: User, labelled) -> None:
    image = labelled(alice)
    with nothing_left():
        done = call(alice, "create", "it", "-s", "--image", image, "-w", "/no/where")
        assert_failed(done, 1, "/no/where does not exist")


def test_an_existing_name_is_exit_1(user: User, labelled) -> None:
    image = labelled(user)
    assert create(user, image).returncode == 0
    assert_failed(create(user, image), 1, "You have a container 'it' already")


@pytest.mark.parametrize(
    ("arguments", "status"), [(("create", "-s"), 1), (("create", "it", "-s"), 1), (("bogus",), 2)]
)
def test_missing_values_are_exit_1_and_usage_errors_exit_2(
    alice: User, arguments: tuple[str, ...], status: int
) -> None:
    done = call(alice, *arguments)
    assert done.returncode == status
    assert done.stderr.strip()


def test_a_failing_set_up_says_so_in_its_last_lines(alice: User, image_from) -> None:
    image = image_from("rm /usr/sbin/useradd")
    with nothing_left():
        done = create(alice, image)
        assert_failed(done, 1, f"could not be set up in {image}")
        assert "no useradd" in "\n".join(done.stderr.splitlines()[-30:])


@pytest.mark.parametrize(
    ("flags", "kept"), [((), False), (("--keep-image",), True), (("--remove-image",), False)]
)
def test_remove_with_its_flags(user: User, flags: tuple[str, ...], kept: bool) -> None:
    assert create(user, BASE).returncode == 0
    image = inspect(user.tag("it"))["Image"]
    assert call(user, "remove", "it", "-f", "-s", *flags).returncode == 0
    assert user.tag("it") not in container_names()
    assert (image in image_ids()) == kept
    assert call(user, "remove", "it", "-f", "-s", *flags).returncode == 1


def test_docker_ps_agrees_after_a_start(user: User, labelled) -> None:
    assert create(user, labelled(user)).returncode == 0
    done = user.sudo(user.tree / "bin/mlc-start", "it", "-s")
    assert done.returncode == 0, done.stderr
    assert user.tag("it") in docker("ps", "--format", "{{.Names}}").split()
    docker("stop", "-t", "0", user.tag("it"))


def test_invalid_sudo_variables_are_refused(alice: User, labelled) -> None:
    image = labelled(alice)
    with nothing_left():
        done = call(alice, "create", "it", "-s", "--image", image, SUDO_UID="1001x")
        assert_failed(done, 1, "SUDO_UID")


def test_the_program_is_called_with_a_pythonpath_of_its_own(alice: User, labelled) -> None:
    """The wrapper's environment may hold another program's modules."""
    strange = alice.file("strange/docker.py", "raise SystemExit('the wrong docker')\n").parent
    done = call(
        *(alice, "create", "it", "-s", "--image", labelled(alice)),
        PYTHONPATH="",
        PYTHONHOME="",
        VIRTUAL_ENV=str(strange),
    )
    assert done.returncode == 0, done.stderr


def test_both_outputs_can_be_caught_in_one_file(alice: User, labelled, tmp_path: Path) -> None:
    log = tmp_path / "log"
    argv = alice.argv(
        [alice.tree / "bin/docker/mlc-patched.py", "create", "it", "-s", "--image", labelled(alice)]
    )
    with log.open("w") as file:
        status = subprocess.run(argv, stdout=file, stderr=file, check=False).returncode
    assert (status, "\x1b" in log.read_text()) == (0, False)

"""Checks of the host, the engine and the installation."""

from __future__ import annotations

import grp
import os
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from support.aime_checkout import AimeCheckout
from support.fakes.engine import FakeEngine
from support.findings import INFO, assert_finding

from mlc_patched.engine.address import EngineAddress
from mlc_patched.engine.interface import DOCKER, PODMAN
from mlc_patched.engine.observations import EngineInfo
from mlc_patched.errors import EngineUnreachableError, MlcError, NoAccessError
from mlc_patched.host.hardware import Host, elsewhere
from mlc_patched.maintenance import checks_host as host
from mlc_patched.maintenance import install_tree
from mlc_patched.maintenance.checks import Finding, Health, Machine
from mlc_patched.maintenance.install_tree import Tree
from mlc_patched.patch.apply import apply
from mlc_patched.patch.store import deactivate
from mlc_patched.report import SilentReporter

REMOTE = EngineAddress("ssh://me@gpu2", "gpu2")
NO_GPU = Host(None, False, frozenset())
NVIDIA = Host("CUDA_ADA", True, frozenset())
SMALL = replace(INFO, cpus=2, cgroup_driver="systemd")
AMD = Host("ROCM6", True, frozenset({"/dev/kfd", "/dev/dri"}))


@pytest.mark.parametrize(
    ("info", "address", "health", "words"),
    [
        (INFO, EngineAddress(), "ok", "Docker Engine 20.10.24 answers at unix:///var/run/docker"),
        (INFO, REMOTE, "ok", "20.10.24 answers at ssh://me@gpu2 (context gpu2), 23.4 ms away"),
        (replace(INFO, version="19.3.1"), EngineAddress(), "warning", "older than 20.10"),
        (replace(INFO, version="3.0", product=PODMAN), EngineAddress(), "warning", "than 4.3"),
        (
            EngineInfo("4.3.1", "/home/x", is_rootless=True, product=PODMAN),
            EngineAddress(),
            "ok",
            "rootless Podman 4.3.1",
        ),
        (None, EngineAddress(), "broken", "No engine answers"),
        (None, REMOTE, "broken", "No engine answers"),
    ],
)
def test_an_engine_is_ok_if_it_answers_and_is_new_enough(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, info, address, health: str, words: str
) -> None:
    monkeypatch.setattr(host, "_distance", lambda engine: 0.0234)
    machine.context.__dict__["address"] = address
    machine.info, machine.error = info, EngineUnreachableError("No engine answers")
    assert_finding(host.engine(machine), health, words)


@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        (EngineUnreachableError("No engine answers"), "systemctl start docker"),
        (NoAccessError("You have no access"), "sudo usermod -aG docker alice"),
    ],
)
def test_what_to_do_depends_on_why_the_engine_does_not_answer(
    machine: Machine, error: MlcError, remedy: str
) -> None:
    machine.info, machine.error = None, error
    assert host.engine(machine).remedy == remedy


@pytest.mark.parametrize(
    ("members", "session", "health", "words"),
    [
        (["alice"], [7], "ok", "may use the engine"),
        (["alice"], [], "warning", "session"),
        ([], [7], "ok", "does not list you"),
        ([], [], "broken", "not in it"),
        (None, [], "broken", "not in it"),
    ],
)
def test_group_docker_is_ok_if_this_session_is_in_it_or_the_engine_is_remote(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, members, session, health: str, words: str
) -> None:
    def getgrnam(name: str) -> object:
        if members is None:
            raise KeyError(name)
        return SimpleNamespace(gr_mem=members, gr_gid=7)

    monkeypatch.setattr(grp, "getgrnam", getgrnam)
    monkeypatch.setattr(os, "getgroups", lambda: session)
    assert_finding(host.docker_group(machine), health, words)
    machine.context.__dict__["address"] = REMOTE
    assert_finding(host.docker_group(machine), "ok", "remote")


@pytest.mark.parametrize(
    ("members", "words"),
    [(["alice"], "alice is in it"), ([], "you may use the engine with sudo")],
)
def test_under_sudo_the_groups_of_the_process_are_not_the_users(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, members: list[str], words: str
) -> None:
    group = SimpleNamespace(gr_mem=members, gr_gid=7)
    monkeypatch.setattr(grp, "getgrnam", lambda name: group)
    monkeypatch.setattr(os, "getgroups", lambda: [0])
    monkeypatch.setattr(os, "getuid", lambda: 0)
    machine.context.environ = {**machine.context.environ, "SUDO_UID": "1001"}
    assert_finding(host.docker_group(machine), "ok", words)


@pytest.mark.parametrize(
    ("hardware", "tools", "has_driver", "health", "words"),
    [
        (NO_GPU, (), False, "ok", "CPU"),
        (NO_GPU, ("nvidia-container-toolkit",), True, "broken", "/dev/nvidia0"),
        (NVIDIA, (), True, "broken", "no NVIDIA runtime"),
        (NVIDIA, ("nvidia-container-toolkit",), False, "ok", "CUDA_ADA"),
        (AMD, (), False, "ok", "ROCM6"),
        (replace(AMD, devices=frozenset({"/dev/kfd"})), (), False, "broken", "/dev/dri"),
        (elsewhere(()), (), False, "ok", "reports no GPU"),
        (elsewhere(("nvidia",)), (), False, "ok", "NVIDIA's"),
    ],
)
def test_a_gpu_is_ok_if_its_devices_and_the_engine_s_support_are_there(
    machine: Machine,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    hardware: Host,
    tools: tuple[str, ...],
    has_driver: bool,
    health: str,
    words: str,
) -> None:
    for tool in tools:
        (tmp_path / tool).touch(0o755)
    machine.context.environ = {"PATH": str(tmp_path)}
    machine.context.__dict__["host"] = hardware
    monkeypatch.setattr(host, "_DRIVER", tmp_path if has_driver else tmp_path / "no")
    assert_finding(host.gpu(machine), health, words)


def test_the_engine_s_runtime_is_enough_for_a_gpu(machine: Machine) -> None:
    machine.context.environ = {"PATH": "/nonexistent"}
    machine.context.__dict__["host"] = NVIDIA
    machine.info = replace(INFO, runtimes=("nvidia",))
    assert_finding(host.gpu(machine), "ok", "CUDA_ADA")


@pytest.mark.parametrize(
    ("product", "devices", "described", "health", "words"),
    [
        (DOCKER, ("nvidia.com/gpu=0",), False, "ok", "CDI device"),
        (DOCKER, ("amd.com/gpu=0",), False, "broken", "no NVIDIA runtime"),
        (DOCKER, None, True, "ok", "CDI device"),
        (DOCKER, (), True, "broken", "no NVIDIA runtime"),
        (PODMAN, ("nvidia.com/gpu=all",), False, "ok", "CDI device"),
        (PODMAN, None, True, "ok", "CDI device"),
        (PODMAN, None, False, "broken", "no description of it (CDI)"),
    ],
)
def test_a_host_with_cdi_alone_is_not_broken(
    machine: Machine,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    product: str,
    devices: tuple[str, ...] | None,
    described: bool,
    health: str,
    words: str,
) -> None:
    if described:
        (tmp_path / "any.yaml").write_text("cdiVersion: 0.5.0\nkind: nvidia.com/gpu\n")
    monkeypatch.setattr(host, "CDI_DIRECTORIES", ("/nonexistent", str(tmp_path)))
    # Podman does not use the hook, even if it is installed.
    (tmp_path / "nvidia-container-runtime-hook").touch(0o755)
    machine.context.environ = {"PATH": str(tmp_path if product == PODMAN else "/nonexistent")}
    machine.context.__dict__["host"] = NVIDIA
    machine.info = replace(INFO, product=product, cdi_devices=devices)
    assert_finding(host.gpu(machine), health, words)


def test_a_workspace_is_ok_if_it_is_a_directory_of_the_user_s_own(machine: Machine) -> None:
    account = replace(machine.context.account, uid=os.getuid())
    machine.context.__dict__["account"] = account
    path = Path(account.home, "workspace")
    assert_finding(host.workspace(machine), "ok", str(path))
    machine.context.__dict__["account"] = replace(account, uid=account.uid + 1)
    assert_finding(host.workspace(machine), "broken", f"belongs to UID {account.uid}")
    path.rmdir()
    assert_finding(host.workspace(machine), "warning", "missing")
    path.write_text("")
    assert_finding(host.workspace(machine), "broken", "not a directory")
    path.unlink()
    path.symlink_to("nowhere")
    assert_finding(host.workspace(machine), "broken", "not a directory")


def test_a_workspace_that_is_a_link_is_never_given_away(machine: Machine, tmp_path: Path) -> None:
    account = replace(machine.context.account, uid=os.getuid() + 1)
    machine.context.__dict__["account"] = account
    path, target = Path(account.home, "workspace"), tmp_path / "root's\x1b[2J"
    assert host.workspace(machine).remedy == f"sudo chown -h {account.uid} {path}"
    path.rmdir()
    target.mkdir()
    path.symlink_to(target)
    found = host.workspace(machine)
    assert_finding(found, "broken", f"{path} is a link to")
    assert f"belongs to UID {os.getuid()}" in found.text
    assert "chown" not in found.remedy
    machine.context.__dict__["account"] = replace(account, uid=os.getuid())
    assert_finding(host.workspace(machine), "ok", f"{path} is a link to")


@pytest.mark.parametrize(
    ("free", "health", "words"),
    [
        (10**11, "ok", "100GB free in /nonexistent/docker; the largest image has 20GB"),
        (10**10, "warning", "less than"),
        (10**8, "broken", "100MB"),
        (None, "warning", "cannot be seen"),
    ],
)
def test_a_disk_is_ok_with_space_for_another_image_of_the_largest_size(
    machine: Machine, fake: FakeEngine, monkeypatch: pytest.MonkeyPatch, free, health, words
) -> None:
    fake.add_image("a", size=2 * 10**10)
    status = SimpleNamespace(f_bavail=free, f_frsize=1)
    monkeypatch.setattr(os, "statvfs", lambda path: status)
    machine.info = replace(INFO, is_local=free is not None)
    assert_finding(host.disk(machine), health, words)


@pytest.mark.parametrize(
    ("containerd", "configuration", "places"),
    [
        (None, "", ["/data"]),
        ("/data/exec/containerd/containerd.sock", "", ["/data/containerd/daemon", "/data"]),
        ("SYSTEM", "", ["/var/lib/containerd"]),
        ("SYSTEM", 'version = 2\nroot = "/big/containerd"\n', ["/big/containerd"]),
        ("", "  root = '/big'\n", ["/big"]),  # an older engine does not tell, and there is one
        ("HIDDEN", "", ["/data/containerd/daemon", "/data"]),  # nor may the caller look
    ],
)
def test_free_space_is_measured_where_images_are_stored(
    machine: Machine,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    containerd: str | None,
    configuration: str,
    places: list[str],
) -> None:
    system = tmp_path / "containerd.sock"
    system.touch()
    (tmp_path / "config.toml").write_text(configuration)
    if containerd == "HIDDEN":  # pathlib raises OSError for such a name, too
        system, containerd = tmp_path / ("x" * 300), ""
    monkeypatch.setattr(host, "_SYSTEM_CONTAINERD", str(system))
    monkeypatch.setattr(host, "_CONTAINERD_CONFIGURATION", tmp_path / "config.toml")
    address = str(system) if containerd == "SYSTEM" else containerd
    machine.info = EngineInfo("28.5.2", "/data", containerd=address)
    asked: list[str] = []

    def statvfs(path: str) -> SimpleNamespace:
        asked.append(path)
        if path != places[-1]:
            raise PermissionError
        return SimpleNamespace(f_bavail=5 * 10**9, f_frsize=1)

    monkeypatch.setattr(os, "statvfs", statvfs)
    assert_finding(host.disk(machine), "ok", f"5GB free in {places[-1]}")
    assert asked == places


@pytest.mark.parametrize(
    ("client", "minimum", "health", "words"),
    [
        ("28.5.2 1.51|github.com/docker/buildx v0.29.1", "1.44", "ok", "28.5.2 with buildx 0.29.1"),
        ("20.10.24 1.41|", "1.24", "ok", "20.10.24 with no buildx"),
        ("20.10.24 1.41|", "1.44", "broken", "is too old: version 20.10.24 has"),
        ("28.5.2 1.51|", "1.24", "warning", "classic builder, which is deprecated"),
        ("28.5.2 1.51|github.com/docker/buildx v0.12.0", "1.44", "broken", "builds fail"),
        (None, "1.24", "broken", "not on PATH"),
    ],
)
def test_the_client_and_buildx_fit_the_engine(
    machine: Machine,
    fake: FakeEngine,
    tmp_path: Path,
    client: str | None,
    minimum: str,
    health: str,
    words: str,
) -> None:
    machine.context.environ = {**machine.context.environ, "PATH": str(tmp_path)}
    fake.oldest_api = minimum
    if client is not None:
        version, buildx = client.split("|")
        script = tmp_path / "docker"
        script.write_text(f'#!/bin/sh\n[ "$1" = buildx ] && echo "{buildx}" || echo "{version}"\n')
        script.chmod(0o755)
    assert_finding(host.client(machine), health, words)


def test_an_api_version_that_the_engine_refuses_is_named_with_its_variable(
    machine: Machine, fake: FakeEngine
) -> None:
    fake.oldest_api = "1.44"
    machine.context.environ = {**machine.context.environ, "DOCKER_API_VERSION": "1.41"}
    found = host.client(machine)
    assert_finding(found, "broken", "DOCKER_API_VERSION is '1.41'")
    assert found.remedy == "unset DOCKER_API_VERSION"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("tree", "health", "words"),
    [
        (Tree("/t", "as installed", "make install"), "ok", "/t"),
        (Tree("/t", "", "x", missing=("a",)), "broken", "a is missing"),
        (Tree("/t", "", "x", changed=("a",)), "broken", "a was changed"),
        (Tree("/t", "", "x", changed=("a",), is_working_tree=True), "warning", "a was changed"),
        (Tree("/t", "", "x", missing=tuple("abcdefg")), "broken", "and 2 more"),
    ],
)
def test_the_installed_tree(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, tree: Tree, health: str, words: str
) -> None:
    monkeypatch.setattr(install_tree, "look", lambda: tree)
    assert_finding(host.tree(machine), health, words)


def test_modules_and_completion(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    assert_finding(host.modules(machine), "ok", sys.executable)
    monkeypatch.setattr(install_tree, "missing_modules", lambda: ("docker",))
    assert_finding(host.modules(machine), "broken", "has no docker")
    assert host.modules(machine).remedy == f"make -C {install_tree.ROOT} setup"
    monkeypatch.setattr(install_tree, "is_installed", lambda: True)
    assert host.modules(machine).remedy == "make install"
    for there, health, words in ((True, "ok", "installed"), (False, "warning", "not installed")):
        monkeypatch.setattr(install_tree, "has_completion", lambda home, there=there: there)
        assert_finding(host.completion(machine), health, words)


def test_a_checkout_that_is_half_patched_is_broken_and_one_that_is_whole_is_not(
    machine: Machine, v2: AimeCheckout, shell_program: Path
) -> None:
    context = machine.context
    context.environ = {**context.environ, "PATH": str(v2.path)}
    for state, health in (("aime", Health.OK), ("patched", Health.OK), ("half", Health.BROKEN)):
        if state == "patched":
            apply(v2.path, shell_program, "/bin/sh", SilentReporter(), force=False)
        elif state == "half":
            deactivate(v2.path)
        found = host.checkout(machine)
        assert isinstance(found, Finding)
        assert found.health is health, found.text
    assert found.remedy == f"sudo mlc-patch apply {v2.path}"
    (v2.path / "mlc").unlink()
    (v2.path / "mlc").symlink_to("/bin/true")
    found = host.checkout(machine)
    assert isinstance(found, Finding)
    assert (found.health, found.remedy) == (Health.BROKEN, "mlc-patch status")

"""The checks of doctor, and what is freed by removing images."""

from __future__ import annotations

import grp
import os
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from support.aime_checkout import git, place
from support.fakes.engine import FakeEngine

from mlc_patched.context import Context
from mlc_patched.engine.address import EngineAddress
from mlc_patched.engine.interface import DOCKER, PODMAN, EngineInfo, Image, Layer
from mlc_patched.engine.specification import Bind, ContainerSpecification
from mlc_patched.errors import EngineError
from mlc_patched.host.account import Account
from mlc_patched.host.hardware import Host, elsewhere
from mlc_patched.images.project.files import ProjectFiles
from mlc_patched.images.project.metadata import note_metadata
from mlc_patched.maintenance import checks_host as host
from mlc_patched.maintenance import checks_images as images
from mlc_patched.maintenance import disk_usage, doctor, install_tree
from mlc_patched.maintenance.checks import Finding, Health, Machine
from mlc_patched.maintenance.image_store import image_store
from mlc_patched.maintenance.install_tree import Tree
from mlc_patched.names import labels
from mlc_patched.names.labels import Claim, claim_labels
from mlc_patched.names.projects import Project
from mlc_patched.plan.catalog import Catalog, Row

INFO = EngineInfo("20.10.24", "/var/lib/docker", ("runc",))
REMOTE = EngineAddress("ssh://me@gpu2", "gpu2")
NO_GPU = Host(None, False, frozenset())
NVIDIA = Host("CUDA_ADA", True, frozenset())
AMD = Host("ROCM6", True, frozenset({"/dev/kfd", "/dev/dri"}))
ALICE = claim_labels(Claim(1001, 2001, "alice"))


@pytest.fixture
def machine(context: Context, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """The fake engine's machine, without a GPU driver and NVIDIA's tools."""
    context.__dict__["address"] = EngineAddress()
    monkeypatch.setattr(host, "_DRIVER", Path("/nonexistent"))
    return Machine(context, INFO)


def assert_finding(found: object, health: str, words: str) -> None:
    """Assert that a check returned one finding, with a remedy if something is wrong."""
    finding = found if isinstance(found, Finding) else found[0]  # type: ignore[index]
    assert finding.health is Health(health)
    assert words in finding.text
    assert bool(finding.remedy) == (health != "ok"), "a problem comes with the command to fix it"


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
def test_the_engine(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, info, address, health: str, words: str
) -> None:
    monkeypatch.setattr(host, "_distance", lambda engine: 0.0234)
    machine.context.__dict__["address"] = address
    machine.info, machine.error = info, "No engine answers"
    assert_finding(host.engine(machine), health, words)


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
def test_group_docker(
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
def test_the_gpu(
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


def test_settings_that_cannot_be_read_stop_no_other_check(context: Context, tmp_path: Path) -> None:
    file = tmp_path / "settings"
    file.write_text("[nonsense\n")
    context.environ = {**context.environ, "DS01_SETTINGS": str(file)}
    del context.__dict__["host"]
    found = {each.name: each for each in doctor.doctor(context)}
    assert found["settings"].health is Health.BROKEN
    assert str(file) in found["settings"].text
    file.write_text("[images]\nold_flow = no\n")
    assert_finding(host.settings(Machine(context, INFO)), "warning", "legacy_flow")
    assert {"engine", "workspace", "leftovers", "completion"} <= set(found)


@pytest.mark.parametrize(
    ("rows", "here", "health", "words"),
    [
        (("a:1", "b"), ("b:latest",), "ok", "1 of 2"),
        (("a:1",), (), "warning", "0 of 1"),
        ((), (), "broken", "0 rows"),
    ],
)
def test_the_catalog(
    machine: Machine, fake: FakeEngine, rows, here, health: str, words: str
) -> None:
    for name in here:
        fake.add_image(name)
    found = tuple(Row("F", "1", ("CUDA",), image) for image in rows)
    machine.context.__dict__["catalog"] = Catalog(found, Path("/repo"))
    assert_finding(host.catalog(machine), health, words)


def test_a_catalog_that_cannot_be_read(machine: Machine, tmp_path: Path) -> None:
    machine.context.environ = {"MLC_CATALOG": str(tmp_path / "none")}
    assert_finding(host.catalog(machine), "broken", "none")


def test_the_workspace(machine: Machine) -> None:
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


@pytest.mark.parametrize(
    ("free", "health", "words"),
    [
        (10**11, "ok", "100GB free in /var/lib/docker; the largest image has 20GB"),
        (10**10, "warning", "less than"),
        (10**8, "broken", "100MB"),
        (None, "warning", "cannot be seen"),
    ],
)
def test_the_disk(
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
    monkeypatch.setattr(host, "_SYSTEM_CONTAINERD", system)
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


def test_a_changed_image_store_is_known_by_hidden_containers(
    machine: Machine, fake: FakeEngine, tmp_path: Path
) -> None:
    image = fake.add_image("img:1")
    own = fake.create_container(ContainerSpecification(name="a", image=image.id))
    machine.info = replace(INFO, root_directory=str(tmp_path), containerd="")
    for identity in (own, "f" * 64):
        (tmp_path / "containers" / identity).mkdir(parents=True)
        (tmp_path / "containers" / identity / "config.v2.json").touch()
    (tmp_path / "containers" / ("e" * 64)).mkdir()  # what a removal has not finished
    assert_finding(image_store(machine), "warning", "containerd's now, and 1 containers")
    machine.info = replace(machine.info, root_directory="/nonexistent")
    assert_finding(image_store(machine), "ok", "containerd's")


def test_a_changed_image_store_is_known_by_images_that_have_new_ids(
    machine: Machine, fake: FakeEngine
) -> None:
    files = ProjectFiles(machine.context.account, Project(1001, "demo"))
    image = fake.add_image("ds01-1001/demo", created="2026-01-01T00:00:00.5Z")
    note_metadata(replace(image, id="sha256:former"), files, machine.context, "FROM x\n")
    assert_finding(image_store(machine), "warning", "the same images have new IDs (demo)")
    note_metadata(replace(image, id="x", created="2020"), files, machine.context, "FROM x\n")
    assert_finding(image_store(machine), "ok", "the engine's own")


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
    assert_finding(host.modules(machine), "ok", install_tree.python())
    monkeypatch.setattr(install_tree, "missing_modules", lambda: ("docker",))
    assert_finding(host.modules(machine), "broken", "has no docker")
    for there, health, words in ((True, "ok", "installed"), (False, "warning", "not installed")):
        monkeypatch.setattr(install_tree, "has_completion", lambda home, there=there: there)
        assert_finding(host.completion(machine), health, words)


def test_an_engine_that_stops_answering_is_reported_once(
    context: Context, fake: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**options: object) -> Iterator[Image]:
        raise EngineError("gone")

    monkeypatch.setattr(fake, "find_images", refuse)
    found = [each for each in doctor.doctor(context) if each.health is Health.BROKEN]
    assert [(each.name, each.text) for each in found if each.name == "engine"] == [
        ("engine", "it stopped answering: gone")
    ]


def test_labels_of_another_account_are_found(machine: Machine, fake: FakeEngine) -> None:
    fake.add_image("ds01-1001/a:latest", ALICE)
    assert images.labels(machine)[0].health is Health.OK
    fake.add_image("ds01-1001/b:latest", {**ALICE, labels.USER_ID: "7"})
    fake.add_image("ds01-1001/c:latest", {**ALICE, labels.USER_ID: "x"})
    fake.add_image("ds01-1001/d:latest")
    fake.add_image("ds01-7/e:latest", claim_labels(Claim(7, 7, "bob")))
    fake.add_image("ds01-1001/e:previous")
    machine = Machine(machine.context, INFO)
    found = images.labels(machine)
    assert [each.remedy for each in found] == [f"image-create {name} --force" for name in "bcd"]
    machine.context.__dict__["account"] = Account("root", 0, 0, "/root")
    assert [each.text.split()[0] for each in images.labels(machine)] == [
        f"ds01-1001/{name}:latest" for name in "bcd"
    ]


def test_blown_up_logs_are_found(
    machine: Machine, fake: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = {
        fake.add_image("ds01-1001/a:latest").id: {"/var/log/lastlog": 10**11},
        fake.add_image("base:it._.1001").id: {"/var/log/faillog": 10**9, "/var/log/lastlog": 5},
        fake.add_image("ds01-1001/b:latest").id: {"/var/log/lastlog": 10**6},
        fake.add_image("ds01-1002/a:latest").id: {"/var/log/lastlog": 10**11},
    }

    def file_size(container: str, path: str) -> int | None:
        return sizes[fake.made[container].image_id].get(path)

    monkeypatch.setattr(fake, "file_size", file_size)
    found = images.logs(machine)
    assert [each.health for each in found] == [Health.BROKEN] * 2
    assert found[0].remedy == "image-update a --no-cache"
    assert "mlc remove it" in found[1].remedy
    assert not fake.made


def test_containers_that_cannot_start_are_found(
    machine: Machine, fake: FakeEngine, tmp_path: Path
) -> None:
    image = fake.add_image("img:1")
    own = {labels.OWNER: "alice"}
    fake.create_container(ContainerSpecification(name="fine._.1001", image=image.id, labels=own))
    assert_finding(images.containers(machine), "ok", "all 1 can start")
    fake.create_container(
        ContainerSpecification(
            name="it._.1001",
            image=image.id,
            labels=own,
            devices=("/dev/none", "/dev/null"),
            binds=(Bind("/none", "/data"), Bind(str(tmp_path), "/workspace")),
        )
    )
    del fake.images[image.id]
    assert sorted(each.text.split(" (")[0] for each in images.containers(machine)) == [
        "it cannot start as it should: /none, which it mounts, is missing",
        "it cannot start: the device /dev/none is missing",
        "the image of fine is gone",
        "the image of it is gone",
    ]
    machine.info = replace(INFO, is_local=False)
    found = images.containers(machine)
    assert all("is gone" in each.text for each in found)
    # They start, and what the engine still can do with them is to export them.
    assert {each.health for each in found} == {Health.WARNING}
    remedies = {each.remedy for each in found}
    assert "mlc export fine, mlc remove fine, mlc import fine.mlc.tar" in remedies


def stored(name: str, *layers: tuple[str, int]) -> disk_usage.Stored:
    image = Image(name, layers=tuple(layer for layer, _ in layers))
    return disk_usage.stored(image, [Layer("RUN", size) for _, size in reversed(layers)])


BASE, A, B = ("base", 100), ("a", 10), ("b", 5)
IMAGES = {
    each.image_id: each
    for each in (
        stored("base", BASE),
        stored("one", BASE, A),
        stored("two", BASE, A, B),
        stored("other", ("else", 1000), A),
    )
}


@pytest.mark.parametrize(
    ("going", "bytes_freed"),
    [
        ([], 0),
        (["one"], 0),  # all of it is in `two`, too
        (["two"], 5),
        (["one", "two"], 15),  # not 5 and 0, and not 110 and 115
        (["base", "one", "two"], 115),
        (["other"], 1010),  # the same layer on another one is stored again
        (["two", "two"], 5),
        (["gone"], 0),
    ],
)
def test_only_layers_that_nothing_else_uses_are_freed(going: list[str], bytes_freed: int) -> None:
    assert disk_usage.freed(going, IMAGES) == bytes_freed


def test_steps_without_a_layer_differ_from_steps_with_an_empty_one() -> None:
    image = Image("i", layers=("l1", "l2", "l3"))
    newest_first = [
        Layer("/bin/sh -c #(nop)  CMD [bash]", 0),
        Layer("RUN make", 7),
        Layer("LABEL a=b", 0),
        Layer("RUN true", 0),
        Layer("/bin/sh -c #(nop) ADD file in /", 50),
    ]
    assert [size for _, size in disk_usage.stored(image, newest_first).chain] == [50, 0, 7]


def test_an_installed_tree_is_compared_with_its_manifest(tmp_path: Path) -> None:
    for name in ("same", "changed", "missing"):
        (tmp_path / name).write_text(name)
    listed = subprocess.run(
        ["sha256sum", "same", "changed", "missing"],
        cwd=tmp_path,
        check=True,
        capture_output=True,
        text=True,
    )
    (tmp_path / install_tree.MANIFEST).write_text(listed.stdout)
    assert not install_tree.look(tmp_path).missing
    (tmp_path / "changed").write_text("otherwise")
    (tmp_path / "missing").unlink()
    found = install_tree.look(tmp_path)
    assert (found.missing, found.changed) == (("missing",), ("changed",))


def test_a_tree_without_a_manifest_is_compared_with_git_or_a_list(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    assert "bin/mlc" in install_tree.look(tmp_path).missing
    place(tmp_path, {"bin/mlc": "#!/bin/sh\n", "lib/a": "", "docs/b": ""})
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "--quiet", "-m", "all")
    assert install_tree.look(tmp_path).missing == ()
    for name in ("bin/mlc", "docs/b"):
        (tmp_path / name).unlink()
    (tmp_path / "lib/a").write_text("changed")
    found = install_tree.look(tmp_path)
    assert (found.missing, found.changed) == (("bin/mlc",), ("lib/a",))

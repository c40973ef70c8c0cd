"""Checks of images and containers."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from support.fakes.engine import FakeEngine
from support.findings import INFO, assert_finding

from mlc_patched.engine.interface import DOCKER, PODMAN
from mlc_patched.engine.specification import Bind, ContainerSpecification
from mlc_patched.host.account import Account
from mlc_patched.images.project.files import ProjectFiles
from mlc_patched.images.versions.lockfile import Lock, render
from mlc_patched.maintenance import checks_images as images
from mlc_patched.maintenance.checks import Health, Machine
from mlc_patched.names import labels
from mlc_patched.names.labels import Claim, claim_labels
from mlc_patched.names.projects import Project

ALICE = claim_labels(Claim(1001, 2001, "alice"))


def test_labels_of_another_account_are_found(machine: Machine, fake: FakeEngine) -> None:
    fake.add_image("ds01-1001/a:latest", ALICE)
    assert images.labels(machine)[0].health is Health.OK
    fake.add_image("ds01-1001/b:latest", {**ALICE, labels.USER_ID: "7"})
    fake.add_image("ds01-1001/c:latest", {**ALICE, labels.USER_ID: "x"})
    fake.add_image("ds01-1001/d:latest")  # without a Dockerfile
    for name in "bc":
        ProjectFiles(machine.context.account, Project(1001, name)).write_dockerfile("FROM x\n")
    fake.add_image("ds01-7/e:latest", claim_labels(Claim(7, 7, "bob")))
    fake.add_image("ds01-1001/e:previous")
    machine = Machine(machine.context, INFO)
    found = images.labels(machine)
    assert [each.remedy for each in found] == [
        "image-create b --force",
        "image-create c --force",
        "image-create d-2 --from ds01-1001/d:latest",
    ]
    machine.context.__dict__["account"] = Account("root", 0, 0, "/root")
    assert [each.text.split()[0] for each in images.labels(machine)] == [
        f"ds01-1001/{name}:latest" for name in "bcd"
    ]


def test_a_lock_that_is_older_than_its_dockerfile_is_found(
    machine: Machine, fake: FakeEngine
) -> None:
    fake.add_image("ds01-1001/a:latest", ALICE)
    files = ProjectFiles(machine.context.account, Project(1001, "a"))
    files.write_dockerfile("FROM x\n")
    files.write_lock(render(Lock("a", "FROM x\n")))
    assert images.locks(machine)[0].health is Health.OK
    files.write_dockerfile("FROM x\nRUN make\n")
    (found,) = images.locks(Machine(machine.context, INFO))
    assert (found.health, found.remedy) == (Health.WARNING, "image-update a")
    files.write_lock("nonsense")
    (found,) = images.locks(Machine(machine.context, INFO))
    assert "line 1" in found.text
    assert found.remedy == f"rm {files.lock_path}"


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


@pytest.mark.parametrize("has_devices_label", [False, True])
def test_containers_that_cannot_start_are_found(
    has_devices_label: bool, machine: Machine, fake: FakeEngine, tmp_path: Path
) -> None:
    image = fake.add_image("img:1")
    own = {labels.OWNER: "alice"}
    devices = {labels.HOST_DEVICES: "/dev/none%2C/dev/null"} if has_devices_label else {}
    fake.create_container(ContainerSpecification(name="fine._.1001", image=image.id, labels=own))
    fake.calls.clear()
    assert_finding(images.containers(machine), "ok", "all 1 can start")
    assert "image" not in fake.calls, "the list of images is asked for once"
    fake.create_container(
        ContainerSpecification(
            name="it._.1001",
            image=image.id,
            labels={**own, **devices},
            devices=("/dev/none", "/dev/null"),
            binds=(
                Bind("/none", "/data"),
                Bind(str(tmp_path), "/workspace"),
                Bind("/a'; id; '", "/models"),
            ),
        )
    )
    del fake.images[image.id]
    machine = Machine(machine.context, INFO)
    remedies = {each.remedy for each in images.containers(machine)}
    assert """mkdir -p '/a'"'"'; id; '"'"''""" in remedies
    assert sorted(each.text.split(" (")[0] for each in images.containers(machine)) == [
        "it cannot start as it should: /a'; id; ', which it mounts, is missing",
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


@pytest.mark.parametrize(("product", "starts"), [(DOCKER, True), (PODMAN, False)])
def test_docker_starts_privileged_containers_without_a_device(
    product: str, starts: bool, machine: Machine, fake: FakeEngine
) -> None:
    made = ContainerSpecification(
        name="it._.1001",
        image=fake.add_image("img:1").id,
        labels={labels.OWNER: "alice"},
        devices=("/dev/none",),
        privileged=True,
    )
    fake.create_container(made)
    machine.info = replace(INFO, product=product)
    found = images.containers(machine)
    assert_finding(found, *(("ok", "all 1 can") if starts else ("broken", "/dev/none is missing")))


def test_what_containers_need_is_in_their_list(machine: Machine, fake: FakeEngine) -> None:
    image = fake.add_image("img:1")
    for number, devices in enumerate(("-", "/dev/null")):
        made = ContainerSpecification(
            name=f"n{number}._.1001",
            image=image.id,
            labels={labels.OWNER: "alice", labels.HOST_DEVICES: devices},
            binds=(Bind("/", "/workspace"),),
        )
        fake.create_container(made)
    fake.calls.clear()
    assert_finding(images.containers(machine), "ok", "all 2 can start")
    assert "mounts_and_devices" not in fake.calls


def test_leftovers_are_found_by_the_command_that_doctor_names(
    machine: Machine, fake: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake.add_image("base:gone._.1001")
    half = Path(machine.context.account.home, ".foo.mlc.tar.0123456789ab.mlc-part")
    half.write_bytes(b"")
    os.utime(half, (0, 0))
    found = {each.text: each.remedy for each in images.leftovers(machine)}
    assert found == {
        "1 images that no container uses, 0B to be freed": "mlc prune --aime --dry-run",
        "1 half-written files of killed commands, 0B to be freed": "mlc prune --dry-run",
    }
    machine.context.__dict__["account"] = Account("root", 0, 0, "/root")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    found = {each.text: each.remedy for each in images.leftovers(machine)}
    assert found == {
        "1 images that no container uses, 0B to be freed": (
            "mlc prune --all-users --aime --dry-run"
        ),
    }

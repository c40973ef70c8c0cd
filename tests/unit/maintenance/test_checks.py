"""Verdicts of doctor over facts, and what is freed by removing images."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from support.aime_checkout import git, place

from mlc_patched.engine.address import EngineAddress
from mlc_patched.engine.interface import (
    PODMAN,
    Container,
    EngineInfo,
    Image,
    Layer,
    MountsAndDevices,
)
from mlc_patched.host.account import Account
from mlc_patched.host.hardware import Host, elsewhere
from mlc_patched.maintenance import checks as diagnosis
from mlc_patched.maintenance import checks_images as diagnosis_images
from mlc_patched.maintenance import disk_usage, install_tree
from mlc_patched.maintenance.checks import Finding, Health, Repair, Tree
from mlc_patched.plan.catalog import Catalog, Row

ALICE = Account("alice", 1001, 2001, "/home/alice")
ABOUT = EngineInfo("20.10.24", "/var/lib/docker", ("runc",))
ROOTLESS_PODMAN = EngineInfo("4.3.1", "/home/x", is_rootless=True, product=PODMAN)
OLD_PODMAN = EngineInfo("3.0.1", "/", product=PODMAN)
HERE = EngineAddress()
FAR = EngineAddress("ssh://me@gpu2", "gpu2")
NO_GPU = Host(None, False, frozenset())
NVIDIA = Host("CUDA_ADA", True, frozenset())
AMD = Host("ROCM6", True, frozenset({"/dev/kfd", "/dev/dri"}))
CLAIM = {
    "aime.mlc.DS01_HAS_USER_SETUP": "true",
    "aime.mlc.DS01_USER_ID": "1001",
    "aime.mlc.DS01_GROUP_ID": "2001",
    "aime.mlc.DS01_USERNAME": "alice",
}
CONTAINER = Container("c1", "it._.1001", "img:1", "sha256:a", {}, "exited", "Exited", 0)


def catalog(*images: str) -> Catalog:
    return Catalog(tuple(Row("F", "1", ("CUDA",), image) for image in images), Path("/repo"))


@pytest.mark.parametrize(
    ("look", "health", "words"),
    [
        (lambda: diagnosis.engine(ABOUT, "", HERE), "ok", "20.10.24"),
        (lambda: diagnosis.engine(EngineInfo("19.3.1", "/"), "", HERE), "warning", "older"),
        (lambda: diagnosis.engine(None, "No engine answers", HERE), "broken", "No engine"),
        (lambda: diagnosis.engine(ABOUT, "", HERE, 0.00042), "ok", "docker.sock, 0.4 ms away"),
        (
            lambda: diagnosis.engine(ABOUT, "", FAR, 0.0234),
            "ok",
            "Docker Engine 20.10.24 answers at ssh://me@gpu2, of the context gpu2, 23.4 ms away",
        ),
        (lambda: diagnosis.engine(ROOTLESS_PODMAN, "", HERE), "ok", "rootless Podman 4.3.1"),
        (lambda: diagnosis.engine(OLD_PODMAN, "", HERE), "warning", "older than 4.3"),
        (lambda: diagnosis.docker_group(ALICE, False, False, is_elsewhere=True), "ok", "elsewhere"),
        (lambda: diagnosis.gpu_elsewhere(elsewhere(())), "ok", "tells of none"),
        (lambda: diagnosis.gpu_elsewhere(elsewhere(("nvidia",))), "ok", "NVIDIA's"),
        (lambda: diagnosis.settings(""), "ok", "nothing is wrong"),
        (lambda: diagnosis.settings("line 7"), "broken", "line 7"),
        (lambda: diagnosis.docker_group(ALICE, True, True), "ok", "may talk"),
        (lambda: diagnosis.docker_group(ALICE, False, True), "warning", "session"),
        (lambda: diagnosis.docker_group(ALICE, False, False), "broken", "not in it"),
        (lambda: diagnosis.gpu(NO_GPU, ABOUT, False, False), "ok", "CPU"),
        (lambda: diagnosis.gpu(NO_GPU, ABOUT, True, True), "broken", "/dev/nvidia0"),
        (lambda: diagnosis.gpu(NVIDIA, ABOUT, False, True), "broken", "no NVIDIA runtime"),
        (lambda: diagnosis.gpu(NVIDIA, ABOUT, True, True), "ok", "CUDA_ADA"),
        (lambda: diagnosis.gpu(AMD, ABOUT, False, False), "ok", "ROCM6"),
        (
            lambda: diagnosis.gpu(
                replace(AMD, devices=frozenset({"/dev/kfd"})), ABOUT, False, False
            ),
            "broken",
            "/dev/dri",
        ),
        (lambda: diagnosis.catalog(catalog("a:1", "b"), "", {"b:latest"}), "ok", "1 of 2"),
        (lambda: diagnosis.catalog(catalog("a:1"), "", set()), "warning", "0 of 1"),
        (lambda: diagnosis.catalog(catalog(), "", set()), "broken", "0 rows"),
        (lambda: diagnosis.catalog(None, "line 3", set()), "broken", "line 3"),
        (lambda: diagnosis.workspace("/w", True, True, 1001, 1001), "ok", "/w"),
        (lambda: diagnosis.workspace("/w", False, False, None, 1001), "warning", "missing"),
        (lambda: diagnosis.workspace("/w", True, False, 1001, 1001), "broken", "not a directory"),
        (lambda: diagnosis.workspace("/w", True, True, 0, 1001), "broken", "UID 0"),
        (lambda: diagnosis.disk(10**11, "/d", 10**9), "ok", "100GB"),
        (lambda: diagnosis.disk(10**10, "/d", 2 * 10**10), "warning", "less than"),
        (lambda: diagnosis.disk(10**8, "/d", 1), "broken", "100MB"),
        (lambda: diagnosis.disk(None, "", 1), "warning", "cannot be told"),
        (lambda: diagnosis.tree(Tree("/t", "as installed", "make install")), "ok", "/t"),
        (lambda: diagnosis.tree(Tree("/t", "", "x", missing=("a",))), "broken", "a is missing"),
        (lambda: diagnosis.tree(Tree("/t", "", "x", changed=("a",))), "broken", "a was changed"),
        (
            lambda: diagnosis.tree(Tree("/t", "", "x", changed=("a",), is_working_tree=True)),
            "warning",
            "a was changed",
        ),
        (lambda: diagnosis.modules((), "/py", "x"), "ok", "/py"),
        (lambda: diagnosis.modules(("docker",), "/py", "x"), "broken", "docker"),
        (lambda: diagnosis.completion(True, "x"), "ok", "installed"),
        (lambda: diagnosis.completion(False, "x"), "warning", "not installed"),
        (lambda: diagnosis.checkout("/a", "patched", True), "ok", "patched"),
        (lambda: diagnosis.checkout("/a", "not whole", False), "broken", "not whole"),
    ],
)
def test_a_single_verdict(look: Callable[[], Finding], health: str, words: str) -> None:
    finding = look()
    assert finding.health is Health(health)
    assert words in finding.text
    assert bool(finding.remedy) == (health != "ok"), "what is wrong comes with what mends it"


def test_labels_of_another_account_are_found() -> None:
    right = Image("i1", ("ds01-1001/a:latest",), CLAIM)
    wrong = Image("i2", ("ds01-1001/b:latest",), {**CLAIM, "aime.mlc.DS01_USER_ID": "7"})
    bad = Image("i3", ("ds01-1001/c:latest",), {**CLAIM, "aime.mlc.DS01_USER_ID": "x"})
    none = Image("i4", ("ds01-1001/d:latest",))
    others = Image("i5", ("ds01-7/e:latest", "ds01-1001/e:previous"))
    found = diagnosis_images.labels([right, wrong, bad, none, others], ALICE)
    assert [each.remedy for each in found] == [f"image-create {name} --force" for name in "bcd"]
    assert diagnosis_images.labels([right], ALICE)[0].health is Health.OK
    root = Account("root", 0, 0, "/root")
    assert [each.text.split()[0] for each in diagnosis_images.labels([right, wrong], root)] == [
        "ds01-1001/b:latest"
    ]


def test_blown_up_logs_are_found() -> None:
    found = diagnosis_images.logs(
        {
            "ds01-1001/a:latest": {"/var/log/lastlog": 10**11},
            "base:it._.1001": {"/var/log/faillog": 10**9, "/var/log/lastlog": 5},
            "ds01-1001/b:latest": {"/var/log/lastlog": 10**6},
        }
    )
    assert [each.health for each in found] == [Health.BROKEN] * 2
    assert found[0].remedy == "image-update a --no-cache"
    assert "mlc remove it" in found[1].remedy


def test_containers_that_cannot_start_are_found() -> None:
    needs = MountsAndDevices(("/dev/video0", "/dev/snd"), ("/data", "/w"))
    found = diagnosis_images.containers([(CONTAINER, needs)], {"/dev/video0", "/data"}, set())
    assert [each.text.split(" (")[0] for each in found] == [
        "it cannot start: the device /dev/video0 is missing",
        "it cannot start as it should: /data, which it mounts, is missing",
        "the image of it is gone",
    ]
    assert (
        diagnosis_images.containers([(CONTAINER, needs)], set(), {"sha256:a"})[0].health
        is Health.OK
    )


def test_left_overs_say_what_mends_them() -> None:
    setups, orphans = diagnosis_images.left_overs(1, 2, 10**6)
    assert setups.repair is Repair.LEFT_OVERS
    assert orphans.repair is None
    assert "1MB" in orphans.text
    assert diagnosis_images.left_overs(0, 0, 0)[0].health is Health.OK


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
def test_what_is_freed_is_what_nothing_else_holds(going: list[str], bytes_freed: int) -> None:
    assert disk_usage.freed(going, IMAGES) == bytes_freed


def test_steps_that_made_no_layer_are_told_from_those_that_made_an_empty_one() -> None:
    image = Image("i", layers=("l1", "l2", "l3"))
    newest_first = [
        Layer("/bin/sh -c #(nop)  CMD [bash]", 0),
        Layer("RUN make", 7),
        Layer("LABEL a=b", 0),
        Layer("RUN true", 0),
        Layer("/bin/sh -c #(nop) ADD file in /", 50),
    ]
    assert [size for _, size in disk_usage.stored(image, newest_first).chain] == [50, 0, 7]


def test_an_installed_tree_is_held_against_its_manifest(tmp_path: Path) -> None:
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
    assert diagnosis.tree(install_tree.look(tmp_path)).health is Health.OK
    (tmp_path / "changed").write_text("otherwise")
    (tmp_path / "missing").unlink()
    found = install_tree.look(tmp_path)
    assert (found.missing, found.changed) == (("missing",), ("changed",))
    assert diagnosis.tree(found).health is Health.BROKEN


def test_a_tree_without_a_manifest_is_held_against_git_or_a_list(tmp_path: Path) -> None:
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

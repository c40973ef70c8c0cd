"""Saving a container as an image: what has changed in it, and the image's name and labels."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from support.accounts import THESIS_LABELS

from mlc_patched.engine.interface import Container, Image
from mlc_patched.engine.observations import Change
from mlc_patched.errors import UsageError
from mlc_patched.host.account import Account
from mlc_patched.images.changes import summarise
from mlc_patched.images.save import environment, image_labels, target, without_chosen_gpus
from mlc_patched.names.labels import Claim

ALICE = Account("alice", 1001, 2001, "/home/alice")
DESCRIPTION = "org.opencontainers.image.description"


def container(name: str = "thesis._.1001", image: str = "sha256:1", **labels: str) -> Container:
    return Container("c1", name, "ds01-1001/thesis:latest", image, labels, "exited", "Exited", 0)


STATUS = "Package: hello\nStatus: install ok installed\nVersion: 2.10-3\n\nPackage: x\nVersion: 1\n"


def changes(*words: str) -> list[Change]:
    kinds = {"A": "added", "C": "changed", "D": "deleted"}
    made = (word.split(" ", 1) for word in words)
    return sorted((Change(path, kinds[kind]) for kind, path in made), key=lambda each: each.path)


def test_packages_are_recognised_by_their_records() -> None:
    site = "/home/alice/.local/lib/python3.11/site-packages"
    old = "/usr/local/lib/python3.10/dist-packages"
    found = summarise(
        changes(
            f"A {site}/six-1.16.0.dist-info",
            f"A {site}/six-1.16.0.dist-info/METADATA",
            f"A {site}/six.py",
            f"C {old}/numpy-1.0.dist-info",
            f"D {old}/numpy-1.0.dist-info",
            f"A {old}/numpy-2.0.dist-info",
            f"D {old}/gone_pkg-3.1.egg-info",
            "A /usr/lib/python3/dist-packages/yaml-6.0.egg-info",
            "A /var/lib/dpkg/info/hello.list",
            "C /var/lib/dpkg/info/x:amd64.list",
            "D /var/lib/dpkg/info/y.list",
            "C /var/lib/dpkg/status",
            "A /usr/bin/hello",
            "A /opt/conda/conda-meta/scipy-1.11.4-py311_0.json",
            "A /opt/conda/lib/python3.11/site-packages/scipy-1.11.4.dist-info",
        ),
        STATUS,
    )
    assert found.pip.words() == ["numpy 2.0", "six 1.16.0", "-gone_pkg"]
    assert found.apt.words() == ["hello 2.10-3", "x 1", "-y"]
    assert found.conda.words() == ["scipy 1.11.4"]
    assert found.examples == ()


def test_the_user_s_files_are_named_and_noise_is_not() -> None:
    found = summarise(
        changes(
            "C /etc",
            "C /etc/motd",
            "C /etc/resolv.conf",
            "A /home/alice/a",
            "A /home/alice/a-b",
            "A /home/alice/a/x",
            "A /home/alice/.cache/pip/y",
            "D /opt/z",
            "C /var/log/dpkg.log",
            "A /usr/bin/own",
            "A /home/alice/p/__pycache__/m.pyc",
        )
    )
    assert found.examples == (
        "/etc/motd",
        "/home/alice/a-b",
        "/home/alice/a/x",
        "/opt/z",
        "/usr/bin/own",
    )
    assert dict(found.files) == {"added": 3, "changed": 1, "deleted": 1}
    assert found.lines()[0].startswith("files: 3 added, 1 changed, 1 deleted (/etc/motd, ")
    many = summarise([Change(f"/x{number:02}", "added") for number in range(30)])
    assert many.lines() == [f"files: 30 added ({', '.join(many.examples)} and 20 more)"]
    assert summarise([]).lines() == ["only caches and logs"]
    assert json.loads(json.dumps(found, default=vars))["files"]["added"] == 3


# Saving.


def test_the_name_of_a_saved_image() -> None:
    assert target(container(), "v1", ALICE) == "ds01-1001/thesis:v1"
    of_project = container("x._.1001", **{"aime.mlc.DS01_PROJECT": "my.p"})
    assert target(of_project, "v1", ALICE) == "ds01-1001/my.p:v1"
    assert target(container("My_X._.1001"), "v", ALICE) == "ds01-1001/my_x:v"
    dated = target(container(), "", ALICE, now=0)
    assert dated.startswith("ds01-1001/thesis:19")
    for tag in ("a b", "-x", "x" * 129, "previous", "mlc-build-1", "n._.1001", "a/b"):
        with pytest.raises(UsageError):
            target(container(), tag, ALICE)


def test_a_saved_image_has_true_labels_and_none_of_the_container() -> None:
    image = Image(
        "sha256:1",
        labels={
            **THESIS_LABELS,
            "aime.mlc.DS01_USER_ID": "1002",
            "ds01.user_id": "1002",
            "org.opencontainers.image.base.name": "hub/base",
            "aime.mlc.DS01_SETUP_FOR": "old._.1002",
            "own": "kept",
        },
    )
    labels = {
        **image.labels,
        "aime.mlc": "alice",
        "aime.mlc.NAME": "thesis",
        "aime.mlc.FRAMEWORK": "Pytorch-2.8.0",
        "aime.mlc.DS01_USER_SETUP": "image",
        "aime.mlc.DS01_IMAGE": "sha256:1",
        "aime.mlc.DS01_REQUEST": "word",
        "mine": "x",
    }
    made = image_labels(container(**labels), image, "ds01-1001/thesis:v1", Claim.of(ALICE), now=0)
    assert set(made) >= set(labels)
    assert {label: made[label] for label in THESIS_LABELS} == THESIS_LABELS
    assert made["ds01.user_id"] == "1001"
    assert made["own"] == "kept"
    assert made["org.opencontainers.image.base.name"] == "hub/base"
    assert made["aime.mlc.DS01_CREATED"] == "1970-01-01T00:00:00Z"
    for label in ("aime.mlc", "aime.mlc.NAME", "mine", "aime.mlc.DS01_REQUEST"):
        assert made[label] == ""
    assert made["aime.mlc.DS01_SETUP_FOR"] == made["aime.mlc.DS01_IMAGE"] == ""
    old = container(**{"aime.mlc.DS01_USER_SETUP": "commit"})
    old = replace(old, image="host:5000/hub/base:n._.1001")
    made = image_labels(old, Image("sha256:2"), "ds01-1001/n:v", Claim.of(ALICE))
    assert made["org.opencontainers.image.base.name"] == "host:5000/hub/base"


def test_a_saved_image_is_not_that_of_the_lock_any_more() -> None:
    image = Image("sha256:1", labels={"aime.mlc.DS01_LOCK": "sha256:2"})
    made = image_labels(container(), image, "ds01-1001/n:v", Claim.of(ALICE))
    assert made["aime.mlc.DS01_LOCK"] == ""


def test_the_description_of_a_saved_image_names_the_account_in_it() -> None:
    def described(**of_image: str) -> str:
        found = container(**{"aime.mlc.FRAMEWORK": "Pytorch-2.8.0"})
        image = Image("sha256:1", labels=of_image)
        return image_labels(found, image, "ds01-1001/n:v", Claim.of(ALICE))[DESCRIPTION]

    assert described() == "Pytorch-2.8.0 with the account alice"
    of_a_colleague = {DESCRIPTION: "JAX with the account bob", "aime.mlc.DS01_FRAMEWORK": "JAX"}
    assert described(**of_a_colleague) == "JAX with the account alice"
    assert described(**{DESCRIPTION: "My own words"}) == "My own words"


def test_variables_of_a_saved_image() -> None:
    made = environment(("PATH=/bin", "A=b=c", "HOME=/root"), "/home/alice")
    assert set(made) == {
        "PATH=/home/alice/.local/bin:/bin",
        "A=b=c",
        "HOME=/home/alice",
        "MLC_CONTAINER_NAME=",
    }
    assert environment(made, "/home/alice") == made


@pytest.mark.parametrize(
    ("own", "saved"),
    [
        (("A=1",), ("A=1", "CUDA_VISIBLE_DEVICES")),
        (("CUDA_VISIBLE_DEVICES=0",), ("CUDA_VISIBLE_DEVICES=0",)),
    ],
)
def test_a_saved_image_does_not_inherit_the_gpus_of_its_container(
    own: tuple[str, ...], saved: tuple[str, ...]
) -> None:
    assert without_chosen_gpus(Image("sha256:1", environment=own)).environment == saved

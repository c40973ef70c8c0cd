"""Root without sudo: as AIME's mlc does for root, whose account is in every image."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.account_in_container import OPTIMIZED_FLOW, flow
from support.base_images import BASE
from support.engine_proxy import Recording
from support.engine_state import container_names, docker, inspect, nothing_left, sweep
from support.users import User

pytestmark = pytest.mark.real_engine


@pytest.fixture
def root(alice: User) -> Iterator[User]:
    """Root, logged in as such, with a workspace of alice's at hand."""
    assert not [name for name in container_names() if name.endswith("._.0")], "root has containers"
    yield User("root", 0, 0, Path("/root"), alice.tree, alice.environ)
    sweep(User("root", 0, 0, Path("/root"), alice.tree))


def create(root: User, alice: User, image: str, **environ: str) -> str:
    done = root.mlc("create", "it", "--image", image, "-s", "-w", alice.workspace, **environ)
    assert done.returncode == 0, done.stderr
    return done.stderr


def test_no_set_up_no_commit_and_no_pull(root: User, alice: User, engine_calls: Recording) -> None:
    with nothing_left():
        create(root, alice, BASE, DOCKER_HOST=engine_calls.address)
        assert engine_calls.paths() == [
            f"GET /images/{BASE}/json",
            "POST /containers/create",
            f"GET /containers/{root.tag('it')}/json",  # of the image that was looked at?
        ]
        found = inspect(root.tag("it"))
        assert found["Image"] == inspect(BASE)["Id"]
        assert found["Config"]["User"] == "0:0"
        assert found["Config"]["Labels"]["aime.mlc.USER"] == "root"
        assert flow(root) == OPTIMIZED_FLOW
        assert root.mlc("start", "it", "id -u; id -g; pwd").stdout.split() == [
            "0",
            "0",
            "/workspace",
        ]
        assert root.mlc("stop", "it", "-s").returncode == 0
        assert root.mlc("remove", "it", "-s").returncode == 0
    assert inspect(BASE)["Id"] == found["Image"]


def test_a_catalog_image_needs_no_set_up_either(root: User, alice: User) -> None:
    done = root.mlc("create", "it", "Pytorch", "2.8.0", "-s", "-w", alice.workspace)
    assert done.returncode == 0, done.stderr
    assert inspect(root.tag("it"))["Image"] == inspect(BASE)["Id"]


def test_labels_are_ignored_for_root(root: User, alice: User, image_from) -> None:
    """An image that claims UID 0 for another account proves nothing, and changes nothing."""
    image = image_from(
        "echo 'mallory:x:0:0::/home/mallory:/bin/sh' >> /etc/passwd",
        'LABEL aime.mlc.DS01_HAS_USER_SETUP="true" aime.mlc.DS01_USER_ID="0" '
        'aime.mlc.DS01_GROUP_ID="0" aime.mlc.DS01_USERNAME="mallory"',
    )
    try:
        create(root, alice, image)
        assert root.mlc("start", "it", "whoami").stdout.strip() == "root"
        assert inspect(root.tag("it"))["Config"]["User"] == "0:0"
    finally:
        docker("rm", "-f", root.tag("it"))


def test_the_labels_of_a_users_image_mean_nothing_to_root(
    root: User, alice: User, labelled
) -> None:
    assert "Warning" not in create(root, alice, labelled(alice), MLC_GPUS="none")
    docker("rm", "-f", root.tag("it"))


def test_root_s_containers_are_not_the_user_s(root: User, alice: User, labelled) -> None:
    create(root, alice, BASE)
    assert "[it]" not in alice.mlc("list").stdout
    assert alice.mlc("remove", "it", "-s").returncode == 1
    assert "[it]" in root.mlc("list").stdout
    assert "[it]" in alice.mlc("list", "-au").stdout

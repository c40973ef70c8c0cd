"""container-list and stats: what a user should do next is said below the table."""

from __future__ import annotations

import json

from support.accounts import PASSWD, THESIS_LABELS
from support.fakes.engine import FakeContainer, FakeEngine
from support.run_command import call

import mlc_patched
from mlc_patched.context import Context
from mlc_patched.engine.specification import ContainerSpecification


def test_who_has_no_container_learns_how_to_get_one(context: Context) -> None:
    assert "container-deploy PROJECT" in call(["container-list"], context).err
    assert "mlc create" in call(["mlc", "list"], context).err
    assert "No containers are running." in call(["mlc", "stats"], context).err


def test_a_container_of_a_former_image_is_named_with_the_way_to_the_new_one(
    fake: FakeEngine, context: Context
) -> None:
    fake.add_image("ds01-1001/thesis", THESIS_LABELS, PASSWD)
    mlc_patched.deploy("thesis", context=context)
    fake.add_image("ds01-1001/thesis", {**THESIS_LABELS, "new": "1"}, PASSWD)
    said = call(["container-list"], context).err
    assert "[thesis] was created before the last update of ds01-1001/thesis:latest." in said
    assert "container-retire thesis, then container-deploy thesis --project thesis" in said


def test_a_container_that_docker_run_made_of_the_user_s_image_is_named(
    fake: FakeEngine, context: Context
) -> None:
    image = fake.add_image("ds01-1001/thesis", THESIS_LABELS, PASSWD)
    fake.create_container(ContainerSpecification("by-hand", image.id))
    said = call(["container-list"], context).err
    assert "by-hand (" in said
    assert "docker rm -f by-hand" in said


def test_what_running_containers_use_is_measured(it: FakeContainer, context: Context) -> None:
    mlc_patched.start("it", context=context)
    row = call(["mlc", "stats"], context).out.splitlines()[1].split()
    assert row[:2] == ["[it]", "50.00%"]
    (found,) = json.loads(call(["mlc", "stats", "--json"], context).out)["containers"]
    assert found["name"] == "it"

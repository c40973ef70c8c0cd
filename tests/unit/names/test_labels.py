"""Labels that AIME's mlc can read, whatever they say."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from dockerfile_parse import DockerfileParser
from support.accounts import OWN, PASSWD
from support.fakes.engine import FakeEngine

import mlc_patched
from mlc_patched.containers.list import list_containers
from mlc_patched.context import Context
from mlc_patched.engine.interface import Container
from mlc_patched.images.dockerfile.render import account_block
from mlc_patched.images.save import image_labels
from mlc_patched.names import labels
from mlc_patched.names.labels import Claim, claim_labels, escaped, read_value

FORMER = '[{"remoteUser":"alice","workspaceFolder":"/workspace"}]'
INHERITED = {
    labels.DEVCONTAINER: FORMER,
    "maintainer": "Somebody, Inc.",
    "org.opencontainers.image.description": "two\nlines, and a comma",
    "plain": "as it is",
}
CLAIMED = {**claim_labels(Claim(1001, 2001, "alice")), **INHERITED}


def unreadable(found: dict[str, str]) -> dict[str, str]:
    """Return the labels that AIME's mlc cannot read: it splits them at commas and lines."""
    return {
        label: value
        for label, value in found.items()
        if set(",\n\r") & set(label + value) or "=" in label
    }


@pytest.mark.parametrize("image_labels", [CLAIMED, INHERITED, {}], ids=["image", "commit", "bare"])
@pytest.mark.parametrize("gpus", ["all", "none", "device=0,1", "device=GPU-a,MIG-b/1/0"])
@pytest.mark.parametrize("directory", ["data", "da,ta", "100%2C,", "two\rlines"])
def test_every_label_of_a_container_can_be_split_at_commas(
    fake: FakeEngine,
    context: Context,
    tmp_path: Path,
    image_labels: dict[str, str],
    gpus: str,
    directory: str,
) -> None:
    place = tmp_path / directory
    place.mkdir()
    fake.add_image(OWN, image_labels, PASSWD)
    fake.pullable[OWN] = PASSWD
    mlc_patched.create(
        "n",
        "My, framework",
        "1,2",
        image=OWN,
        gpus=gpus,
        workspace=str(place),
        data=str(place),
        models=str(place),
        context=context,
    )
    [made] = fake.containers()
    assert unreadable(dict(made.labels)) == {}
    if image_labels:
        assert json.loads(made.labels[labels.DEVCONTAINER]) == [{"remoteUser": "alice"}]
        assert made.labels["plain"] == "as it is"
    [listed] = list_containers(context=context)
    assert (listed.workspace, listed.data, listed.models) == (str(place),) * 3
    assert (listed.gpus, listed.framework) == (gpus, "My, framework-1,2")


def test_every_label_of_a_built_image_can_be_split_at_commas() -> None:
    text = f"FROM a\n{account_block('p', 'Pytorch-2.8.0', 'hub/base')}"
    arguments = {"DS01_USER_ID": "1", "DS01_GROUP_ID": "1", "DS01_USERNAME": "alice"}
    found = DockerfileParser(fileobj=io.BytesIO(text.encode()), build_args=arguments).labels
    assert unreadable(found) == {}
    assert json.loads(found[labels.DEVCONTAINER]) == [{"remoteUser": "alice"}]


def test_every_label_of_a_saved_image_can_be_split_at_commas(
    fake: FakeEngine, context: Context
) -> None:
    image = fake.add_image(OWN, CLAIMED, PASSWD)
    own = {labels.FRAMEWORK: "a%2Cb", "user's": "own, label"}
    container = Container("c", "n._.1001", OWN, image.id, {**CLAIMED, **own}, "exited", "", 0)
    found = image_labels(container, image, "ds01-1001/p:kept", Claim.of(context.account))
    assert unreadable(found) == {}
    assert json.loads(found[labels.DEVCONTAINER]) == [{"remoteUser": "alice"}]


def test_a_label_of_the_user_s_own_is_left_as_it_is(fake: FakeEngine, context: Context) -> None:
    fake.add_image(OWN, CLAIMED, PASSWD)
    mlc_patched.create("n", image=OWN, labels={"a": "b,c=d"}, context=context)
    assert fake.containers()[0].labels["a"] == "b,c=d"


@pytest.mark.parametrize("value", ["", "a", "a,b", "%", "100%", "%2C", "%252C,", "\r\n", "é,%0"])
def test_an_escaped_value_reads_as_it_was(value: str) -> None:
    assert read_value({"x": escaped(value)}, "x") == value
    assert not set(",\n\r") & set(escaped(value))


def test_a_container_of_an_image_committed_from_a_job_is_no_job() -> None:
    inherited = {labels.JOB: "7", labels.STEP: "boot 1 2", labels.SERVICE: "a._.1"}
    assert labels.instead_of_inherited(inherited, "alice") == {labels.JOB: "", labels.STEP: ""}
    assert labels.instead_of_inherited({labels.JOB: ""}, "alice") == {}

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
from mlc_patched.host.account import Account
from mlc_patched.images.dockerfile.render import account_block
from mlc_patched.images.save import image_labels
from mlc_patched.names import labels
from mlc_patched.names.labels import (
    Claim,
    MalformedLabelsError,
    claim_labels,
    escaped,
    is_complete,
    is_mlc_s,
    later_labels,
    read_claim,
    read_value,
    store_labels,
    was_moved,
    with_ds01_spelling,
    without_ds01_spelling,
)

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


def test_a_container_of_an_image_committed_from_a_job_is_no_job_and_has_none_of_its_gpus() -> None:
    inherited = {
        labels.JOB: "7,8",
        labels.STEP: "boot 1 2",
        labels.SERVICE: "a._.1",
        labels.DEVICES: "GPU-1,GPU-2",
    }
    assert labels.instead_of_inherited(inherited, "alice") == dict.fromkeys(inherited, "")
    assert labels.instead_of_inherited({labels.JOB: ""}, "alice") == {}


AIME = {
    "aime.mlc": "alice",
    "aime.mlc.NAME": "n",
    "aime.mlc.USER": "alice",
    "aime.mlc.MLC_VERSION": "4",
    "aime.mlc.WORK_MOUNT": "/w",
    "aime.mlc.DATA_MOUNT": "-",
    "aime.mlc.FRAMEWORK": "Pytorch-2",
    "aime.mlc.GPUS": "all",
}


def test_a_label_that_aime_s_list_cannot_split_is_replaced_and_no_other() -> None:
    odd = {"a": "1,2", "b": "1\n2", "c": "1\r2", "d": "1", "e": "100%"}
    replaced = {"a": "1%2C2", "b": "1%0A2", "c": "1%0D2"}
    assert labels.instead_of_inherited(odd, "alice") == replaced
    devcontainer = labels.instead_of_inherited({labels.DEVCONTAINER: FORMER}, "bob")
    assert devcontainer == {labels.DEVCONTAINER: '[{"remoteUser":"bob"}]'}


def test_vs_code_attaches_as_the_containers_user_not_as_its_images() -> None:
    inherited = {labels.DEVCONTAINER: '[{"remoteUser":"alice"}]'}
    assert labels.instead_of_inherited(inherited, "alice") == {}
    replaced = {labels.DEVCONTAINER: '[{"remoteUser":"bob"}]'}
    assert labels.instead_of_inherited(inherited, "bob") == replaced


def test_an_image_claims_the_account_it_was_made_for() -> None:
    account = Account("h.baker@x", 1001, 2001, "/home/h.baker")
    assert Claim.of(account) == Claim(1001, 2001, account.container_name)
    assert read_claim(claim_labels(Claim.of(account))) == Claim.of(account)


def test_a_container_without_a_uid_in_its_name_needs_every_label_of_aime_s() -> None:
    assert is_complete(AIME, "n")
    assert not is_complete(AIME, "m")
    assert not is_complete({**AIME, "aime.mlc.USER": "bob"}, "n")
    for label in AIME:
        assert not is_complete({key: value for key, value in AIME.items() if key != label}, "n")


def test_no_directory_was_given_if_the_label_says_so_or_is_missing() -> None:
    for found in ({}, {"x": ""}, {"x": "-"}):
        assert labels.given(found, "x") is None
    assert labels.given({"x": "/a%2Cb"}, "x") == "/a,b"
    assert labels.given({"x": "--"}, "x") == "--"


def test_labels_in_ds01_s_spelling_are_read_as_aime_s() -> None:
    theirs = {"ds01.user": "alice", "ds01.name": "n", "ds01.work_mount": "/w", "ds01.gpus": "2"}
    found = without_ds01_spelling(theirs)
    assert found == {
        **theirs,
        "aime.mlc": "alice",
        "aime.mlc.USER": "alice",
        "aime.mlc.NAME": "n",
        "aime.mlc.WORK_MOUNT": "/w",
        "aime.mlc.GPUS": "2",
    }
    other = {"ds01.user": "alice", "ds01.workspace": "/o"}
    assert without_ds01_spelling(other)["aime.mlc.WORK_MOUNT"] == "/o"
    assert without_ds01_spelling({**theirs, **other})["aime.mlc.WORK_MOUNT"] == "/w"
    assert "aime.mlc.WORK_MOUNT" not in without_ds01_spelling({"ds01.user": "alice"})
    assert without_ds01_spelling(AIME) == AIME
    for nobody_s in ({}, {"ds01.user": ""}, {"ds01.name": "n"}):
        assert without_ds01_spelling(nobody_s) is None


def test_labels_are_written_for_ds01_s_tools_as_far_as_they_are_there() -> None:
    assert with_ds01_spelling({"aime.mlc.NAME": "n", "aime.mlc.USER": "alice", "x": "y"}) == {
        "ds01.name": "n",
        "ds01.user": "alice",
        "ds01.managed": "true",
    }


def test_where_an_image_was_committed_is_said_for_containerd_s_store_alone() -> None:
    assert store_labels({}, in_containerd=True) == {labels.IMAGE_STORE: "containerd"}
    assert store_labels({}, in_containerd=False) == {}
    inherited = {labels.IMAGE_STORE: "containerd"}
    assert store_labels(inherited, in_containerd=False) == {labels.IMAGE_STORE: "engine"}


@pytest.mark.parametrize(
    ("store", "in_containerd", "moved"),
    [
        ("containerd", True, False),
        ("containerd", False, True),
        ("engine", True, True),
        ("engine", False, False),
        (None, True, True),
        (None, False, False),
    ],
)
def test_an_image_was_moved_if_its_store_is_another_than_today_s(
    store: str | None, in_containerd: bool, moved: bool
) -> None:
    found = {} if store is None else {labels.IMAGE_STORE: store}
    ours = {**found, labels.HAS_USER_SETUP: "true"}
    assert was_moved(ours, in_containerd=in_containerd) == moved
    assert not was_moved(found, in_containerd=in_containerd)


@pytest.mark.parametrize("name", ["a" * 32, "alice", "h.baker@x"])
def test_an_account_name_of_up_to_32_characters_is_claimed(name: str) -> None:
    assert read_claim(claim_labels(Claim(1, 2, name))) == Claim(1, 2, name)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({labels.USERNAME: "a" * 33}, "DS01_USERNAME is 'aaa"),
        ({labels.USERNAME: "\xe4"}, "DS01_USERNAME is '\xe4', not an account name"),
        ({labels.USERNAME: "a\tb"}, "not an account name"),
        ({labels.USERNAME: ""}, "DS01_USERNAME is missing"),
        ({labels.USER_ID: "01"}, "DS01_USER_ID is '01', not an ID"),
        ({labels.GROUP_ID: "4294967296"}, "DS01_GROUP_ID is '4294967296', not an ID"),
        ({"ds01.user_id": "3"}, "DS01_USER_ID and ds01.user_id contradict each other"),
        ({labels.HAS_USER_SETUP: "yes"}, "DS01_HAS_USER_SETUP is 'yes', not 'true'"),
    ],
)
def test_what_is_wrong_with_a_claim_is_said(change: dict[str, str], words: str) -> None:
    with pytest.raises(MalformedLabelsError) as malformed:
        read_claim({**claim_labels(Claim(1, 2, "alice")), **change})
    assert words in str(malformed.value)


def test_inherited_labels_in_the_later_spelling_are_replaced() -> None:
    claim = Claim(1, 2, "alice")
    assert later_labels(claim, {}) == {}
    inherited = {"ds01.user_id": "9", "ds01.username": "bob", "ds01.other": "x"}
    assert later_labels(claim, inherited) == {"ds01.user_id": "1", "ds01.username": "alice"}
    account = {**inherited, **claim_labels(claim), **later_labels(claim, inherited)}
    assert read_claim(account) == claim


def test_containers_of_other_tools_are_not_ours() -> None:
    for ours in ("aime.mlc", "ds01.user", labels.SERVICE):
        assert is_mlc_s("n", {ours: "x"})
        assert not is_mlc_s("n", {ours: ""})
    assert is_mlc_s("mlc-verify-1", {})
    assert not is_mlc_s("vsc-mlc-x", {"devcontainer.metadata": "x"})

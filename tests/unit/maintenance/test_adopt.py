"""adopt: which images become labelled ones, and why others do not; a refusal leaves nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support import sandbox as sandboxes
from support.accounts import PASSWD
from support.fakes.engine import FakeContainer
from support.sandbox import CLAIM, Result, Sandbox

from mlc_patched.engine.specification import ContainerSpecification
from mlc_patched.host.account import Account
from mlc_patched.host.locks import exclusive
from mlc_patched.names import labels
from mlc_patched.report import SilentReporter

AIMES = "hub/pytorch:it._.1001"
ADOPTED = "ds01-1001/it:latest"


@pytest.fixture
def sandbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    """A sandbox with the container `it` and its image, both as AIME's mlc makes them."""
    made = Sandbox(tmp_path, monkeypatch)
    add(made, "it")
    return made


def add(sandbox: Sandbox, name: str, tag: str = "", **of_image: str) -> FakeContainer:
    """Add a container and its image, which is committed for it unless a tag is given."""
    reference = f"hub/pytorch:{tag or f'{name}._.1001'}"
    image = sandbox.fake.add_image(reference, of_image, PASSWD)
    owner = {labels.OWNER: "alice", labels.NAME: name}
    specification = ContainerSpecification(f"{name}._.1001", image.id, labels=owner)
    return sandbox.fake.made[sandbox.fake.create_container(specification)]


def adopt(sandbox: Sandbox, *words: str, code: int = 0) -> Result:
    """Run adopt, which leaves no container of its own."""
    before = set(sandbox.fake.made)
    done = sandbox.run("adopt", *words)
    assert done.status == code, done.output
    assert set(sandbox.fake.made) == before
    return done


def names(sandbox: Sandbox) -> set[str]:
    """Return the names of all images."""
    return {name for each in sandbox.fake.images.values() for name in each.image.references}


def test_an_image_gets_labels_under_the_projects_name(sandbox: Sandbox) -> None:
    done = adopt(sandbox, "it")
    assert f"[it] {AIMES} is now {ADOPTED}, with the account alice" in done.output
    assert f"mlc create NAME --image {ADOPTED}" in done.output
    assert names(sandbox) == {AIMES, ADOPTED}
    made = sandbox.fake.image(ADOPTED)
    assert made is not None
    assert made.labels.items() >= {**CLAIM, labels.PROJECT: "it"}.items()
    created = sandbox.run("create", "new", "--image", ADOPTED, "-s")
    assert "directly from" in created.output


def test_a_second_time_there_is_nothing_to_adopt(sandbox: Sandbox) -> None:
    adopt(sandbox, "it", "--project", "other")
    assert "ds01-1001/other:latest" in names(sandbox)
    adopt(sandbox, "it")
    again = adopt(sandbox, "it", code=1)
    assert f"{ADOPTED} already exists; choose another name with --project" in again.output
    assert "The container was not adopted; see the message above." in again.output
    adopt(sandbox, "it", "--json", code=1)
    assert "Nothing to adopt." in adopt(sandbox, "--all").output


def test_of_two_containers_with_the_same_project_the_second_leaves_the_first_s_image(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(sandbox, "It")
    commit, is_locked = sandbox.fake.commit, []

    def commit_and_look(*arguments: object, **named: object) -> str:
        account = Account("alice", 1001, 2001, str(sandbox.home))
        with exclusive(account, "image it", SilentReporter(), waits=False) as held:
            is_locked.append(not held)
        return commit(*arguments, **named)

    monkeypatch.setattr(sandbox.fake, "commit", commit_and_look)
    said = adopt(sandbox, "--all", code=1).output
    assert f"[It] hub/pytorch:It._.1001 is now {ADOPTED}" in said
    assert f"{ADOPTED} was made in the meantime, so {AIMES} was not adopted" in said
    assert "mlc adopt it --project NAME" in said
    assert "1 of 2 containers were not adopted" in said
    assert names(sandbox) == {AIMES, "hub/pytorch:It._.1001", ADOPTED}
    assert is_locked == [True, True]


def test_a_dry_run_says_what_would_be_adopted(sandbox: Sandbox) -> None:
    before = names(sandbox)
    said = adopt(sandbox, "--all", "--dry-run").output
    assert f"[it] would be adopted: {AIMES} as {ADOPTED}" in said
    found = json.loads(adopt(sandbox, "--all", "-n", "--json").output)["would_adopt"]
    assert found == [{"name": "it", "source": AIMES, "image": ADOPTED}]
    assert names(sandbox) == before


def test_json_has_what_was_adopted(sandbox: Sandbox) -> None:
    said = adopt(sandbox, "it", "--json").output
    found = json.loads(said[said.index("{") :])
    assert found["adopted"][0]["image"] == ADOPTED


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "mlc adopt --all"),
        (("it", "--all"), "Name containers or pass --all, not both."),
        (("--all", "--project", "p"), "a single container only"),
        (("it", "other", "--project", "p"), "a single container only"),
    ],
)
def test_what_to_adopt_has_to_be_clear(
    sandbox: Sandbox, words: tuple[str, ...], message: str
) -> None:
    assert message in adopt(sandbox, *words, code=2).output


def test_images_that_cannot_be_adopted_are_named_and_the_others_adopted(sandbox: Sandbox) -> None:
    add(sandbox, "shared", tag="2.8.0")
    add(sandbox, "ours", **CLAIM)
    gone = add(sandbox, "gone")
    del sandbox.fake.images[gone.image_id]
    broken = add(sandbox, "broken", **{labels.HAS_USER_SETUP: "true", labels.USER_ID: "x"})
    said = adopt(sandbox, "--all").output
    assert "[shared] not adopted: it has no image that was committed for it." in said
    ours = "its image is already labelled: mlc create NAME --image hub/pytorch:ours._.1001"
    assert f"[ours] not adopted: {ours}." in said
    assert "[gone] not adopted: its image is gone." in said
    assert {ADOPTED, "ds01-1001/broken:latest"} <= names(sandbox)
    assert broken.state == "created"


@pytest.mark.parametrize(
    ("lines", "status", "reason"),
    [
        (["wrong: UID 1001 has no account in it"], 0, "UID 1001 has no account in it"),
        (["id 1001:2001 alice", "wrong: the home /x is not writable"], 0, "/x is not writable"),
        (["id 1001:3001 alice"], 0, "id says 1001:3001 alice, not 1001:2001"),
        (["sh: not found"], 127, "it does not run: sh: not found"),
        (["id 1001:2001 bob"], 0, "bob"),
    ],
)
def test_an_image_whose_account_is_another_is_refused_with_a_way_out(
    sandbox: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
    lines: list[str],
    status: int,
    reason: str,
) -> None:
    monkeypatch.setattr(sandboxes, "_said", lambda each: lines)
    monkeypatch.setattr(sandbox.fake, "wait", lambda container: status)
    before = names(sandbox)
    said = adopt(sandbox, "it", code=1).output
    assert f"{AIMES} was not adopted: " in said
    assert reason in said
    assert f"image-create it --base {AIMES}" in said
    assert "The container was not adopted; see the message above." in said
    assert names(sandbox) == before

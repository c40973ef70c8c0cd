"""A Docker client that the engine refuses is noticed before anything is changed."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.base_images import BASE
from support.fakes.engine import FakeEngine
from support.run_command import call

from mlc_patched.context import Context
from mlc_patched.engine.specification import ContainerSpecification
from mlc_patched.names import labels
from mlc_patched.names.labels import Claim, claim_labels


@pytest.fixture
def old_client(context: Context, fake: FakeEngine, tmp_path: Path) -> Context:
    """A context whose Docker client is the one of Debian 12, and an engine like Docker 29."""
    path = tmp_path / "docker"
    path.write_text('#!/bin/sh\n[ "$1" = version ] && echo "20.10.24 1.41"\n')
    path.chmod(0o755)
    context.environ = {**context.environ, "PATH": f"{tmp_path}:/usr/bin:/bin"}
    fake.oldest_api = "1.44"
    image = fake.add_image(BASE)
    owner = {labels.OWNER: context.account.login, labels.NAME: "it"}
    fake.create_container(ContainerSpecification(name="it._.1001", image=image.id, labels=owner))
    return context


@pytest.mark.parametrize("argv", [["mlc", "open", "it"], ["mlc", "start", "it", "true"]])
def test_a_container_is_not_started_for_a_client_that_is_too_old(
    old_client: Context, fake: FakeEngine, argv: list[str]
) -> None:
    outcome = call(argv, old_client)
    assert outcome.code == 1
    assert "has the Docker Engine API 1.41, and the engine needs 1.44 or newer" in outcome.err
    assert "docker-ce-cli" in outcome.err
    assert "start" not in fake.calls


def test_a_container_is_started_where_no_client_is_needed(
    old_client: Context, fake: FakeEngine
) -> None:
    assert call(["mlc", "start", "it"], old_client).code == 0
    assert "start" in fake.calls


def test_no_project_is_made_for_a_client_that_is_too_old(
    old_client: Context, fake: FakeEngine
) -> None:
    outcome = call(["image-create", "demo", "--base", "hub/missing:1"], old_client)
    assert outcome.code == 1
    assert "the engine needs 1.44 or newer" in outcome.err
    assert "pull" not in fake.calls
    assert not (Path(old_client.account.home) / "dockerfiles").exists()


@pytest.mark.parametrize("where", [[], ["--cluster"]])
def test_no_container_is_deployed_if_its_shell_could_not_be_opened(
    old_client: Context, fake: FakeEngine, where: list[str]
) -> None:
    fake.add_image("ds01-1001/demo", claim_labels(Claim.of(old_client.account)))
    before = set(fake.made)
    outcome = call(["container-deploy", "demo", "--open", *where], old_client)
    assert outcome.code == 1
    assert "the engine needs 1.44 or newer" in outcome.err
    assert set(fake.made) == before

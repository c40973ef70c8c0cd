"""Push a project's image, and fetch it by digest."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.accounts import PASSWD, AccountOfThisProcess
from support.fakes.engine import FakeEngine

from mlc_patched.containers.deploy import preview
from mlc_patched.containers.source import resolve
from mlc_patched.context import Context
from mlc_patched.engine.registry import RegistryError
from mlc_patched.errors import (
    MlcError,
    NotFoundError,
)
from mlc_patched.images.push import push_image
from mlc_patched.names.labels import Claim, claim_labels
from mlc_patched.plan.request import DeployRequest
from mlc_patched.settings.model import Settings

OWN = claim_labels(Claim(1001, 2001, "alice"))
IMAGE = "ds01-1001/thesis:latest"
PUSHED = "registry:5000/ds01-1001/thesis"


@pytest.fixture
def at_site(context: Context) -> Context:
    """A context whose site has a registry."""
    context.__dict__["settings"] = Settings(registry="registry:5000")
    return context


def test_push_and_fetch_by_digest(at_site: Context, fake: FakeEngine) -> None:
    image = fake.add_image(IMAGE, OWN, PASSWD)
    pushed = push_image("thesis", None, at_site)
    assert (pushed.image, pushed.pushed) == (IMAGE, f"{PUSHED}:latest")
    assert pushed.by_digest == f"{PUSHED}@{pushed.digest}"
    found = fake.image(image.id)
    assert found is not None
    assert found.references == (IMAGE,)
    fake.remove_image(IMAGE)
    assert fake.image(IMAGE) is None
    request = DeployRequest(project="thesis", name="it")
    planned = preview(resolve(request, at_site, is_dry_run=True), at_site)
    assert (planned.image, planned.flow) == (IMAGE, "pull and image")
    assert fake.image(IMAGE) is None
    assert resolve(request, at_site).image == IMAGE
    found = fake.image(IMAGE)
    assert found is not None
    assert found.id == image.id
    assert found.references == (IMAGE,)


def test_root_is_refused_before_a_registry_is_looked_for(context: Context, tmp_path: Path) -> None:
    context.__dict__["account"] = AccountOfThisProcess("root", 0, 0, str(tmp_path))
    with pytest.raises(MlcError, match="images belong to users"):
        push_image("thesis", None, context)


def test_another_user_s_image_is_neither_pushed_nor_fetched(
    at_site: Context, fake: FakeEngine
) -> None:
    fake.add_image(IMAGE, claim_labels(Claim(1001, 9, "alice")), PASSWD)
    with pytest.raises(MlcError, match="built for 1001:9, you are 1001:2001"):
        push_image("thesis", None, at_site)
    fake.add_image("plain:1")
    fake.tag_image(fake.image("plain:1").id, PUSHED, "latest")  # type: ignore[union-attr]
    fake.registry().push(f"{PUSHED}:latest", lambda line: None)
    fake.remove_image(f"{PUSHED}:latest")
    fake.remove_image(IMAGE)
    with pytest.raises(MlcError, match="labels name no account"):
        resolve(DeployRequest(project="thesis"), at_site)
    assert fake.image(IMAGE) is None
    assert all("@" not in name for each in fake.find_images() for name in each.references)


def test_a_push_that_fails_leaves_no_name(at_site: Context, fake: FakeEngine) -> None:
    image = fake.add_image(IMAGE, OWN, PASSWD)
    fake.registries.refuses = "no basic auth credentials"
    with pytest.raises(RegistryError, match="docker login registry:5000"):
        push_image("thesis", None, at_site)
    assert fake.image(image.id).references == (IMAGE,)  # type: ignore[union-attr]


def test_where_to_push(context: Context, fake: FakeEngine) -> None:
    fake.add_image(IMAGE, OWN, PASSWD)
    with pytest.raises(MlcError, match="Use image-push PROJECT REGISTRY, set DS01_REGISTRY, or"):
        push_image("thesis", None, context)
    with pytest.raises(NotFoundError, match="image-create other"):
        push_image("other", "registry:5000", context)
    assert push_image("thesis", "other.org", context).pushed.startswith("other.org/")
    context.environ = {**context.environ, "DS01_REGISTRY": "site.org"}
    assert push_image("thesis:latest", None, context).pushed.startswith("site.org/")
    with pytest.raises(NotFoundError, match=r"nor in the registry site\.org"):
        resolve(DeployRequest(project="absent"), context)

"""Deploy containers on a cluster."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from pathlib import Path

import pytest
from support.accounts import PASSWD
from support.cluster_contract import scheduler_holds
from support.fakes.engine import FakeEngine
from support.recording_reporter import RecordingReporter

from mlc_patched.cli.main import parse
from mlc_patched.cluster.swarm import SwarmScheduler
from mlc_patched.cluster.wait import wait_until_placed, wait_until_running
from mlc_patched.containers.create import create
from mlc_patched.containers.deploy_cluster import Placement, check_node, deploy_on_cluster
from mlc_patched.containers.list import list_with_images
from mlc_patched.containers.open import open_shell
from mlc_patched.containers.retire import plan_retirements, retire
from mlc_patched.containers.source import resolve
from mlc_patched.context import Context
from mlc_patched.errors import (
    AlreadyExistsError,
    MlcError,
    NotAllowedError,
    NotFoundError,
    UsageError,
)
from mlc_patched.images.push import push_image
from mlc_patched.images.verify import Findings
from mlc_patched.names.labels import Claim, claim_labels
from mlc_patched.plan.request import CreateRequest, DeployRequest
from mlc_patched.settings.model import Settings

OWN = claim_labels(Claim(1001, 2001, "alice"))
IMAGE = "ds01-1001/thesis:latest"
PUSHED = "registry:5000/ds01-1001/thesis"


@pytest.fixture
def at_site(context: Context) -> Context:
    """A context whose site has a registry."""
    context.__dict__["settings"] = Settings(registry="registry:5000")
    return context


@pytest.fixture
def on_cluster(at_site: Context, fake: FakeEngine) -> Context:
    """A context whose engine manages two nodes with a GPU each, and a pushed image."""
    fake.swarm.join("server-1", gpus=1)
    fake.swarm.join("server-2", gpus=1)
    fake.add_image(IMAGE, OWN, PASSWD)
    push_image("thesis", None, at_site)
    return at_site


def deployed(context: Context, name: str | None = "thesis", **options: str):
    request = DeployRequest(name=name, project="thesis", options=CreateRequest("", **options))
    return deploy_on_cluster(request, Placement(), context)


def test_two_run_and_the_third_waits(on_cluster: Context, fake: FakeEngine) -> None:
    first, second, third = (deployed(on_cluster, name) for name in ("a", "b", None))
    assert wait_until_running(first.id, first.name, on_cluster).node == "server-1"
    assert wait_until_running(second.id, second.name, on_cluster).node == "server-2"
    assert third.name == "thesis"
    state = wait_until_placed(third.id, third.name, on_cluster)
    assert state.status == "waiting for a GPU, 0 ahead"
    assert third.as_json(state)["ahead"] == 0
    found = list_with_images(on_cluster)
    assert [(each.name, each.node, each.ahead) for each in found] == [
        ("a", "server-1", None),
        ("b", "server-2", None),
        ("thesis", None, 0),
    ]
    made = fake.swarm.specification("a-1001")
    assert made.container.image.startswith(f"{PUSHED}@sha256:")
    assert made.container.user == "1001:2001"
    assert made.container.binds[0].source == f"{on_cluster.account.home}/workspace"
    [plan] = plan_retirements(["a"], None, on_cluster)
    assert retire(plan, on_cluster).name == "a"
    assert wait_until_running(third.id, third.name, on_cluster).node == "server-1"
    with pytest.raises(AlreadyExistsError, match="b-2"):
        deployed(on_cluster, "b")
    create(resolve(DeployRequest(name="here", image=IMAGE), on_cluster), on_cluster)
    with pytest.raises(AlreadyExistsError, match="the manager's own engine"):
        deployed(on_cluster, "here")


@pytest.mark.parametrize(
    ("of", "source"),
    [
        ({"project": "thesis"}, "--project thesis"),
        ({"image": IMAGE}, "--project thesis"),
        ({"image": "ds01-1001/thesis:v1"}, "--image ds01-1001/thesis:v1"),
    ],
)
def test_another_container_is_offered_from_the_same_image(
    on_cluster: Context, fake: FakeEngine, of: dict[str, str], source: str
) -> None:
    """Whatever the container is called that has the name."""
    fake.add_image("ds01-1001/thesis:v1", OWN, PASSWD)
    push_image("thesis:v1", None, on_cluster)
    request = DeployRequest(name="g3", options=CreateRequest(""), **of)
    for _ in range(2):
        with pytest.raises(AlreadyExistsError) if _ else contextlib.nullcontext() as refused:
            deploy_on_cluster(request, Placement(), on_cluster)
    assert f": container-deploy g3-2 {source} --cluster" in str(refused.value)


@pytest.mark.parametrize(
    ("image", "hint"),
    [
        ("thesis:v2", "Push it with: image-push thesis:v2"),
        ("none", "Build it with image-create none, then push it with: image-push none"),
        ("thesis:no", "See the images on this engine with: image-list"),
    ],
)
def test_an_image_that_was_not_pushed_has_the_commands_for_it(
    on_cluster: Context, fake: FakeEngine, image: str, hint: str
) -> None:
    fake.add_image("ds01-1001/thesis:v2", OWN, PASSWD)
    request = DeployRequest("a", image=f"ds01-1001/{image}", options=CreateRequest(""))
    with pytest.raises(MlcError) as refused:
        deploy_on_cluster(request, Placement(), on_cluster)
    assert str(refused.value).endswith(hint)


def test_without_a_registry_a_deploy_says_how_to_set_one(on_cluster: Context) -> None:
    on_cluster.__dict__["settings"] = Settings()
    with pytest.raises(MlcError, match=r"No registry is set\. Set DS01_REGISTRY, or ask"):
        deployed(on_cluster)


def test_the_fake_swarm_meets_the_contract_of_clusters(on_cluster: Context) -> None:
    digest = on_cluster.engine.registry().digest(f"{PUSHED}:latest")
    scheduler_holds(SwarmScheduler(on_cluster), f"{PUSHED}@{digest}", on_cluster)


def test_a_saved_service_replaces_no_image_without_consent(
    on_cluster: Context, fake: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mlc_patched.images.save.examine", lambda *arguments: Findings())
    fake.swarm.engines = {"server-1": fake, "server-2": fake}
    (workspace := Path(on_cluster.account.home, "workspace")).mkdir(exist_ok=True)
    monkeypatch.setattr("mlc_patched.plan.specify.X11_SOCKETS", str(workspace))  # it is there
    for name in ("a", "b"):
        deployed(on_cluster, name, workspace=str(workspace))
    with pytest.raises(UsageError, match="Both would be saved as ds01-1001/thesis:v1"):
        plan_retirements(["a", "b"], "v1", on_cluster)
    first, second = plan_retirements(["a", "b"], "", on_cluster)
    assert first.image != second.image
    [plan] = plan_retirements(["a"], "v1", on_cluster)
    assert not plan.replaces
    retire(plan, on_cluster)
    assert fake.image("ds01-1001/thesis:v1") is None, "it is only in the registry"
    [plan] = plan_retirements(["b"], "v1", on_cluster)
    assert plan.replaces


def test_a_node_that_does_not_answer(on_cluster: Context, fake: FakeEngine) -> None:
    deployed(on_cluster, "a")
    fake.swarm.change("server-1", state="down")
    [found] = list_with_images(on_cluster)
    assert (found.state, found.node) == ("lost", "server-1")
    with pytest.raises(MlcError, match="server-1 does not answer"):
        open_shell("a", context=on_cluster)
    with pytest.raises(MlcError, match="server-1 does not answer"):
        plan_retirements(["a"], "v1", on_cluster)
    [plan] = plan_retirements(["a"], None, on_cluster)
    retire(plan, on_cluster)
    assert list_with_images(on_cluster) == []


def test_a_node_that_was_removed_from_the_swarm(on_cluster: Context, fake: FakeEngine) -> None:
    deployed(on_cluster, "a")
    [node] = [each for each in fake.swarm.nodes() if each.hostname == "server-1"]
    del fake.swarm.members[node.id]
    [found] = list_with_images(on_cluster)
    assert (found.state, found.node) == ("lost", None)
    with pytest.raises(MlcError, match="its node is no longer in the Swarm"):
        open_shell("a", context=on_cluster)
    with pytest.raises(MlcError, match=r"its node is no longer .*: container-retire a"):
        plan_retirements(["a"], "v1", on_cluster)
    [plan] = plan_retirements(["a"], None, on_cluster)
    on_cluster.report = RecordingReporter()
    retire(plan, on_cluster)
    [said] = on_cluster.report.said
    assert said.startswith("What was installed in a is lost: its node is no longer in the Swarm")
    assert list_with_images(on_cluster) == []


def test_a_node_that_is_removed_while_it_is_looked_up(
    on_cluster: Context, fake: FakeEngine
) -> None:
    deployed(on_cluster, "a")
    scheduler = SwarmScheduler(on_cluster)
    [found] = scheduler.entries(lambda service: True)
    del fake.swarm.members[next(iter(fake.swarm.members))]
    with pytest.raises(MlcError, match="server-1 is no longer in the Swarm"):
        scheduler.where(found)


def test_requests_that_a_cluster_cannot_run(on_cluster: Context, fake: FakeEngine) -> None:
    for options, error in (
        ({"gpus": "all"}, UsageError),
        ({"gpus": "device=0"}, UsageError),
        ({"architecture": "ROCM6"}, UsageError),
        ({"cgroup_parent": "/x"}, NotAllowedError),
    ):
        with pytest.raises(error):
            deployed(on_cluster, "x", **options)
    for request in (
        DeployRequest(),
        DeployRequest(framework="Pytorch"),
        DeployRequest(image="aimehub/pytorch:1"),
    ):
        with pytest.raises(UsageError):
            deploy_on_cluster(request, Placement(), on_cluster)
    with pytest.raises(UsageError, match="There are: server-1, server-2"):
        deploy_on_cluster(DeployRequest(name="x"), Placement(node="server-3"), on_cluster)
    with pytest.raises(MlcError, match="image-create absent"):
        deploy_on_cluster(DeployRequest(name="absent"), Placement(), on_cluster)
    on_cluster.__dict__["settings"] = Settings(registry="registry:5000", largest_gpus=0)
    with pytest.raises(NotAllowedError):
        deployed(on_cluster, "x", gpus="1")
    on_cluster.__dict__["settings"] = Settings(registry="registry:5000", bases=("aimehub/*",))
    fake.remove_image(IMAGE)
    base = {**OWN, "org.opencontainers.image.base.name": "elsewhere/base"}
    fake.registries.images[f"{PUSHED}:latest"].image = replace(
        fake.registries.images[f"{PUSHED}:latest"].image, labels=base
    )
    with pytest.raises(NotAllowedError, match="elsewhere/base"):
        deployed(on_cluster, "x")
    assert fake.swarm.services() == []


def test_a_service_that_will_wait_long_is_noted(
    on_cluster: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_cluster.environ = {**on_cluster.environ, "DS01_MLC_WRAPPER": "/bin/true"}
    said = "\n".join(deployed(on_cluster, "big", gpus="5").notes)
    assert "no node has 5 GPUs (the most is 1)" in said
    assert "DS01_MLC_WRAPPER is not used" in said


def test_services_are_listed_whatever_the_user_database_answers(on_cluster: Context) -> None:
    deployed(on_cluster, "a")
    account = on_cluster.account
    on_cluster.__dict__["account"] = replace(account, login="1001")
    assert [each.name for each in list_with_images(on_cluster)] == ["a"]
    on_cluster.__dict__["account"] = replace(account, uid=1002)
    assert list_with_images(on_cluster) == []


def test_nothing_is_submitted_if_the_site_wrapper_is_refused(
    on_cluster: Context, fake: FakeEngine
) -> None:
    on_cluster.environ = {**on_cluster.environ, "DS01_MLC_WRAPPER": "relative"}
    with pytest.raises(MlcError, match="DS01_MLC_WRAPPER"):
        deployed(on_cluster, "x")
    assert fake.swarm.services() == []


def test_commands_work_without_a_cluster(context: Context) -> None:
    assert list_with_images(context) == []
    with pytest.raises(NotFoundError, match="container-list"):
        plan_retirements(["absent"], None, context)
    with pytest.raises(NotFoundError, match="mlc list -a"):
        open_shell("absent", context=context)


def test_only_deploy_has_the_flags_of_a_cluster() -> None:
    _, arguments = parse(["container-deploy", "x", "--cluster", "--node", "n"])
    assert (arguments.cluster, arguments.node, arguments.gpu_kind) == (True, "n", None)
    with pytest.raises(UsageError):
        parse(["container-create", "x", "--cluster"])


def test_a_cluster_without_nodes_has_none_to_list() -> None:
    with pytest.raises(UsageError, match=r"no node 'n1': the cluster reports no nodes\."):
        check_node(Placement(node="n1"), [])
    check_node(Placement(), [])

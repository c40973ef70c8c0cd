"""The container commands, without an engine and on a fake one."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from support.fakes.engine import FakeEngine
from support.recording_reporter import RecordingReporter

from mlc_patched.cli.main import parse
from mlc_patched.containers import site_wrapper
from mlc_patched.containers.deploy import deploy, preview
from mlc_patched.containers.list import image_of, list_with_images
from mlc_patched.containers.retire import plan_retirements, retire
from mlc_patched.containers.source import resolve
from mlc_patched.context import Context
from mlc_patched.engine.interface import Container
from mlc_patched.errors import (
    AlreadyExistsError,
    EngineError,
    MlcError,
    NotFoundError,
    SetupError,
    UsageError,
)
from mlc_patched.host.account import Account
from mlc_patched.images.probe import ProbeResult
from mlc_patched.images.verify import Findings
from mlc_patched.plan.request import CreateRequest, DeployRequest, container_name_from

ALICE = Account("alice", 1001, 2001, "/home/alice")
PASSWD = "alice:x:1001:2001::/home/alice:/bin/bash\n"
CLAIM = {
    "aime.mlc.DS01_HAS_USER_SETUP": "true",
    "aime.mlc.DS01_USER_ID": "1001",
    "aime.mlc.DS01_GROUP_ID": "2001",
    "aime.mlc.DS01_USERNAME": "alice",
    "aime.mlc.DS01_PROJECT": "thesis",
}


def container(name: str = "thesis._.1001", image: str = "sha256:1", **labels: str) -> Container:
    return Container("c1", name, "ds01-1001/thesis:latest", image, labels, "exited", "Exited", 0)


# Names.


@pytest.mark.parametrize(
    ("image", "name"),
    [
        ("aimehub/pytorch-2.x.x", "pytorch-2-x-x"),
        ("aimehub/pytorch-2.8.0-cuda12.6.3", "pytorch-2-8-0-cuda12-6-3"),
        ("host:5000/a/b_c:tag", "b_c"),
        ("debian", "debian"),
        ("sha256:" + "ab" * 32, "image-abababababab"),
        ("x/" + "y" * 200, "y" * 60),
    ],
)
def test_a_name_is_derived_from_the_image(image: str, name: str) -> None:
    assert container_name_from(image) == name


def deployed(context: Context, **fields: object) -> CreateRequest:
    return resolve(DeployRequest(**fields), context)


def test_requests_are_resolved(context: Context, fake) -> None:
    fake.add_image("ds01-1001/my.thesis", CLAIM, PASSWD)
    image = "ds01-1001/my.thesis:latest"
    for fields, name in (
        ({"name": "my.thesis"}, "my-thesis"),
        ({"project": "my.thesis"}, "my-thesis"),
        ({"name": "x", "project": "my.thesis"}, "x"),
        ({"image": image}, "my-thesis"),
        ({"name": "x", "image": image}, "x"),
    ):
        request = deployed(context, **fields)
        assert (request.name, request.image) == (name, image)
    by_framework = deployed(context, framework="pytorch")
    assert (by_framework.name, by_framework.version) == ("pytorch-2-8-0", "2.8.0")
    assert deployed(context, framework="Pytorch", version="2.7.1").name == "pytorch-2-7-1"


def test_names_that_are_taken_get_a_number(context: Context, fake) -> None:
    fake.add_image("ds01-1001/thesis", CLAIM, PASSWD)
    for name in ("thesis", "thesis-2", "thesis-3"):
        request = deployed(context, project="thesis")
        assert request.name == name
        deploy(request, context, start=False)


def test_invalid_requests_are_refused(context: Context, fake) -> None:
    fake.add_image("ds01-1001/thesis", CLAIM, PASSWD)
    with pytest.raises(UsageError, match="Which project"):
        deployed(context)
    with pytest.raises(UsageError, match="--framework"):
        deployed(context, name="thesis", version="2.8.0")
    with pytest.raises(UsageError, match="How about 'my-thesis'"):
        deployed(context, name="My Thesis")
    with pytest.raises(UsageError, match="not a valid container name"):
        deployed(context, name="a b", project="thesis")
    with pytest.raises(NotFoundError, match=r"thesis\. Build it with: image-create other"):
        deployed(context, name="other")
    with pytest.raises(NotFoundError, match="image-create other"):
        deployed(context, image="ds01-1001/other:v1")
    context.__dict__["account"] = Account("root", 0, 0, "/root")
    with pytest.raises(MlcError, match="You are root"):
        deployed(context, name="thesis")


# deploy.


def test_a_container_that_does_not_start_is_removed(context: Context, fake) -> None:
    fake.add_image("ds01-1001/thesis", CLAIM, PASSWD)
    fake.add_image("mlc-test/base:bookworm")
    fake.pullable["mlc-test/base:bookworm"] = "root:x:0:0::/root:/bin/bash\n"
    images = set(fake.images)
    start = fake.start

    def failing(identity: str) -> None:
        if not fake._get(identity).specification.name.startswith("mlc-setup"):
            raise EngineError("no such device")
        start(identity)

    fake.start = failing
    for request in ({"name": "thesis"}, {"framework": "Pytorch", "version": "2.8.0"}):
        with pytest.raises(EngineError, match="no such device"):
            deploy(deployed(context, **request), context, start=True)
        assert not fake.made
    assert {name for image in fake.images.values() for name in image.image.references} == {
        "ds01-1001/thesis:latest",
        "mlc-test/base:bookworm",
    }
    assert images & set(fake.images)


def test_an_existing_name_is_refused_with_advice(context: Context, fake) -> None:
    fake.add_image("ds01-1001/thesis", CLAIM, PASSWD)
    request = deployed(context, name="thesis")
    deploy(request, context, start=True)
    for refused in (
        lambda: deploy(request, context, start=True),
        lambda: preview(request, context),
    ):
        with pytest.raises(AlreadyExistsError, match="already") as error:
            refused()
        assert "mlc open thesis - or remove it first" in str(error.value)
    assert len(fake.made) == 1


def test_a_dry_run_reports_the_flow(context: Context, fake) -> None:
    fake.add_image("ds01-1001/thesis", CLAIM, PASSWD)
    fake.add_image("plain")
    calls = ["container", "containers", "container", "image"]
    assert preview(CreateRequest("a", image="ds01-1001/thesis:latest"), context).flow == "image"
    assert fake.calls == calls
    assert preview(CreateRequest("a", image="plain"), context).flow == "commit"
    assert preview(CreateRequest("a", image="absent"), context).flow == "pull and commit"


# The site's wrapper.


def test_the_wrapper_is_called_as_documented() -> None:
    request = CreateRequest(
        "n",
        image="i",
        workspace="/a b",
        data="/d'",
        gpus="device=0,1",
        shm_size="1g",
        cgroup_parent="x.slice",
        cpus="2",
        memory="3g",
        pids_limit="4",
    )
    assert site_wrapper.command("/w x", request) == [
        *("/w x", "n", "custom", "latest", "-w=/a b", "-d=/d'", "--image=i", "--gpus=device=0,1"),
        *("--shm-size=1g", "--cgroup-parent=x.slice", "--cpus=2", "--memory=3g", "--pids-limit=4"),
    ]
    assert site_wrapper.command("/w", CreateRequest("n", "F", "1", gpus="none")) == [
        *("/w", "n", "F", "1", "--cpu-only")
    ]


@pytest.mark.parametrize("value", ["wrapper.sh", "/there/is/none", "/etc/passwd"])
def test_a_wrapper_must_be_a_program_by_its_absolute_path(value: str) -> None:
    with pytest.raises(MlcError, match="unset DS01_MLC_WRAPPER"):
        site_wrapper.path({"DS01_MLC_WRAPPER": value})
    assert site_wrapper.path({"DS01_MLC_WRAPPER": ""}) is None


# list.

NAMES = {
    "sha256:1": ("x/other:1", "ds01-1001/thesis:latest"),
    "sha256:2": ("ds01-1001/thesis:previous",),
    "sha256:3": ("ds01-1001/thesis:v1",),
    "sha256:4": ("hub/base:n._.1001",),
}
IDS = {name: identity for identity, names in NAMES.items() for name in names}


@pytest.mark.parametrize(
    ("image_id", "project", "shown", "is_outdated"),
    [
        ("sha256:1", "thesis", "ds01-1001/thesis:latest", False),
        ("sha256:2", "thesis", "ds01-1001/thesis:latest", True),
        ("sha256:3", "thesis", "ds01-1001/thesis:v1", False),
        ("sha256:9", "thesis", "ds01-1001/thesis:latest", True),
        ("sha256:9", "gone", "ds01-1001/thesis:latest", True),
        ("sha256:4", None, "hub/base:n._.1001", False),
    ],
)
def test_the_image_of_a_container(image_id, project, shown, is_outdated) -> None:
    labels = {"aime.mlc.DS01_PROJECT": project} if project else {}
    listed = replace(container(image=image_id), labels=labels)
    if image_id == "sha256:4":
        listed = replace(listed, image="hub/base:n._.1001")
    assert image_of(listed, NAMES, IDS) == (shown, is_outdated)


@pytest.mark.parametrize(
    ("changed", "is_outdated"),
    [
        ({}, False),  # saved and loaded, or moved to another image store
        ({"layers": ("b", "2")}, True),
        ({"environment": ("A=2",)}, True),
        ({"created": "2026-02-01T00:00:00.123Z"}, True),
    ],
)
def test_an_image_with_another_id_is_only_newer_if_its_content_is(
    context: Context, fake: FakeEngine, changed: dict[str, object], is_outdated: bool
) -> None:
    content = {
        "layers": ("b", "1"),
        "environment": ("A=1",),
        "created": "2026-01-01T00:00:00.123Z",
    }
    fake.add_image("ds01-1001/thesis", CLAIM, PASSWD, **content)
    deploy(deployed(context, project="thesis"), context, start=False)
    fake.add_image("ds01-1001/thesis", CLAIM, PASSWD, **{**content, **changed})
    (listed,) = list_with_images(context)
    assert listed.is_outdated == is_outdated
    assert listed.image == "ds01-1001/thesis:latest"


@pytest.mark.parametrize(("built", "is_outdated"), [("2026-01-01", False), ("2026-02-01", True)])
def test_without_its_image_a_container_is_compared_by_its_labels(
    context: Context, fake: FakeEngine, built: str, is_outdated: bool
) -> None:
    made = {**CLAIM, "aime.mlc.DS01_CREATED": "2026-01-01"}
    image = fake.add_image("ds01-1001/thesis", made, PASSWD)
    deploy(deployed(context, project="thesis"), context, start=False)
    (container,) = fake.made.values()
    container.specification = replace(
        container.specification, labels={**made, **container.specification.labels}
    )
    fake.add_image("ds01-1001/thesis", {**made, "aime.mlc.DS01_CREATED": built}, PASSWD)
    del fake.images[image.id]
    (listed,) = list_with_images(context)
    assert listed.is_outdated == is_outdated


def test_a_container_with_its_own_image_is_never_outdated() -> None:
    labels = {"aime.mlc.DS01_PROJECT": "thesis", "aime.mlc.DS01_USER_SETUP": "commit"}
    listed = replace(container(image="sha256:4"), labels=labels, image="hub/base:n._.1001")
    assert image_of(listed, NAMES, IDS) == ("hub/base:n._.1001", False)


def test_listing_takes_three_calls_for_any_number_of_containers(context: Context, fake) -> None:
    fake.add_image("ds01-1001/thesis", CLAIM, PASSWD)
    for _ in range(5):
        deploy(deployed(context, project="thesis"), context, start=False)
    fake.calls.clear()
    assert len(list_with_images(context)) == 5
    assert fake.calls == ["containers", "containers", "find_images"]


@pytest.fixture
def thesis(context: Context, fake) -> Context:
    fake.add_image("ds01-1001/thesis", CLAIM, PASSWD)
    deploy(deployed(context, name="thesis"), context, start=True)
    fake.calls.clear()
    return context


def good(monkeypatch: pytest.MonkeyPatch, *wrong: str) -> None:
    found = Findings(wrong)
    monkeypatch.setattr("mlc_patched.images.save.examine", lambda *arguments: found)


def test_the_container_is_removed_only_if_the_saved_image_exists(thesis, fake, monkeypatch) -> None:
    good(monkeypatch)
    [plan] = plan_retirements(["thesis"], "v1", thesis)
    retired = retire(plan, thesis)
    assert not fake.made
    assert fake.image("ds01-1001/thesis:v1").id == retired.saved.image_id
    assert fake.image("ds01-1001/thesis:latest") is not None
    assert not any(
        "build-" in name for each in fake.images.values() for name in each.image.references
    )
    order = [
        call for call in fake.calls if call in ("exec_run", "stop", "commit", "remove_container")
    ]
    assert order == ["exec_run", "stop", "commit", "remove_container"]


def test_a_saved_image_that_does_not_run_is_not_kept(thesis, fake, monkeypatch) -> None:
    good(monkeypatch, "sudo does not work")
    before = set(fake.images)
    with pytest.raises(SetupError, match="sudo does not work"):
        retire(plan_retirements(["thesis"], "v1", thesis)[0], thesis)
    assert set(fake.images) == before
    assert [each.state for each in fake.made.values()] == ["exited"]


def test_an_image_of_an_older_ds01_is_saved_with_a_note(
    context: Context, fake: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the four labels and an account: no ~/.local/bin, and another name than we would give."""
    old = {**CLAIM, "aime.mlc.DS01_USERNAME": "al"}
    fake.add_image("ds01-1001/thesis", old, PASSWD.replace("alice", "al"))
    deploy(deployed(context, name="thesis"), context, start=True)
    lines = ["id 1001:2001 al", "lacks: there is no /home/al/.local/bin", "lacks: sudo says no"]
    monkeypatch.setattr(
        "mlc_patched.images.verify.run_in_image", lambda *args, **more: ProbeResult(0, tuple(lines))
    )
    context.report = RecordingReporter()
    retired = retire(plan_retirements(["thesis"], "v1", context)[0], context)
    saved = fake.image("ds01-1001/thesis:v1")
    assert not fake.made
    assert saved.id == retired.saved.image_id
    assert (saved.labels["aime.mlc.DS01_USERNAME"], saved.user) == ("al", "1001")
    assert "HOME=/home/al" in saved.environment
    notes = [text for text in context.report.said if "saved as it is" in text]
    assert [text.partition(": ")[2] for text in notes] == [
        "there is no /home/al/.local/bin",
        "sudo says no",
    ]


@pytest.mark.parametrize(
    "line", ["id 1001:2001 bob", "id 1002:2001 alice", "id 1001:100 alice", "wrong: HOME is /"]
)
def test_an_image_whose_labels_are_not_true_is_not_saved(
    thesis: Context, fake: FakeEngine, monkeypatch: pytest.MonkeyPatch, line: str
) -> None:
    lines = (line, *(["id 1001:2001 alice"] if line.startswith("wrong") else []))
    monkeypatch.setattr(
        "mlc_patched.images.verify.run_in_image", lambda *args, **more: ProbeResult(0, lines)
    )
    with pytest.raises(SetupError, match="would not work for you"):
        retire(plan_retirements(["thesis"], "v1", thesis)[0], thesis)
    assert len(fake.made) == 1
    assert fake.image("ds01-1001/thesis:v1") is None


@pytest.mark.parametrize("method", ["changes", "commit", "tag_image"])
def test_no_container_is_lost_if_the_engine_fails(thesis, fake, monkeypatch, method) -> None:
    good(monkeypatch)
    before = set(fake.images)

    def failing(*arguments: object, **more: object) -> None:
        raise EngineError("no space left on device")

    [plan] = plan_retirements(["thesis"], "", thesis)
    real_tag = fake.tag_image
    if method == "tag_image":
        # The commit's own tagging works; giving the name does not.
        commit = fake.commit

        def committing(*arguments, **more):
            made = commit(*arguments, **more)
            monkeypatch.setattr(fake, "tag_image", failing)
            return made

        monkeypatch.setattr(fake, "commit", committing)
    else:
        monkeypatch.setattr(fake, method, failing)
    with pytest.raises(EngineError, match="no space"):
        retire(plan, thesis)
    assert len(fake.made) == 1
    assert set(fake.images) == before
    assert real_tag


@pytest.mark.parametrize("method", ["exec_run", "stop", "commit", "changes"])
def test_an_interrupt_while_saving_leaves_the_container_and_no_image(
    thesis, fake, monkeypatch, method
) -> None:
    good(monkeypatch)
    before = set(fake.images)
    real = getattr(fake, method)

    def interrupted(*arguments: object, **more: object) -> None:
        real(*arguments, **more)  # the engine has done it when the signal comes
        raise KeyboardInterrupt

    monkeypatch.setattr(fake, method, interrupted)
    with pytest.raises(KeyboardInterrupt):
        retire(plan_retirements(["thesis"], "v1", thesis)[0], thesis)
    assert len(fake.made) == 1
    assert set(fake.images) == before


def test_an_interrupt_while_starting_leaves_nothing(context: Context, fake, monkeypatch) -> None:
    fake.add_image("ds01-1001/thesis", CLAIM, PASSWD)
    real = fake.start

    def interrupted(identity: str) -> None:
        real(identity)
        raise KeyboardInterrupt

    monkeypatch.setattr(fake, "start", interrupted)
    with pytest.raises(KeyboardInterrupt):
        deploy(deployed(context, name="thesis"), context, start=True)
    assert not fake.made
    assert fake.image("ds01-1001/thesis:latest")


def test_a_container_that_cannot_be_cleaned_is_saved_anyway(thesis, fake, monkeypatch) -> None:
    good(monkeypatch)
    monkeypatch.setattr(fake, "exec_run", lambda *arguments: (1, "no shell"))
    assert retire(plan_retirements(["thesis"], "v1", thesis)[0], thesis).saved


def test_nothing_is_changed_if_one_of_several_is_missing(thesis, fake) -> None:
    with pytest.raises(NotFoundError, match="container-list"):
        plan_retirements(["thesis", "absent"], None, thesis)
    assert fake.made


def test_two_containers_are_never_saved_under_one_name(thesis, fake) -> None:
    deploy(deployed(thesis, name="second", project="thesis"), thesis, start=False)
    with pytest.raises(UsageError, match="one by one"):
        plan_retirements(["thesis", "second"], "v1", thesis)
    first, second = plan_retirements(["thesis", "second"], "", thesis)
    assert first.image != second.image


# The edge.


def said(context: Context, name: str, *arguments: str) -> int:
    command, parsed = parse([name, *arguments])
    return command.load().run(parsed, context)


def test_the_output_of_the_commands(context: Context, fake, capsys, monkeypatch) -> None:
    good(monkeypatch)
    fake.add_image("ds01-1001/thesis", CLAIM, PASSWD)
    assert said(context, "container-deploy", "thesis", "--background") == 0
    out = capsys.readouterr().out
    assert "[thesis] running, directly from ds01-1001/thesis:latest." in out
    assert "mlc open thesis" in out
    assert "Attach to Running Container… > thesis._.1001" in out
    assert f"/workspace is {context.account.home}/workspace" in out
    assert said(context, "container-create", "--project", "thesis") == 0
    assert "Start" in capsys.readouterr().out
    assert said(context, "container-deploy", "n", "--project", "thesis", "--dry-run") == 0
    assert "in the image: one step" in capsys.readouterr().out
    assert said(context, "container-list", "-a", "-d") == 0
    assert "[thesis-2]" in capsys.readouterr().out
    assert said(context, "container-list", "--json") == 0
    assert json.loads(capsys.readouterr().out)["version"] == 1
    with pytest.raises(UsageError, match="pass -y"):
        said(context, "container-retire", "thesis")
    with pytest.raises(UsageError, match="Which container"):
        said(context, "container-retire")
    assert said(context, "container-retire", "--save", "thesis", "-y") == 0
    assert "saved as ds01-1001/thesis:20" in capsys.readouterr().out
    assert said(context, "container-retire", "thesis-2", "-f") == 0
    assert not fake.made


@pytest.mark.parametrize("name", ["deploy", "create", "list", "retire"])
def test_help_has_examples(name: str, capsys) -> None:
    with pytest.raises(SystemExit) as ended:
        parse([f"container-{name}", "-h"])
    assert ended.value.code == 0
    assert f"container-{name}" in capsys.readouterr().out.partition("examples:")[2]

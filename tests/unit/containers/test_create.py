"""Create containers in both flows, through the Python API."""

from __future__ import annotations

import pytest
from support.accounts import OWN, PASSWD, own_image
from support.base_images import BASE
from support.fakes.engine import FakeEngine
from support.recording_reporter import RecordingReporter

import mlc_patched
from mlc_patched.context import Context
from mlc_patched.engine.interface import Engine
from mlc_patched.engine.specification import ContainerSpecification
from mlc_patched.errors import (
    AlreadyExistsError,
    EngineError,
    NotFoundError,
    SetupError,
)
from mlc_patched.host.account import Account
from mlc_patched.host.hardware import Host
from mlc_patched.images.project.files import ProjectFiles
from mlc_patched.names import labels
from mlc_patched.names.labels import Claim, claim_labels
from mlc_patched.names.projects import Project
from mlc_patched.plan.flow import Flow
from mlc_patched.settings.parse import parse

COMMITTED = "mlc-test/base:n._.1001"


@pytest.fixture
def words(context: Context) -> RecordingReporter:
    context.report = RecordingReporter()
    return context.report


def test_a_labelled_image_takes_four_calls(fake: FakeEngine, context: Context) -> None:
    image_id = own_image(fake)
    created = mlc_patched.create("n", image=OWN, context=context)
    assert fake.calls == ["image", "create_container", "container", "read_file"]
    assert (created.flow, created.image_id, created.tag) == (Flow.IMAGE, image_id, "n._.1001")
    made = fake.made[created.id]
    assert made.specification.image == OWN
    assert made.specification.labels[labels.USER_SETUP] == "image"
    assert made.specification.labels[labels.IMAGE_ID] == image_id


@pytest.mark.parametrize("name", ["ds01-1001/p", OWN])
def test_docker_ps_shows_the_name_of_the_image(
    fake: FakeEngine, context: Context, name: str
) -> None:
    own_image(fake)
    created = mlc_patched.create("n", image=name, context=context)
    assert fake.made[created.id].specification.image == OWN


def test_an_image_asked_for_by_its_id_is_not_named(fake: FakeEngine, context: Context) -> None:
    image_id = own_image(fake)
    for name, short in (("a", image_id), ("b", image_id.removeprefix("sha256:")[:12])):
        created = mlc_patched.create(name, image=short, context=context)
        assert fake.made[created.id].specification.image == image_id


def test_a_name_that_moves_to_an_image_nobody_looked_at(
    fake: FakeEngine, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_at = own_image(fake)
    create = fake.create_container

    def moved(specification: ContainerSpecification) -> str:
        if specification.image == OWN:
            fake.add_image(OWN, claim_labels(Claim(1001, 2001, "alice")), PASSWD)
        return create(specification)

    monkeypatch.setattr(fake, "create_container", moved)
    created = mlc_patched.create("n", image=OWN, context=context)
    assert created.image_id == looked_at
    assert [each.image_id for each in fake.made.values()] == [looked_at]
    assert fake.made[created.id].specification.labels[labels.IMAGE_ID] == looked_at


@pytest.mark.parametrize("passwd", ["", "alice:x:1001:0::/:/bin/sh\n", PASSWD + PASSWD])
def test_a_wrong_label_leads_to_the_legacy_flow(
    fake: FakeEngine, context: Context, words: RecordingReporter, passwd: str
) -> None:
    own_image(fake, passwd=passwd)
    created = mlc_patched.create("n", image=OWN, context=context)
    assert created.flow is Flow.COMMIT
    assert any("are wrong" in text for text in words.said)
    assert len(fake.made) == 1


def test_another_user_s_image_takes_the_legacy_flow(
    fake: FakeEngine, context: Context, words: RecordingReporter
) -> None:
    own_image(fake, uid=1002)
    created = mlc_patched.create("n", image=OWN, context=context)
    assert created.flow is Flow.COMMIT
    assert created.image == "ds01-1001/p:n._.1001"
    assert "pull" not in fake.calls
    assert any("1002:2001" in text and "1001:2001" in text for text in words.said)


def test_another_user_s_home_is_not_inherited(fake: FakeEngine, context: Context) -> None:
    fake.add_image(
        OWN,
        claim_labels(Claim(1002, 1002, "bob")),
        environment=("PATH=/home/bob/.local/bin:/bin", "HOME=/home/bob", "X=a=b"),
        user="1002",
    )
    created = mlc_patched.create("n", image=OWN, context=context)
    committed = fake.image(created.image)
    assert committed.environment == (
        "PATH=/home/alice/.local/bin:/bin",
        "HOME=/home/alice",
        "X=a=b",
    )
    assert committed.user == "1001"


def test_the_legacy_flow_leaves_one_container_and_one_image(
    fake: FakeEngine, context: Context, words: RecordingReporter
) -> None:
    fake.add_image(BASE)
    created = mlc_patched.create("n", "Pytorch", "2.8.0", context=context)
    assert (created.flow, created.image) == (Flow.COMMIT, COMMITTED)
    (made,) = fake.made.values()
    assert made.specification.image == COMMITTED
    committed = fake.image(COMMITTED)
    claim = Claim(1001, 2001, "alice")
    assert claim_labels(claim).items() <= committed.labels.items()
    assert len(fake.images) == 2
    assert any("Using the" in text for text in words.said)


def test_a_committed_image_is_fast_to_create_from(fake: FakeEngine, context: Context) -> None:
    fake.add_image(BASE)
    mlc_patched.create("n", "Pytorch", "2.8.0", context=context)
    second = mlc_patched.create("m", image=COMMITTED, context=context)
    assert second.flow is Flow.IMAGE
    mlc_patched.remove("m", context=context)
    assert fake.image(COMMITTED) is not None
    removed = mlc_patched.remove("n", context=context)
    assert removed.image_removed == COMMITTED
    assert fake.image(COMMITTED) is None
    assert fake.image(BASE) is not None


def test_a_catalog_image_is_pulled(fake: FakeEngine, context: Context) -> None:
    fake.pullable[BASE] = PASSWD
    mlc_patched.create("n", "Pytorch", "2.8.0", context=context)
    assert fake.calls.count("pull") == 1


def test_an_image_that_does_not_exist(fake: FakeEngine, context: Context) -> None:
    with pytest.raises(NotFoundError, match="docker images"):
        mlc_patched.create("n", image="no/such", context=context)
    assert not fake.made


def test_a_name_in_use_is_refused_before_anything_slow(fake: FakeEngine, context: Context) -> None:
    fake.add_image(BASE)
    own_image(fake)
    mlc_patched.create("n", image=OWN, context=context)
    before = dict(fake.made)
    for arguments in ({"image": OWN}, {"framework": "Pytorch", "version": "2.8.0"}):
        fake.calls.clear()
        with pytest.raises(AlreadyExistsError, match="mlc open n"):
            mlc_patched.create("n", **arguments, context=context)
        assert not {"pull", "commit", "start"} & set(fake.calls)
        assert fake.made == before


@pytest.mark.parametrize("image", [OWN, BASE])
def test_devices_that_are_missing_are_named_once_the_container_is_there(
    fake: FakeEngine, context: Context, words: RecordingReporter, image: str
) -> None:
    own_image(fake)
    fake.add_image(BASE)
    context.__dict__["host"] = Host("CUDA_ADA", True, frozenset({"/dev/snd"}))
    note = "Not passed to the container, as this host does not have them: /dev/video0"
    mlc_patched.create("n", image=image, context=context)
    assert words.said[-1] == note
    words.said.clear()
    with pytest.raises(AlreadyExistsError):
        mlc_patched.create("n", image=image, context=context)
    assert note not in words.said


def test_a_set_up_that_fails_leaves_nothing(fake: FakeEngine, context: Context) -> None:
    fake.add_image(BASE)
    fake.setup_fails = 1
    images = set(fake.images)
    with pytest.raises(SetupError, match="exit status 1") as failure:
        mlc_patched.create("n", "Pytorch", "2.8.0", context=context)
    assert "it failed" in str(failure.value)
    assert not fake.made
    assert set(fake.images) == images


def test_a_uid_outside_of_the_engines_range_is_named(fake: FakeEngine, context: Context) -> None:
    fake.add_image(BASE)
    fake.setup_fails = 1
    fake.setup_failure = "chown: changing ownership of '/home/ada': Invalid argument"
    with pytest.raises(SetupError, match="exit status 1") as failure:
        mlc_patched.create("n", "Pytorch", "2.8.0", context=context)
    assert "/etc/subuid" in failure.value.hint


def faulty(engine: Engine, call: str, occurrence: int, after: bool, error: Exception) -> None:
    """Make the n-th use of a method fail, before or after it has done its work."""
    real, count = getattr(engine, call), 0

    def instead(*arguments: object, **named: object) -> object:
        nonlocal count
        count += 1
        if count != occurrence:
            return real(*arguments, **named)
        if after:
            real(*arguments, **named)
        raise error

    setattr(engine, call, instead)


STEPS = [
    ("image", 1),
    ("create_container", 1),
    ("start", 1),
    ("logs", 1),
    ("wait", 1),
    ("commit", 1),
    ("create_container", 2),
]


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("error", [EngineError("fault"), KeyboardInterrupt()])
@pytest.mark.parametrize(("call", "occurrence"), STEPS)
def test_the_legacy_flow_fails_at_each_call_and_leaves_nothing(
    fake: FakeEngine, context: Context, call: str, occurrence: int, after: bool, error: Exception
) -> None:
    fake.add_image(BASE)
    images = dict(fake.images)
    faulty(fake, call, occurrence, after, error)
    with pytest.raises(type(error)):
        mlc_patched.create("n", "Pytorch", "2.8.0", context=context)
    assert not fake.made
    assert fake.images == images
    assert mlc_patched.create("n", "Pytorch", "2.8.0", context=context).flow is Flow.COMMIT


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("call", ["create_container", "read_file"])
def test_the_optimized_flow_fails_at_each_call_and_leaves_nothing(
    fake: FakeEngine, context: Context, call: str, after: bool
) -> None:
    own_image(fake)
    faulty(fake, call, 1, after, EngineError("fault"))
    with pytest.raises(EngineError):
        mlc_patched.create("n", image=OWN, context=context)
    assert not fake.made
    assert mlc_patched.create("n", image=OWN, context=context).flow is Flow.IMAGE


def test_an_earlier_committed_image_is_restored_on_failure(
    fake: FakeEngine, context: Context
) -> None:
    fake.add_image(BASE)
    former = fake.add_image(COMMITTED)
    faulty(fake, "create_container", 2, False, EngineError("fault"))
    with pytest.raises(EngineError):
        mlc_patched.create("n", "Pytorch", "2.8.0", context=context)
    assert fake.image(COMMITTED).id == former.id
    mlc_patched.create("n", "Pytorch", "2.8.0", context=context)
    assert fake.image(former.id) is None


def test_root_needs_no_set_up(fake: FakeEngine, context: Context) -> None:
    fake.add_image(OWN, claim_labels(Claim(0, 0, "root")), "evil:x:0:0::/:/bin/sh\n")
    context.__dict__["account"] = Account("root", 0, 0, context.account.home)
    created = mlc_patched.create("n", image=OWN, context=context)
    assert (created.flow, created.tag) == (Flow.IMAGE, "n._.0")
    assert "commit" not in fake.calls


def test_the_refusal_of_a_limit_names_the_settings_file(
    fake: FakeEngine, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(specification: ContainerSpecification) -> str:
        raise EngineError("Range of CPUs is from 0.01 to 2.00")

    own_image(fake)
    monkeypatch.setattr(fake, "create_container", refuse)
    context.__dict__["settings"] = parse("[limits]\ncpus = 64", "/etc/ds01/mlc.ini")
    with pytest.raises(EngineError) as refused:
        mlc_patched.create("n", image=OWN, context=context)
    assert "/etc/ds01/mlc.ini, line 2 asks for it: cpus = 64" in refused.value.hint
    assert "info" not in fake.calls


def test_the_warning_of_another_gid_names_a_command_that_works(
    fake: FakeEngine, context: Context, words: RecordingReporter
) -> None:
    fake.add_image(OWN, claim_labels(Claim(1001, 7, "alice")), PASSWD)
    mlc_patched.create("a", image=OWN, context=context)
    assert "image-create p-2 --from ds01-1001/p:latest" in words.said[0]
    ProjectFiles(context.account, Project(1001, "p")).write_dockerfile("FROM x\n")
    words.said.clear()
    mlc_patched.create("b", image=OWN, context=context)
    assert "image-create p --force" in words.said[0]

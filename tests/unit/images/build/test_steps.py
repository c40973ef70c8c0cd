"""Names for what a builder's steps make, as its output reports it."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import pytest
from support.fakes.engine import FakeEngine, FakeImage

from mlc_patched.context import Context
from mlc_patched.engine.interface import PODMAN, Image
from mlc_patched.engine.specification import ContainerSpecification
from mlc_patched.errors import ConflictError
from mlc_patched.images.build import steps as module
from mlc_patched.images.build.steps import StepNames, clear_steps
from mlc_patched.names import labels
from mlc_patched.temporary import mark

NAME, REFERENCE = "mlc-step-1001-0", "ds01-1001/demo:build-0"


class Builder:
    """A builder in the fake engine: makes what steps make, and reports it as the classic one."""

    def __init__(self, fake: FakeEngine) -> None:
        self.fake, self.newest = fake, fake.add_image("debian:12").id
        self.steps = StepNames(fake, NAME, REFERENCE)

    def begin(self, word: str = "RUN") -> None:
        self.steps.hear(f"Step 2/9 : {word} x")

    def start(self) -> str:
        """Run a step's container; return its ID."""
        made = self.fake.create_container(ContainerSpecification(name="odd", image=self.newest))
        self.steps.hear(f" ---> Running in {made[:12]}")
        return made

    def complete(self, **given: str) -> str:
        """Make a step's image, without a name; return its ID."""
        made = Image(self.fake._new_id("sha256:"), references=(), labels=given)
        self.fake.images[made.id] = FakeImage(made, parent=self.newest)
        self.newest = made.id
        self.steps.hear(f" ---> {short(made.id)}")
        return made.id


@pytest.fixture
def builder(fake: FakeEngine) -> Builder:
    return Builder(fake)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for nothing."""
    monkeypatch.setattr(module, "_SECONDS_TO_CLEAR", -1)


def short(image_id: str) -> str:
    return image_id.removeprefix("sha256:")[:12]


def named(fake: FakeEngine) -> dict[str, str]:
    """Return the images of steps by their names."""
    return {
        name.removeprefix(REFERENCE): each.image.id
        for each in fake.images.values()
        for name in each.image.references
        if name.startswith(REFERENCE)
    }


def test_the_newest_image_of_each_stage_has_a_name(builder: Builder, fake: FakeEngine) -> None:
    builder.begin("FROM")
    builder.steps.hear(f" ---> {short(builder.newest)}")
    assert named(fake) == {}, "the base is somebody's"
    builder.begin()
    first = builder.complete()
    assert named(fake) == {"-s1": first}
    builder.begin("ENV")
    second = builder.complete()
    assert named(fake) == {"-s1": second}
    builder.begin("from")
    builder.begin()
    third = builder.complete()
    assert named(fake) == {"-s1": second, "-s2": third}


def test_the_container_of_a_step_is_named(builder: Builder, fake: FakeEngine) -> None:
    builder.begin()
    made = builder.start()
    assert fake.made[made].specification.name == NAME


def test_an_image_from_the_cache_is_left_alone(builder: Builder, fake: FakeEngine) -> None:
    builder.begin()
    builder.steps.hear(" ---> Using cache")
    builder.complete()
    assert named(fake) == {}


def test_a_step_that_prints_what_others_own_gives_it_no_name(fake: FakeEngine) -> None:
    foreign = fake.add_image("theirs:1")
    nameless = Image(fake._new_id("sha256:"), references=(), labels={})
    fake.images[nameless.id] = FakeImage(nameless)
    container = fake.create_container(ContainerSpecification(name="theirs", image=foreign.id))
    builder = Builder(fake)
    builder.begin()
    for line in (
        f" ---> {short(foreign.id)}",
        f" ---> {short(nameless.id)}",
        " ---> 0123456789ab",
        f" ---> Running in {container[:12]}",
        " ---> Running in 0123456789ab",
    ):
        builder.steps.hear(line)
    assert named(fake) == {}
    assert fake.made[container].specification.name == "theirs"


def test_a_name_that_cannot_be_given_does_not_fail_the_build(
    builder: Builder, fake: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused: list[str] = []

    def refuse(thing: str, *names: str) -> None:
        refused.append(thing)
        raise ConflictError("in use")

    monkeypatch.setattr(fake, "tag_image", refuse)
    monkeypatch.setattr(fake, "rename_container", refuse)
    builder.begin()
    made = [builder.start()[:12], builder.complete()]
    builder.begin()
    made.append(builder.complete())
    builder.steps.clear()
    assert refused == made


def test_podmans_lines_are_read_too(fake: FakeEngine) -> None:
    fake.product = PODMAN
    builder = Builder(fake)
    builder.steps.hear("[1/2] STEP 1/3: FROM debian:12")
    builder.steps.hear("[1/2] STEP 2/3: RUN x")
    made = builder.complete()
    builder.steps.hear(f"--> {short(made)}")
    assert named(fake) == {"-s1": made}
    builder.steps.hear("[1/2] STEP 3/3: RUN y")
    cached = builder.complete()
    builder.steps.hear(f"--> Using cache {cached.removeprefix('sha256:')}")
    builder.steps.hear(f"--> {short(cached)}")
    assert named(fake) == {"-s1": made}


def test_clearing_removes_the_names_and_what_nothing_else_needs(
    builder: Builder, fake: FakeEngine
) -> None:
    builder.begin("FROM")
    builder.begin()
    builder.complete()
    builder.begin("FROM")
    builder.begin()
    kept = builder.complete()
    fake.tag_image(kept, "ds01-1001/demo", "latest")
    builder.steps.clear()
    assert named(fake) == {}
    assert fake.image("ds01-1001/demo:latest") is not None
    assert fake.image("debian:12") is not None


def clock(monkeypatch: pytest.MonkeyPatch, happens: Callable[[], object]) -> None:
    """Have something happen while the module waits."""
    pauses = SimpleNamespace(monotonic=lambda: 0.0, sleep=lambda seconds: happens())
    monkeypatch.setattr(module, "time", pauses)


def test_clearing_waits_until_the_engine_has_removed_the_container_of_the_step(
    builder: Builder, fake: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    builder.begin("FROM")
    builder.begin()
    builder.complete()
    made = builder.start()
    clock(monkeypatch, lambda: fake.remove_container(made))
    builder.steps.clear()
    assert named(fake) == {}
    assert made not in fake.made


def test_clearing_waits_until_a_name_can_be_removed(
    builder: Builder, fake: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    builder.begin()
    builder.complete()
    user = fake.create_container(ContainerSpecification(name="odd", image=builder.newest))
    clock(monkeypatch, lambda: fake.remove_container(user))
    builder.steps.clear()
    assert named(fake) == {}


@pytest.mark.parametrize(
    ("product", "message"),
    [("Docker", "container uses it"), (PODMAN, "Podman still runs the step")],
)
def test_clearing_ends_with_the_reason_if_a_name_cannot_be_removed(
    fake: FakeEngine, impatient: None, product: str, message: str
) -> None:
    fake.product = product
    builder = Builder(fake)
    builder.steps.hear("Step 1/2 : RUN x" if product == "Docker" else "STEP 1/2: RUN x")
    made = builder.complete()
    builder.steps.hear(f"--> {short(made)}")
    fake.create_container(ContainerSpecification(name="odd", image=made))
    with pytest.raises(ConflictError, match=message):
        builder.steps.clear()


def test_images_of_steps_that_lost_their_name_go_too(
    builder: Builder, fake: FakeEngine, context: Context
) -> None:
    builder.begin()
    builder.steps.hear(" ---> Using cache")
    own, other = mark(context.account, context.job.token), mark(context.account, "0123456789ab")
    mine = builder.complete(**{labels.TEMPORARY: own})
    builder.newest = ""
    theirs = builder.complete(**{labels.TEMPORARY: other})
    clear_steps(builder.steps, context)
    assert mine not in fake.images
    assert theirs in fake.images

"""`legacy_flow = build`: one image for each user and base, and the engine calls of a create."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from support.base_images import BASE
from support.fakes.engine import FakeEngine
from support.recording_reporter import RecordingReporter

import mlc_patched
from mlc_patched.context import Context
from mlc_patched.engine.interface import Image
from mlc_patched.errors import AlreadyExistsError, SetupError
from mlc_patched.host.account import Account
from mlc_patched.images.account.build import dockerfile
from mlc_patched.names import labels
from mlc_patched.plan.flow import Flow
from mlc_patched.plan.limits import BASE_NAME
from mlc_patched.settings.model import Settings
from mlc_patched.settings.parse import parse

PREFIX = "mlc-account-1001:"
LEFT = ["root:x:0:0:root:/root:/bin/bash", "alice:x:1001:2001::/home/alice:/bin/bash"]


@pytest.fixture
def built(context: Context, fake: FakeEngine) -> Context:
    context.report = RecordingReporter()
    context.__dict__["settings"] = replace(Settings(), legacy_flow="build")
    fake.add_image(BASE)
    return context


def create(name: str, context: Context) -> mlc_patched.Created:
    return mlc_patched.create(name, "Pytorch", "2.8.0", context=context)


def test_the_first_create_builds_and_the_next_needs_no_build(
    fake: FakeEngine, built: Context
) -> None:
    first = create("a", built)
    assert fake.calls.count("build") == 1
    assert "pull" not in fake.calls
    assert "commit" not in fake.calls
    fake.calls.clear()
    second = create("b", built)
    assert fake.calls == ["image", "image", "create_container", "container"]
    assert first.image_id == second.image_id
    assert (first.flow, first.image) == (Flow.IMAGE, BASE)
    image = fake.images[first.image_id]
    assert image.passwd.splitlines() == LEFT
    assert image.image.references == (f"{PREFIX}{fake.image(BASE).id.removeprefix('sha256:')}",)
    assert labels.read_claim(image.image.labels) == labels.Claim(1001, 2001, "alice")


def test_remove_keeps_the_image_for_the_users_other_containers(
    fake: FakeEngine, built: Context
) -> None:
    first, _ = create("a", built), create("b", built)
    removed = [mlc_patched.remove(name, context=built) for name in ("a", "b")]
    assert [(each.image_removed, each.image_kept) for each in removed] == [(None, "")] * 2
    assert first.image_id in fake.images


def test_another_base_gets_another_image(fake: FakeEngine, built: Context) -> None:
    first = create("a", built)
    fake.add_image(BASE)  # as a pull of a newer one does
    second = create("b", built)
    assert first.image_id != second.image_id
    assert len([each for each in fake.find_images() if each.references[0].startswith(PREFIX)]) == 2


def with_another_id(reference: str, fake: FakeEngine, **changed: object) -> Image:
    """Replace an image by a copy with another ID, as a move to another image store does."""
    former = fake.image(reference)
    assert former is not None
    del fake.images[former.id]
    return fake.add_image(reference, former.labels, **{"layers": former.layers, **changed})


@pytest.fixture
def layered(fake: FakeEngine, built: Context) -> str:
    """An account image on a base with layers; return the ID of the account image."""
    with_another_id(BASE, fake, layers=("base",))
    image_id = create("a", built).image_id
    made = fake.images[image_id]
    made.image = replace(made.image, layers=("base", "account"))
    return image_id


def test_an_account_image_is_used_and_renamed_when_its_base_has_another_id(
    fake: FakeEngine, built: Context, layered: str
) -> None:
    base = with_another_id(BASE, fake)
    fake.calls.clear()
    assert create("b", built).image_id == layered
    assert "build" not in fake.calls
    assert fake.images[layered].image.references == (f"{PREFIX}{base.id.removeprefix('sha256:')}",)


@pytest.mark.parametrize(
    "changed",
    [
        {"layers": ("newer",)},
        {"environment": ("A=1",)},
        {"command": ("python",)},
        {"layers": ()},
    ],
)
def test_a_base_with_another_content_takes_another_build(
    fake: FakeEngine, built: Context, layered: str, changed: dict[str, object]
) -> None:
    with_another_id(BASE, fake, **changed)
    assert create("b", built).image_id != layered


def test_the_account_image_of_a_base_that_is_still_here_is_left_to_that_base(
    fake: FakeEngine, built: Context, layered: str
) -> None:
    fake.add_image(BASE, layers=("base",))  # the former one stays, without a name
    name = fake.images[layered].image.references
    assert create("b", built).image_id != layered
    assert fake.images[layered].image.references == name


def test_another_gid_needs_another_build(fake: FakeEngine, built: Context) -> None:
    first = create("a", built)
    built.__dict__["account"] = replace(built.account, gid=3001)
    second = create("b", built)
    assert first.image_id != second.image_id
    assert "alice:x:1001:3001:" in fake.images[second.image_id].passwd


def test_an_image_with_false_labels_is_rebuilt(fake: FakeEngine, built: Context) -> None:
    first = create("a", built)
    (name,) = fake.images[first.image_id].image.references
    labelled = fake.images[first.image_id].image.labels
    fake.add_image(name, labelled, "root:x:0:0::/root:/bin/sh\n")
    second = create("b", built)
    assert first.image_id != second.image_id
    assert any("are wrong" in text for text in built.report.said)
    assert len(fake.made) == 2


def test_a_uid_outside_of_the_engines_range_is_named(fake: FakeEngine, built: Context) -> None:
    fake.setup_fails = 1
    fake.setup_failure = "chown: changing ownership of '/home/ada': Invalid argument"
    with pytest.raises(SetupError, match="could not be set up in") as failure:
        create("a", built)
    assert "/etc/subuid" in failure.value.hint


def test_a_build_that_fails_leaves_nothing(fake: FakeEngine, built: Context) -> None:
    fake.setup_fails = 1
    with pytest.raises(SetupError, match=r"it failed\nThe account could not be set up in"):
        create("a", built)
    assert fake.made == {}
    assert len(fake.images) == 1


def test_nothing_is_built_for_a_name_that_is_taken(fake: FakeEngine, built: Context) -> None:
    create("a", built)
    fake.add_image(BASE)
    with pytest.raises(AlreadyExistsError):
        create("a", built)
    assert "build" not in fake.calls


def test_a_missing_image_is_pulled_once(fake: FakeEngine, built: Context) -> None:
    fake.images.clear()
    fake.pullable[BASE] = "root:x:0:0::/root:/bin/sh\n"
    create("a", built)
    create("b", built)
    assert fake.calls.count("pull") == 1


@pytest.mark.parametrize(
    ("word", "value"), [("build", "build"), ("Build", "build"), ("on", "yes"), ("no", "no")]
)
def test_the_setting_is_read_in_any_spelling(word: str, value: str) -> None:
    assert parse(f"[images]\nlegacy_flow = {word}\n", "mlc.ini").legacy_flow == value


def test_the_dockerfile_is_one_layer_on_the_base_s_id(tmp_path: Path) -> None:
    base = Image("sha256:" + "a" * 64, user="jovyan")
    text = dockerfile(base, "b:1", Account("alice", 1001, 2001, "/home/alice"))
    steps = [line.split()[0] for line in text.splitlines() if line and line[0].isupper()]
    assert steps == ["FROM", "USER", "RUN", "USER", "LABEL"]
    assert text.startswith(f"FROM {base.id}\nUSER 0:0\n")
    assert "\nUSER jovyan\nLABEL " in text
    assert "DS01_TOOLS='sudo git'" in text


@pytest.mark.parametrize("user", ["", "root", "0"])
def test_no_step_before_the_layer_could_be_left_by_a_kill(user: str) -> None:
    base = Image("sha256:" + "a" * 64, user=user)
    text = dockerfile(base, "b:1", Account("alice", 1001, 2001, "/home/alice"))
    assert text.splitlines()[1] == "RUN DS01_USER_ID=1001; DS01_GROUP_ID=2001; \\"
    assert "\nUSER" not in text


def test_all_labels_are_one_step_that_no_value_can_leave() -> None:
    base = Image("sha256:" + "a" * 64)
    text = dockerfile(base, 'b"$x\\', Account("alice", 1001, 2001, "/home/alice"))
    (step,) = [line for line in text.splitlines() if line.startswith("LABEL ")]
    assert step.endswith(f' {BASE_NAME}="b\\"\\$x\\\\" {labels.TEMPORARY}=""')
    assert f'{labels.USERNAME}="alice"' in step


def test_another_users_home_is_replaced() -> None:
    variables = ("HOME=/home/bob", "PATH=/home/bob/.local/bin:/usr/bin", "ODD=$(a b)")
    base = Image("sha256:" + "a" * 64, environment=variables, user="1002")
    text = dockerfile(base, "b:1", Account("alice", 1001, 2001, "/home/alice"))
    assert "ENV HOME=/home/alice\nENV PATH=/home/alice/.local/bin:/usr/bin\nUSER 1001\n" in text
    assert "ODD" not in text


def test_a_base_cannot_put_lines_into_the_dockerfile() -> None:
    base = Image("sha256:" + "a" * 64, user="x\nRUN evil", environment=("HOME=/home/b\nRUN evil",))
    assert "evil" not in dockerfile(base, "b:1", Account("alice", 1001, 2001, "/home/alice"))

"""The base that a Dockerfile names, with its build arguments and the engine's platform."""

from __future__ import annotations

import pytest
from support.fakes.engine import FakeEngine
from support.recording_reporter import RecordingReporter

from mlc_patched.context import Context
from mlc_patched.errors import MlcError, NotAllowedError, UsageError
from mlc_patched.images.build.named_base import named_base, note_other_base
from mlc_patched.images.versions.lockfile import Lock, LockedBase
from mlc_patched.settings.model import Settings


@pytest.fixture
def limited(context: Context) -> Context:
    """A site that allows some bases."""
    context.__dict__["settings"] = Settings(bases=("aimehub/*", "debian"))
    return context


def test_a_base_has_the_values_of_the_build(context: Context, fake: FakeEngine) -> None:
    text = "ARG T=v1\nARG BASE=a:${T}\nFROM $BASE AS x\nFROM x\n"
    assert named_base(text, (), context) == "a:v1"
    assert named_base(text, ("T=v2",), context) == "a:v2"
    assert named_base(text, ("BASE=b:v3",), context) == "b:v3"
    assert named_base("ARG DS01_USER_ID\nFROM a:$DS01_USER_ID\n", (), context) == "a:1001"
    assert named_base("FROM scratch\n", (), context) == ""
    assert fake.calls == []


def test_the_platform_is_the_engines(context: Context, fake: FakeEngine) -> None:
    text = "FROM a:${TARGETARCH}\n"
    assert named_base(text, (), context) == "a:arm64"
    assert fake.calls == ["info"]
    context.client_environ = {**context.client_environ, "DOCKER_DEFAULT_PLATFORM": "linux/s390x"}
    assert named_base(text, (), context) == ""


def test_an_argument_without_a_value_is_refused_before_the_build(context: Context) -> None:
    with pytest.raises(MlcError, match=r"FROM \$BASE in line 2 .* no image") as raised:
        named_base("ARG BASE\nFROM $BASE AS x\nFROM x\n", (), context)
    assert "--build-arg" in raised.value.hint


def test_a_base_that_is_not_the_name_of_an_image_is_refused(context: Context) -> None:
    with pytest.raises(UsageError, match="'a:' is not a valid image name"):
        named_base("ARG T\nFROM a:$T\n", (), context)


def test_a_base_that_is_not_known_is_refused_where_only_some_are_allowed(
    context: Context, limited: Context
) -> None:
    text = "ARG BASE=debian/x\nFROM ${BASE%/x} AS one\nRUN x\nFROM one\n"
    with pytest.raises(NotAllowedError, match=r"\$\{BASE%/x\} in line 2 .* aimehub/\*, debian"):
        named_base(text, (), limited)
    context.__dict__["settings"] = Settings()
    assert named_base(text, (), context) == ""


def test_another_base_by_other_arguments_is_said() -> None:
    text, reporter = "ARG B=a:1\nFROM $B\n", RecordingReporter()
    lock = Lock("p", text, LockedBase("a:2"))
    note_other_base("a:1", f"{text}RUN x\n", None, reporter)
    note_other_base("a:1", text, Lock("p", text), reporter)
    note_other_base("a:2", text, lock, reporter)
    note_other_base("b:1", "FROM b:1\n", lock, reporter)
    assert reporter.said == []
    note_other_base("a:1", f"{text}RUN x\n", lock, reporter)
    assert len(reporter.said) == 1
    assert "a:2" in reporter.said[0]

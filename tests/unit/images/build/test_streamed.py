"""Builds through the engine's API: what is passed on, kept and reported."""

from __future__ import annotations

import pytest
from support.fakes.engine import FakeEngine

from mlc_patched.engine.build_context import BuildOptions
from mlc_patched.errors import EngineError, EngineUnreachableError, MlcError
from mlc_patched.host.account import Account
from mlc_patched.images.build.streamed import stream_build

OPTIONS = BuildOptions(Account("me", 1001, 2001, "/home/me"))


class Building(FakeEngine):
    """An engine whose builds print some lines, and then end or fail."""

    def __init__(self, lines: list[str], failure: Exception | None = None) -> None:
        super().__init__()
        self.lines, self.failure = lines, failure

    def build(self, dockerfile, reference, *, labels, progress, options=None):
        assert (dockerfile, reference, labels, options) == ("FROM x", "a:b", {"l": "1"}, OPTIONS)
        for line in self.lines:
            progress(line)
        if self.failure:
            raise self.failure
        return "sha256:1"


def stream(engine: Building, hear=None):
    return stream_build(engine, "FROM x", "a:b", labels={"l": "1"}, options=OPTIONS, hear=hear)


def test_lines_are_shown_heard_and_kept_without_colours(capfd: pytest.CaptureFixture[str]) -> None:
    heard: list[str] = []
    engine = Building(["STEP 1/1: FROM x", "\033[31mred\033[0m", "10%\r100%"])
    assert stream(engine, heard.append) == (0, heard)
    assert heard == ["STEP 1/1: FROM x", "red", "100%"]
    assert capfd.readouterr().err.splitlines() == heard


def test_a_failed_build_ends_with_its_reason(capfd: pytest.CaptureFixture[str]) -> None:
    engine = Building(["STEP 1/1: RUN x", "no"], EngineError("STEP 1/1: RUN x\nno\nand why"))
    assert stream(engine) == (1, ["STEP 1/1: RUN x", "no", "and why"])


@pytest.mark.parametrize("failure", [EngineUnreachableError("gone"), MlcError("unreadable")])
def test_what_is_not_the_builds_own_failure_is_raised(failure: MlcError) -> None:
    with pytest.raises(type(failure), match=str(failure)):
        stream(Building([], failure))

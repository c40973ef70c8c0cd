"""Which setting an engine refused."""

from __future__ import annotations

import pytest

from mlc_patched.engine.specification import ContainerSpecification, Resources
from mlc_patched.errors import EngineError, MlcError, NotFoundError
from mlc_patched.plan.limits import NANO
from mlc_patched.plan.refused import name_setting
from mlc_patched.settings.model import BUILT_IN_SETTINGS
from mlc_patched.settings.parse import parse

SETTINGS = parse(
    "[limits]\ncpus = 64\nmemory = 1k\n"
    "[container]\nnetwork = lab\ncgroup_parent = /ml\ncapabilities = bpf",
    "/etc/mlc.ini",
)
MADE = ContainerSpecification(
    "n", "image", resources=Resources(64 * NANO, 1024), network="lab", cgroup_parent="/ml"
)
CPUS = "The Docker Engine refused: Range of CPUs is from 0.01 to 2.00, as there are only 2 CPUs"


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (CPUS, "line 2 asks for it: cpus = 64 in [limits]"),
        ("Minimum memory limit allowed is 6MB", "line 3 asks for it: memory = 1k in [limits]"),
        ("network lab not found", "line 5 asks for it: network = lab in [container]"),
        ("network with name or ID lab: network not found", "line 5 asks for it"),
        ("cgroup-parent for systemd cgroup should be a valid slice", "line 6 asks for it"),
        ('invalid CapAdd: unknown capability: "CAP_BPF"', "line 7 asks for it"),
    ],
)
def test_the_refusal_of_a_value_names_its_setting(words: str, line: str) -> None:
    error = EngineError(words, "Before.")
    name_setting(error, SETTINGS, MADE)
    assert error.message == f"{words}."
    assert f"Before.\n/etc/mlc.ini, {line}" in error.hint
    assert error.hint.endswith("Ask your administrator to change that; mlc doctor checks it.")


def test_what_the_user_asked_for_or_is_built_in_names_no_setting() -> None:
    lower = ContainerSpecification("n", "image", resources=Resources(32 * NANO), network="lab")
    for error, settings, made in (
        (EngineError(CPUS), SETTINGS, lower),
        (EngineError(CPUS), BUILT_IN_SETTINGS, lower),
        (EngineError(CPUS), SETTINGS, None),
        (NotFoundError("network former not found"), SETTINGS, None),
        (MlcError("something else"), SETTINGS, MADE),
    ):
        name_setting(error, settings, made)
        assert not error.hint


def test_a_start_names_the_network() -> None:
    error = NotFoundError("network lab not found")
    name_setting(error, SETTINGS)
    assert "network = lab" in error.hint

"""GPU requests in names of the Container Device Interface."""

from __future__ import annotations

import pytest

from mlc_patched.errors import NotFoundError
from mlc_patched.host.gpus import GpuRequest, parse_gpus
from mlc_patched.plan.cdi import by_cdi

TWO = ("nvidia.com/gpu=1", "nvidia.com/gpu=0", "nvidia.com/gpu=all", "nvidia.com/gpu=GPU-a")
MIG = ("nvidia.com/gpu=0:0", "nvidia.com/gpu=0:1", "nvidia.com/gpu=all")
AMD = ("amd.com/gpu=0", "amd.com/gpu=all")


@pytest.mark.parametrize(
    ("text", "known", "names"),
    [
        ("all", TWO, ["all"]),
        ("all", None, ["all"]),
        ("all", ("nvidia.com/gpu=10", "nvidia.com/gpu=9"), ["9", "10"]),
        ("all", ("nvidia.com/gpu=GPU-b", "nvidia.com/gpu=GPU-a"), ["GPU-a", "GPU-b"]),
        ("2", TWO, ["0", "1"]),
        ("2", None, ["0", "1"]),
        ("1", MIG, ["0:0"]),
        ("device=1", TWO, ["1"]),
        ("device=GPU-a", TWO, ["GPU-a"]),
        ("device=0:1", MIG, ["0:1"]),
        ("device=7", None, ["7"]),
        ("nvidia.com/gpu=1", TWO, ["1"]),
    ],
)
def test_a_request_is_translated(
    text: str, known: tuple[str, ...] | None, names: list[str]
) -> None:
    request = parse_gpus(text)
    assert request is not None
    wanted = tuple(f"nvidia.com/gpu={each}" for each in names)
    assert by_cdi(request, known) == GpuRequest(device_ids=wanted, is_cdi=True)


def test_other_vendors_devices_are_taken_by_name() -> None:
    request = GpuRequest(device_ids=("amd.com/gpu=0",), is_cdi=True)
    assert by_cdi(request, AMD) == request


@pytest.mark.parametrize(
    ("text", "known", "says"),
    [
        ("device=7", TWO, "no CDI device nvidia.com/gpu=7.*It has: nvidia.com/gpu=0, "),
        ("amd.com/gpu=1", AMD, "no CDI device amd.com/gpu=1"),
        ("3", TWO, "3 GPUs were requested, and the engine has 2.*-g 2"),
        ("1", AMD, "the engine has 0.*-g none"),
        ("nvidia.com/gpu=0", (), "It has: none"),
    ],
)
def test_devices_that_the_engine_does_not_have_are_refused(
    text: str, known: tuple[str, ...], says: str
) -> None:
    request = parse_gpus(text)
    assert request is not None
    with pytest.raises(NotFoundError, match=says):
        by_cdi(request, known)

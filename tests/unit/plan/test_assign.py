"""Which GPUs a container was given, and which are chosen for another one."""

from __future__ import annotations

import math

import pytest

from mlc_patched.errors import InUseError, NotFoundError
from mlc_patched.host.gpu_device import AMD, GpuDevice, GpuProcess
from mlc_patched.host.gpus import GpuRequest
from mlc_patched.plan.assign import (
    Use,
    by_processes,
    choose,
    given_uuids,
    in_words,
    names_of_devices,
    number_of_devices,
)

GPUS = tuple(GpuDevice(str(index), f"GPU-{index}", "H200") for index in range(4))
MIG = (
    GpuDevice("0", "GPU-0", "H200"),
    GpuDevice("1", "GPU-1", "H200", is_divided=True),
    GpuDevice("1:0", "MIG-a", "H200 MIG", parent="GPU-1"),
    GpuDevice("1:1", "MIG-b", "H200 MIG", parent="GPU-1"),
)
GPUS_LABEL, DEVICES, ARCH = "aime.mlc.GPUS", "aime.mlc.DS01_DEVICES", "aime.mlc.ARCH"


@pytest.mark.parametrize(
    ("labels", "names", "uuids"),
    [
        ({GPUS_LABEL: "2"}, ("0", "1"), {"GPU-0", "MIG-a", "MIG-b"}),
        ({GPUS_LABEL: "all"}, ("all",), {"GPU-0", "MIG-a", "MIG-b"}),
        ({GPUS_LABEL: "none"}, (), set()),
        ({}, (), set()),
        ({GPUS_LABEL: "what?"}, (), set()),
        ({GPUS_LABEL: "device=0%2C1:1"}, ("0", "1:1"), {"GPU-0", "MIG-b"}),
        ({GPUS_LABEL: "device=GPU-0"}, ("GPU-0",), {"GPU-0"}),
        ({GPUS_LABEL: "device=GPU-gone"}, ("GPU-gone",), set()),
        ({GPUS_LABEL: "nvidia.com/gpu=1:0"}, ("nvidia.com/gpu=1:0",), {"MIG-a"}),
        ({GPUS_LABEL: "nvidia.com/gpu=all"}, ("nvidia.com/gpu=all",), {"GPU-0", "MIG-a", "MIG-b"}),
        ({GPUS_LABEL: "2", DEVICES: "MIG-b%2CGPU-7"}, ("MIG-b", "GPU-7"), {"MIG-b", "GPU-7"}),
        ({GPUS_LABEL: "2", DEVICES: ""}, ("0", "1"), {"GPU-0", "MIG-a", "MIG-b"}),
        ({GPUS_LABEL: "1", ARCH: "ROCM6"}, ("all",), set()),
        ({GPUS_LABEL: "1", "aime.mlc.DS01_SERVICE": "n._.1001"}, (), set()),
        # Of an image that was saved from a container of the cluster.
        ({GPUS_LABEL: "1", "aime.mlc.DS01_SERVICE": ""}, ("0",), {"GPU-0"}),
    ],
)
def test_the_devices_of_a_container(
    labels: dict[str, str], names: tuple[str, ...], uuids: set[str]
) -> None:
    assert names_of_devices(labels) == names
    assert given_uuids(labels, MIG) == uuids
    assert number_of_devices(labels) == (math.inf if "all" in str(names) else len(names))


def test_a_rocm_container_has_all_of_amd_s_gpus() -> None:
    devices = (GPUS[0], GpuDevice("0", "0xac1a", "MI210", AMD))
    assert given_uuids({GPUS_LABEL: "1", ARCH: "ROCM6"}, devices) == {"0xac1a"}


def chosen(count: int, *uses: Use, devices=GPUS, later=()) -> list[str]:
    return [each.uuid for each in choose(GpuRequest(count), devices, uses, later)]


def test_free_gpus_are_chosen_in_order() -> None:
    assert chosen(2) == ["GPU-0", "GPU-1"]
    assert chosen(2, Use("[a] of bob", frozenset({"GPU-0", "GPU-2"}))) == ["GPU-1", "GPU-3"]
    assert chosen(-1) == ["GPU-0", "GPU-1", "GPU-2", "GPU-3"]
    assert chosen(3, devices=MIG) == ["GPU-0", "MIG-a", "MIG-b"]


def test_several_are_whole_gpus_if_possible() -> None:
    mixed = (*MIG, GpuDevice("2", "GPU-2", "H200"))
    assert chosen(2, devices=mixed, later={"GPU-2"}) == ["GPU-0", "GPU-2"]
    assert chosen(1, Use("x", frozenset({"GPU-0"})), devices=mixed) == ["MIG-a"]
    assert chosen(3, devices=mixed) == ["GPU-0", "MIG-a", "GPU-2"]


def test_what_stopped_containers_want_is_chosen_last() -> None:
    assert chosen(2, later={"GPU-0", "GPU-1", "GPU-3"}) == ["GPU-0", "GPU-2"]
    assert chosen(4, later={"GPU-0"}) == ["GPU-0", "GPU-1", "GPU-2", "GPU-3"]


def test_a_process_makes_a_gpu_used_and_one_in_a_mig_device_only_that() -> None:
    process = (GpuProcess(44, "python3", None),)
    busy = (*MIG[:1], GpuDevice("1", "GPU-1", "H200", is_divided=True, processes=process))
    busy += (GpuDevice("1:0", "MIG-a", "M", parent="GPU-1", processes=process), MIG[3])
    assert chosen(2, *by_processes(busy), devices=busy) == ["GPU-0", "MIG-b"]


def test_too_few_free_ones_say_who_has_the_others() -> None:
    uses = (
        Use("[a] of bob (up 2 hours)", frozenset({"GPU-0", "GPU-1"})),
        Use("process 44 (python3) of carol", frozenset({"GPU-1"})),
        Use("[cpu] of bob", frozenset()),
    )
    with pytest.raises(InUseError) as failure:
        chosen(3, *uses)
    assert failure.value.message == (
        "3 GPUs were requested, and 2 of 4 are free. GPU 0 (H200, GPU-0): [a] of bob (up 2 hours); "
        "GPU 1 (H200, GPU-1): [a] of bob (up 2 hours), process 44 (python3) of carol."
    )
    assert "--wait" in failure.value.hint


@pytest.mark.parametrize(("count", "devices"), [(5, GPUS), (1, ()), (-1, ())])
def test_more_than_the_host_has_is_nothing_to_wait_for(count: int, devices) -> None:
    with pytest.raises(NotFoundError, match=f"this host has {len(devices)}"):
        chosen(count, devices=devices)


def test_amd_s_gpus_are_not_chosen() -> None:
    with pytest.raises(NotFoundError):
        chosen(1, devices=(GpuDevice("0", "0xac1a", "MI210", AMD),))


def test_devices_in_words() -> None:
    assert in_words(()) == "none"
    assert in_words(("0", "1")) == "0, 1"
    assert in_words(("GPU-d50ab561-d66f-579c-1946-0a04d6e4ab9f",)) == "GPU-d50ab561"

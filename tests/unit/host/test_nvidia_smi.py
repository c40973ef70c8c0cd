"""What nvidia-smi reports, by a stand-in with recorded and documented forms."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from support.nvidia_smi import NO_DRIVER, Gpu, Mig, NvidiaSmi, uuid

from mlc_patched.host.gpu_device import GpuDevice, GpuProcess, SmiError, short_uuid, usable
from mlc_patched.host.nvidia_smi import find_nvidia_smi, nvidia_devices

MIB = 1024**2


@pytest.fixture
def smi(tmp_path: Path) -> NvidiaSmi:
    return NvidiaSmi(tmp_path)


def devices(smi: NvidiaSmi) -> list[GpuDevice]:
    return nvidia_devices(str(smi.program), os.environ)


def test_gpus_have_their_memory_use_and_processes(smi: NvidiaSmi) -> None:
    smi.set(Gpu(0, used="1551", utilisation="37", processes=[(444, "python3")]), Gpu(1))
    first, second = devices(smi)
    assert first == GpuDevice(
        index="0",
        uuid=uuid(0),
        name="NVIDIA H200",
        memory_used=1551 * MIB,
        memory_total=143771 * MIB,
        utilisation=37,
        processes=(GpuProcess(444, "python3", 1542 * MIB),),
        driver="580.159.04",
    )
    assert (second.index, second.processes) == ("1", ())
    assert len(smi.calls) == 2, "each call may take seconds"


@pytest.mark.parametrize("text", ["[N/A]", "[Not Supported]", "[Unknown Error]", ""])
def test_what_is_not_reported_is_none(smi: NvidiaSmi, text: str) -> None:
    smi.set(Gpu(0, used=text, utilisation=text))
    (found,) = devices(smi)
    assert (found.memory_used, found.utilisation) == (None, None)


def test_commas_in_the_names_of_gpus_and_processes(smi: NvidiaSmi) -> None:
    smi.set(Gpu(0, name="Fast, faster", processes=[(7, "/home/a, b/run, 3")]))
    (found,) = devices(smi)
    assert found.name == "Fast, faster"
    assert found.processes == (GpuProcess(7, "/home/a, b/run, 3", 1542 * MIB),)


def test_a_driver_that_does_not_know_mig(smi: NvidiaSmi) -> None:
    smi.set(Gpu(0), Gpu(1), knows_mig=False)
    found = devices(smi)
    assert [each.index for each in usable(found)] == ["0", "1"]
    assert [(each.utilisation, each.driver) for each in found] == [(0, "580.159.04")] * 2


def test_mig_devices_have_the_processes_of_their_instance(smi: NvidiaSmi) -> None:
    smi.set(
        Gpu(0),
        Gpu(1, mig=[Mig(5), Mig(6)], processes=[(44, "a", 6), (45, "b", 5), (46, "b", 5)]),
        Gpu(2, mig=[]),
    )
    found = devices(smi)
    assert [each.index for each in found] == ["0", "1", "1:0", "1:1", "2"]
    assert [each.index for each in usable(found)] == ["0", "1:0", "1:1"]
    first, second = found[2:4]
    assert (first.uuid, first.parent, first.name) == (
        uuid(5, "MIG"),
        uuid(1),
        "NVIDIA H200 MIG 3g.71gb",
    )
    assert (first.memory_used, first.memory_total) == (18 * MIB, 71424 * MIB)
    assert [each.pid for each in first.processes] == [45, 46]
    assert [each.pid for each in second.processes] == [44]


@pytest.mark.parametrize("has_xml", [True, False])
def test_a_process_of_an_unknown_instance_counts_for_all_mig_devices(
    smi: NvidiaSmi, has_xml: bool
) -> None:
    smi.set(Gpu(0, mig=[Mig(5), Mig(6)], processes=[(44, "a")]), has_xml=has_xml)
    assert [len(each.processes) for each in usable(devices(smi))] == [1, 1]


@pytest.mark.parametrize(
    ("status", "text"), [(9, NO_DRIVER), (6, "No devices were found"), (15, "GPU is lost.\nReboot")]
)
def test_a_failure_has_the_first_line_of_the_reason(smi: NvidiaSmi, status: int, text: str) -> None:
    smi.fail(status, text)
    with pytest.raises(SmiError, match=f"exit status {status}.*{text[:11]}") as failure:
        devices(smi)
    assert "Reboot" not in str(failure.value)


def test_it_is_found_on_path_alone(smi: NvidiaSmi, tmp_path: Path) -> None:
    assert find_nvidia_smi({"PATH": f"/usr/bin:{smi.place}"}) == str(smi.program)
    assert find_nvidia_smi({"PATH": str(tmp_path)}) is None


@pytest.mark.parametrize(
    ("long", "short"),
    [
        (uuid(0), "GPU-d50ab500"),
        (uuid(3, "MIG"), "MIG-d50ab503"),
        ("MIG-GPU-d50ab500-d66f-579c-1946-0a04d6e4ab9f/1/0", "MIG-GPU-d50ab500"),
        ("0x6b4f5ae3f6f4a1c2", "0x6b4f5ae3f6f4a1c2"),
        ("0:1", "0:1"),
    ],
)
def test_short_uuids(long: str, short: str) -> None:
    assert short_uuid(long) == short

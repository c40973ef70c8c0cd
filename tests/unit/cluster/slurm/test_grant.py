"""What Slurm gave to a job."""

from __future__ import annotations

import pytest

from mlc_patched.cluster.slurm.grant import (
    Devices,
    Grant,
    gpu_files,
    grant_of,
    granted,
    uuids_by_minor,
)
from mlc_patched.engine.specification import ContainerSpecification, Resources
from mlc_patched.host.gpus import GpuRequest
from mlc_patched.names import labels

UUIDS = {0: "GPU-aaa", 3: "GPU-bbb"}


@pytest.mark.parametrize(
    ("environ", "gpus"),
    [
        ({}, ()),
        # In a job's own device cgroup, CUDA counts from 0.
        ({"CUDA_VISIBLE_DEVICES": "0", "SLURM_JOB_GPUS": "3"}, ("GPU-bbb",)),
        ({"CUDA_VISIBLE_DEVICES": "0,1", "SLURM_JOB_GPUS": "0,3"}, ("GPU-aaa", "GPU-bbb")),
        ({"SLURM_JOB_GPUS": "7"}, ("7",)),
        ({"CUDA_VISIBLE_DEVICES": "MIG-1,MIG-2", "SLURM_JOB_GPUS": "0,1"}, ("MIG-1", "MIG-2")),
        ({"CUDA_VISIBLE_DEVICES": "NoDevFiles"}, ()),
        ({"CUDA_VISIBLE_DEVICES": "2"}, ("2",)),
    ],
)
def test_gpus_are_those_of_the_node_not_of_the_cgroup(
    environ: dict[str, str], gpus: tuple[str, ...]
) -> None:
    assert grant_of(environ, "", Devices(UUIDS)).gpus == gpus


def test_positions_in_gres_conf_are_not_the_numbers_of_devices() -> None:
    files = ["/dev/nvidia1", "/dev/nvidia3"]
    environ = {"CUDA_VISIBLE_DEVICES": "1", "SLURM_JOB_GPUS": "1"}
    assert grant_of(environ, "", Devices(UUIDS, files)).gpus == ("GPU-bbb",)
    assert grant_of(environ, "", Devices({}, files)).gpus == ("3",)
    # What the job may open, where that is as many as it was given, is certain.
    assert grant_of(environ, "", Devices(UUIDS, (), {0})).gpus == ("GPU-aaa",)
    assert grant_of(environ, "", Devices(UUIDS, files, {0, 3})).gpus == ("GPU-bbb",)


def test_device_files_of_a_node() -> None:
    text = """
AutoDetect=off
# NodeName=n1 Name=gpu File=/dev/nvidia9
NodeName=n[1-2,7],m Name=gpu Type=a100 File=/dev/nvidia[1-2]
NodeName=n1 Name=gpu File=/dev/nvidia5 Cores=0-7
NodeName=n1 Name=nic File=/dev/nic0
Name=gpu Type=h100 File=/dev/nvidia[6,8]
"""
    own = ["/dev/nvidia1", "/dev/nvidia2"]
    everywhere = ["/dev/nvidia6", "/dev/nvidia8"]
    assert gpu_files(text, "n1") == [*own, "/dev/nvidia5", *everywhere]
    assert gpu_files(text, "N7") == [*own, *everywhere]
    assert gpu_files(text, "n3") == everywhere
    assert gpu_files("AutoDetect=nvml", "n1") == []
    assert gpu_files("NodeName=g[08-10] Name=gpu File=/dev/nvidia0", "g09") == ["/dev/nvidia0"]


def test_uuids_are_read_from_the_driver() -> None:
    text = "Model: \t NVIDIA A100\nGPU UUID: \t GPU-aaa\nDevice Minor: \t 3\n"
    assert uuids_by_minor([text, "Model: x"]) == {3: "GPU-aaa"}


def test_cores_and_memory() -> None:
    by_node = {"SLURM_CPUS_ON_NODE": "4", "SLURM_MEM_PER_NODE": "2048"}
    assert grant_of(by_node, "", Devices()) == Grant((), 4, 2048 * 1024**2)
    by_core = {"SLURM_CPUS_ON_NODE": "4", "SLURM_MEM_PER_CPU": "1000"}
    assert grant_of(by_core, "", Devices()).memory == 4000 * 1024**2
    assert grant_of({"SLURM_MEM_PER_NODE": "0"}, "", Devices()).memory is None


@pytest.mark.parametrize(
    ("cgroups", "parent"),
    [
        ("0::/system.slice/slurmstepd.scope/job_12/step_batch/user/task_0", True),
        ("4:memory:/system.slice/slurmstepd.scope/job_12/step_batch\n0::/", True),
        ("0::/system.slice/slurmstepd.scope/job_123/step_batch", False),
        ("0::/user.slice", False),
    ],
)
def test_the_jobs_cgroup(cgroups: str, parent: bool) -> None:
    found = grant_of({"SLURM_JOB_ID": "12"}, cgroups, Devices()).cgroup
    assert found == ("/system.slice/slurmstepd.scope/job_12" if parent else "")


def test_a_container_gets_what_slurm_gave_and_no_more() -> None:
    asked = ContainerSpecification(
        "x", "image", resources=Resources(1_500_000_000, None, 100), cgroup_parent="/own"
    )
    grant = Grant(("GPU-aaa",), 2, 5, "/job_1")
    made = granted(asked, grant, 8, "cgroupfs")
    assert made.gpus == GpuRequest(device_ids=("GPU-aaa",))
    assert made.environment == {"CUDA_VISIBLE_DEVICES": "GPU-aaa"}
    assert made.labels == {labels.DEVICES: "GPU-aaa"}
    assert made.resources == Resources(1_500_000_000, 5, 100)
    assert made.cgroup_parent == "/job_1"
    assert granted(asked, grant, 8, "systemd").cgroup_parent == "/own"
    # Slurm may be told of more cores than there are.
    assert granted(asked, Grant((), 64), 1, "").resources.nano_cpus == 1_000_000_000
    by_number = granted(asked, Grant(("0",)), 8, "")
    assert by_number.environment == {}
    assert granted(asked, Grant(), 8, "").gpus is None

"""The host's GPUs and devices."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.plans import GPU_HOST

from mlc_patched.errors import UsageError
from mlc_patched.host.gpus import choose
from mlc_patched.host.hardware import Host, cuda_architecture, probe


def test_an_unknown_architecture_is_refused() -> None:
    with pytest.raises(UsageError, match="CUDA_AMPERE"):
        choose("CUDA_X", None, GPU_HOST)


@pytest.mark.parametrize(
    ("version", "name"),
    [
        ((11, 8), "CUDA_AMPERE"),
        ((12, 0), "CUDA_ADA"),
        ((12, 7), "CUDA_ADA"),
        ((12, 8), "CUDA_BLACKWELL"),
        ((13, 0), "CUDA_BLACKWELL"),
    ],
)
def test_the_architecture_of_a_toolkit(version: tuple[int, int], name: str) -> None:
    assert cuda_architecture(*version) == name


def host_with(root: Path, files: dict[str, str]) -> Host:
    for path, content in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(content)
    return probe(root)


INSTALLED = "Package: {}\nStatus: install ok installed\nPriority: optional\nVersion: {}\n\n"


@pytest.mark.parametrize(
    ("files", "architecture"),
    [
        ({}, None),
        ({"var/lib/dpkg/status": INSTALLED.format("cuda-toolkit-12-6", "12.6-1")}, "CUDA_ADA"),
        (
            {
                "var/lib/dpkg/status": INSTALLED.format("cuda-toolkit-11-8", "1")
                + INSTALLED.format("cuda-toolkit-12-8-config-common", "1")
            },
            "CUDA_AMPERE",
        ),
        (
            {
                "var/lib/dpkg/status": INSTALLED.format("cuda-toolkit-12-8", "1")
                + INSTALLED.format("cuda-toolkit-12-6", "1")
            },
            "CUDA_ADA",
        ),
        (
            {
                "var/lib/dpkg/status": INSTALLED.format("cuda-toolkit-11-8", "1")
                + INSTALLED.format("cuda-12-8", "1")
            },
            "CUDA_BLACKWELL",
        ),
        (
            {
                "var/lib/dpkg/status": "Package: cuda-toolkit-12-6\n"
                "Status: deinstall ok config-files\nVersion: 1\n"
            },
            None,
        ),
        ({"var/lib/dpkg/status": INSTALLED.format("rocm-core", "6.2.0.60200-1")}, "ROCM6"),
        ({"usr/local/cuda/version.json": '{"cuda": {"version": "11.8.0"}}'}, "CUDA_AMPERE"),
        ({"opt/rocm/.info/version": "5.7.1-98\n"}, "ROCM5"),
        (
            {
                "proc/driver/nvidia/version": "NVRM version: NVIDIA UNIX x86_64 "
                "Kernel Module  550.54.15  Tue\n"
            },
            "CUDA_ADA",
        ),
    ],
)
def test_the_host_s_architecture(
    tmp_path: Path, files: dict[str, str], architecture: str | None
) -> None:
    found = host_with(tmp_path, files)
    assert (found.architecture, found.has_gpu, found.devices) == (architecture, False, frozenset())


def test_device_nodes_are_found(tmp_path: Path) -> None:
    found = host_with(tmp_path, {"dev/nvidia0": "", "dev/snd/seq": "", "dev/dri/card0": ""})
    assert (found.has_gpu, found.devices) == (True, frozenset({"/dev/snd", "/dev/dri"}))

"""What amd-smi and rocm-smi report, in the forms that AMD documents."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from mlc_patched.host import amd_smi
from mlc_patched.host.amd_smi import amd_devices
from mlc_patched.host.gpu_device import AMD, GpuDevice, GpuProcess, SmiError

LIST = [{"gpu": 0, "bdf": "0000:05:00.0", "uuid": "d1ff74a1-0000-1000-80de", "kfd_id": 4}]
STATIC = [{"gpu": 0, "asic": {"market_name": "AMD Instinct MI300X"}}]
METRIC = [
    {
        "gpu": 0,
        "usage": {"gfx_activity": {"value": 87, "unit": "%"}},
        "mem_usage": {
            "total_vram": {"value": 196288, "unit": "MB"},
            "used_vram": {"value": 2531, "unit": "MB"},
        },
    }
]
PROCESS = [
    {
        "gpu": 0,
        "process_list": [
            {"process_info": {"name": "llama", "pid": 28, "mem_usage": {"value": 9, "unit": "B"}}},
            {
                "process_info": {
                    "name": "python3",
                    "pid": "29",
                    "memory_usage": {"vram_mem": {"value": 2, "unit": "KB"}},
                }
            },
        ],
    }
]
ROCM = {
    "card1": {"Card Series": "AMD Instinct MI210", "Unique ID": "0xac1b", "GPU use (%)": "55"},
    "card0": {
        "Card series": "AMD Instinct MI210",
        "Unique ID": "0xac1a",
        "GPU use (%)": "0",
        "VRAM Total Memory (B)": "68702699520",
        "VRAM Total Used Memory (B)": "10960896",
    },
    "system": {"PID28389": "llama-server, 1, 2353860608, 11011, 0"},
}


def program(place: Path, name: str, answers: dict[str, str]) -> dict[str, str]:
    """Make a program that answers by its first argument; return an environment with it."""
    cases = "".join(f"{key}) cat <<'EOT'\n{text}\nEOT\n;;\n" for key, text in answers.items())
    file = place / name
    file.write_text(f'#!/bin/sh\ncase "$1" in\n{cases}*) echo no such command; exit 2;; esac\n')
    file.chmod(0o755)
    return {"PATH": f"{place}:{os.environ['PATH']}"}


@pytest.fixture(autouse=True)
def _only_on_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(amd_smi, "_PLACE", str(tmp_path / "none"))


def by_amd_smi(place: Path, process: object = PROCESS, metric: object = METRIC) -> list[GpuDevice]:
    answers = {"list": LIST, "static": STATIC, "metric": metric, "process": process}
    texts = {key: json.dumps(value) for key, value in answers.items()}
    found = amd_devices(program(place, "amd-smi", texts))
    assert found is not None
    return found


def test_amd_smi(tmp_path: Path) -> None:
    assert by_amd_smi(tmp_path) == [
        GpuDevice(
            index="0",
            uuid="d1ff74a1-0000-1000-80de",
            name="AMD Instinct MI300X",
            vendor=AMD,
            memory_used=2531 * 1024**2,
            memory_total=196288 * 1024**2,
            utilisation=87,
            processes=(GpuProcess(28, "llama", 9), GpuProcess(29, "python3", 2048)),
        )
    ]


def test_amd_smi_in_its_later_envelope_and_without_processes_or_values(tmp_path: Path) -> None:
    idle = [{"gpu": 0, "process_list": [{"process_info": "No running processes detected"}]}]
    metric = {"gpu_data": [{"gpu": 0, "usage": {"gfx_activity": "N/A"}, "mem_usage": "N/A"}]}
    (found,) = by_amd_smi(tmp_path, idle, metric)
    assert (found.processes, found.utilisation, found.memory_used) == ((), None, None)


def test_rocm_smi_in_the_spelling_of_either_release(tmp_path: Path) -> None:
    text = f"WARNING: AMD GPU device(s) is/are in a low-power state.\n{json.dumps(ROCM)}"
    found = amd_devices(program(tmp_path, "rocm-smi", {"--showproductname": text}))
    assert found == [
        GpuDevice("0", "0xac1a", "AMD Instinct MI210", AMD, 10960896, 68702699520, 0),
        GpuDevice("1", "0xac1b", "AMD Instinct MI210", AMD, None, None, 55),
    ]


def test_without_either_program(tmp_path: Path) -> None:
    assert amd_devices({"PATH": str(tmp_path)}) is None


def test_what_is_not_json_is_a_failure(tmp_path: Path) -> None:
    with pytest.raises(SmiError, match="printed no JSON: ERROR"):
        amd_devices(program(tmp_path, "rocm-smi", {"--showproductname": "ERROR: {oops"}))

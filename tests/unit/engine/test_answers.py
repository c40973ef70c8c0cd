"""What is read from the engine's answers."""

from __future__ import annotations

from typing import Any

import pytest

from mlc_patched.engine.answers import (
    info_of,
    inspected_container_of,
    stats_of,
    transfer_progress,
)
from mlc_patched.errors import EngineError

DEVICES = [{"Source": "cdi", "ID": "nvidia.com/gpu=0"}, {"Source": "other", "ID": "x"}]


def sample(used: int, passed: int, **more: Any) -> dict[str, Any]:
    """Return an answer of ContainerStats, between whose samples this time was used."""
    now = {"cpu_usage": {"total_usage": 1000 + used}, "system_cpu_usage": 5000 + passed}
    return {
        "cpu_stats": {**now, "online_cpus": 4},
        "precpu_stats": {"cpu_usage": {"total_usage": 1000}, "system_cpu_usage": 5000},
        "memory_stats": {"usage": 900, "limit": 3200, "stats": {"inactive_file": 100}},
        "pids_stats": {"current": 3},
        **more,
    }


def test_what_a_container_uses_is_counted_as_docker_stats_does() -> None:
    found = stats_of(sample(100, 800))
    assert found is not None
    assert (found.cpu_percent, found.processes) == (50.0, 3)
    assert (found.memory, found.memory_limit, found.memory_percent) == (800, 3200, 25.0)


@pytest.mark.parametrize(
    ("details", "used"),
    [
        ({"total_inactive_file": 200, "inactive_file": 100}, 700),  # cgroup v1
        ({"inactive_file": 100}, 800),
        ({"inactive_file": 1000}, 0),
        (None, 900),
    ],
)
def test_page_cache_does_not_count_as_used(details: dict[str, int] | None, used: int) -> None:
    found = stats_of(sample(1, 1, memory_stats={"usage": 900, "stats": details}))
    assert found is not None
    assert (found.memory, found.memory_percent) == (used, 0.0)


def test_a_first_sample_of_a_container_shows_no_cpu_use() -> None:
    found = stats_of(sample(100, 0))
    assert found is not None
    assert found.cpu_percent == 0.0


def test_old_engines_list_the_cores_instead_of_counting_them() -> None:
    cpu = {"cpu_usage": {"total_usage": 1100, "percpu_usage": [1, 2]}, "system_cpu_usage": 5800}
    found = stats_of(sample(0, 0, cpu_stats=cpu))
    assert found is not None
    assert found.cpu_percent == 25.0


@pytest.mark.parametrize(
    ("found", "devices"),
    [
        ({"DiscoveredDevices": DEVICES}, ("nvidia.com/gpu=0",)),
        ({"CDISpecDirs": ["/etc/cdi"]}, None),  # it may have some
        ({"BuildahVersion": "1.28"}, None),
        ({"CDISpecDirs": []}, ()),
        ({}, ()),
    ],
)
def test_devices_of_cdi_are_known_unknown_or_none(
    found: dict[str, Any], devices: tuple[str, ...] | None
) -> None:
    assert info_of(found, is_local=True).cdi_devices == devices


def test_the_progress_of_a_transfer_adds_up_its_layers() -> None:
    layers: dict[str, tuple[int, int]] = {}

    def event(layer: str, current: int, total: int) -> dict[str, Any]:
        detail = {"current": current, "total": total}
        return {"status": "Pushing", "id": layer, "progressDetail": detail}

    assert transfer_progress({"status": "Preparing"}, layers) == "Preparing"
    transfer_progress(event("a", 4_000_000, 10_000_000), layers)
    told = transfer_progress(event("b", 9_000_000, 8_000_000), layers)
    assert told == "Pushing: 12 of 18 MB so far", "more is sent than the layer has"
    with pytest.raises(EngineError, match="no space left"):
        transfer_progress({"error": "no space left"}, layers)


@pytest.mark.parametrize(
    ("host", "limits"),
    [
        ({}, {}),
        ({"Memory": 0, "NanoCpus": 0, "PidsLimit": None, "IpcMode": "host", "ShmSize": 64}, {}),
        ({"PidsLimit": -1, "IpcMode": "private", "ShmSize": 64}, {"shm_size": 64}),
        (
            {"Memory": 9, "NanoCpus": 5, "PidsLimit": 50},
            {"memory": 9, "nano_cpus": 5, "pids": 50},
        ),
    ],
)
def test_an_inspected_container_has_the_limits_that_are_set(
    host: dict[str, object], limits: dict[str, int]
) -> None:
    assert inspected_container_of({"Id": "1", "Name": "/n", "HostConfig": host}).limits == limits

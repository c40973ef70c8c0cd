"""Free GPUs are chosen for containers, and checked again when these are started."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from support.accounts import OWN, AccountOfThisProcess, own_image
from support.fakes.engine import FakeEngine
from support.nvidia_smi import Gpu, Mig, NvidiaSmi, uuid
from support.recording_reporter import RecordingReporter
from support.settings import with_settings

import mlc_patched
from mlc_patched.containers import assign, gpu_usage
from mlc_patched.containers.deploy import deploy, preview
from mlc_patched.context import Context
from mlc_patched.engine.address import EngineAddress
from mlc_patched.engine.interface import PODMAN
from mlc_patched.engine.observations import EngineInfo
from mlc_patched.engine.specification import ContainerSpecification, container_body
from mlc_patched.errors import (
    AlreadyExistsError,
    GpuTakenError,
    InUseError,
    MlcError,
    NoFreeGpuError,
    NotAllowedError,
)
from mlc_patched.host.gpus import GpuRequest
from mlc_patched.names import labels
from mlc_patched.plan.request import CreateRequest

FREE = "[gpus]\nassign = free\n"


@pytest.fixture
def smi(tmp_path: Path) -> NvidiaSmi:
    found = NvidiaSmi(tmp_path)
    found.set(*map(Gpu, range(3)))
    return found


@pytest.fixture
def report() -> RecordingReporter:
    return RecordingReporter()


@pytest.fixture
def free(
    context: Context,
    fake: FakeEngine,
    smi: NvidiaSmi,
    tmp_path: Path,
    report: RecordingReporter,
) -> Context:
    """A context of alice with `gpus.assign = free` on a host with three GPUs."""
    own_image(fake)
    context.report = report
    context.environ = {**context.environ, "PATH": f"{smi.place}:{context.environ['PATH']}"}
    return with_settings(context, FREE, tmp_path)


def of_bob(context: Context) -> Context:
    """The same host and engine, used by bob, whose account is another in the image OWN."""
    other = Context(environ=context.environ, make_engine=lambda: context.engine)
    account = AccountOfThisProcess("bob", 1001, 2001, context.account.home)
    other.__dict__.update(account=account, host=context.host)
    return other


def make(context: Context, name: str, gpus: str | None = "1", *, start: bool = True, **more):
    """Create a container, and start it; return the fake engine's."""
    made = mlc_patched.create(name, image=OWN, gpus=gpus, context=context, **more)
    if start:
        mlc_patched.start(name, context=context)
    return context.engine.made[made.id]


def test_each_container_gets_a_gpu_of_its_own(free: Context, fake: FakeEngine) -> None:
    found = [make(free, name).specification for name in "abc"]
    for number, each in enumerate(found):
        assert each.gpus == GpuRequest(device_ids=(uuid(number),))
        assert each.environment["CUDA_VISIBLE_DEVICES"] == uuid(number)
        assert each.labels[labels.DEVICES] == uuid(number)
        assert each.labels[labels.GPUS] == "1"
    (sent,) = container_body(found[0])["HostConfig"]["DeviceRequests"]
    assert (sent["Count"], sent["DeviceIDs"]) == (0, [uuid(0)])
    with pytest.raises(InUseError, match=r"1 GPU was requested, and 0 of 3 are free.*\[a\] of al"):
        make(free, "d")
    assert len(fake.made) == 3


def test_several_gpus_are_one_request_and_a_label_without_a_comma(free: Context) -> None:
    make(free, "a")
    found = make(free, "b", "2").specification
    assert found.gpus == GpuRequest(device_ids=(uuid(1), uuid(2)))
    assert found.environment["CUDA_VISIBLE_DEVICES"] == f"{uuid(1)},{uuid(2)}"
    assert found.labels[labels.DEVICES] == f"{uuid(1)}%2C{uuid(2)}"
    assert not any("," in value for value in found.labels.values())


def test_a_gpu_is_free_again_once_its_container_is_stopped(free: Context) -> None:
    make(free, "a", "3")
    mlc_patched.stop("a", context=free)
    assert make(free, "b", "3").specification.gpus == GpuRequest(
        device_ids=(uuid(0), uuid(1), uuid(2))
    )


def test_containers_of_the_engine_s_choice_and_of_all_gpus_hold_theirs(
    free: Context, tmp_path: Path
) -> None:
    make(with_settings(free, "", tmp_path), "old", "2")
    free = with_settings(free, FREE, tmp_path)
    free.__dict__.pop("settings")
    assert make(free, "a").specification.labels[labels.DEVICES] == uuid(2)
    mlc_patched.stop("old", context=free)
    with pytest.raises(NoFreeGpuError, match=r"3 GPUs were requested, and 2 of 3 are free"):
        make(free, "b", "all")
    mlc_patched.stop("a", context=free)
    assert make(free, "b", "all").specification.gpus == GpuRequest(
        device_ids=(uuid(0), uuid(1), uuid(2))
    )


def test_a_gpu_that_a_process_uses_is_not_free(free: Context, smi: NvidiaSmi) -> None:
    smi.set(Gpu(0, processes=[(44, "python3")]), Gpu(1))
    assert make(free, "a").specification.labels[labels.DEVICES] == uuid(1)
    with pytest.raises(NoFreeGpuError, match=r"GPU 0 \(NVIDIA H200, GPU-d50ab500\): process 44"):
        make(free, "b")


def test_mig_devices_are_chosen_and_the_gpu_they_are_part_of_is_not(
    free: Context, smi: NvidiaSmi
) -> None:
    smi.set(Gpu(0, mig=[Mig(5), Mig(6)], processes=[(44, "a", 5)]))
    found = make(free, "a").specification
    assert found.gpus == GpuRequest(device_ids=(uuid(6, "MIG"),))
    assert found.environment["CUDA_VISIBLE_DEVICES"] == uuid(6, "MIG")


def test_named_devices_are_shared_with_a_warning(free: Context, report: RecordingReporter) -> None:
    make(free, "a")
    found = make(free, "b", "device=0,1").specification
    assert found.gpus == GpuRequest(device_ids=("0", "1"))
    assert found.environment["CUDA_VISIBLE_DEVICES"] == f"{uuid(0)},{uuid(1)}"
    assert labels.DEVICES not in found.labels
    assert any("You share GPU 0" in text and "[a] of alice" in text for text in report.said)
    assert make(free, "c").specification.labels[labels.DEVICES] == uuid(2)


def test_with_cdi_alone_devices_have_the_names_that_the_engine_knows(
    free: Context, fake: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake.product = PODMAN
    for known, names in (
        (("nvidia.com/gpu=0", "nvidia.com/gpu=1"), ("nvidia.com/gpu=0",)),
        ((f"nvidia.com/gpu={uuid(1)}", "nvidia.com/gpu=1"), (f"nvidia.com/gpu={uuid(1)}",)),
    ):
        info = EngineInfo("6", "/", product=PODMAN, cdi_devices=known)
        monkeypatch.setattr(fake, "info", lambda info=info: info)
        found = make(free, f"c{len(fake.made)}").specification
        assert found.gpus == GpuRequest(device_ids=names, is_cdi=True)


def test_the_engine_chooses_by_default_and_nothing_is_asked(
    free: Context, fake: FakeEngine, smi: NvidiaSmi, tmp_path: Path
) -> None:
    before = with_settings(free, "", tmp_path)
    fake.calls.clear()
    found = make(before, "a", start=False).specification
    assert "containers" not in fake.calls
    fake.calls.clear()
    mlc_patched.start("a", context=before)
    assert "containers" not in fake.calls
    assert found.gpus == GpuRequest(1)
    assert "CUDA_VISIBLE_DEVICES" not in found.environment
    assert labels.DEVICES not in found.labels
    assert smi.calls == []


def test_a_container_without_gpus_asks_nothing(free: Context, smi: NvidiaSmi) -> None:
    make(free, "a", "none")
    assert smi.calls == []


def test_without_nvidia_smi_a_number_cannot_be_chosen(free: Context, smi: NvidiaSmi) -> None:
    smi.program.unlink()
    with pytest.raises(MlcError, match=r"nvidia-smi.*not on PATH.*-g device=0"):
        make(free, "a")
    smi_of_host_is_not_needed = make(free, "a", "device=0").specification
    assert smi_of_host_is_not_needed.gpus == GpuRequest(device_ids=("0",))


def test_a_failing_driver_makes_no_container(free: Context, smi: NvidiaSmi) -> None:
    smi.fail()
    with pytest.raises(MlcError, match="communicate with the NVIDIA driver"):
        make(free, "a")
    assert not free.engine.made


def test_the_legacy_flow_checks_before_anything_slow(free: Context, fake: FakeEngine) -> None:
    fake.add_image("hub/base:1")
    make(free, "a", "3")
    fake.calls.clear()
    with pytest.raises(NoFreeGpuError):
        mlc_patched.create("b", image="hub/base:1", gpus="1", context=free)
    assert not {"create_container", "commit"} & {*fake.calls}
    mlc_patched.stop("a", context=free)
    made = mlc_patched.create("b", image="hub/base:1", gpus="1", context=free)
    assert fake.made[made.id].specification.labels[labels.DEVICES] == uuid(0)


def test_a_rocm_container_gets_every_gpu_and_a_note(
    free: Context, smi: NvidiaSmi, report: RecordingReporter
) -> None:
    make(free, "a", "1", architecture="ROCM6")
    assert smi.calls == []
    assert any("ROCm" in text for text in report.said)


def test_on_a_remote_engine_the_engine_chooses_with_a_warning(
    free: Context, smi: NvidiaSmi, report: RecordingReporter
) -> None:
    free.__dict__["address"] = EngineAddress("ssh://me@gpu2", "gpu2")
    found = make(free, "a").specification
    assert found.gpus == GpuRequest(1)
    assert smi.calls == []
    assert any("remote engine" in text for text in report.said)


# Waiting.


def test_wait_waits_until_a_gpu_is_free(
    free: Context, report: RecordingReporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(free, "a", "3")
    monkeypatch.setattr(assign, "_pause", lambda: mlc_patched.stop("a", context=free))
    found = make(free, "b", wait_for_gpus=True).specification
    assert found.labels[labels.DEVICES] == uuid(0)
    assert "Waiting for free GPUs" in report.said


def test_wait_does_not_wait_for_what_cannot_come(free: Context) -> None:
    make(free, "a", "3")
    with pytest.raises(MlcError, match="this host has 3"):
        make(free, "b", "4", wait_for_gpus=True)
    with pytest.raises(AlreadyExistsError):
        make(free, "a", "1", wait_for_gpus=True)


def test_wait_without_free_says_that_it_has_no_effect(
    free: Context, tmp_path: Path, report: RecordingReporter
) -> None:
    make(with_settings(free, "", tmp_path), "a", wait_for_gpus=True)
    assert any("--wait has no effect" in text for text in report.said)


@pytest.mark.parametrize(
    ("settings", "gpus", "wait", "is_said"),
    [
        ("", "1", True, True),
        (FREE, "1", True, False),
        ("", "1", False, False),
        ("", "none", True, False),
    ],
)
def test_a_dry_run_says_so_too(
    free: Context, tmp_path: Path, settings: str, gpus: str, wait: bool, is_said: bool
) -> None:
    request = CreateRequest("a", image=OWN, gpus=gpus, wait=wait)
    notes = preview(request, with_settings(free, settings, tmp_path)).notes
    assert any("--wait has no effect" in text for text in notes) == is_said


# Starting.


def test_a_container_whose_gpu_is_taken_is_not_started(free: Context, fake: FakeEngine) -> None:
    own_image(fake)
    make(free, "a", "3")
    mlc_patched.stop("a", context=free)
    other = of_bob(free)
    make(other, "b", "1")
    with pytest.raises(GpuTakenError) as failure:
        mlc_patched.start("a", context=free)
    assert "GPU 0 (NVIDIA H200, GPU-d50ab500): [b] of bob" in failure.value.message
    assert "GPU 1" not in failure.value.message
    assert "mlc export a a.mlc.tar && mlc remove a && mlc import a.mlc.tar a" in failure.value.hint
    assert free.get("a").state == "exited"
    mlc_patched.stop("b", context=other)
    mlc_patched.start("a", context=free)
    assert free.get("a").state == "running"


def test_a_project_s_container_is_created_again_by_container_deploy(
    free: Context, fake: FakeEngine
) -> None:
    make(free, "a", "1", start=False, labels=None)
    found = next(iter(fake.made.values())).specification
    assert found.labels[labels.PROJECT] == "p"
    make(free, "b", "3")
    with pytest.raises(GpuTakenError) as failure:
        mlc_patched.start("a", context=free)
    workspace = found.labels[labels.WORKSPACE]
    line = f"container-retire a && container-deploy a --project p -g 1 -w {workspace}"
    assert line in failure.value.hint


def test_what_is_exported_and_imported_again_gets_free_gpus(free: Context, tmp_path: Path) -> None:
    make(free, "a", "1")
    mlc_patched.stop("a", context=free)
    make(free, "b", "device=0")
    file = mlc_patched.export("a", f"{tmp_path}/a.mlc.tar", context=free).file
    mlc_patched.remove("a", context=free)
    made = mlc_patched.import_(file, "a", context=free)
    found = free.engine.made[made.id].specification
    assert (found.labels[labels.GPUS], found.labels[labels.DEVICES]) == ("1", uuid(1))
    mlc_patched.start("a", context=free)


def test_a_process_that_uses_its_gpu_keeps_a_container_from_starting(
    free: Context, smi: NvidiaSmi
) -> None:
    make(free, "a", start=False)
    smi.set(Gpu(0, processes=[(44, "python3")]), Gpu(1))
    with pytest.raises(GpuTakenError, match=r"process 44 \(python3\)"):
        mlc_patched.start("a", context=free)


def test_a_container_whose_gpu_is_gone_is_not_started(free: Context, smi: NvidiaSmi) -> None:
    make(free, "a", start=False)
    smi.set(Gpu(1))
    with pytest.raises(MlcError, match=r"GPU-d50ab500 of \[a\] is not in this host any more"):
        mlc_patched.start("a", context=free)


def test_labels_alone_decide_where_nvidia_smi_fails(
    free: Context, smi: NvidiaSmi, report: RecordingReporter
) -> None:
    make(free, "a", start=False)
    make(free, "b", "3")
    smi.fail()
    with pytest.raises(GpuTakenError, match=r"\[b\] of alice"):
        mlc_patched.start("a", context=free)
    mlc_patched.stop("b", context=free)
    mlc_patched.start("a", context=free)
    assert any("process uses the GPU of a is unknown" in text for text in report.said)


def test_a_running_container_is_not_checked_again(free: Context, smi: NvidiaSmi) -> None:
    make(free, "a")
    before = len(smi.calls)
    mlc_patched.start("a", context=free)
    assert len(smi.calls) == before


def test_deploy_chooses_again_if_the_gpu_is_taken_before_it_starts(
    free: Context, fake: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = assign.startable
    taken: Iterator[str] = iter(["thief"])

    def startable(container, context):
        if (name := next(taken, None)) is not None:
            monkeypatch.setattr(assign, "startable", start)
            make(free, name, f"device={uuid(0)}")
            monkeypatch.setattr(assign, "startable", startable)
        return start(container, context)

    monkeypatch.setattr(assign, "startable", startable)
    made = deploy(CreateRequest("a", image=OWN, gpus="1"), free, start=True)
    assert made.devices == (uuid(1),)
    assert sorted(each.specification.name for each in fake.made.values()) == [
        "a._.1001",
        "thief._.1001",
    ]


def test_the_labels_of_a_container_on_a_remote_engine_are_compared(
    free: Context, smi: NvidiaSmi
) -> None:
    make(free, "a", start=False)
    make(free, "b", "all")
    smi.program.unlink()
    free.__dict__["address"] = EngineAddress("ssh://me@gpu2", "gpu2")
    with pytest.raises(GpuTakenError, match=r"GPU-d50ab500.*\[b\] of alice"):
        mlc_patched.start("a", context=free)


# Races.


@pytest.mark.parametrize("starts", [True, False])
def test_containers_that_are_created_at_once_get_different_gpus(
    free: Context, fake: FakeEngine, smi: NvidiaSmi, monkeypatch: pytest.MonkeyPatch, starts: bool
) -> None:
    smi.set(*map(Gpu, range(6)))
    start = threading.Barrier(8 if starts else 6)
    failed: list[Exception] = []
    create = fake.create_container

    def slowly(specification: ContainerSpecification) -> str:
        time.sleep(0.02)  # in which others would choose the same GPU
        return create(specification)

    monkeypatch.setattr(fake, "create_container", slowly)

    def run(name: str) -> None:
        start.wait()
        try:
            deploy(CreateRequest(name, image=OWN, gpus="1"), free, start=starts)
        except NoFreeGpuError as error:
            failed.append(error)

    threads = [threading.Thread(target=run, args=(f"c{n}",)) for n in range(start.parties)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    given = [each.specification.labels[labels.DEVICES] for each in free.engine.made.values()]
    assert sorted(given) == [uuid(number) for number in range(6)]
    assert len(failed) == start.parties - 6


# A limit for each user.


LIMITED = "[gpus]\nper_user = 2\n"


@pytest.mark.parametrize("text", [LIMITED, f"{LIMITED}assign = free\n"])
def test_a_user_s_running_containers_have_no_more_gpus_than_allowed(
    free: Context, tmp_path: Path, text: str
) -> None:
    limited = with_settings(free, text, tmp_path)
    make(limited, "a", "1")
    make(limited, "cpu", "none")
    make(limited, "b", "1", start=False)
    with pytest.raises(NotAllowedError, match=r"may have 2 GPUs together.*\[a\] 1.*mlc stop a"):
        make(limited, "c", "2")
    mlc_patched.start("b", context=limited)
    mlc_patched.stop("a", context=limited)
    make(limited, "c", "1")
    with pytest.raises(NotAllowedError, match=r"\[c\] 1, \[b\] 1"):
        mlc_patched.start("a", context=limited)


@pytest.mark.parametrize(
    "label",
    [
        {labels.SERVICE: "x"},
        {labels.SERVICE: "a,b"},
        {labels.SERVICE: ""},
        {labels.DEVICES: "GPU-of-nobody"},
        {labels.GPUS: "none"},
        {labels.OWNER: "bob"},
        {labels.JOB: "7"},
        {labels.ARCHITECTURE: "ROCM6"},
        {"ds01.user": "bob", "ds01.gpus": "none"},
    ],
)
def test_no_label_of_an_image_gets_around_the_limit_for_a_user(
    free: Context, fake: FakeEngine, tmp_path: Path, label: dict[str, str]
) -> None:
    limited = with_settings(free, LIMITED, tmp_path)
    image = fake.images[fake.image(OWN).id]
    image.image = replace(image.image, labels={**image.image.labels, **label})
    make(limited, "a", "2")
    with pytest.raises(NotAllowedError, match=r"\[a\] 2"):
        make(limited, "b", "1")


def test_no_container_may_have_more_than_its_user_may(free: Context, tmp_path: Path) -> None:
    limited = with_settings(free, LIMITED, tmp_path)
    with pytest.raises(NotAllowedError, match="At most 2 GPUs"):
        make(limited, "a", "3")
    found = make(limited, "a", None).specification
    assert found.gpus == GpuRequest(2), "the default is not more than is allowed"


def test_processes_have_the_name_of_their_container(
    free: Context, smi: NvidiaSmi, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside = make(free, "a", "none")
    monkeypatch.setattr(gpu_usage, "container_ids", lambda pid: (inside.id,) if pid == 44 else ())
    smi.set(Gpu(0, processes=[(44, "python3"), (45, "x")]))
    with pytest.raises(NoFreeGpuError, match=r"\[a\] of alice \(up .*\), process 45 \(x\)"):
        make(free, "b")

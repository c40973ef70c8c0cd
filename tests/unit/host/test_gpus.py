"""Which GPUs a container gets."""

from __future__ import annotations

import math

import pytest
from support.plans import GPU_HOST

from mlc_patched.errors import UsageError
from mlc_patched.host.gpus import GpuRequest, choose, parse_gpus
from mlc_patched.host.hardware import Host

BARE_HOST = Host(None, False, frozenset())


@pytest.mark.parametrize(
    ("text", "request_"),
    [
        ("all", GpuRequest(-1)),
        ("2", GpuRequest(2)),
        ("device=0", GpuRequest(0, ("0",))),
        ("device=0,1", GpuRequest(0, ("0", "1"))),
        ('"device=0,1"', GpuRequest(0, ("0", "1"))),
        ("device=GPU-a-b,MIG-c/1/0", GpuRequest(0, ("GPU-a-b", "MIG-c/1/0"))),
        ("device=0:1", GpuRequest(0, ("0:1",))),
        ("device=nvidia.com/gpu=0", GpuRequest(0, ("nvidia.com/gpu=0",), is_cdi=True)),
        ("nvidia.com/gpu=all", GpuRequest(0, ("nvidia.com/gpu=all",), is_cdi=True)),
        (
            "device=nvidia.com/gpu=0:1,nvidia.com/gpu=GPU-a-b",
            GpuRequest(0, ("nvidia.com/gpu=0:1", "nvidia.com/gpu=GPU-a-b"), is_cdi=True),
        ),
        ("amd.com/gpu=0", GpuRequest(0, ("amd.com/gpu=0",), is_cdi=True)),
        ("none", None),
        ("0", None),
        ("999999999", GpuRequest(999_999_999)),
        (" 'device=0, 1' ", GpuRequest(0, ("0", "1"))),
        (" all ", GpuRequest(-1)),
    ],
)
def test_a_gpu_request_is_a_number_ids_cdi_names_or_nothing(
    text: str, request_: GpuRequest | None
) -> None:
    assert parse_gpus(text) == request_


@pytest.mark.parametrize(
    "text",
    [
        *("", "-1", "two", "device=", "device=0,,1", "device=a b", "²"),
        *("1000000000", "0,1", "GPU-a", "device=0 ; x"),
        *("nvidia.com/gpu=", "nvidia.com/gpu", "/gpu=0", "device=nvidia.com/gpu=0,1", "a/b=c d"),
        *("device=nvidia.com/gpu", "device=0,amd.com/gpu", "device=a/b", "device=n.c/gpu/0"),
    ],
)
def test_an_invalid_gpu_request_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="device=0,1"):
        parse_gpus(text)


def test_without_a_request_the_host_decides() -> None:
    assert choose(None, None, GPU_HOST).architecture == "CUDA_BLACKWELL"
    cpu = choose(None, None, BARE_HOST)
    assert (cpu.architecture, cpu.gpus, cpu.request) == ("CPU", "none", None)
    assert "No GPU" in cpu.note


@pytest.mark.parametrize(
    ("architecture", "gpus", "host", "expected"),
    [
        ("CUDA_ADA", None, BARE_HOST, ("CUDA_ADA", "all", GpuRequest(-1))),
        ("cuda_ada", "2", GPU_HOST, ("CUDA_ADA", "2", GpuRequest(2))),
        (None, "2", BARE_HOST, (None, "2", GpuRequest(2))),
        (None, "none", GPU_HOST, ("CUDA_BLACKWELL", "none", None)),
        (None, "none", BARE_HOST, ("CPU", "none", None)),
        ("CPU", "all", GPU_HOST, ("CPU", "none", None)),
        ("OWN", None, BARE_HOST, ("OWN", "all", GpuRequest(-1))),
    ],
)
def test_an_explicit_request_is_taken_as_given(
    architecture: str | None, gpus: str | None, host: Host, expected: tuple[object, ...]
) -> None:
    choice = choose(architecture, gpus, host, ("OWN",))
    assert (choice.architecture, choice.gpus, choice.request) == expected
    assert choice.note is None


@pytest.mark.parametrize(
    ("text", "most"),
    [
        ("all", math.inf),
        ("3", 3),
        ("device=0,1", 2),
        ("device=all", math.inf),
        ("nvidia.com/gpu=0,nvidia.com/gpu=1", 2),
        ("nvidia.com/gpu=all", math.inf),
    ],
)
def test_how_many_gpus_a_request_asks_for(text: str, most: float) -> None:
    request = parse_gpus(text)
    assert request is not None
    assert request.most == most


@pytest.mark.parametrize(
    "known", ["CUDA", "CUDA_AMPERE", "CUDA_ADA", "CUDA_BLACKWELL", "ROCM5", "ROCM6"]
)
def test_the_architectures_of_aime_s_catalogs_are_known(known: str) -> None:
    assert choose(f" {known.lower()} ", None, GPU_HOST).architecture == known


def test_an_unknown_architecture_is_refused_with_all_that_are_known() -> None:
    known = "CUDA, CUDA_AMPERE, CUDA_ADA, CUDA_BLACKWELL, ROCM5, ROCM6, OWN, CPU"
    with pytest.raises(UsageError) as refused:
        choose("volta", None, GPU_HOST, ("OWN", "CUDA"))
    assert str(refused.value) == f"The architecture 'VOLTA' is unknown. Known: {known}"


def test_only_the_architecture_may_suggest_gpus_that_nobody_sees() -> None:
    assert choose("CUDA_ADA", None, BARE_HOST).is_assumed
    assert not choose("CUDA_ADA", "1", BARE_HOST).is_assumed
    assert not choose("CUDA_ADA", None, GPU_HOST).is_assumed
    assert not choose(None, None, GPU_HOST).is_assumed
    assert not choose(None, None, BARE_HOST).is_assumed


def test_the_default_is_what_is_requested_without_a_flag() -> None:
    assert choose(None, None, GPU_HOST, (), "2").request == GpuRequest(2)
    assert choose(None, "1", GPU_HOST, (), "2").request == GpuRequest(1)
    assert choose(None, None, GPU_HOST, (), "none").gpus == "none"
    assert choose(None, None, GPU_HOST).gpus == "all"


def test_the_label_has_the_request_without_quotes_and_blanks() -> None:
    for text in (" 'device=0,1' ", '"device=0,1"', "device=0,1"):
        assert choose(None, text, GPU_HOST).gpus == "device=0,1"


def test_without_a_request_the_host_s_architecture_is_kept_for_a_container_without_gpus() -> None:
    assert choose("CUDA_ADA", "none", GPU_HOST).architecture == "CUDA_ADA"
    assert choose("CUDA_ADA", "none", BARE_HOST).architecture == "CUDA_ADA"
    assert choose(None, "1", GPU_HOST).architecture == "CUDA_BLACKWELL"

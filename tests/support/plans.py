"""A catalog, a host and a request for tests that plan containers."""

from __future__ import annotations

from pathlib import Path

from mlc_patched.host.account import Account
from mlc_patched.host.hardware import Host
from mlc_patched.plan.catalog import Catalog, Row
from mlc_patched.plan.container import Plan, make_plan
from mlc_patched.plan.request import CreateRequest

CATALOG = Catalog(
    (
        Row("Pytorch", "2.8.0", ("CUDA_ADA",), "hub/ada"),
        Row("Pytorch", "2.8.0", ("CUDA_BLACKWELL",), "hub/blackwell"),
        Row("Pytorch", "2.6.0", ("ROCM6",), "hub/rocm"),
    ),
    Path("ml_images.repo"),
)
GPU_HOST = Host("CUDA_BLACKWELL", True, frozenset({"/dev/snd", "/dev/video0"}))
REQUEST = CreateRequest("n", "Pytorch", "2.8.0")


def plan(request: CreateRequest, account: Account, host: Host = GPU_HOST, **environ: str) -> Plan:
    """Plan a container."""
    return make_plan(request, account, host, environ, lambda: CATALOG)

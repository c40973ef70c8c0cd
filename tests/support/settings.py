"""Plan a container with a settings text, and use one in a context."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mlc_patched.context import Context
from mlc_patched.engine.specification import container_body
from mlc_patched.host.hardware import Host
from mlc_patched.plan.catalog import Catalog, Row
from mlc_patched.plan.container import make_plan
from mlc_patched.plan.flow import Flow
from mlc_patched.plan.request import CreateRequest
from mlc_patched.plan.specify import specify
from mlc_patched.settings.parse import parse
from support.accounts import AccountOfThisProcess

ACCOUNT = AccountOfThisProcess("h.baker@hertie-school.lan", 1722830498, 100, "/")
HOST = Host("CUDA_ADA", True, frozenset({"/dev/snd", "/dev/video0", "/dev/kfd", "/dev/fuse"}))
CATALOG = Catalog(
    (Row("Pytorch", "2", ("CUDA_ADA",), "hub/x:1"), Row("Pytorch", "2", ("ROCM6",), "hub/rocm")),
    Path("catalog"),
)
REQUEST = CreateRequest("n", "Pytorch", "2", workspace="/tmp")


def host_config(settings: str, request: CreateRequest = REQUEST, **environ: str) -> dict[str, Any]:
    """Return the HostConfig, labels and tag of a container planned with a settings text."""
    plan = make_plan(request, ACCOUNT, HOST, environ, lambda: CATALOG, parse(settings, "file"))
    body = container_body(specify(plan, "image", "sha256:1", Flow.IMAGE, ACCOUNT))
    return {**body["HostConfig"], "Labels": body["Labels"], "Tag": plan.tag}


def with_settings(context: Context, text: str, tmp_path: Path) -> Context:
    """Make a context read its settings from a file with this text; return the context."""
    file = tmp_path / "mlc.ini"
    file.write_text(text)
    context.environ = {**context.environ, "DS01_SETTINGS": str(file)}
    return context

"""Which form of a GPU request an engine is sent, and when a container is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from support.accounts import AccountOfThisProcess
from support.base_images import BASE
from support.fakes.engine import FakeEngine

from mlc_patched.containers.create import create
from mlc_patched.context import Context
from mlc_patched.engine.interface import DOCKER, PODMAN
from mlc_patched.engine.observations import EngineInfo
from mlc_patched.errors import EngineError, MlcError, NotFoundError
from mlc_patched.host.gpus import GpuRequest
from mlc_patched.host.hardware import Host
from mlc_patched.plan.request import CreateRequest

PLAIN = GpuRequest(count=-1)
PASSWD = "me:x:1001:2001::/home/me:/bin/bash\n"
CLAIM = {
    "aime.mlc.DS01_HAS_USER_SETUP": "true",
    "aime.mlc.DS01_USER_ID": "1001",
    "aime.mlc.DS01_GROUP_ID": "2001",
    "aime.mlc.DS01_USERNAME": "me",
}


def cdi(*names: str) -> GpuRequest:
    return GpuRequest(device_ids=tuple(f"nvidia.com/gpu={each}" for each in names), is_cdi=True)


class GpuEngine(FakeEngine):
    """An engine that serves some device requests, and refuses or ignores the others."""

    def __init__(self, product: str, *served: GpuRequest, ignores: bool = False) -> None:
        super().__init__()
        self.product, self.served, self.ignores = product, served, ignores
        self.devices: tuple[str, ...] | None = ()
        self.runtimes: tuple[str, ...] = ("runc",)
        self.add_image(BASE, CLAIM, PASSWD)

    def info(self) -> EngineInfo:
        self.calls.append("info")
        return EngineInfo("1.2", "/", self.runtimes, product=self.product, cdi_devices=self.devices)

    def start(self, container: str) -> None:
        specification = self._get(container).specification
        assert specification.name.startswith("mlc-look-1001-"), "nothing else is started"
        if specification.gpus not in self.served and not self.ignores:
            raise EngineError("The Docker Engine refused: could not select device driver")
        raise EngineError("The Docker Engine refused: exec: no such file or directory")


def made(
    engine: GpuEngine,
    tmp_path: Path,
    gpus: str | None,
    *,
    hook: bool = False,
    architecture: str | None = None,
    has_gpu: bool = True,
) -> GpuRequest | None:
    """Create a container and return the GPU request that the engine received."""
    (tmp_path / "workspace").mkdir(exist_ok=True)
    if hook:
        (tmp_path / "nvidia-container-runtime-hook").touch(0o755)
    environ = {"PATH": str(tmp_path), "HOME": str(tmp_path)}
    context = Context(environ=environ, make_engine=lambda: engine)
    account = AccountOfThisProcess("me", 1001, 2001, str(tmp_path))
    context.__dict__.update(account=account, host=Host("CUDA_ADA", has_gpu, frozenset()))
    request = CreateRequest("n", "custom", "latest", image=BASE, gpus=gpus)
    request = replace(request, architecture=architecture)
    try:
        create(request, context)
    finally:
        assert all(not each.name.startswith("mlc-look") for each in engine.containers())
    (found,) = engine.made.values()
    return found.specification.gpus


def test_docker_with_the_hook_is_sent_the_usual_request_without_a_question(tmp_path: Path) -> None:
    engine = GpuEngine(DOCKER)
    assert made(engine, tmp_path, "all", hook=True) == PLAIN
    assert not {"info", "start"} & {*engine.calls}


def test_docker_with_the_runtime_is_sent_the_usual_request(tmp_path: Path) -> None:
    engine = GpuEngine(DOCKER)
    engine.runtimes = ("nvidia", "runc")
    assert made(engine, tmp_path, "2") == GpuRequest(2)
    assert "start" not in engine.calls


def test_docker_whose_hook_is_elsewhere_is_asked(tmp_path: Path) -> None:
    engine = GpuEngine(DOCKER, PLAIN, cdi("all"))
    engine.devices = ("nvidia.com/gpu=all",)
    assert made(engine, tmp_path, "all") == PLAIN


def test_docker_with_cdi_alone_is_sent_names(tmp_path: Path) -> None:
    for gpus, names in (("all", ["all"]), ("1", ["0"]), ("device=1", ["1"])):
        engine = GpuEngine(DOCKER)
        engine.devices = ("nvidia.com/gpu=0", "nvidia.com/gpu=1", "nvidia.com/gpu=all")
        assert made(engine, tmp_path, gpus) == cdi(*names)


def test_docker_that_does_not_report_its_cdi_devices_is_asked(tmp_path: Path) -> None:
    engine = GpuEngine(DOCKER, cdi("0", "1"))
    engine.devices = None
    assert made(engine, tmp_path, "2") == cdi("0", "1")


@pytest.mark.parametrize("hook", [True, False])
def test_a_cdi_name_is_sent_as_it_is(tmp_path: Path, hook: bool) -> None:
    engine = GpuEngine(DOCKER)
    engine.devices = ("nvidia.com/gpu=0:1",)
    assert made(engine, tmp_path, "device=nvidia.com/gpu=0:1", hook=hook) == cdi("0:1")


@pytest.mark.parametrize(
    ("devices", "gpus", "error", "says"),
    [
        ((), "all", EngineError, "cannot give.*GPUs all.*device driver.*nvidia-ctk runtime.*cpu"),
        (None, "1", EngineError, "cannot give.*GPUs 1.*nvidia-container-toolkit"),
        ((), "nvidia.com/gpu=0", EngineError, "Docker Engine 1.2, has no CDI.*Docker 25"),
        (None, "nvidia.com/gpu=0", EngineError, "cannot give.*nvidia-ctk cdi generate"),
        (("nvidia.com/gpu=0",), "nvidia.com/gpu=7", NotFoundError, "no CDI device.*gpu=7.*gpu=0"),
        (("nvidia.com/gpu=0",), "2", NotFoundError, "the engine has 1"),
    ],
)
def test_docker_without_what_was_asked_for_makes_no_container(
    tmp_path: Path,
    devices: tuple[str, ...] | None,
    gpus: str,
    error: type[MlcError],
    says: str,
) -> None:
    engine = GpuEngine(DOCKER)
    engine.devices = devices
    with pytest.raises(error, match=says):
        made(engine, tmp_path, gpus)
    assert engine.made == {}


@pytest.mark.parametrize(
    ("gpus", "names"), [("all", ["all"]), ("2", ["0", "1"]), ("device=GPU-a", ["GPU-a"])]
)
def test_podman_is_sent_names(tmp_path: Path, gpus: str, names: list[str]) -> None:
    engine = GpuEngine(PODMAN, cdi(*names))
    engine.devices = None
    # The hook is Docker's.
    assert made(engine, tmp_path, gpus, hook=True) == cdi(*names)


def test_podman_that_reports_its_devices_is_not_asked(tmp_path: Path) -> None:
    engine = GpuEngine(PODMAN)
    engine.devices = ("nvidia.com/gpu=0",)
    assert made(engine, tmp_path, "all") == cdi("0")
    assert "start" not in engine.calls


@pytest.mark.parametrize("ignores", [True, False])
def test_podman_that_ignores_or_lacks_devices_makes_no_container(
    tmp_path: Path, ignores: bool
) -> None:
    engine = GpuEngine(PODMAN, ignores=ignores)
    engine.devices = None
    with pytest.raises(EngineError, match=r"cannot give.*Podman 5\.4.*nvidia-ctk cdi"):
        made(engine, tmp_path, "all")
    assert engine.made == {}


@pytest.mark.parametrize("product", [DOCKER, PODMAN])
def test_gpus_that_only_the_architecture_suggests_are_no_reason_to_ask(
    tmp_path: Path, product: str
) -> None:
    engine = GpuEngine(product)
    assert made(engine, tmp_path, None, architecture="CUDA_ADA", has_gpu=False) == PLAIN
    assert not {"info", "start"} & {*engine.calls}
    with pytest.raises(EngineError, match="cannot give"):
        made(GpuEngine(DOCKER), tmp_path, None, architecture="CUDA_ADA")


def test_without_gpus_nothing_is_asked(tmp_path: Path) -> None:
    engine = GpuEngine(PODMAN)
    assert made(engine, tmp_path, "none") is None
    assert not {"info", "start"} & {*engine.calls}

"""The plan of a container: everything about a request that can be decided without an engine."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ..engine.specification import UNLIMITED, Resources
from ..errors import UsageError
from ..host.account import Account
from ..host.files import is_root_for
from ..host.gpus import CPU, KNOWN_ARCHITECTURES, NONE, GpuChoice, GpuRequest, choose
from ..host.hardware import CUDA_DEVICES, ROCM_GPUS, Host
from ..lean import dataclass
from ..names import labels
from ..names.containers import container_tag
from ..names.images import Reference, check_reference
from ..names.projects import is_own_project
from ..settings.model import BUILT_IN_SETTINGS, Settings
from ..units import parse_size
from . import directories, limits
from .catalog import Catalog
from .request import ARCHITECTURE_VARIABLE, GPUS_VARIABLE, CreateRequest

WRAPPER_VARIABLE = "MLC_WRAPPER"
"""Set by `mlc-create-wrapper.sh`: another number of GPUs is the default."""
ANY_GPU_ARCHITECTURE = "CUDA"
"""Architecture label of a container with GPUs of an unknown kind."""
ANY_AMD_ARCHITECTURE = "ROCM"


@dataclass(frozen=True)
class Plan:
    """A request for which everything is decided that needs no engine.

    `is_current` says that a local image is used as it is, because it was named by --image or has
    just been pulled; a catalog image is updated first. `is_local` says that the directories are on
    this host. `assigned` has the UUIDs of GPUs that were chosen for the container, `visible` of
    those that CUDA may use; both are decided when it is created.
    """

    tag: str
    reference: Reference
    is_current: bool
    choice: GpuChoice
    architecture: str
    framework: str
    directories: directories.Directories
    devices: tuple[str, ...]
    missing_devices: tuple[str, ...]
    shm_size: int | None
    cgroup_parent: str | None
    labels: Mapping[str, str]
    resources: Resources = UNLIMITED
    settings: Settings = BUILT_IN_SETTINGS
    is_local: bool = True
    has_x11_sockets: bool = True
    waits_for_gpus: bool = False
    assigned: tuple[str, ...] = ()
    visible: tuple[str, ...] = ()

    @property
    def image(self) -> str:
        """The name of the image."""
        return str(self.reference)

    @property
    def is_rocm(self) -> bool:
        """Whether the container is for AMD GPUs, which are devices, not device requests."""
        return self.architecture.startswith("ROCM")

    @property
    def gpus(self) -> GpuRequest | None:
        """The device request for the engine; AMD's GPUs need one only by CDI name."""
        request = self.choice.request
        return None if request is None or (self.is_rocm and not request.is_cdi) else request

    def notes(self) -> list[str]:
        """Return notes for the user on what was left out, and why."""
        return [note for note in (self.choice.note, self.missing_note) if note]

    @property
    def missing_note(self) -> str:
        """The note on devices that this host does not have; empty if it has all."""
        if not self.missing_devices:
            return ""
        missing = ", ".join(self.missing_devices)
        return f"Not passed to the container, as this host does not have them: {missing}"


def make_plan(
    request: CreateRequest,
    account: Account,
    host: Host,
    environ: Mapping[str, str],
    catalog: Callable[[], Catalog],
    settings: Settings = BUILT_IN_SETTINGS,
    *,
    is_dry_run: bool = False,
    is_local: bool = True,
) -> Plan:
    """Decide everything about a request that needs no engine.

    MLC_ARCH and MLC_GPUS in the environment count, and the catalog is read only if the request
    needs it. `is_dry_run` does not create the default workspace; with `is_local` the engine's paths
    are on this host.

    Raises UsageError for an invalid request, NotFoundError if a directory or catalog row does not
    exist, NotAllowedError if the settings forbid it, and MlcError if the catalog or a directory
    cannot be read.
    """
    tag = container_tag(request.name, account.uid)
    choice = choose_gpus(request.architecture, request.gpus, host, environ, catalog, settings)
    framework, version, architecture = request.framework, request.version, choice.architecture
    if request.image is not None:
        reference = check_reference(request.image)
    else:
        row = catalog().find(
            framework, request.version, None if architecture == CPU else architecture
        )
        reference, framework, version = catalog().reference(row), row.framework, row.version
        architecture = architecture or row.architectures[0]
    architecture = architecture or _any_architecture(choice)
    by_cdi = choice.request is not None and choice.request.is_cdi
    limits.check_gpus(choice, architecture.startswith("ROCM") and not by_cdi, settings)
    if not is_own_project(reference, account):
        limits.check_base(reference, settings)
    for label in request.labels:
        if label in labels.OWNED:
            raise UsageError(f"The label {label} is reserved for mlc and cannot be set.")
    wanted = wanted_devices(architecture, NONE if by_cdi else choice.gpus, settings.devices)
    # The devices of another host are unknown; the requested GPUs are assumed to exist.
    there = host.devices if is_local else ROCM_GPUS
    mounted = directories.resolve(
        request.workspace,
        request.data,
        request.models,
        account,
        make=not is_dry_run,
        is_local=is_local,
    )
    if is_local and is_root_for(account):
        for what, path in vars(mounted).items():
            if path is not None:
                directories.check_owner(what, path, account, settings)
    return Plan(
        tag=tag,
        reference=reference,
        is_current=request.image is not None,
        choice=choice,
        architecture=architecture,
        framework=f"{framework}-{version}",
        directories=mounted,
        devices=tuple(path for path in wanted if path in there),
        missing_devices=tuple(path for path in wanted if path not in there and is_local),
        shm_size=settings.shm_size if request.shm_size is None else parse_size(request.shm_size),
        cgroup_parent=limits.cgroup(request.cgroup_parent, account, settings),
        labels={**settings.labels, **request.labels},
        resources=limits.resources(request.cpus, request.memory, request.pids_limit, settings),
        settings=settings,
        is_local=is_local,
        # The X server of another host is not the user's.
        has_x11_sockets=is_local and directories.x11_sockets(account, make=not is_dry_run),
        waits_for_gpus=request.wait,
    )


def choose_gpus(
    architecture: str | None,
    gpus: str | None,
    host: Host,
    environ: Mapping[str, str],
    catalog: Callable[[], Catalog],
    settings: Settings,
) -> GpuChoice:
    """Choose architecture and GPUs by the flags `-arch` and `-g`, else the environment's MLC_ARCH
    and MLC_GPUS, the settings and the host.

    The catalog is read only for an architecture that is not built in. Raises UsageError if the
    architecture is unknown or the GPU request is not understood.
    """
    if architecture is None:
        architecture = environ.get(ARCHITECTURE_VARIABLE) or settings.architecture
    if gpus is None:
        gpus = environ.get(GPUS_VARIABLE) or None
    built_in = (None, *KNOWN_ARCHITECTURES, CPU)
    is_built_in = (architecture and architecture.strip().upper()) in built_in
    known = () if is_built_in else catalog().architectures()
    default = limits.default_gpus(settings, by_wrapper=WRAPPER_VARIABLE in environ)
    return choose(architecture, gpus, host, known, default)


def _any_architecture(choice: GpuChoice) -> str:
    """Return the architecture of GPUs of an unknown kind, by the vendor if that was named."""
    ids = choice.request.device_ids if choice.request is not None else ()
    is_amd = any(each.startswith("amd.com/") for each in ids)
    return ANY_AMD_ARCHITECTURE if is_amd else ANY_GPU_ARCHITECTURE


def wanted_devices(
    architecture: str, gpus: str, setting: tuple[str, ...] | None = None
) -> tuple[str, ...]:
    """Return the device nodes that a container of this architecture gets if they exist.

    The setting `container.devices` replaces all devices other than GPUs.
    """
    if architecture.startswith("ROCM"):
        others = ("/dev/snd",) if setting is None else setting
        return (*ROCM_GPUS, *others) if gpus != NONE else others
    return CUDA_DEVICES if setting is None else setting

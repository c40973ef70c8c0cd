"""mlc-patched: AIME's mlc, with containers made from labelled images by a single `docker create`.

The commands are functions of this package, such as `create`, `run` and `list_images`, and return
dataclasses. Every failure is an `MlcError`. docs/api.md lists all of it.
"""

from __future__ import annotations

from .version import __version__

TYPE_CHECKING = False  # typing itself takes 4 ms to import, a fifth of `mlc -h`
if TYPE_CHECKING:
    from .api.containers import (
        Completed,
        Created,
        Deployed,
        Exported,
        Finding,
        GpuUsage,
        Job,
        Jupyter,
        Listed,
        Measured,
        Opened,
        Removed,
        Retired,
        Started,
        Stopped,
        create,
        deploy,
        doctor,
        export,
        gpu_usage,
        import_,
        jobs,
        jupyter,
        list_containers,
        logs,
        open,
        remove,
        retire,
        run,
        start,
        stats,
        stop,
        stop_jupyter,
        wait,
    )
    from .api.images import (
        ImageCreated,
        ImageExported,
        ImageRetired,
        ImageUpdated,
        ListedImage,
        Pushed,
        create_image,
        export_image,
        list_images,
        push_image,
        retire_image,
        roll_back_image,
        update_image,
    )
    from .context import Context
    from .errors import (
        AlreadyExistsError,
        CleanupSkipped,
        ClientConfigurationError,
        ConflictError,
        DeclinedError,
        EngineError,
        EngineUnreachableError,
        GpuTakenError,
        ImageNotFoundError,
        InUseError,
        InvalidValueError,
        MlcError,
        MountMissingError,
        NoAccessError,
        NoFreeGpuError,
        NotAllowedError,
        NotFoundError,
        SetupError,
        SlurmError,
        Terminated,
        UsageError,
    )

__all__ = [
    "AlreadyExistsError",
    "CleanupSkipped",
    "ClientConfigurationError",
    "Completed",
    "ConflictError",
    "Context",
    "Created",
    "DeclinedError",
    "Deployed",
    "EngineError",
    "EngineUnreachableError",
    "Exported",
    "Finding",
    "GpuTakenError",
    "GpuUsage",
    "ImageCreated",
    "ImageExported",
    "ImageNotFoundError",
    "ImageRetired",
    "ImageUpdated",
    "InUseError",
    "InvalidValueError",
    "Job",
    "Jupyter",
    "Listed",
    "ListedImage",
    "Measured",
    "MlcError",
    "MountMissingError",
    "NoAccessError",
    "NoFreeGpuError",
    "NotAllowedError",
    "NotFoundError",
    "Opened",
    "Pushed",
    "Removed",
    "Retired",
    "SetupError",
    "SlurmError",
    "Started",
    "Stopped",
    "Terminated",
    "UsageError",
    "__version__",
    "create",
    "create_image",
    "deploy",
    "doctor",
    "export",
    "export_image",
    "gpu_usage",
    "import_",
    "jobs",
    "jupyter",
    "list_containers",
    "list_images",
    "logs",
    "open",
    "push_image",
    "remove",
    "retire",
    "retire_image",
    "roll_back_image",
    "run",
    "start",
    "stats",
    "stop",
    "stop_jupyter",
    "update_image",
    "wait",
]

_HOMES = ("errors", "context", "api.containers", "api.images")


def __getattr__(name: str) -> object:
    """Import a public name where it is first used, so that `mlc -h` imports none of them."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    homes = (import_module(f".{each}", __name__) for each in _HOMES)
    return next(vars(home)[name] for home in homes if name in vars(home))


def __dir__() -> list[str]:
    """Return the public names."""
    return list(__all__)

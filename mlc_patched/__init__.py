"""mlc-patched: AIME's mlc, with containers made from labelled images in one engine call.

The commands are functions of this package: `create`, `open`, `start`, `stop`, `remove`,
`list_containers`, `stats`, `export`, `import_`. Every failure is an `MlcError`.
"""

from __future__ import annotations

from .version import __version__

TYPE_CHECKING = False  # typing itself takes 4 ms to import, a fifth of `mlc -h`
if TYPE_CHECKING:
    from .api import (
        create,
        export,
        import_,
        list_containers,
        open,
        remove,
        start,
        stats,
        stop,
    )
    from .context import Context
    from .errors import MlcError

__all__ = [
    "Context",
    "MlcError",
    "__version__",
    "create",
    "export",
    "import_",
    "list_containers",
    "open",
    "remove",
    "start",
    "stats",
    "stop",
]

_HOMES = {"MlcError": "errors", "Context": "context"}


def __getattr__(name: str) -> object:
    """Import a public name where it is first used, so that `mlc -h` imports none of them."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f".{_HOMES.get(name, 'api')}", __name__), name)

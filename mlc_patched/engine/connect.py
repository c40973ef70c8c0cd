"""Connect to an engine, Docker or Podman."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .connection import EngineConnection
from .docker import DockerEngine
from .interface import Engine

if TYPE_CHECKING:
    from .address import EngineAddress


def connect(address: EngineAddress | None = None) -> Engine:
    """Connect to an engine and find out which product it is.

    Args:
        address: defaults to the one that the process's environment selects.

    Raises:
        EngineUnreachableError: no engine answers, or the user has no access to it.
        UsageError: the environment names a context that does not exist.
    """
    connection = EngineConnection(address)
    if connection.is_podman:
        from .podman import PodmanEngine

        return PodmanEngine(connection=connection)
    return DockerEngine(connection=connection)

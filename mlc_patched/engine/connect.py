"""Connect to an engine, Docker or Podman."""

from __future__ import annotations

from ..lean import TYPE_CHECKING
from .connection import EngineConnection
from .docker import DockerEngine
from .interface import Engine

if TYPE_CHECKING:
    from .address import EngineAddress


def connect(address: EngineAddress | None = None) -> Engine:
    """Connect to an engine, by default that of the environment, and find out which product it is.

    Raises EngineUnreachableError, and UsageError if there is no such context.
    """
    connection = EngineConnection(address)
    if connection.is_podman:
        from .podman import PodmanEngine

        return PodmanEngine(connection=connection)
    return DockerEngine(connection=connection)

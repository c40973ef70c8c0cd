"""A build by the builder that every engine has in itself (Docker Engine API, "ImageBuild")."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping

from ..errors import EngineError
from .connection import EngineConnection
from .interface import Engine

_LAST_LINES = 30


def build(
    engine: Engine,
    connection: EngineConnection,
    dockerfile: str,
    reference: str,
    labels: Mapping[str, str],
    progress: Callable[[str], None],
) -> str:
    """See Engine.build."""
    lines: list[str] = []
    with connection.sdk(unhurried=True) as client:
        events = client.build(
            fileobj=io.BytesIO(dockerfile.encode()),
            tag=reference,
            labels=dict(labels),
            network_mode="host",
            nocache=True,
            rm=True,
            forcerm=True,
            decode=True,
        )
        try:
            for event in events:
                said = str(event.get("stream") or event.get("error") or "").splitlines()
                lines += said
                if "error" in event:
                    raise EngineError("\n".join(lines[-_LAST_LINES:]))
                for line in said:
                    progress(line)
        except BaseException:
            events.close()  # the engine ends a build once nobody listens
            raise
    image = engine.image(reference)
    if image is None:
        raise EngineError(f"The build ended well, but there is no image {reference}.")
    return image.id

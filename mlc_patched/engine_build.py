"""A build by the builder that every engine has in itself (Docker Engine API, "ImageBuild")."""

from __future__ import annotations

import contextlib
import io
import re
import time
from collections.abc import Callable, Iterable, Mapping

from .engine import Engine
from .engine_connection import EngineConnection
from .errors import ConflictError, EngineError
from .undo import signals_held

_LAST_LINES = 30
_SECONDS_TO_CLEAR = 5
_STEP = re.compile(r"\s*---> ([0-9a-f]{12})")
"""How the engine's own builder tells the image that a step has made."""


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
                lines += str(event.get("stream") or event.get("error") or "").splitlines()
                if "error" in event:
                    raise EngineError("\n".join(lines[-_LAST_LINES:]))
                progress(lines[-1] if lines else "")
        except BaseException:
            events.close()  # the engine ends a build once nobody listens
            _discard_steps(engine, lines)
            raise
    image = engine.image(reference)
    if image is None:
        raise EngineError(f"The build ended well, but there is no image {reference}.")
    return image.id


def _discard_steps(engine: Engine, lines: Iterable[str]) -> None:
    """Remove the nameless images that a build leaves of the steps that went well.

    The container of a step that was cut off is the engine's to remove, and takes a moment.
    """
    steps = [match[1] for line in lines if (match := _STEP.fullmatch(line))]
    if len(steps) < 2:
        return  # the first is the base
    deadline = time.monotonic() + _SECONDS_TO_CLEAR
    with signals_held(), contextlib.suppress(EngineError):
        while (found := engine.image(steps[-1])) is not None and not found.references:
            try:
                engine.remove_image(found.id)
            except ConflictError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)

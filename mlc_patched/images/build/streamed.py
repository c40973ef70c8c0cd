"""Run a build through the engine's own API: show its progress, and keep the end of its output."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Mapping

from ...engine.build_context import BuildOptions
from ...engine.interface import Engine
from ...errors import EngineError, EngineUnreachableError
from ...host.child import write_all
from .process import KEPT_LINES, plain


def stream_build(
    engine: Engine,
    dockerfile: str,
    tag: str,
    *,
    labels: Mapping[str, str],
    options: BuildOptions,
    hear: Callable[[str], object] | None = None,
    show: Callable[[str], str | None] = str,
) -> tuple[int, list[str]]:
    """Send a build to the engine and pass what `show` returns of its output on to standard error.

    If this process is interrupted or killed, the connection ends, and with it the build. Returns 0,
    or 1 if the build failed, and the last lines of the output; every line is passed to `hear`
    first.

    Raises EngineUnreachableError if the engine went away, and MlcError if a file of the build
    context cannot be read.
    """
    log: deque[str] = deque(maxlen=KEPT_LINES)

    def progress(line: str) -> None:
        text = plain(line.encode())
        log.append(text)
        if hear is not None:
            hear(text)
        shown = show(text)
        if shown is not None:
            with contextlib.suppress(OSError):  # nobody reads it; the build need not fail
                write_all(2, f"{shown}\n".encode())

    try:
        engine.build(dockerfile, tag, labels=labels, progress=progress, options=options)
    except EngineUnreachableError:
        raise
    except EngineError as error:
        said = [line for line in str(error).splitlines() if line.strip() and line not in log]
        return 1, [*log, *said]
    return 0, [*log]

"""Builds through the engine's own API (Docker Engine API, "ImageBuild"), without a client."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ..errors import EngineError, last_lines
from .build_context import DOCKERFILE, BuildOptions, added_name, context_archive

if TYPE_CHECKING:
    from .connection import EngineConnection


def build(
    connection: EngineConnection,
    dockerfile: str,
    reference: str,
    labels: Mapping[str, str],
    progress: Callable[[str], None],
    options: BuildOptions | None,
    *,
    buildkit: bool,
) -> None:
    """Send a build to the engine, and follow it to its end; see `Engine.build`."""
    parameters = {"version": "2"} if buildkit else {}
    if options is None:
        what: dict[str, Any] = {"fileobj": io.BytesIO(dockerfile.encode()), "network_mode": "host"}
    else:
        added = {added_name(name): content for name, content in options.secrets.items()}
        what = {
            "fileobj": context_archive(
                options.directory, options.account, {**added, DOCKERFILE: dockerfile}
            ),
            "custom_context": True,
            "dockerfile": DOCKERFILE,
            "buildargs": dict(options.arguments),
            "network_mode": options.network,
        }
        if options.secrets:
            mounted = [f"id={name},src={added_name(name)}" for name in options.secrets]
            parameters["secrets"] = json.dumps(mounted)
    with connection.sdk(unhurried=True) as client, _with_parameters(client, parameters):
        events = client.build(
            tag=reference,
            labels=dict(labels),
            nocache=options is None or options.no_cache,
            rm=True,
            forcerm=True,
            decode=True,
            **what,
        )
        try:
            _follow(events, progress)
        except BaseException:
            events.close()  # the engine stops a build when its client disconnects
            raise


@contextlib.contextmanager
def _with_parameters(client: Any, parameters: Mapping[str, str]) -> Iterator[None]:
    """Add parameters that the SDK does not have to the client's requests."""
    client.params = dict(parameters)
    try:
        yield
    finally:
        client.params = {}


def _follow(events: Iterator[Mapping[str, Any]], progress: Callable[[str], None]) -> None:
    """Pass a build's output on line by line; raise EngineError if it failed."""
    lines: list[str] = []
    rest = ""
    for event in events:
        failure = event.get("error")
        *ended, rest = (rest + str(event.get("stream") or "")).split("\n")
        if failure:
            ended += [rest, *str(failure).split("\n")] if rest else str(failure).split("\n")
        for line in (each.rstrip() for each in ended):
            if line:
                lines.append(line)
                progress(line)
        if failure:
            raise EngineError(last_lines(lines))
    if rest:
        progress(rest)

"""Ask the real engine without Docker's client, whose start takes longer than most answers."""

from __future__ import annotations

import http.client
import json
import os
import socket
from typing import Any
from urllib.parse import quote


def engine_socket() -> str:
    """Return the path of the socket of the engine that the tests use."""
    address = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
    return address.removeprefix("unix://")


class _Connection(http.client.HTTPConnection):
    """HTTP over the engine's socket."""

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(engine_socket())


def ask(method: str, path: str, name: str = "", query: str = "", body: object = None) -> Any:
    """Return the engine's answer, or None where it is that there is no such thing.

    Args:
        method: GET, POST or DELETE.
        path: as in the Engine API, with `{}` where the name belongs.
        name: of a container or image.
        query: what follows the `?`.
        body: what is sent as JSON, if anything.
    """
    connection = _Connection("localhost")
    content = None if body is None else json.dumps(body)
    headers = {} if body is None else {"Content-Type": "application/json"}
    try:
        connection.request(method, f"{path.format(quote(name))}?{query}", content, headers)
        answer = connection.getresponse()
        said = answer.read()
    finally:
        connection.close()
    if answer.status == 404:
        return None
    return json.loads(said) if said else {}

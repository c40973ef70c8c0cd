"""Send requests to the real engine without Docker's client, which takes long to start."""

from __future__ import annotations

import http.client
import json
import os
import socket
from typing import Any
from urllib.parse import quote


def engine_socket() -> str:
    """Return the path of the socket of the tests' engine."""
    address = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
    return address.removeprefix("unix://")


class _Connection(http.client.HTTPConnection):
    """HTTP through the engine's socket."""

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(engine_socket())


def ask(method: str, path: str, name: str = "", query: str = "", body: object = None) -> Any:
    """Return the engine's answer, or None for status 404.

    Args:
        method: GET, POST or DELETE.
        path: as in the Engine API, with `{}` for the name.
        name: of a container or image.
        query: the text after the `?`.
        body: sent as JSON, unless None.
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

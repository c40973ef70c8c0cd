"""The API version that is used with an engine, by its answers to /_ping and /version."""

from __future__ import annotations

import json

import pytest

from mlc_patched.engine import connection
from mlc_patched.engine.address import EngineAddress
from mlc_patched.engine.connection import NEWEST_API, EngineConnection
from mlc_patched.engine.http import Answer
from mlc_patched.errors import EngineError


def connect(
    monkeypatch: pytest.MonkeyPatch, ping: dict[str, str], version: dict[str, str]
) -> tuple[EngineConnection, list[str]]:
    """Connect to an engine with these headers of /_ping and this answer to /version."""
    asked: list[str] = []

    def send(method: str, target: str, *_: object, **__: object) -> Answer:
        asked.append(f"{method} {target}")
        body = json.dumps(version).encode() if target == "/version" else b"OK"
        return Answer(200, ping, body)

    monkeypatch.setattr(EngineConnection, "_transport", lambda self: send)
    return EngineConnection(EngineAddress()), asked


@pytest.mark.parametrize(
    ("ping", "minimum", "used"),
    [
        ({"api-version": "1.41"}, "1.12", "1.41"),  # Docker 20.10
        ({"api-version": "1.51"}, "1.44", "1.51"),  # Docker 28.5
        ({"api-version": "1.60"}, "1.44", NEWEST_API),  # newer than any we know
        ({"api-version": "1.60"}, "1.55", "1.55"),  # and it refuses ours
        ({"api-version": "1.9"}, "1.9", "1.9"),  # numbers, not text
        ({}, "1.44", NEWEST_API),
    ],
)
def test_the_api_version_is_the_newest_that_both_have(
    monkeypatch: pytest.MonkeyPatch, ping: dict[str, str], minimum: str, used: str
) -> None:
    engine, asked = connect(monkeypatch, ping, {"MinAPIVersion": minimum})
    engine.ask("GET", "/info")
    assert asked[-1] == f"GET /v{used}/info"


def test_only_an_engine_that_is_newer_than_we_know_is_asked_for_its_minimum(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _, asked = connect(monkeypatch, {"api-version": NEWEST_API}, {"MinAPIVersion": "1.44"})
    assert asked == ["GET /_ping"]


def test_an_engine_with_another_major_version_needs_a_newer_program(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connection, "__version__", "0.1.0")
    with pytest.raises(EngineError) as failure:
        connect(monkeypatch, {"api-version": "2.3"}, {"MinAPIVersion": "2.0"})
    assert failure.value.message == (
        f"mlc-patched 0.1.0 is too old for this engine: it uses version {NEWEST_API} of the "
        "Docker Engine API, and the engine needs 2.0 or newer."
    )
    assert failure.value.hint == "Install a newer mlc-patched."


@pytest.mark.parametrize("answer", [[], "text", None])
def test_an_invalid_version_is_an_error_of_the_engine(
    monkeypatch: pytest.MonkeyPatch, answer: object
) -> None:
    engine, _ = connect(monkeypatch, {"api-version": "1.44"}, answer)  # type: ignore[arg-type]
    with pytest.raises(EngineError, match="Invalid answer"):
        engine.minimum_api  # noqa: B018

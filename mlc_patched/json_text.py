"""JSON from an untrusted source, and its values of the expected types."""

from __future__ import annotations

import json

from .errors import shown
from .lean import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any


def parsed(json_text: str | bytes) -> Any:
    """Parse a JSON text; raises ValueError also if it is nested deeper than Python can handle."""
    try:
        return json.loads(json_text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def string(value: object) -> str:
    """Return a value that must be a string, or raise TypeError."""
    if not isinstance(value, str):
        raise TypeError(f"{shown(value)} is not a string")
    return value


def strings(values: object) -> tuple[str, ...]:
    """Return a value that must be a list of strings, or raise TypeError."""
    if not isinstance(values, list):
        raise TypeError(f"{shown(values)} is not a list")
    return tuple(string(value) for value in values)


def counts(values: object) -> dict[str, int]:
    """Return a value that must be an object of whole numbers above 0, or raise TypeError."""
    if not isinstance(values, dict):
        raise TypeError(f"{shown(values)} is not an object")
    for value in values.values():
        if type(value) is not int or not 0 < value < 2**63:
            raise TypeError(f"{shown(value)} is not a whole number above 0")
    return {string(key): value for key, value in values.items()}


def pairs(values: object) -> dict[str, str]:
    """Return a value that must be an object of strings, or raise TypeError."""
    if not isinstance(values, dict):
        raise TypeError(f"{shown(values)} is not an object")
    return {string(key): string(value) for key, value in values.items()}

"""Lines of `squeue`, as mlc asks for them."""

from __future__ import annotations

import json

MARK = "0f"
COMMENT = json.dumps({"request": "1", "status": "runs"})


def line(number: str = "7", state: str = "RUNNING", **other: str) -> str:
    """Return the line of a job of mlc's; `other` changes fields."""
    fields = {
        "uid": "1001",
        "login": "alice",
        "partition": "main",
        "priority": "100",
        "submitted": "2026-11-26T12:00:00",
        "nodes": "n1",
        "left": "UNLIMITED",
        "gpus": "gres:gpu:1",
        "reason": "None",
        "name": "thesis._.1001",
        "comment": COMMENT,
        **other,
    }
    first = [number, "99", fields.pop("uid"), fields.pop("login"), state]
    return "|".join([*first, *fields.values()]) + "\n"


def marked(*lines: str, mark: str = MARK) -> str:
    """Return what squeue prints: each line begins with the mark, as mlc asks for it."""
    return "".join(f"{mark}|{each}" for each in lines)

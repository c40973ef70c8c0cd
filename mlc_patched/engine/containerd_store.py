"""What Docker Engine leaves to its clients where containerd stores the images (as of Docker 28.5).

The classic builder makes an image of each step. Other image stores remove these with the last image
that is built on them; containerd's keeps them, without a name.
"""

from __future__ import annotations

from collections.abc import Callable

from ..errors import ConflictError, ImageNotFoundError, NotFoundError
from ..json_text import parsed
from ..lean import TYPE_CHECKING
from .answers import validated
from .connection import LONGEST_SECONDS, ask_for_list

if TYPE_CHECKING:
    from typing import Any


@validated
def step_below(reference: str, ask: Callable[..., Any]) -> str:
    """Return the ID of the image that an image was built on here; an empty string without one."""
    try:
        answer = ask("GET", f"/images/{reference}/json")
    except NotFoundError:
        return ""
    return str(parsed(answer.body).get("Parent") or "")


@validated
def remove_unused_steps(image_id: str, ask: Callable[..., Any]) -> None:
    """Remove an image and those below it, up to one that has a name, a child or a container."""
    answer = ask_for_list(ask, "/images/json", {"all": "1"})
    listed = {each["Id"]: each for each in parsed(answer.body)}
    while image := listed.pop(image_id, None):
        has_children = any(each.get("ParentId") == image_id for each in listed.values())
        if image.get("RepoTags") or image.get("RepoDigests") or has_children:
            return
        try:
            # The engine's own pruning would not look for other children.
            ask("DELETE", f"/images/{image_id}", {"noprune": "1"}, seconds=LONGEST_SECONDS)
        except (ConflictError, ImageNotFoundError):
            return
        image_id = str(image.get("ParentId") or "")

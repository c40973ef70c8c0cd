"""The images of Podman's list, which has those of every step of a build."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from ..lean import dataclass
from .docker import full_id


@dataclass(frozen=True)
class ImageInTree:
    """An image of the list: the id of the one it is built on, or nothing, and its bytes."""

    parent: str
    size: int
    is_named: bool


def image_in_tree(found: Mapping[str, Any]) -> ImageInTree:
    """Read an entry of ImageList (API), called with `all`."""
    parent = found["ParentId"]
    return ImageInTree(full_id(parent) if parent else "", found["Size"], bool(found["RepoTags"]))


def without_steps(
    images: Mapping[str, ImageInTree], shared: Mapping[str, int]
) -> Mapping[str, int]:
    """Return how many bytes images share with others, by id; images of steps are left out.

    `shared` are Podman's own numbers, for which the steps that an image was built from share all
    that they have with it.
    """
    children = Counter(each.parent for each in images.values())
    steps = {key for key, each in images.items() if children[key] and not each.is_named}
    found = {}
    for key, image in images.items():
        if key in steps:
            continue
        lowest, below = key, image.parent
        while below in steps and children[below] == 1:  # it has been a step of this image only
            lowest, below = below, images[below].parent
        if children[key]:
            found[key] = shared.get(key, 0)
        elif below in images:  # all of that is shared, so Podman's number is its size
            found[key] = shared.get(below, images[below].size)
        else:
            found[key] = max(shared.get(key, 0) - (image.size - images[lowest].size), 0)
    return found

"""What removing images frees: the bytes of layers that no other image has, each counted once."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Set

from ..engine.interface import Engine, Image
from ..engine.observations import Layer

# Steps that add no layer, as the classic builder and BuildKit write them into the history.
_NO_LAYER = re.compile(
    r"(?:/bin/sh -c )?#\(nop\)\s+(?!COPY|ADD|WORKDIR)"
    r"|(?:ARG|CMD|ENTRYPOINT|ENV|EXPOSE|HEALTHCHECK|LABEL|MAINTAINER|ONBUILD|SHELL|STOPSIGNAL|USER"
    r"|VOLUME)\b"
)


Stored = tuple[tuple[str, int], ...]
"""An image on disk: for each layer a key that stands for it and all layers below it, and the
layer's own bytes."""


def stored(image: Image, history: Iterable[Layer]) -> Stored:
    """Return an image's layers with their sizes.

    The engine reports digests of layers and sizes of steps, but not which step made which layer:
    a step without bytes may have made an empty layer or none.
    `history` has the newest step first.
    """
    if not image.layers:
        return ((image.id, image.size),)
    steps = list(reversed(list(history)))
    surplus = len(steps) - len(image.layers)
    for needless in (_adds_no_layer, lambda step: step.size == 0):
        kept = []
        for step in steps:
            if surplus > 0 and needless(step):
                surplus -= 1
            else:
                kept.append(step)
        steps = kept
    sizes = [step.size for step in steps][: len(image.layers)]
    sizes += [0] * (len(image.layers) - len(sizes))
    chain, below = [], ""
    for layer, size in zip(image.layers, sizes, strict=True):
        below = f"{below}/{layer}"  # the same layer on top of others is stored again
        chain.append((below, size))
    return tuple(chain)


def freed(going: Iterable[str], all_images: Mapping[str, Stored]) -> int:
    """Return how many bytes removing these images frees.

    `going` are their ids, `all_images` all images of the engine by id.
    """
    gone = set(going)
    staying = {
        layer for image_id, each in all_images.items() if image_id not in gone for layer, _ in each
    }
    leaving = {
        layer: size
        for image_id in gone
        if image_id in all_images
        for layer, size in all_images[image_id]
        if layer not in staying
    }
    return sum(leaving.values())


def emptied(removals: Iterable[tuple[str, str]], names: Mapping[str, Set[str]]) -> list[str]:
    """Return the IDs of images that are gone once names are removed: it was their last name.

    `removals` are IDs, each with the name to be removed; `names` has every image's by ID.
    """
    going: dict[str, set[str]] = {}
    for image_id, name in removals:
        going.setdefault(image_id, set()).add(name)
    return [image_id for image_id, gone in going.items() if names.get(image_id, set()) <= gone]


def all_stored(engine: Engine) -> dict[str, Stored]:
    """Return all images of an engine, including those without a name."""
    found = {}
    for image_id in engine.shared_sizes():
        image = engine.image(image_id)
        if image is not None:
            found[image_id] = stored(image, engine.history(image_id))
    return found


def _adds_no_layer(step: Layer) -> bool:
    return step.size == 0 and _NO_LAYER.match(step.created_by) is not None

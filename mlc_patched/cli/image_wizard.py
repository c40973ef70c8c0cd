"""The questions of image-create, for what the command line does not say."""

from __future__ import annotations

import re

from ..context import Context
from ..errors import UsageError
from ..images.brought import bring
from ..images.create import ImageCreateRequest, refuse_existing
from ..images.packages import pip_packages, preset, split_words, unquoted
from ..images.presets import PRESETS
from ..images.project.files import ProjectFiles
from ..images.recipe import ImageRequest, frameworks_on_offer, newest_cuda_row, rows_for
from ..lean import replace
from ..names.projects import project_of
from .prompts import ask_choice, ask_text

_NONE = "none"


def complete(request: ImageCreateRequest, context: Context) -> ImageCreateRequest:
    """Return the request, completed by asking for what is missing."""
    image = request.image
    if not image.project:
        name = ask_text(
            "Name of the project", check=lambda name: _check_new(name, request, context)
        )
        image = replace(image, project=name)
    if request.source is not None:
        return replace(request, image=image)
    if image.base is None and request.dockerfile is None:
        image = _with_framework(image, context)
    if not image.presets and request.dockerfile is None:
        image = replace(image, presets=_ask_presets())
    if not image.pip and request.dockerfile is None:
        image = replace(image, pip=_ask_packages(context))
    return replace(request, image=image)


def _with_framework(image: ImageRequest, context: Context) -> ImageRequest:
    catalog, architecture = context.catalog, context.catalog_architecture()
    if image.framework is None:
        offered = frameworks_on_offer(catalog, architecture)
        print("Frameworks:")
        image = replace(image, framework=offered[ask_choice("Which one?", offered, default=0)])
    if image.version is None and image.framework is not None:
        rows = rows_for(image.framework, catalog, architecture)
        versions = list(dict.fromkeys(row.version for row in rows))
        if versions:
            print(f"Versions of {image.framework}:")
            shown = [f"{versions[0]} (newest)", *versions[1:]]
            image = replace(image, version=versions[ask_choice("Which one?", shown, default=0)])
        elif (row := newest_cuda_row(catalog, architecture)) is not None:
            print(f"{image.framework}: its newest version, on {row.image}")
    return image


def _ask_presets() -> tuple[str, ...]:
    names = list(PRESETS)
    width = max(map(len, names))
    print("Sets of packages:")
    for number, name in enumerate(names, 1):
        packages = " ".join(PRESETS[name].pip)
        print(f"  {number:>2}) {name:<{width}}  {PRESETS[name].summary}: {packages}")
    answer = ask_text(
        "Which of them? Numbers or names, separated by spaces",
        _NONE,
        check=lambda text: _chosen(text, names),
    )
    return _chosen(answer, names)


def _chosen(answer: str, names: list[str]) -> tuple[str, ...]:
    """Return the presets an answer such as `1 3` or `jupyter, cv` stands for."""
    if answer == _NONE:
        return ()
    chosen = []
    for word in re.split(r"[\s,]+", unquoted(answer).strip(" ,")):
        if word.isascii() and word.isdigit():
            if not 1 <= int(word) <= len(names):
                raise UsageError(f"There is no number {word}; enter 1 to {len(names)}.")
            chosen.append(names[int(word) - 1])
        else:
            preset(word)
            chosen.append(word.casefold())
    return tuple(dict.fromkeys(chosen))


def _ask_packages(context: Context) -> tuple[str, ...]:
    def given(answer: str) -> tuple[str, ...]:
        """Return the words of an answer, which is checked as arguments are."""
        if answer == _NONE:
            return ()
        words = split_words(unquoted(answer))
        _, names = bring(None, words, "project", context.account)
        if names:
            pip_packages(names)
        return tuple(words)

    return given(
        ask_text("More Python packages, separated by spaces or commas", _NONE, check=given)
    )


def _check_new(name: str, request: ImageCreateRequest, context: Context) -> None:
    project = project_of(name, context.account)
    refuse_existing(request, project, ProjectFiles(context.account, project), context)

"""From what was asked for to a recipe: which base, which packages. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from ..errors import NotFoundError, UsageError
from ..names.images import check_reference
from ..plan.catalog import Catalog, Row, version_order
from .dockerfile.render import ImageRecipe
from .packages import apt_packages, check_pip, merged, pip_packages, preset

ALWAYS_OFFERED = ("PyTorch", "TensorFlow", "JAX")
"""Design document, "What's in a DS01 Image"."""
JAX = "jax"
JAX_PACKAGE = "jax[cuda12]"
CUSTOM = "custom"
LATEST = "latest"
_CUDA = re.compile(r"cuda-?(\d+(?:\.\d+)*)", re.I)


@dataclass(frozen=True)
class Wanted:
    """What an image is to hold, as it was said; None and empty stand for what was not."""

    project: str
    framework: str | None = None
    version: str | None = None
    base: str | None = None
    presets: tuple[str, ...] = ()
    pip: tuple[str, ...] = ()
    apt: tuple[str, ...] = ()


@dataclass(frozen=True)
class ChosenBase:
    """A base image, the words of the framework label, packages it takes, and what to tell."""

    image: str
    framework: str
    pip: tuple[str, ...] = ()
    note: str = ""


def recipe_for(wanted: Wanted, catalog: Catalog, architecture: str | None) -> ImageRecipe:
    """Return the recipe for what is wanted.

    Raises:
        UsageError: something of it cannot be meant, or no base was named.
        NotFoundError: the catalog has no such framework or version.
    """
    base = choose_base(wanted, catalog, architecture)
    return ImageRecipe(
        project=wanted.project,
        base=base.image,
        framework=base.framework,
        apt=chosen_apt(wanted),
        pip=merged((*base.pip, *chosen_pip(wanted))),
    )


def chosen_pip(wanted: Wanted) -> tuple[str, ...]:
    """Return the Python packages of presets and of the user's own words.

    Raises:
        UsageError: one is no plain package, or a preset is unknown.
    """
    of_presets = [package for name in _presets(wanted) for package in preset(name).pip]
    return merged((*of_presets, *pip_packages(wanted.pip)))


def chosen_apt(wanted: Wanted) -> tuple[str, ...]:
    """Return the Debian packages of presets and of the user's own words.

    Raises:
        UsageError: one is no name of a package, or a preset is unknown.
    """
    of_presets = [package for name in _presets(wanted) for package in preset(name).apt]
    return tuple(sorted({*of_presets, *apt_packages(wanted.apt)}))


def choose_base(wanted: Wanted, catalog: Catalog, architecture: str | None) -> ChosenBase:
    """Return the base: the one named, or the catalog's for a framework and version.

    Raises:
        UsageError: neither is named.
        NotFoundError: the catalog has no such framework or version.
    """
    if wanted.base is not None:
        words = [each for each in (wanted.framework, wanted.version) if each]
        return ChosenBase(check_reference(wanted.base), "-".join(words) or CUSTOM)
    if wanted.framework is None:
        raise UsageError(
            "Which framework? Say -f PyTorch, -f TensorFlow or -f JAX, or name a base of your own "
            "with --base IMAGE."
        )
    rows = rows_for(wanted.framework, catalog, architecture)
    if not rows and wanted.framework.casefold() == JAX:
        return _jax(wanted, catalog, architecture)
    if not rows:
        offered = ", ".join(frameworks_on_offer(catalog, architecture))
        raise NotFoundError(
            f"The catalog {catalog.source} has no framework {wanted.framework}. On offer: {offered}"
        )
    version = wanted.version if wanted.version not in (None, LATEST) else rows[0].version
    row = next((row for row in rows if row.version == version), None)
    if row is None:
        versions = ", ".join(dict.fromkeys(row.version for row in rows))
        raise NotFoundError(
            f"The catalog has no {wanted.framework} {version}. Available, newest first: {versions}"
        )
    note = ""
    if architecture and architecture not in row.architectures:
        note = (
            f"The catalog has no {row.framework} for {architecture}: taking the one for "
            f"{', '.join(row.architectures)}."
        )
    return ChosenBase(row.image, f"{row.framework}-{row.version}", note=note)


def frameworks_on_offer(catalog: Catalog, architecture: str | None) -> tuple[str, ...]:
    """Return the frameworks to choose from: the three that are always there, then the rest."""
    known = {name.casefold() for name in ALWAYS_OFFERED}
    others = [each for each in catalog.frameworks(architecture) if each.casefold() not in known]
    return (*ALWAYS_OFFERED, *others)


def rows_for(framework: str, catalog: Catalog, architecture: str | None) -> list[Row]:
    """Return the catalog's rows of a framework, the newest first.

    Those for the architecture; where there are none, those for the same maker's others.
    """
    named = [row for row in catalog.rows if row.framework.casefold() == framework.casefold()]
    fitting = [row for row in named if architecture is None or architecture in row.architectures]
    if not fitting and architecture is not None:
        maker = _maker(architecture)
        fitting = [row for row in named if any(_maker(each) == maker for each in row.architectures)]
    return sorted(fitting, key=lambda row: version_order(row.version), reverse=True)


def newest_cuda_row(catalog: Catalog, architecture: str | None) -> Row | None:
    """Return the row with the newest CUDA, of those for the architecture if it has any."""
    cuda = [
        row for row in catalog.rows if any(name.startswith("CUDA") for name in row.architectures)
    ]
    fitting = [row for row in cuda if architecture in row.architectures] or cuda
    return max(fitting, key=_newness, default=None)


def _jax(wanted: Wanted, catalog: Catalog, architecture: str | None) -> ChosenBase:
    row = newest_cuda_row(catalog, architecture)
    if row is None:
        raise NotFoundError(
            f"The catalog {catalog.source} has neither JAX nor a base with CUDA to install it on. "
            "Name a base of your own with --base IMAGE -p 'jax[cuda12]'."
        )
    note = f"JAX goes onto {row.image}, the catalog's newest base with CUDA."
    if wanted.version in (None, LATEST):
        return ChosenBase(row.image, "JAX", (JAX_PACKAGE,), note)
    package = check_pip(f"{JAX_PACKAGE}=={wanted.version}")
    return ChosenBase(row.image, f"JAX-{wanted.version}", (package,), note)


def _newness(row: Row) -> tuple[object, ...]:
    match = _CUDA.search(row.image)
    numbers = tuple(int(each) for each in match[1].split(".")) if match else ()
    return numbers, version_order(row.version)


def _maker(architecture: str) -> str:
    return "ROCM" if architecture.startswith("ROCM") else architecture.partition("_")[0]


def _presets(wanted: Wanted) -> Iterable[str]:
    return (part for word in wanted.presets for part in re.split(r"[\s,]+", word) if part)

"""Turn a request for an image into a recipe: which base, which packages. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ..errors import NotFoundError, UsageError
from ..lean import dataclass
from ..names.images import check_reference
from ..names.projects import LATEST
from ..plan.catalog import Catalog, Row, version_order
from ..plan.request import CUSTOM
from .dockerfile.render import ImageRecipe
from .packages import apt_packages, check_pip, merged, pip_packages, preset, split

ALWAYS_OFFERED = ("PyTorch", "TensorFlow", "JAX")
"""Design document, "What's in a DS01 Image"."""
JAX = "jax"
JAX_PACKAGE = "jax[cuda12]"
_BETWEEN = re.compile(r"[\s,]+")
_CUDA = re.compile(r"cuda-?(\d+(?:\.\d+)*)", re.I)


@dataclass(frozen=True)
class ImageRequest:
    """What an image should contain, as the user gave it."""

    project: str
    framework: str | None = None
    version: str | None = None
    base: str | None = None
    presets: tuple[str, ...] = ()
    pip: tuple[str, ...] = ()
    apt: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """The framework label of an image that the catalog does not know: `NAME-VERSION`."""
        return "-".join(each for each in (self.framework, self.version) if each) or CUSTOM


@dataclass(frozen=True)
class ChosenBase:
    """A base image, its framework label, packages to install on it, and a note for the user."""

    image: str
    framework: str
    pip: tuple[str, ...] = ()
    note: str = ""


def recipe_for(
    request: ImageRequest, catalog: Catalog, architecture: str | None
) -> tuple[ImageRecipe, str]:
    """Return the recipe for a request, and a note on the choice of the base, or an empty text.

    Raises UsageError if the request is invalid, or as `choose_base`.
    """
    base = choose_base(request, catalog, architecture)
    recipe = ImageRecipe(
        project=request.project,
        base=base.image,
        framework=base.framework,
        apt=chosen_apt(request),
        pip=merged((*base.pip, *chosen_pip(request))),
    )
    return recipe, base.note


def chosen_pip(request: ImageRequest) -> tuple[str, ...]:
    """Return the Python packages of the presets and those named one by one, or raise UsageError."""
    of_presets = [package for name in _presets(request) for package in preset(name).pip]
    return merged((*of_presets, *pip_packages(request.pip)))


def chosen_apt(request: ImageRequest) -> tuple[str, ...]:
    """Return the Debian packages of the presets and those named one by one, or raise UsageError."""
    of_presets = [package for name in _presets(request) for package in preset(name).apt]
    return tuple(sorted({*of_presets, *apt_packages(request.apt)}))


def choose_base(request: ImageRequest, catalog: Catalog, architecture: str | None) -> ChosenBase:
    """Return the named base, or the catalog's for a framework and version.

    Raises UsageError if none is named, NotFoundError if the catalog does not have it.
    """
    if request.base is not None:
        return ChosenBase(str(check_reference(request.base)), request.label)
    if request.framework is None:
        raise UsageError(
            "Which framework?",
            "Give -f PyTorch, -f TensorFlow or -f JAX, or your own base with --base IMAGE.",
        )
    rows = rows_for(request.framework, catalog, architecture)
    if not rows and request.framework.casefold() == JAX:
        return _jax(request, catalog, architecture)
    if not rows:
        offered = ", ".join(frameworks_on_offer(catalog, architecture))
        raise NotFoundError(
            f"The catalog {catalog.source} has no framework {request.framework}.",
            f"On offer: {offered}",
        )
    version = request.version if request.version not in (None, LATEST) else rows[0].version
    row = next((row for row in rows if row.version == version), None)
    if row is None:
        versions = ", ".join(dict.fromkeys(row.version for row in rows))
        raise NotFoundError(
            f"The catalog has no {request.framework} {version}. Available, newest first: {versions}"
        )
    note = ""
    if architecture and architecture not in row.architectures:
        note = (
            f"The catalog has no {row.framework} for {architecture}; using the one for "
            f"{', '.join(row.architectures)}."
        )
    return ChosenBase(row.image, f"{row.framework}-{row.version}", note=note)


def frameworks_on_offer(catalog: Catalog, architecture: str | None) -> tuple[str, ...]:
    """Return the frameworks to choose from: the three that are always offered, then the rest."""
    known = {name.casefold() for name in ALWAYS_OFFERED}
    others = [each for each in catalog.frameworks(architecture) if each.casefold() not in known]
    return (*ALWAYS_OFFERED, *others)


def rows_for(framework: str, catalog: Catalog, architecture: str | None) -> list[Row]:
    """Return the catalog's rows of a framework, newest first: those for the architecture, or,
    if there are none, those for other architectures of the same vendor."""
    named = [row for row in catalog.rows if row.framework.casefold() == framework.casefold()]
    fitting = [row for row in named if architecture is None or architecture in row.architectures]
    if not fitting and architecture is not None:
        vendor = _vendor(architecture)
        fitting = [
            row for row in named if any(_vendor(each) == vendor for each in row.architectures)
        ]
    return sorted(fitting, key=lambda row: version_order(row.version), reverse=True)


def newest_cuda_row(catalog: Catalog, architecture: str | None) -> Row | None:
    """Return the row with the newest CUDA, preferably one for the architecture."""
    cuda = [
        row for row in catalog.rows if any(name.startswith("CUDA") for name in row.architectures)
    ]
    fitting = [row for row in cuda if architecture in row.architectures] or cuda
    return max(fitting, key=_newness, default=None)


def _jax(request: ImageRequest, catalog: Catalog, architecture: str | None) -> ChosenBase:
    row = newest_cuda_row(catalog, architecture)
    if row is None:
        raise NotFoundError(
            f"The catalog {catalog.source} has neither JAX nor a base with CUDA to install it on.",
            "Give your own base: --base IMAGE -p 'jax[cuda12]'",
        )
    note = f"JAX will be installed on {row.image}, the catalog's newest base with CUDA."
    if request.version in (None, LATEST):
        return ChosenBase(row.image, "JAX", (JAX_PACKAGE,), note)
    package = check_pip(f"{JAX_PACKAGE}=={request.version}")
    return ChosenBase(row.image, f"JAX-{request.version}", (package,), note)


def _newness(row: Row) -> tuple[object, ...]:
    match = _CUDA.search(row.image)
    numbers = tuple(int(each) for each in match[1].split(".")) if match else ()
    return numbers, version_order(row.version)


def _vendor(architecture: str) -> str:
    """Return `CUDA` of `CUDA_ADA`, and `ROCM` of `ROCM6`."""
    return re.split(r"[\d_]", architecture)[0]


def _presets(request: ImageRequest) -> Iterable[str]:
    return (part for word in request.presets for part in split(word, _BETWEEN, "preset"))

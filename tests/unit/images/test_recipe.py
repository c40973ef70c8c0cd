"""From a request for an image to a base and packages."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlc_patched.errors import NotFoundError, UsageError
from mlc_patched.images.recipe import (
    ImageRequest,
    choose_base,
    frameworks_on_offer,
    newest_cuda_row,
    recipe_for,
    rows_for,
)
from mlc_patched.plan import catalog
from mlc_patched.plan.catalog import Catalog, Row

SHIPPED = catalog.load(catalog.SHIPPED)
WITH_JAX = Catalog((*SHIPPED.rows, Row("Jax", "0.5", ("CUDA_ADA",), "x/jax-0.5")), Path("x"))


def test_the_newest_version_for_the_architecture_is_taken() -> None:
    base = choose_base(ImageRequest("x", "pytorch"), SHIPPED, "CUDA_ADA")
    assert (base.image, base.framework) == ("aimehub/pytorch-2.8.0-cuda12.6.3", "Pytorch-2.8.0")
    assert choose_base(ImageRequest("x", "PyTorch"), SHIPPED, None).framework == "Pytorch-2.9.1"
    named = choose_base(ImageRequest("x", "PyTorch", "2.7.1"), SHIPPED, "CUDA_AMPERE")
    assert named.image == "aimehub/pytorch-2.7.1-cuda11.8.0"
    assert choose_base(ImageRequest("x", "PyTorch", "latest"), SHIPPED, "CUDA_ADA") == base


def test_jax_is_installed_on_the_catalogs_newest_cuda_base() -> None:
    recipe, _ = recipe_for(ImageRequest("x", "JAX", pip=("flax",)), SHIPPED, "CUDA_ADA")
    assert recipe.base == "aimehub/pytorch-2.8.0-cuda12.6.3"
    assert recipe.pip == ("flax", "jax[cuda12]")
    assert recipe.framework == "JAX"
    exact, _ = recipe_for(ImageRequest("x", "jax", "0.4.30"), SHIPPED, None)
    assert exact.pip == ("jax[cuda12]==0.4.30",)
    assert exact.base == "aimehub/pytorch-2.9.1-cuda12.8.1"


def test_jax_of_the_catalog_comes_first() -> None:
    recipe, _ = recipe_for(ImageRequest("x", "JAX"), WITH_JAX, "CUDA_ADA")
    assert (recipe.base, recipe.pip, recipe.framework) == ("x/jax-0.5", (), "Jax-0.5")


def test_the_newest_cuda_is_found_by_number() -> None:
    rows = tuple(Row("P", "1", ("CUDA",), f"x:cuda{v}") for v in ("9.2", "12.10.0", "12.8.1"))
    assert newest_cuda_row(Catalog(rows, Path("x")), None).image == "x:cuda12.10.0"
    assert newest_cuda_row(Catalog((), Path("x")), None) is None


def test_three_frameworks_are_always_offered() -> None:
    for architecture in (None, "CUDA_ADA", "ROCM6", "CUDA"):
        assert frameworks_on_offer(SHIPPED, architecture)[:3] == ("PyTorch", "TensorFlow", "JAX")
    assert choose_base(ImageRequest("x", "TensorFlow"), SHIPPED, "CUDA_BLACKWELL").note
    assert rows_for("Tensorflow", SHIPPED, "ROCM6")[0].image == "aimehub/tensorflow-2.13.1-rocm6.0"


@pytest.mark.parametrize(
    ("asked", "error", "words"),
    [
        (ImageRequest("x"), UsageError, "-f PyTorch"),
        (ImageRequest("x", "Nope"), NotFoundError, "On offer: PyTorch, TensorFlow, JAX"),
        (ImageRequest("x", "PyTorch", "9.9"), NotFoundError, "newest first: 2.8.0"),
        (ImageRequest("x", base="a b"), UsageError, "image name"),
        (ImageRequest("x", base="a", presets=("nope",)), UsageError, "Presets:"),
    ],
)
def test_an_unknown_framework_is_refused(asked: ImageRequest, error: type, words: str) -> None:
    with pytest.raises(error, match=words):
        recipe_for(asked, SHIPPED, "CUDA_ADA")


def test_packages_of_presets_and_arguments_are_merged() -> None:
    request = ImageRequest(
        "x", base="debian", presets=("audio,jupyter",), pip=("librosa<1",), apt=("git",)
    )
    recipe, _ = recipe_for(request, SHIPPED, None)
    assert recipe.pip == ("ipykernel", "ipywidgets", "jupyterlab", "librosa<1", "soundfile")
    assert recipe.apt == ("ffmpeg", "git", "libsndfile1")

"""From a request for an image to a base and packages."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlc_patched.errors import NotFoundError, UsageError
from mlc_patched.images.recipe import (
    ChosenBase,
    ImageRequest,
    choose_base,
    chosen_apt,
    chosen_pip,
    frameworks_on_offer,
    newest_cuda_row,
    recipe_for,
    rows_for,
)
from mlc_patched.plan import catalog
from mlc_patched.plan.catalog import Catalog, Row

THREE = ("PyTorch", "TensorFlow", "JAX")
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
        (ImageRequest("x", base="a", presets=(",",)), UsageError, "',' names no preset"),
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
    assert (chosen_pip(request), chosen_apt(request)) == (recipe.pip, recipe.apt)
    assert chosen_pip(ImageRequest("x", presets=("audio jupyter", "audio"))) == (
        "ipykernel",
        "ipywidgets",
        "jupyterlab",
        "librosa",
        "soundfile",
    )


def catalog_of(*rows: Row) -> Catalog:
    return Catalog(rows, Path("rows.repo"))


@pytest.mark.parametrize(
    ("framework", "version", "label"),
    [(None, None, "custom"), ("F", None, "F"), ("F", "1", "F-1"), (None, "1", "1")],
)
def test_a_base_of_the_users_own_is_labelled_as_they_say(
    framework: str | None, version: str | None, label: str
) -> None:
    asked = ImageRequest("x", framework, version, base="debian:12")
    assert choose_base(asked, catalog_of(), None) == ChosenBase("debian:12", label)


def test_a_base_for_another_architecture_is_used_with_a_note() -> None:
    rows = (Row("Fr", "1", ("CUDA_ADA", "CUDA_AMPERE"), "fr:1"), Row("Fr", "2", ("ROCM6",), "fr:2"))
    found = choose_base(ImageRequest("x", "fr"), catalog_of(*rows), "CUDA_HOPPER")
    assert found == ChosenBase(
        "fr:1",
        "Fr-1",
        note="The catalog has no Fr for CUDA_HOPPER; using the one for CUDA_ADA, CUDA_AMPERE.",
    )
    assert choose_base(ImageRequest("x", "fr"), catalog_of(*rows), "CUDA_ADA").note == ""
    assert choose_base(ImageRequest("x", "fr"), catalog_of(*rows), None) == ChosenBase(
        "fr:2", "Fr-2"
    )
    assert choose_base(ImageRequest("x", "fr"), catalog_of(*rows), "ROCM5").image == "fr:2"
    recipe, note = recipe_for(ImageRequest("p", "fr"), catalog_of(*rows), "CUDA_HOPPER")
    assert (recipe.project, recipe.base, recipe.framework, note) == (
        "p",
        "fr:1",
        "Fr-1",
        found.note,
    )


def test_the_rows_of_a_framework_are_those_for_the_architecture_or_its_vendor() -> None:
    rows = [
        Row("Fr", "1.9", ("CUDA", "CUDA_ADA"), "a"),
        Row("fR", "1.10", ("CUDA_ADA",), "b"),
        Row("Fr", "3", ("ROCM6",), "c"),
        Row("Other", "4", ("CUDA_ADA",), "d"),
    ]

    def images(architecture: str | None) -> list[str]:
        return [row.image for row in rows_for("FR", catalog_of(*rows), architecture)]

    assert images(None) == ["c", "b", "a"]
    assert images("CUDA_ADA") == images("CUDA_HOPPER") == ["b", "a"]
    assert images("CUDA") == ["a"]
    assert images("ROCM5_X") == images("ROCM6") == ["c"]
    assert images("XPU") == []


def test_other_frameworks_are_offered_after_the_three() -> None:
    rows = (Row("Zed", "1", ("CUDA",), "z"), Row("jax", "1", ("CUDA",), "j"))
    assert frameworks_on_offer(catalog_of(*rows), "CUDA") == (*THREE, "Zed")
    assert frameworks_on_offer(catalog_of(*rows), "ROCM6") == THREE


def test_the_newest_cuda_base_is_one_for_the_architecture_if_there_is_one() -> None:
    rows = (
        Row("A", "1", ("CUDA_ADA",), "a-CUDA-12.1"),
        Row("A", "2", ("CUDA_ADA",), "b-cuda12.1"),
        Row("A", "9", ("CUDA_ADA",), "c-without"),
        Row("A", "3", ("CUDA_HOPPER",), "d-cuda13"),
        Row("A", "9", ("ROCM6",), "e-cuda14"),
    )
    images = [
        row.image if (row := newest_cuda_row(catalog_of(*rows), each)) else None
        for each in ("CUDA_ADA", "CUDA_HOPPER", "CUDA_X", None)
    ]
    assert images == ["b-cuda12.1", "d-cuda13", "d-cuda13", "d-cuda13"]
    assert newest_cuda_row(catalog_of(rows[-1]), "ROCM6") is None


def test_jax_of_any_version_is_installed_on_a_base_with_cuda() -> None:
    rows = catalog_of(Row("A", "1", ("CUDA",), "a-cuda12"))
    note = "JAX will be installed on a-cuda12, the catalog's newest base with CUDA."
    for version in (None, "latest"):
        found = choose_base(ImageRequest("x", "Jax", version), rows, None)
        assert found == ChosenBase("a-cuda12", "JAX", ("jax[cuda12]",), note)
    assert choose_base(ImageRequest("x", "JAX", "0.5"), rows, None) == ChosenBase(
        "a-cuda12", "JAX-0.5", ("jax[cuda12]==0.5",), note
    )
    with pytest.raises(UsageError, match="is not the name of a Python package"):
        choose_base(ImageRequest("x", "JAX", "0.5;x"), rows, None)
    with pytest.raises(NotFoundError, match=r"rows\.repo has neither JAX nor .* --base IMAGE"):
        choose_base(ImageRequest("x", "JAX"), catalog_of(), None)


def test_what_the_catalog_lacks_is_said_with_what_it_has() -> None:
    rows = [Row("Fr", version, ("CUDA",), version) for version in ("1", "2", "1")]
    with pytest.raises(NotFoundError, match=r"no fr 3\. Available, newest first: 2, 1$"):
        choose_base(ImageRequest("x", "fr", "3"), catalog_of(*rows), "CUDA")
    with pytest.raises(NotFoundError, match=r"rows\.repo has no framework no\. .*, JAX, Fr$"):
        choose_base(ImageRequest("x", "no"), catalog_of(*rows), "CUDA")
    with pytest.raises(NotFoundError, match=r"JAX$"):
        choose_base(ImageRequest("x", "no"), catalog_of(*rows), "ROCM6")
    assert choose_base(ImageRequest("x", "fr", "latest"), catalog_of(*rows), None).image == "2"

"""The questions of image-create: which are asked, in which order, and what their answers mean."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support.questions import Questions

from mlc_patched.cli.image_wizard import complete
from mlc_patched.context import Context
from mlc_patched.errors import MlcError
from mlc_patched.images.create import ImageCreateRequest
from mlc_patched.images.project.files import ProjectFiles
from mlc_patched.images.recipe import ImageRequest
from mlc_patched.names.projects import Project

NOTHING = ImageRequest("")


class Answered(Questions):
    """image-create's request, completed with answers."""

    context: Context

    def __call__(
        self, *answers: str, image: ImageRequest = NOTHING, **more: object
    ) -> ImageCreateRequest:
        request = replace(ImageCreateRequest(image), **more)
        return self.answer(lambda: complete(request, self.context), *answers)


@pytest.fixture
def answered(
    context: Context, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Answered:
    made = Answered(monkeypatch, capsys)
    made.context = context
    return made


def test_empty_answers_mean_the_first_framework_its_newest_version_and_nothing_more(
    answered: Answered,
) -> None:
    image = answered("demo", "", "", "", "").image
    assert image == ImageRequest("demo", framework="PyTorch", version="2.8.0")
    assert "1) PyTorch" in answered.shown
    assert "4) Bare" in answered.shown
    assert "Versions of PyTorch:" in answered.shown
    assert "2.8.0 (newest)" in answered.shown


def test_what_is_chosen_is_what_is_built(answered: Answered) -> None:
    image = answered("demo", "2", "2.16.1 (newest)", "Jupyter, 3  3", "'numpy, six'").image
    assert image == ImageRequest(
        "demo", "TensorFlow", "2.16.1", presets=("jupyter", "cv"), pip=("numpy", "six")
    )
    older = answered("demo", "1", "2", "none", "none").image
    assert (older.framework, older.version) == ("PyTorch", "2.7.1")
    assert (older.presets, older.pip) == ((), ())


def test_each_set_is_shown_with_its_packages(answered: Answered) -> None:
    answered("demo", "", "", "", "")
    assert "notebooks: ipykernel ipywidgets jupyterlab" in answered.shown


def test_a_framework_without_a_row_takes_the_base_with_the_newest_cuda(answered: Answered) -> None:
    image = answered("demo", "JAX", "", "").image
    assert (image.framework, image.version) == ("JAX", None)
    assert "JAX: its newest version, on mlc-test/" in answered.shown


@pytest.mark.parametrize(
    ("image", "more", "answers"),
    [
        (replace(NOTHING, project="demo"), {}, ("", "", "", "")),
        (replace(NOTHING, framework="Pytorch"), {}, ("demo", "", "", "")),
        (replace(NOTHING, framework="Pytorch", version="2.7.1"), {}, ("demo", "", "")),
        (replace(NOTHING, base="debian"), {}, ("demo", "", "")),
        (replace(NOTHING, presets=("cv",)), {}, ("demo", "", "", "")),
        (replace(NOTHING, pip=("six",)), {}, ("demo", "", "", "")),
        (NOTHING, {"dockerfile": "/x/Dockerfile"}, ("demo",)),
        (NOTHING, {"source": "other"}, ("demo",)),
    ],
)
def test_what_the_command_line_says_is_not_asked(
    answered: Answered, image: ImageRequest, more: dict[str, str], answers: tuple[str, ...]
) -> None:
    found = answered(*answers, image=image, **more)
    assert found.image.project == "demo"
    for name in ("base", "presets", "pip"):
        assert not getattr(image, name) or getattr(found.image, name) == getattr(image, name)
    if image.framework:
        assert found.image.framework == "Pytorch"
        assert found.image.version == (image.version or "2.8.0")
    if image.base or more:
        assert found.image.framework is None


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        (("Demo/x", "demo", "", "", "", ""), "Demo/x"),
        (("taken", "demo", "", "", "", ""), "taken"),
        (("demo", "9", "", "", "", ""), "9"),
        (("demo", "", "", "0", "", ""), "There is no number 0; enter 1 to 14."),
        (("demo", "", "", "15", "", ""), "There is no number 15; enter 1 to 14."),
        (("demo", "", "", "jupiter", "", ""), "jupiter"),
        (("demo", "", "", "", "-y", ""), "-y"),
        (("demo", "", "", "", "numpy; rm", ""), "rm"),
    ],
)
def test_an_answer_that_cannot_be_is_asked_for_again(
    answered: Answered, answers: tuple[str, ...], message: str
) -> None:
    ProjectFiles(answered.context.account, Project(1001, "taken")).write_dockerfile("FROM x\n")
    image = answered(*answers).image
    assert image == ImageRequest("demo", framework="PyTorch", version="2.8.0")
    assert message in answered.shown


def test_the_last_number_of_the_sets_is_one(answered: Answered) -> None:
    assert answered("demo", "", "", "14", "").image.presets == ("dev",)


def test_an_input_that_ends_decides_nothing(answered: Answered) -> None:
    with pytest.raises(MlcError, match="input ended"):
        answered("demo", "")

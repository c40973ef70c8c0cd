"""The label of the lock, and the ONBUILD instructions that the image gets with it."""

from __future__ import annotations

import pytest
from support.fakes.engine import FakeEngine

from mlc_patched.context import Context
from mlc_patched.images.build.client import Client
from mlc_patched.images.build.derive import derive
from mlc_patched.images.build.environment import Builder, BuildSettings
from mlc_patched.images.build.lock_label import with_label_of_lock
from mlc_patched.images.build.steps import StepNames
from mlc_patched.images.dockerfile.render import account_block
from mlc_patched.images.versions.lockfile import Lock

FIRST, LAST = "ONBUILD RUN echo a \\\n  # b\n  last-words", "onbuild COPY . /app/"
TEXT = f"FROM x AS a\nONBUILD RUN d\nFROM a\n{FIRST}\nRUN e\n{account_block('p', 'f', '')}{LAST}\n"


@pytest.mark.parametrize("builder", list(Builder))
def test_a_build_leaves_out_the_triggers_of_the_image(builder: Builder) -> None:
    result = derive(TEXT, BuildSettings(), builder, "x:ca", mark="m", user="1")
    assert "ONBUILD RUN d\n" in result.text
    assert "last-words" not in result.text
    assert LAST not in result.text
    assert "RUN" in result.text.split("\n")[result.lines.index(7)]


def test_the_image_gets_them_with_the_label(
    context: Context, fake: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    image, built = fake.add_image("ds01-1001/p:mlc-build-1"), []
    build = fake.build

    def recorded(dockerfile: str, *arguments: object, **named: object) -> str:
        built.append(dockerfile)
        return build(dockerfile, *arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(fake, "build", recorded)
    client, steps = Client("docker", Builder.CLASSIC), StepNames(fake, "c", "i")
    with_label_of_lock(image, image.references[0], Lock("p", TEXT), client, steps, context)
    lines = built[0].split("\n", 2)
    assert lines[1].startswith("LABEL ")
    assert lines[2] == f"{FIRST}\n{LAST}\n"

"""What an update asks uv about before anything is built."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from support.fakes.engine import FakeEngine

from mlc_patched.context import Context
from mlc_patched.engine.interface import Image
from mlc_patched.errors import MlcError
from mlc_patched.images import update
from mlc_patched.images.base import Base
from mlc_patched.images.build.request import BuildRequest
from mlc_patched.images.build.uv import Resolved
from mlc_patched.images.dockerfile.render import ImageRecipe, render
from mlc_patched.images.project.files import ProjectFiles
from mlc_patched.images.update import Change, ImageUpdateRequest, preview, update_image
from mlc_patched.images.versions.inventory import Inventory
from mlc_patched.images.versions.lockfile import Lock, Locked, LockedBase
from mlc_patched.images.versions.lockfile import render as render_lock
from mlc_patched.names.projects import Project

PROJECT = Project(1001, "demo")
BEFORE = render(ImageRecipe("demo", "debian:12", "custom", (), ("numpy", "pandas<2")))


def asked(change: Change, context: Context, patch: pytest.MonkeyPatch) -> list[str]:
    """Return the packages whose versions are looked up."""
    wanted: list[str] = []

    def resolve(image: Image, names: Sequence[str], *rest: object, **named: object) -> Resolved:
        wanted.extend(names)
        return Resolved()

    patch.setattr(update, "resolve", resolve)
    preview(change, ImageUpdateRequest("demo"), context)
    return wanted


def test_a_base_that_is_pulled_shows_what_it_moves_and_is_not_pulled_twice(
    context: Context, fake: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    pulls: list[bool] = []
    image = fake.add_image("debian:12")
    inventory = Inventory(packages={"torch": "2.9", "pip": "24", "new": "1", "numpy": "2.4"})

    def ready_base(reference: str, context: Context, *, pull: bool, last: LockedBase) -> Base:
        pulls.append(pull)
        return Base(reference, image, frozenset(), "", inventory)

    monkeypatch.setattr(update, "ready_base", ready_base)
    of_base = {"torch": "2.8", "pip": "24", "gone": "1"}
    lock = Lock("demo", BEFORE, LockedBase("debian:12", "sha256:1"), of_base=of_base)
    lock = replace(lock, packages=(Locked("numpy", "2.3"),))
    ProjectFiles(context.account, PROJECT).write_lock(render_lock(lock))
    change = Change(PROJECT, BEFORE, BEFORE)
    request = ImageUpdateRequest("demo", pull=True)
    assert preview(change, request, context).base is None
    found = preview(change, request, context, pulls=True)
    assert found.resolved.lines() == ["- gone 1", "+ new 1", "  torch 2.8 -> 2.9"]
    assert found.is_other_base
    assert pulls == [True]
    monkeypatch.setattr(update, "publish", stop)
    ProjectFiles(context.account, PROJECT).write_dockerfile(BEFORE)
    monkeypatch.setattr(update, "check_client", lambda context: None)
    with pytest.raises(MlcError, match="debian:12"):
        update_image(change, request, context, previewed=found)
    assert pulls == [True]


def stop(build: BuildRequest, context: Context) -> None:
    """Fail instead of building."""
    assert build.base is not None
    raise MlcError(build.base.reference)


def test_packages_that_an_edit_adds_or_changes_are_looked_up(
    context: Context, fake: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake.add_image(PROJECT.image)
    after = BEFORE.replace('"pandas<2"', '"pandas>=2" \\\n        six')
    assert asked(Change(PROJECT, BEFORE, after), context, monkeypatch) == ["pandas>=2", "six"]
    added = Change(PROJECT, BEFORE, BEFORE.replace("numpy", "numpy \\\n  six"), names=("six",))
    assert asked(added, context, monkeypatch) == ["six"]
    assert asked(Change(PROJECT, BEFORE, BEFORE), context, monkeypatch) == []

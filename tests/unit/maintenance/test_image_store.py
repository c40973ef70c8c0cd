"""Whether the engine's image store was changed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from support.fakes.engine import FakeEngine
from support.findings import INFO, assert_finding

from mlc_patched.engine.address import EngineAddress
from mlc_patched.engine.interface import Image
from mlc_patched.engine.specification import ContainerSpecification
from mlc_patched.images.project.files import ProjectFiles
from mlc_patched.images.project.metadata import note_metadata
from mlc_patched.maintenance.checks import Machine
from mlc_patched.maintenance.image_store import image_store
from mlc_patched.names.projects import Project


def test_a_changed_image_store_is_known_by_hidden_containers(
    machine: Machine, fake: FakeEngine, tmp_path: Path
) -> None:
    image = fake.add_image("img:1")
    own = fake.create_container(ContainerSpecification(name="a", image=image.id))
    machine.info = replace(INFO, root_directory=str(tmp_path), containerd="")
    for identity in (own, "f" * 64):
        (tmp_path / "containers" / identity).mkdir(parents=True)
        (tmp_path / "containers" / identity / "config.v2.json").touch()
    (tmp_path / "containers" / ("e" * 64)).mkdir()  # what a removal has not finished
    assert_finding(image_store(machine), "warning", "containerd's now, and 1 containers")
    machine.info = replace(machine.info, root_directory="/nonexistent")
    assert_finding(image_store(machine), "ok", "containerd's")


def test_a_changed_image_store_is_known_by_images_that_have_new_ids(
    machine: Machine, fake: FakeEngine
) -> None:
    machine.info = replace(INFO, root_directory="/nonexistent")  # not this machine's engine
    files = ProjectFiles(machine.context.account, Project(1001, "demo"))
    image = fake.add_image("ds01-1001/demo", created="2026-01-01T00:00:00.5Z")
    note_metadata(replace(image, id="sha256:former"), files, machine.context, "FROM x\n")
    assert_finding(image_store(machine), "warning", "the same images have new IDs (demo)")
    note_metadata(replace(image, id="x", created="2020"), files, machine.context, "FROM x\n")
    assert_finding(image_store(machine), "ok", "the engine's own")


def test_a_store_without_any_image_that_was_built_in_the_engine_may_be_another(
    machine: Machine, fake: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.info = replace(INFO, root_directory="/nonexistent")
    for name in ("demo", "thesis"):
        files = ProjectFiles(machine.context.account, Project(1001, name))
        files.write_dockerfile("FROM x\n")
        note_metadata(Image("sha256:former"), files, machine.context, "FROM x\n")
    found = image_store(machine)
    assert_finding(found, "warning", "none of the images that you built in it (demo, thesis)")
    assert_finding(found, "warning", "hidden")
    assert "image-update PROJECT" in found.remedy  # type: ignore[union-attr]

    with monkeypatch.context() as patch:  # the same home on another host
        patch.setattr("os.uname", lambda: SimpleNamespace(nodename="elsewhere"))
        assert_finding(image_store(machine), "ok", "the engine's own")
    machine.context.__dict__["address"] = EngineAddress("tcp://host:2375")
    assert_finding(image_store(machine), "ok", "the engine's own")
    machine.context.__dict__["address"] = EngineAddress()
    fake.add_image("ds01-1001/thesis", created="2026")
    del machine.__dict__["images"]
    assert_finding(image_store(machine), "ok", "the engine's own")

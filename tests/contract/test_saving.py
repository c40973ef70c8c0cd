"""The contract of an engine for container-retire --save and for lists of images."""

from __future__ import annotations

import io
import json
import tarfile

import pytest
from support.base_images import BASE
from support.contract_fixtures import LABEL, EngineFixtures
from support.fakes.engine import FakeEngine

from mlc_patched.engine.observations import Change
from mlc_patched.errors import ConflictError, NotFoundError
from mlc_patched.tar_stream import members


def test_images_are_found_by_pattern_in_one_call(fixtures: EngineFixtures) -> None:
    container = fixtures.create()
    image_id = fixtures.commit(container, "one", **{LABEL: fixtures.token})
    name = fixtures.name("image")
    for names in ((name,), (f"{name}:one",), (f"{name[:-1]}*:o*",), ("nothing", name)):
        [found] = fixtures.engine.find_images(names=names)
        assert (found.id, found.references) == (image_id, (f"{name}:one",))
        assert found.labels[LABEL] == fixtures.token
    assert [
        each.id for each in fixtures.engine.find_images(labels=(f"{LABEL}={fixtures.token}",))
    ] == [image_id]
    assert fixtures.engine.find_images(names=(f"{name}:two",)) == []
    assert fixtures.engine.find_images(names=(f"*/{name}",)) == []
    assert any(BASE in each.references for each in fixtures.engine.find_images())


def test_a_command_runs_in_a_running_container(fixtures: EngineFixtures) -> None:
    container = fixtures.create()
    with pytest.raises(ConflictError):
        fixtures.engine.exec_run(container, ("true",), "0:0")
    fixtures.engine.start(container)
    status, output = fixtures.engine.exec_run(container, ("true",), "0:0")
    assert (status, output) == (0, "")
    if not isinstance(fixtures.engine, FakeEngine):
        failing = ("sh", "-c", "exec 2>&1; id -u; echo 'and more' >&2; exit 7")
        assert fixtures.engine.exec_run(container, failing, "12:0") == (7, "12\nand more\n")
        assert fixtures.engine.activity(container).commands == ()
        fixtures.engine.exec_detached(container, ("sleep", "30"), "0:0")
        assert fixtures.engine.activity(container).commands == (("sleep", "30"),)
        write = "mkdir -p /d/e/h; echo 1 >/d/e/f; echo 2 >/d/g; ln -s g /d/i"
        fixtures.engine.exec_run(container, ("sh", "-c", write), "0:0")
        expected = {"e/f": b"1\n", "g": b"2\n"}
        assert fixtures.engine.files_below(container, "/d") == expected


def test_changes_of_a_container_are_listed(fixtures: EngineFixtures) -> None:
    script = "mkdir /new; echo x > /new/file; rm /etc/motd; echo y >> /etc/issue"
    container = fixtures.create(script=script)
    expected = [
        Change("/etc/issue", "changed"),
        Change("/etc/motd", "deleted"),
        Change("/new", "added"),
        Change("/new/file", "added"),
    ]
    if isinstance(fixtures.engine, FakeEngine):
        fixtures.engine.made[container].changes = expected
    fixtures.engine.start(container)
    if not isinstance(fixtures.engine, FakeEngine):
        fixtures.engine.wait(container)
    found = fixtures.engine.changes(container)
    assert [each for each in found if each in expected] == expected


def test_a_commit_can_have_a_message(fixtures: EngineFixtures) -> None:
    container = fixtures.create()
    labels = {LABEL: fixtures.token}
    name = fixtures.name("image")
    made = fixtures.engine.commit(
        container, name, "one", fixtures.image, labels, message="why 'so'"
    )
    found = fixtures.engine.image(made)
    assert found is not None
    assert found.labels[LABEL] == fixtures.token


def test_a_directory_is_read_and_replaced(fixtures: EngineFixtures) -> None:
    """A file of its name in the archive replaces it, so files that are no longer there go, too."""
    engine = fixtures.engine
    if not engine.copies_owners:
        return  # Podman, where they are not used
    first, second = fixtures.create(), fixtures.create("b")
    if isinstance(engine, FakeEngine):
        engine.made[first].directories["/srv"] = {}
        engine.made[second].directories["/srv"] = {"old": b"1"}
    with pytest.raises(NotFoundError):
        engine.real_path(first, "/nowhere")
    assert engine.real_path(first, "/srv") == "/srv"
    for container, name in ((second, "old"), (first, "new"), (second, "")):
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as tar:
            tar.addfile(tarfile.TarInfo("srv"))
            for part in ("srv/", f"srv/{name}")[: 1 + bool(name)]:
                member = tarfile.TarInfo(part)
                member.type = tarfile.DIRTYPE if part == "srv/" else tarfile.REGTYPE
                tar.addfile(member)
        engine.write_directory(container, "/", [buffer.getvalue()])
    listed = {
        container: [each.path for each in members(engine.read_directory(container, "/srv"))]
        for container in (first, second)
    }
    assert listed == {first: ["srv", "srv/new"], second: ["srv"]}
    with pytest.raises(NotFoundError):
        list(engine.read_directory(first, "/nowhere"))


def test_an_image_is_saved_with_its_name(fixtures: EngineFixtures) -> None:
    name = f"{fixtures.name('image')}:one"
    fixtures.commit(fixtures.create(), "one", **{LABEL: fixtures.token})
    archive = io.BytesIO(b"".join(fixtures.engine.save_image(name)))
    with tarfile.open(fileobj=archive) as tar:
        [saved] = json.load(tar.extractfile("manifest.json"))  # type: ignore[arg-type]
    [saved_as] = saved["RepoTags"]
    assert saved_as.endswith(name)  # Podman adds a registry
    with pytest.raises(NotFoundError):
        list(fixtures.engine.save_image(f"{name}-missing"))

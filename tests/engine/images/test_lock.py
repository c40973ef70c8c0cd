"""The lock of a project on the real engine: versions stay, move when asked, and travel."""

from __future__ import annotations

import pytest
from support.base_images import BASE
from support.engine_state import docker, inspect
from support.image_commands import ImageUser, labels_of

from mlc_patched.images.versions.lockfile import digest, parse
from mlc_patched.names.labels import LOCK

pytestmark = pytest.mark.real_engine


def frozen(it: ImageUser, project: str = "demo") -> str:
    return it.run_in(it.image(project), "uv pip freeze --system")


def test_versions_stay_until_they_are_upgraded(each_builder: ImageUser) -> None:
    it = each_builder
    it.run("image-create", "demo", "--base", BASE, "-p", "idna<3.8", "six==1.16.0", "-y")
    path = it.dockerfile("demo").with_name("demo.lock")
    lock = parse(path.read_text(), str(path))
    assert labels_of(it.image("demo"))[LOCK] == digest(path.read_text())
    assert {each.name: each.version for each in lock.packages}["idna"] == "3.7"
    assert any("idna-3.7" in line for each in lock.packages for line in each.source)
    assert lock.base.id == inspect(BASE)["Id"]
    assert lock.debian["git"]
    # The Dockerfile allows more by now, but nothing was asked to move.
    file = it.dockerfile("demo")
    file.write_text(file.read_text().replace('"idna<3.8"', "idna").replace("six==1.16.0", "six"))
    before = frozen(it)
    done = it.run("image-update", "demo", "--add", "toml", "-y")
    assert "+ toml" in done.stdout
    assert set(frozen(it).splitlines()) - set(before.splitlines()) == {"toml==0.10.2"}
    done = it.run("image-update", "demo", "--upgrade", "six", "-y")
    assert "six 1.16.0 -> 1.17.0" in done.stdout
    assert frozen(it) == before.replace("six==1.16.0", "six==1.17.0\ntoml==0.10.2")
    # A cached layer of before the upgrade does not bring the former version back.
    it.run("image-update", "demo", "--add", "pytz", "-y")
    assert "six==1.17.0" in frozen(it)
    copy = it.user.file("source/copy.lock", path.read_text())
    it.run("image-create", "same", "--from", copy, "-y", "--no-cache")
    assert frozen(it, "same") == frozen(it)
    done = it.run("image-update", "demo", "--add", "toml", "idna>4000", "-y", ok=False)
    assert "idna>4000" in done.stderr
    assert "Building" not in done.stderr


def test_the_base_moves_only_with_pull(commands: ImageUser, image_from) -> None:
    base = image_from("echo 1 >/version")
    commands.run("image-create", "demo", "--base", base, "-y")
    first = inspect(base)["Id"]
    docker("tag", image_from("echo 2 >/version"), base)
    commands.run("image-update", "demo", "--apt", "tree", "-y")
    assert commands.run_in(commands.image("demo"), "cat /version") == "1"
    assert commands.names() == {commands.image("demo"), commands.image("demo", "previous")}
    assert first in commands.dockerfile("demo").with_name("demo.lock").read_text()

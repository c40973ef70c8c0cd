"""The lock of a project on the real engine: versions stay, move when asked, and travel."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from support import registry, worker
from support.base_images import BASE
from support.engine_state import docker, inspect
from support.image_commands import ImageFrom, ImageUser, labels_of
from support.remote_engine import call, copy_images

from mlc_patched.images.versions.lockfile import Lock, digest, parse, render
from mlc_patched.names.labels import LOCK

pytestmark = pytest.mark.real_engine

FREEZE = "uv pip freeze --system"
CONDA = r"""
python3 -m venv --without-pip --system-site-packages /opt/conda
cat >/opt/conda/bin/conda <<'EOF'
#!/bin/sh
# In place of conda, which no index of Python packages has: it does what `conda env update` leaves.
[ "$1" = env ] || exit 0
version=$(sed -n 's/^  - mlc-by-conda=//p' "$6")
rm -rf /opt/conda/conda-meta /opt/conda/lib/python3*/site-packages/mlc_by_conda-*
info=$(echo /opt/conda/lib/python3*/site-packages)/mlc_by_conda-$version.dist-info
mkdir -p /opt/conda/conda-meta "$info"
echo '{}' >"/opt/conda/conda-meta/mlc-by-conda-$version-py_0.json"
printf 'Metadata-Version: 2.1\nName: mlc-by-conda\nVersion: %s\n' "$version" >"$info/METADATA"
echo conda >"$info/INSTALLER"
EOF
chmod 755 /opt/conda/bin/conda
"""

OF_BASE = r"""
info=/usr/local/lib/python3.11/dist-packages/mlc_of_base-{0}.dist-info && mkdir -p $info
printf 'Metadata-Version: 2.1\nName: mlc-of-base\nVersion: {0}\n' >$info/METADATA
"""


def frozen(it: ImageUser, project: str = "demo") -> str:
    return it.run_in(it.image(project), FREEZE)


def lock_of(it: ImageUser, project: str = "demo") -> Lock:
    path = it.dockerfile(project).with_name(f"{project}.lock")
    return parse(path.read_text(), str(path))


@pytest.fixture
def plain_engine(commands: ImageUser) -> Iterator[str]:
    """The address of an engine of this machine's own version with the base: the tests' one, or
    another if they use a newer one, or Podman."""
    here = worker.engine_address()
    own = call("dockerd", "--version")
    if f" {docker('version', '--format', '{{.Server.Version}}')}," in own:
        yield here
        return
    tool, number = worker.ROOT / "tools/engine.sh", str(80 + worker.NUMBER)
    call(tool, "up", number)
    try:
        address = call(tool, "address", number)
        copy_images(here, address, BASE)
        yield address
    finally:
        call(tool, "down", number)


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


def test_a_lock_gives_the_same_on_another_engine_by_another_builder(
    commands: ImageUser, plain_engine: str
) -> None:
    """By the classic builder of this machine's Docker, then by the tests' engine.

    `make test` has one engine for both; tools/modern-tests.sh and `make engines` have two.
    """
    it, first = commands, {"DOCKER_HOST": plain_engine, "DOCKER_BUILDKIT": "0"}
    flags = ("--base", BASE, "-p", "idna<3.8", "six<1.17", "--apt", "python3-apt")
    it.run("image-create", "demo", *flags, "-y", **first)
    in_first = ("-H", plain_engine, "run", "--rm", "--network=host", "--entrypoint", "bash")
    before = docker(*in_first, it.image("demo"), "-c", FREEZE)
    lock = lock_of(it)
    # apt's is not in the index, which does not keep the others from having a source.
    sources = {each.name: bool(each.source) for each in lock.packages}
    assert (sources["idna"], sources["six"], sources["python-apt"]) == (True, True, False)
    # The Dockerfile allows more by now.
    text = lock.dockerfile.replace('"idna<3.8"', "idna").replace('"six<1.17"', "six")
    copy = it.user.file("source/copy.lock", render(replace(lock, dockerfile=text)))
    it.run("image-create", "same", "--from", copy, "-y")
    assert frozen(it, "same") == before
    assert lock_of(it, "same").packages == lock.packages


def push_base(name: str, version: str) -> str:
    """Have a registry, and the engine, give a name to a base with a package in a version; return
    its digest."""
    container = docker("create", "--entrypoint=", BASE, "sh", "-ec", OF_BASE.format(version))
    docker("start", "-a", container)
    docker("commit", "--change=CMD bash", container, name)
    docker("rm", container)
    docker("push", name)
    return docker("inspect", "--format", "{{index .RepoDigests 0}}", name)


def test_pull_moves_a_base_with_what_comes_with_it_and_a_lock_brings_it_back(
    commands: ImageUser,
) -> None:
    it = commands
    with registry.serving() as address:
        base = f"{address}/mlc/base:1"
        old = push_base(base, "1")
        it.run("image-create", "demo", "--base", base, "-p", "idna<3.8", "-y")
        # The Dockerfile allows more by now.
        path = it.dockerfile("demo").with_name("demo.lock")
        text = lock_of(it).dockerfile.replace('"idna<3.8"', "idna")
        it.dockerfile("demo").write_text(text)
        path.write_text(render(replace(lock_of(it), dockerfile=text)))
        first, before = it.user.file("source/first.lock", path.read_text()), frozen(it)
        new = push_base(base, "2")
        docker("rmi", base)
        done = it.run("image-update", "demo", "--pull", "-y")
        moved = [each.rpartition(":")[2][:12] for each in (old, new)]
        assert f"The base {base} moves: {moved[0]} -> {moved[1]}" in done.stderr
        assert "mlc-of-base 1 -> 2" in done.stdout
        assert frozen(it) == before.replace("mlc-of-base==1", "mlc-of-base==2")
        assert lock_of(it).base.digest == new
        it.run("image-retire", "demo", "--force", "-y")
        docker("rmi", "-f", old, check=False)
        done = it.run("image-create", "same", "--from", first, "-y")
        assert f"Pulling {old}, the base of the last build" in done.stderr
        assert frozen(it, "same") == before
        it.run("image-retire", "same", "--force", "-y")
        docker("rmi", "-f", base, old, new, check=False)


def test_what_conda_installs_is_in_the_lock_as_condas(
    commands: ImageUser, image_from: ImageFrom
) -> None:
    it = commands
    path = "/opt/conda/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    base = image_from(CONDA, f"ENV PATH={path}")
    environment = "dependencies:\n  - mlc-by-conda={}\n"
    file = it.user.file("source/environment.yml", environment.format("1.0"))
    it.run("image-create", "demo", "--base", base, "-r", file, "-p", "idna<3.8", "-y")
    lock = lock_of(it)
    assert lock.conda == {"mlc-by-conda": "1.0"}
    packages = {each.name: each for each in lock.packages}
    assert (packages["mlc-by-conda"].version, packages["mlc-by-conda"].source) == ("1.0", ())
    assert packages["idna"].source
    it.user.file("dockerfiles/demo.environment.yml", environment.format("2.0"))
    done = it.run("image-update", "demo", "--add", "toml", "-y")
    assert "mlc-by-conda 1.0 -> 2.0" in done.stdout
    assert "idna 3" not in done.stdout.partition("Versions:")[2]
    assert lock_of(it).conda == {"mlc-by-conda": "2.0"}

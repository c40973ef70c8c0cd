"""The lock of a project on the real engine: versions stay, move when asked, and travel."""

from __future__ import annotations

import base64

import pytest
from support.base_images import BASE
from support.engine_state import docker, inspect
from support.image_commands import (
    HOST_CERTIFICATES,
    ImageFrom,
    ImageUser,
    frozen,
    labels_of,
    lock_of,
    quickest_builder,
)

from mlc_patched.images.dockerfile.append import ADDED
from mlc_patched.images.dockerfile.render import account_block
from mlc_patched.images.versions.lockfile import Lock, digest, parse, render
from mlc_patched.names.labels import LOCK

pytestmark = pytest.mark.real_engine

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


@quickest_builder
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


@quickest_builder
@pytest.mark.any_engine
def test_steps_are_folded_with_the_same_versions(each_builder: ImageUser) -> None:
    """Also next to a file and a wheel that install others, which later steps replace."""
    it = each_builder
    file = it.user.file("source/r.txt", "toml==0.10.1 ; python_version > '3'\n")
    it.run("image-create", "demo", "--base", BASE, "-p", "idna<3.8", "-y")
    download = "cd /tmp && python3 -m pip download -q --no-deps sniffio==1.3.0 && base64 -w0 *.whl"
    trusted = ("-v", f"{HOST_CERTIFICATES}:/ca.crt:ro", "-e", "PIP_CERT=/ca.crt")
    wheel = it.user.home / "source/sniffio-1.3.0-py3-none-any.whl"
    wheel.write_bytes(base64.b64decode(it.run_in(it.image("demo"), download, *trusted)))
    for words in (
        *(("--add", "six"), ("--add", "pytz==2025.1"), ("-r", file), ("--add", wheel)),
        *(("--apt", "tree"), ("--add", "toml==0.10.2"), ("--add", "sniffio==1.3.1")),
    ):
        it.run("image-update", "demo", *words, "-y")
    before = frozen(it)
    assert {"toml==0.10.2", "sniffio==1.3.1", "pytz==2025.1"} < set(before.splitlines())
    done = it.run("image-update", "demo", "--compact", "-y", "--no-cache")
    assert "What changed" not in done.stdout
    assert frozen(it) == before
    assert it.dockerfile("demo").read_text().count(ADDED) == 5


@pytest.mark.any_engine
def test_a_foreign_lock_copies_only_from_the_users_dockerfiles(each_builder: ImageUser) -> None:
    it = each_builder
    private = it.user.file("source/private/token", "secret")
    steps = f"FROM {BASE}\nCOPY private/token /token\n{account_block('x', 'x', BASE)}"
    foreign = Lock("x", f"# Build context: {private.parent.parent}\n{steps}")
    path = it.user.file("source/foreign.lock", render(foreign))
    done = it.run("image-create", "same", "--from", path, "-y", ok=False)
    assert "copies private/token, which" in done.stderr
    it.user.file("dockerfiles/private/token", "for the image")
    it.run("image-create", "same", "--from", path, "-y")
    assert it.run_in(it.image("same"), "cat /token") == "for the image"


def test_the_base_moves_only_with_pull(commands: ImageUser, image_from) -> None:
    base = image_from("echo 1 >/version")
    commands.run("image-create", "demo", "--base", base, "-y")
    first = inspect(base)["Id"]
    docker("tag", image_from("echo 2 >/version"), base)
    commands.run("image-update", "demo", "--apt", "tree", "-y")
    assert commands.run_in(commands.image("demo"), "cat /version") == "1"
    assert commands.names() == {commands.image("demo"), commands.image("demo", "previous")}
    assert first in commands.dockerfile("demo").with_name("demo.lock").read_text()


@pytest.mark.any_engine
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

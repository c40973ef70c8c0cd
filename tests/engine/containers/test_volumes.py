"""What is in the volumes of a container: saved, exported and imported with it, never lost."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator

import pytest
from support.account_in_container import run
from support.base_images import BASE
from support.engine_requests import ask
from support.engine_state import docker, inspect, nothing_left, sweep
from support.users import User

from mlc_patched.engine.interface import Engine

pytestmark = pytest.mark.real_engine

MAKE = """
mkdir -p /srv/db/sub /srv/links /opt/cache /real
echo from-the-image > /srv/db/shipped; echo old > /srv/db/deleted; chown -R 33:44 /srv/db
chmod 0700 /srv/db/sub; ln -s ../../real /srv/links/to; echo shipped > /opt/cache/file
"""
VOLUMES = (
    "VOLUME /srv/db /srv/db/sub /opt/cache /srv/links/to/deep /home",
    "LABEL org.example=1",
)
"""Nested ones, one behind a link, one that nothing changes, and the parent of the user's home."""
DEEP = "/srv/links/to/deep"
BEHIND = f"VOLUME {DEEP}"
FILL = r"""
set -e
cd /srv/db
rm deleted; echo new > 'a name with blanks and é'; ln 'a name with blanks and é' hard
ln -s /nowhere dangling; mkfifo fifo; echo nested > sub/file
printf x > capable; chown 1234:5678 capable; chmod 4711 capable
truncate -s 3M sparse; mkdir -p $(printf 'd%.0s' $(seq 60))/$(printf 'e%.0s' $(seq 60))
echo long > "$(echo ddd*/eee*)/$(printf 'f%.0s' $(seq 80))"
echo deep > /srv/links/to/deep/file
"""
LOOK = r"""
cd /srv/db && find . -type p -o -printf '%p %y %m %U:%G %s %n %l\n' | sort
stat -c %F fifo; cat shipped hard sub/file ddd*/eee*/fff* /srv/links/to/deep/file /home/*/mine
ls /opt/cache; test ! -e deleted && stat -c %i hard 'a name with blanks and é' | uniq | wc -l
"""


@pytest.fixture
def with_volumes(image_from: Callable[..., str], slim: str) -> str:
    """An image that declares volumes."""
    return image_from(MAKE, *VOLUMES, base=slim)


@pytest.fixture(autouse=True)
def no_volumes_left(engine: Engine, alice_account: User) -> Iterator[None]:
    """Check that no test leaves a volume."""
    before = volumes()
    yield
    sweep(alice_account)
    left = volumes() - before
    for name in left:
        ask("DELETE", "/volumes/{}", name)
    assert left == set()


def volumes() -> set[str]:
    """Return the names of all volumes."""
    return {each["Name"] for each in ask("GET", "/volumes")["Volumes"] or ()}


def filled(user: User, image: str) -> str:
    """Create a container, write into its volumes, and return what is in them."""
    done = user.mlc("create", "it", "--image", image, "-s")
    assert done.returncode == 0, done.stderr
    run(user, "echo mine > ~/mine")
    docker("exec", "-u", "0:0", user.tag("it"), "bash", "-c", FILL)
    found = looked_at(user, "it")
    assert user.mlc("stop", "it", "-s").returncode == 0
    return found


def looked_at(user: User, name: str) -> str:
    """Return what is in a container's volumes."""
    assert run(user, "true", name) == ""
    return docker("exec", "-u", "0:0", user.tag(name), "bash", "-c", LOOK)


def test_a_saved_image_has_what_is_in_the_volumes(alice: User, with_volumes: str) -> None:
    before = filled(alice, with_volumes)
    assert {"1234:5678", "nested"} <= set(before.split())
    kinds = volumes()
    done = alice.run(alice.tree / "bin/user/container-retire", "it", "--save", "kept", "-y")
    assert done.returncode == 0, done.stderr
    assert "only caches and logs" not in done.stdout
    assert "volumes: /home, /srv/db, /srv/links/to/deep" in done.stdout
    assert len(kinds - volumes()) == 5, "its volumes are removed with it, as the image has them"
    declared = inspect(f"ds01-{alice.uid}/it:kept")["Config"]["Volumes"]
    assert set(declared) == set(VOLUMES[0].split()[1:])
    with nothing_left():
        again = alice.mlc("create", "again", "--image", f"ds01-{alice.uid}/it:kept", "-s")
        assert again.returncode == 0, again.stderr
        assert looked_at(alice, "again") == before
        assert alice.mlc("remove", "again", "-f", "-s").returncode == 1  # it runs
        assert alice.mlc("stop", "again", "-s").returncode == 0
        done = alice.mlc("remove", "again", "-s")
        assert (done.returncode, done.stderr) == (0, ""), "the image has all of it"


def test_an_exported_container_has_what_is_in_the_volumes(alice: User, with_volumes: str) -> None:
    before = filled(alice, with_volumes)
    file = alice.home / "volumes.tar"
    with nothing_left():
        done = alice.mlc("export", "it", file, "-f")
        assert done.returncode == 0, done.stderr
    done = alice.mlc("import", file, "copy", "-s")
    assert done.returncode == 0, done.stderr
    assert looked_at(alice, "copy") == before
    declared = inspect(alice.tag("copy"))["Config"]["Volumes"]
    assert set(declared) == set(VOLUMES[0].split()[1:])
    # As the engine imports the file itself.
    plain = docker("import", str(file))
    try:
        found = docker(
            "run", "--rm", "--network=host", plain, "cat", "/srv/db/hard", "/srv/links/to/deep/file"
        )
        assert found.split() == ["new", "deep"]
    finally:
        docker("rmi", plain)
    file.unlink()
    for name in ("it", "copy"):
        alice.mlc("stop", name, "-s")


def test_a_volume_behind_an_absolute_link_is_the_users_or_refused_with_the_engines_reason(
    alice: User, image_from: Callable[..., str], slim: str
) -> None:
    """Some engines cannot copy files of such a container at all (moby/moby#52653, #53258)."""
    image = image_from("mkdir /real /srv/links; ln -s /real /srv/links/to", BEHIND, base=slim)
    file = alice.home / "behind.tar"
    docker("create", "--name", "mlc-test-behind", image)
    argv = ["docker", "cp", "mlc-test-behind:/etc/passwd", "-"]
    copied = subprocess.run(argv, capture_output=True, text=True, check=False)
    refusal = copied.stderr.strip().partition("daemon: ")[2]
    assert bool(refusal) == bool(copied.returncode)
    docker("rm", "-fv", "mlc-test-behind")
    if refusal:
        with nothing_left():
            done = alice.mlc("create", "it", "--image", image, "-s")
        assert (done.returncode, refusal in done.stderr) == (1, True), done.stderr
        return
    done = alice.mlc("create", "it", "--image", image, "-s")
    assert done.returncode == 0, done.stderr
    run(alice, f"echo deep | sudo -n tee {DEEP}/file")
    assert alice.mlc("stop", "it", "-s").returncode == 0
    assert alice.mlc("export", "it", file, "-f").returncode == 0
    assert alice.mlc("import", file, "copy", "-s").returncode == 0
    assert run(alice, f"cat {DEEP}/file", "copy") == "deep"
    file.unlink()
    for name in ("it", "copy"):
        alice.mlc("stop", name, "-s")


def test_a_volume_with_unsaved_files_outlives_its_container(
    alice: User, image_from: Callable[..., str], slim: str
) -> None:
    image = image_from(MAKE, "VOLUME /srv/db /opt/cache", base=slim)
    before = volumes()
    for program, *words in (("mlc", "remove", "it", "-s"), ("container-retire", "it", "-y")):
        assert alice.mlc("create", "it", "--image", image, "-s").returncode == 0
        run(alice, "sudo -n sh -c 'echo precious > /srv/db/file'")
        assert alice.mlc("stop", "it", "-s").returncode == 0
        path = "bin/mlc" if program == "mlc" else f"bin/user/{program}"
        done = alice.run(alice.tree / path, *words)
        assert done.returncode == 0, done.stderr
        [kept] = volumes() - before
        assert f"What is in /srv/db was kept, as the volume {kept}" in done.stderr
        assert f"docker volume rm {kept}" in done.stderr
        found = docker("run", "--rm", "--network=host", "-v", f"{kept}:/v", BASE, "cat", "/v/file")
        assert found == "precious"
        docker("volume", "rm", kept, check=False)  # on Podman, --rm has removed it


def test_volumes_as_the_image_has_them_are_removed(alice: User, with_volumes: str) -> None:
    with nothing_left():
        assert alice.mlc("create", "it", "--image", with_volumes, "-s").returncode == 0
        assert run(alice, "cat /opt/cache/file") == "shipped"
        assert alice.mlc("stop", "it", "-s").returncode == 0
        done = alice.mlc("remove", "it", "-s")
        assert (done.returncode, done.stderr) == (0, ""), done.stderr


def test_a_directory_of_the_host_in_a_volume_is_not_copied(
    alice: User, labelled: Callable[..., str]
) -> None:
    """And a volume that a user made is copied, but never removed."""
    image = labelled(alice)
    alice.file("host/secret", "of the host")
    docker("volume", "create", "mlc-test-own")
    labels = {"aime.mlc": alice.login, "aime.mlc.NAME": "it", "aime.mlc.USER": alice.login}
    try:
        docker(
            *("create", "--name", alice.tag("it"), "--network=none", "-v", "/srv"),
            *("-v", f"{alice.home}/host:/srv/host", "-v", "mlc-test-own:/own"),
            *(f"--label={name}={value}" for name, value in labels.items()),
            *(image, "sh", "-c", "sudo -n sh -c 'echo a >/srv/a; echo b >/own/b'"),
        )
        docker("start", "-a", alice.tag("it"))
        file = alice.home / "nested.tar"
        assert alice.mlc("export", "it", file, "-f").returncode == 0
        listed = alice.run("tar", "-tf", file).stdout.split()
        assert {"srv/a", "srv/host/", "own/b"} <= set(listed)
        assert "srv/host/secret" not in listed
        file.unlink()
        done = alice.run(alice.tree / "bin/user/container-retire", "it", "--save", "kept", "-y")
        assert done.returncode == 0, done.stderr
        saved = f"ds01-{alice.uid}/it:kept"
        found = docker(
            "run", "--rm", "--network=host", saved, "sh", "-c", "cat /srv/a /own/b; ls /srv/host"
        )
        assert found.split() == ["a", "b"]
        assert "mlc-test-own" in volumes()
    finally:
        sweep(alice)
        docker("volume", "rm", "mlc-test-own")

"""What commands write into a home: modes whatever the umask, owners under sudo, and no links."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.base_images import BASE
from support.reliability import Counted, is_full
from support.users import User

pytestmark = [pytest.mark.real_engine, pytest.mark.promise("homes")]
PLACES = ("workspace", ".ds01-config", "dockerfiles", "it.tar")
MODES = {
    "workspace": 0o755,
    ".ds01-config": 0o700,
    ".ds01-config/locks": 0o600,
    "dockerfiles": 0o755,
    "dockerfiles/demo.Dockerfile": 0o644,
}
WAYS = [("user", "777", "--no-build"), ("sudo", "000", "--no-build")]
MORE_WAYS = [("user", "777", ""), ("sudo", "077", "")]
BUILT = {
    ".ds01-config/images": 0o700,
    ".ds01-config/images/demo.json": 0o600,
    "dockerfiles/demo.Dockerfile.previous": 0o644,
}


@pytest.fixture
def empty(alice: User) -> Iterator[User]:
    """Alice with nothing of ours in her home, and her workspace back at the end."""
    clear(alice)
    yield alice
    clear(alice)
    alice.file("workspace/")


def clear(user: User) -> None:
    for name in PLACES:
        path = user.home / name
        if path.is_symlink() or path.is_file():
            path.unlink()
        else:
            shutil.rmtree(path, ignore_errors=True)


def written(user: User) -> list[Path]:
    """Return all that is in the places, without following a link."""
    tops = [user.home / name for name in PLACES if os.path.lexists(user.home / name)]
    return [path for top in tops for path in (top, *([] if top.is_symlink() else top.rglob("*")))]


def run(user: User, way: str, umask: str, *argv: str | Path) -> None:
    shell = ("sh", "-c", f'umask {umask}; exec "$@"', "sh", *argv)
    done = (user.sudo if way == "sudo" else user.run)(*shell)
    assert done.returncode == 0, f"{argv}: {done.stdout}{done.stderr}"


@pytest.mark.this_host
@pytest.mark.parametrize(("way", "umask", "build"), WAYS + (MORE_WAYS if is_full() else []))
def test_files_have_their_modes_and_owner_under_any_umask(
    empty: User, labelled, way: str, umask: str, build: str
) -> None:
    bin_ = empty.tree / "bin"
    flags = ("-y", build) if build else ("-y",)
    run(empty, way, umask, bin_ / "mlc", "create", "it", "--image", labelled(empty), "-s")
    run(empty, way, umask, bin_ / "user/image-create", "demo", "--base", BASE, *flags)
    modes = dict(MODES)
    if way == "sudo" or is_full():  # hundreds of megabytes
        run(empty, way, umask, bin_ / "mlc", "export", "it", empty.home / "it.tar")
        modes["it.tar"] = 0o600
    if not build:
        run(empty, way, umask, bin_ / "user/image-update", "demo", "--apt", "tar", "-y")
        modes.update(BUILT)
    found = {name: (empty.home / name).lstat() for name in modes}
    assert {name: oct(status.st_mode & 0o777) for name, status in found.items()} == {
        name: oct(mode) for name, mode in modes.items()
    }
    owners = {(status.st_uid, status.st_gid) for status in map(Path.lstat, written(empty))}
    assert owners == {(empty.uid, empty.gid)}


BUILDS = {
    ".ds01-config/images": ("user/image-create", "demo", "--base", BASE, "-y"),
    ".ds01-config/images/demo.json": ("user/image-create", "demo", "--base", BASE, "-y"),
}
LINKS = {
    "workspace": ("mlc", "create", "it", "--image", "IMAGE", "-s"),
    ".ds01-config": ("mlc", "create", "it", "--image", "IMAGE", "-s"),
    ".ds01-config/locks": ("mlc", "create", "it", "--image", BASE, "-s"),
    "dockerfiles": ("user/image-create", "demo", "--base", BASE, "--no-build", "-y"),
    "dockerfiles/demo.Dockerfile": (
        *("user/image-create", "demo", "--base", BASE, "--no-build", "--force", "-y"),
    ),
    "it.tar": ("mlc", "export", "had", "HOME/it.tar", "-f"),
}


VICTIMS = ["a directory of root's", "a file of root's"]


@pytest.mark.this_host
@pytest.mark.parametrize("to", VICTIMS if is_full() else VICTIMS[:1])
def test_under_sudo_no_link_leads_to_files_of_root(
    empty: User, labelled, tmp_path: Path, to: str
) -> None:
    """In each place that a command writes to, a link that its user may well have put there."""
    victim = tmp_path / "victim"
    inside = victim / "file" if to.startswith("a directory") else victim
    if inside != victim:
        victim.mkdir()
    inside.write_text("of root")
    before = victim.stat(), inside.stat(), sorted(tmp_path.rglob("*"))
    image = labelled(empty)
    assert empty.mlc("create", "had", "--image", image, "-s").returncode == 0
    builds = BUILDS if is_full() and inside != victim else {}
    for place, argv in {**LINKS, **builds}.items():
        clear(empty)
        empty.file("workspace/")
        link = empty.home / place
        if not link.parent.is_dir():
            empty.file(f"{Path(place).parent}/")
        shutil.rmtree(link, ignore_errors=True)
        link.symlink_to(victim)
        os.chown(link, empty.uid, empty.gid, follow_symlinks=False)
        words = [word.replace("IMAGE", image).replace("HOME", str(empty.home)) for word in argv]
        done = empty.sudo(empty.tree / "bin" / words[0], *words[1:])
        assert "Unexpected" not in done.stderr, (place, done.stderr)
        assert done.returncode in (0, 1), (place, done.stderr)
        after = victim.stat(), inside.stat(), sorted(tmp_path.rglob("*"))
        assert [(each.st_mode, each.st_uid, each.st_mtime_ns) for each in after[:2]] == [
            (each.st_mode, each.st_uid, each.st_mtime_ns) for each in before[:2]
        ], place
        assert after[2] == before[2], place
        assert inside.read_text() == "of root", place
        roots = [str(path) for path in written(empty) if path.lstat().st_uid == 0]
        assert not roots, place
        empty.mlc("remove", "it", "-f")
        empty.run(empty.tree / "bin/user/image-retire", "demo", "-y")


CLIENT = """\
#!/bin/sh
# As buildx does beside the client's settings.
mkdir -p "${DOCKER_CONFIG:-$HOME/.docker}/buildx" && touch "${DOCKER_CONFIG:-$HOME/.docker}/.token"
exec DOCKER "$@"
"""


@pytest.mark.not_by_ssh
def test_the_docker_client_leaves_no_files_of_root_in_a_home_that_sudo_kept(
    empty: User, counted: Counted
) -> None:
    """`sudo -E`, or a sudo that keeps HOME: the client keeps files of its own in there."""
    there = set(empty.home.rglob("*"))
    programs = Path(tempfile.mkdtemp(prefix="mlc-test-client-", dir="/var/tmp"))
    try:
        programs.chmod(0o755)
        client = programs / "docker"
        client.write_text(CLIENT.replace('DOCKER "', f'{shutil.which("docker")} "'))
        client.chmod(0o755)
        environ = {
            "HOME": str(empty.home),
            "PATH": f"{programs}:{os.environ['PATH']}",
        }
        done = empty.sudo(
            empty.tree / "bin/user/image-create", "demo", "--base", BASE, "-y", **environ
        )
        assert done.returncode == 0, done.stderr
    finally:
        shutil.rmtree(programs)
    made = set(empty.home.rglob("*")) - there
    assert {path.lstat().st_uid for path in made} == {empty.uid}
    assert not [path for path in made if ".docker" in path.parts]
    counted("inputs")

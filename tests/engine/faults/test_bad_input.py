"""Bad input that only a real engine and real users can show; see support/bad_input/table.py."""

from __future__ import annotations

import grp
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from support.account_in_container import run
from support.bad_input.files import archives, prepare
from support.bad_input.table import IMPORTS
from support.base_images import BASE
from support.engine_requests import ask
from support.engine_state import docker, inspect, nothing_left, sweep
from support.reliability import Counted, is_full, sized
from support.users import User, accounts_locked, free_uid, new_user
from username_utils import sanitize_username_for_container

from mlc_patched.names.labels import read_value

pytestmark = pytest.mark.real_engine

PASSWD, GROUP = Path("/etc/passwd"), Path("/etc/group")
LOGINS = {"a'b;id": "a-b-id", "DOM\\u": "dom-u", "root@x": "root-at-x", "$(id)": "id"}
OWN_LOGINS = dict([*LOGINS.items()] if is_full() else [*LOGINS.items()][:2])


@pytest.mark.promise("input-works")
@pytest.mark.parametrize(("login", "account"), OWN_LOGINS.items())
def test_user_names_that_a_shell_would_read(
    login: str, account: str, tree: Path, user_environ: Mapping[str, str], counted: Counted
) -> None:
    with new_user(login, 64_001, 64_001, tree, user_environ) as user:
        try:
            done = user.mlc("create", "it", "--image", BASE, "-s")
            assert done.returncode == 0, done.stderr
            said = run(user, "id -un; id -u; sudo -n id -u; ls -a ~ | grep -c bashrc")
            assert said.split() == [account, str(user.uid), "0", "1"]
            assert inspect(user.tag("it"))["Config"]["Labels"]["aime.mlc"] == login
            assert "it" in user.mlc("list").stdout
            assert user.mlc("stop", "it", "-f").returncode == 0
            assert user.mlc("remove", "it", "-f").returncode == 0
        finally:
            sweep(user)
    counted("inputs")


LONG = f"h.baker-{'a' * 237}@lan.org$.;"


@pytest.mark.promise("input-works")
def test_a_user_name_of_256_characters(
    alice: User, request: pytest.FixtureRequest, counted: Counted
) -> None:
    """No useradd makes one, but a directory may have it: it comes from NSS as from a file."""
    login = LONG
    assert len(login) == 256
    uid = free_uid(64_101)
    home = Path(f"/var/tmp/mlc-test-long-{uid}")
    row = f"{login}:x:{uid}:{uid}::{home}:/bin/bash\n"

    def without() -> None:
        with accounts_locked():
            kept = [line for line in PASSWD.read_text().splitlines(True) if line != row]
            PASSWD.write_text("".join(kept))
            GROUP.write_text(re.sub(rf"{re.escape(login)},?", "", GROUP.read_text()))
        shutil.rmtree(home, ignore_errors=True)

    request.addfinalizer(without)
    with accounts_locked():
        with PASSWD.open("a") as file:
            file.write(row)
        members = re.sub(r"(?m)^(docker:.*:)(.*)$", rf"\1{login},\2", GROUP.read_text())
        GROUP.write_text(members.replace(f"{login},\n", f"{login}\n"))
    user = Stranger(login, uid, uid, home, alice.tree, alice.environ)
    home.mkdir()
    user.file("workspace/")
    os.chown(home, uid, uid)
    account = sanitize_username_for_container(login)
    assert re.fullmatch("h-baker-a{19}-[0-9a-f]{4}", account)
    try:
        for way in (user.run, user.sudo):  # as oneself, and as the wrapper's caller
            done = way(user.tree / "bin/mlc", "create", "it", "--image", BASE, "-s")
            assert done.returncode == 0, done.stderr
            said = run(user, "id -un; id -u; sudo -n id -u; touch ~/mine /workspace/mine; echo ~")
            assert said.split() == [account, str(uid), "0", f"/home/{account}"]
            assert inspect(user.tag("it"))["Config"]["Labels"]["aime.mlc"] == login
            assert login in user.mlc("list", "-a").stdout
            assert user.mlc("remove", "it", "-s").returncode == 1  # it runs
            assert user.mlc("stop", "it", "-f").returncode == 0
            assert user.mlc("remove", "it", "-f").returncode == 0
            counted("inputs")
        assert {path.lstat().st_uid for path in home.rglob("*")} == {uid}
    finally:
        sweep(user)


GOOD_PATHS = (
    *("a b", " ", "a:b", "a:ro", ":", "a,b", "a=b", "it's", 'a"b', "$(id)", "`id`", "-rf", "a\\b"),
    *("größe", "a\u202eb", "a\tb", "#", "*", "a;id", "%s", "{}", "~", "x" * 255),
)


@pytest.mark.promise("input-works")
def test_paths_that_a_shell_or_docker_s_own_flag_would_read(
    alice: User, labelled, counted: Counted
) -> None:
    """Each works as it is: what Docker's -v would split is mounted by its name."""
    image = labelled(alice)
    paths = GOOD_PATHS if is_full() else GOOD_PATHS[::2]
    for name in paths:
        place = alice.file(f"odd/{name}/")
        for flag, target in (("-w", "/workspace"), ("-d", "/data"), ("-m", "/models")):
            if flag != "-w" and not is_full() and name != "a:b":
                continue
            done = alice.mlc("create", "it", "--image", image, "-s", f"{flag}={place}")
            assert done.returncode == 0, (name, done.stderr)
            run(alice, f"touch {target}/made")
            assert (place / "made").stat().st_uid == alice.uid, name
            (place / "made").unlink()
            label = {"-w": "WORK_MOUNT", "-d": "DATA_MOUNT", "-m": "MODELS_MOUNT"}[flag]
            labels = inspect(alice.tag("it"))["Config"]["Labels"]
            assert read_value(labels, f"aime.mlc.{label}") == str(place)
            listed = alice.mlc("list", "-a")
            assert (listed.returncode, listed.stdout.count("\n")) == (0, 2), name
            assert all(char.isprintable() or char == "\n" for char in listed.stdout)
            assert alice.mlc("stop", "it", "-f").returncode == 0
            assert alice.mlc("remove", "it", "-f").returncode == 0
            counted("inputs")
    shutil.rmtree(alice.home / "odd")


@pytest.mark.promise("input-works")
def test_a_link_to_a_directory_and_a_relative_path_work(
    alice: User, labelled, counted: Counted
) -> None:
    image = labelled(alice)
    place = alice.file("real: one/below/")
    link = alice.home / "a link"
    link.symlink_to("real: one")
    for given, cwd in ((str(link), "/"), ("a link/below", alice.home), ("./below/", link)):
        argv = ("create", "it", "--image", image, "-s", "-w", given)
        done = alice.mlc(*argv, cwd=cwd)
        assert done.returncode == 0, (given, done.stderr)
        run(alice, "touch /workspace/made")
        (place.parent if given == str(link) else place).joinpath("made").unlink()
        assert alice.mlc("stop", "it", "-f").returncode == 0
        assert alice.mlc("remove", "it", "-f").returncode == 0
        counted("inputs")
    link.unlink()
    shutil.rmtree(alice.home / "real: one")


@pytest.mark.promise("input-refused")
def test_unreadable_files_are_reported(alice: User, labelled, counted: Counted) -> None:
    """By a user without rights over it, whom the kernel refuses; also where sudo is root's."""
    image = labelled(alice)
    closed = alice.file("closed/")
    for name in ("inside/", "file"):
        alice.file(f"closed/{name}", "FROM debian\n")
    subprocess.run(["chown", "-R", "root:root", str(closed)], check=True)
    closed.chmod(0o700)
    own = alice.file("own", "FROM debian\n")
    own.chmod(0)
    assert alice.mlc("create", "had", "--image", image, "-s").returncode == 0
    build, cannot = "user/image-create", "cannot be read: Permission denied"
    create = ("mlc", "create", "it", "--image", image, "-s")
    below = f"directory {closed}/inside: Permission denied"
    lines = (
        ("a workspace below", f"workspace {below}", (*create, "-w", closed / "inside")),
        ("data below", f"data {below}", (*create, "-d", closed / "inside")),
        ("models below", f"models {below}", (*create, "-m", closed / "inside")),
        ("a Dockerfile", cannot, (build, "q", "-y", "--no-build", "--dockerfile", own)),
        ("a Dockerfile below", cannot, (build, "q", "-y", "--dockerfile", closed / "file")),
        ("requirements", cannot, (build, "q", "-y", "--base", BASE, "-r", own)),
        ("an archive", cannot, ("mlc", "import", own, "copy", "-s")),
        ("a place", "cannot be written: Permission denied", ("mlc", "export", "had", closed / "x")),
    )
    with nothing_left():
        for what, says, (program, *argv) in lines:
            ways = [alice.run] if "below" in what and program == "mlc" else [alice.run, alice.sudo]
            for way in ways:
                if way == alice.sudo and own in argv:
                    continue  # it is alice's own, whom a mode of 0 keeps out all the same
                done = way(alice.tree / "bin" / program, *argv)
                assert (done.returncode, done.stdout) == (1, ""), (what, done.stderr)
                assert says in done.stderr.splitlines()[-1], (what, done.stderr)
                counted("inputs")
    for variable in ("MLC_CATALOG", "DS01_SETTINGS"):
        done = alice.sudo(
            *(alice.tree / "bin/mlc", "create", "it", "Pytorch", "1", "-s"),
            **{variable: "/etc/shadow"},
        )
        assert done.returncode == 1
        assert "/etc/shadow cannot be read: Permission denied" in done.stderr
        assert "root:" not in done.stderr
        counted("inputs")
    shutil.rmtree(closed)
    own.unlink()


@pytest.fixture
def stranger(request: pytest.FixtureRequest, alice: User) -> Iterator[User]:
    """Somebody whom no user database knows, with a UID at the end of what there is."""
    home = Path(f"/var/tmp/mlc-test-stranger-{request.param}")
    home.mkdir()
    (home / "workspace").mkdir()
    subprocess.run(["chown", "-R", f"{request.param}:{request.param}", str(home)], check=True)
    user = Stranger("", request.param, request.param, home, alice.tree, alice.environ)
    yield user
    sweep(user)
    subprocess.run(["rm", "-rf", str(home)], check=True)


class Stranger(User):
    """A user without a row in /etc/passwd: setpriv cannot look up whose groups these are."""

    def argv(self, command: object, **environ: str) -> list[str]:
        """See User."""
        found = super().argv(command, **environ)  # type: ignore[arg-type]
        groups = f"--groups={grp.getgrnam('docker').gr_gid}"
        return [groups if word == "--init-groups" else word for word in found]


@pytest.mark.promise("input-works")
@pytest.mark.parametrize(
    "stranger", [65534, 2**32 - 2, *([2**31] if is_full() else [])], indirect=True
)
def test_a_user_with_one_of_the_largest_uids_gets_a_container(
    stranger: User, counted: Counted
) -> None:
    # Named, as the home of nobody (65534) is a directory that there is not.
    done = stranger.mlc("create", "it", "--image", BASE, "-s", "-w", stranger.workspace)
    assert done.returncode == 0, done.stderr
    said = run(stranger, "id -u; id -g; sudo -n id -u; touch /workspace/made")
    assert said.split() == [str(stranger.uid), str(stranger.uid), "0"]
    assert (stranger.workspace / "made").stat().st_uid == stranger.uid
    counted("inputs")


@pytest.mark.promise("input-refused")
def test_archives_that_mlc_never_exports_leave_nothing(alice: User, counted: Counted) -> None:
    place = alice.file("archives/")
    prepare(place)
    subprocess.run(["chown", "-Rh", f"{alice.uid}:{alice.gid}", str(place)], check=True)
    rows = [row for row in IMPORTS if row[1].endswith(".tar")]
    assert len(rows) >= len(archives()) - 1
    with nothing_left():
        for what, path, code, says in rows:
            done = alice.mlc("import", path.replace("HOME", str(place)), "copy", "-s")
            assert (done.returncode, done.stdout) == (code, ""), what
            assert says in done.stderr.splitlines()[-1], (what, done.stderr)
            counted("inputs")
    assert not Path("/etc/evil").exists()
    shutil.rmtree(place)


@pytest.mark.promise("input-works")
def test_an_image_with_megabytes_of_labels(alice: User, counted: Counted) -> None:
    """Ten in the reliability run; among them is a claim of an account, which is not trusted."""
    maker = docker("create", BASE)
    try:
        labels = {f"label-{number}": "x" * 10_000 for number in range(sized(10, 1000))}
        labels |= {"aime.mlc.DS01_HAS_USER_SETUP": "True", "aime.mlc.DS01_USER_ID": "9" * 10**6}
        query = f"container={maker}&repo=mlc-test/labels&tag=1"
        ask("POST", "/commit", query=query, body={"Labels": labels, "Cmd": ["bash"]})
    finally:
        docker("rm", maker)
    try:
        done = alice.mlc("create", "it", "--image", "mlc-test/labels:1", "-s")
        assert done.returncode == 0, done.stderr
        assert "cannot be trusted: aime.mlc.DS01_HAS_USER_SETUP is 'True'" in done.stderr
        assert len(done.stderr) < 2000
        assert "it" in alice.mlc("list", "-a").stdout
        assert alice.mlc("remove", "it", "-f").returncode == 0
        counted("inputs")
    finally:
        docker("rmi", "mlc-test/labels:1")

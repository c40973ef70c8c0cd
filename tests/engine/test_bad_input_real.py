"""Bad input that only a real engine and real users can show; all the rest is tests/bad_input.py."""

from __future__ import annotations

import grp
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from asking import ask
from bad_input import IMPORTS, archives, prepare
from conftest import BASE, docker, inspect, nothing_left, sweep
from inside import run
from reliability import Counted, is_full, sized
from users import User, free_id, new_user

pytestmark = [pytest.mark.engine, pytest.mark.promise("input-refused")]

LOGINS = {"a'b;id": "a-b-id", "DOM\\u": "dom-u", "root@x": "root-at-x", "$(id)": "id"}
OWN_LOGINS = dict([*LOGINS.items()] if is_full() else [*LOGINS.items()][:2])


@pytest.mark.parametrize(("login", "account"), OWN_LOGINS.items())
def test_user_names_that_a_shell_would_read(
    login: str, account: str, tree: Path, user_environ: Mapping[str, str], counted: Counted
) -> None:
    gid = free_id(64_001)
    with new_user(login, gid, gid, tree, user_environ) as user:
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


@pytest.mark.parametrize(
    "stranger", [65534, 2**32 - 2, *([2**31] if is_full() else [])], indirect=True
)
def test_uids_at_the_end_of_what_there_is(stranger: User, counted: Counted) -> None:
    # Named, as the home of nobody (65534) is a directory that there is not.
    done = stranger.mlc("create", "it", "--image", BASE, "-s", "-w", stranger.workspace)
    assert done.returncode == 0, done.stderr
    said = run(stranger, "id -u; id -g; sudo -n id -u; touch /workspace/made")
    assert said.split() == [str(stranger.uid), str(stranger.uid), "0"]
    assert (stranger.workspace / "made").stat().st_uid == stranger.uid
    counted("inputs")


def test_archives_that_nobody_exports_leave_nothing(alice: User, counted: Counted) -> None:
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


def test_an_image_with_megabytes_of_labels(alice: User, counted: Counted) -> None:
    """Ten in the reliability run; among them is a claim of an account, which is not believed."""
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
        assert "are not believed: aime.mlc.DS01_HAS_USER_SETUP is 'True'" in done.stderr
        assert len(done.stderr) < 2000
        assert "it" in alice.mlc("list", "-a").stdout
        assert alice.mlc("remove", "it", "-f").returncode == 0
        counted("inputs")
    finally:
        docker("rmi", "mlc-test/labels:1")

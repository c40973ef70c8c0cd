"""export and import: a container in a file, and a container from it for the importing user."""

from __future__ import annotations

import json
import signal
import tarfile
from pathlib import Path

import pytest
from support.account_in_container import account, assert_account_works, run
from support.engine_proxy import Recording
from support.engine_state import docker, image_ids, inspect, nothing_left
from support.users import User

pytestmark = pytest.mark.real_engine


def container(user: User, image: str, *flags: str) -> None:
    """Make a container with a file of the user's own, and one of the system's."""
    done = user.mlc("create", "it", "Pytorch", "2.8.0", "--image", image, "-s", *flags)
    assert done.returncode == 0, done.stderr
    run(user, "echo mine > ~/file; chmod 600 ~/file; sudo -n sh -c 'echo theirs > /opt/file'")
    run(user, "mkdir -p ~/.local/bin; ln -s ../file ~/.local/link")
    assert user.mlc("stop", "it", "-s").returncode == 0


def bare_container(user: User, image: str, *flags: str) -> None:
    """Create a container that is never started."""
    done = user.mlc("create", "it", "--image", image, "-s", *flags)
    assert done.returncode == 0, done.stderr


def shared(user: User, name: str) -> Path:
    """Return a path in a directory that both users may read."""
    user.home.chmod(0o755)
    return user.home / name


def test_a_round_trip_for_the_same_user(user: User, slim: str) -> None:
    container(user, slim)
    file = user.home / "it.tar"
    file.unlink(missing_ok=True)
    with nothing_left():
        done = user.mlc("export", "it", file)
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith(f"[it] exported to {file} (")
        assert (file.stat().st_uid, file.stat().st_mode & 0o777) == (user.uid, 0o600)
        imported = user.mlc("import", file, "copy", "-s")
        assert imported.returncode == 0, imported.stderr
        assert run(user, "cat ~/file /opt/file; readlink ~/.local/link", "copy").split() == [
            "mine",
            "theirs",
            "../file",
        ]
        assert run(user, "sudo -n stat -c %a /etc/sudoers.d/ds01-user", "copy") == "440"
        assert_account_works(user, "copy")
        labels = inspect(user.tag("copy"))["Config"]["Labels"]
        assert labels["aime.mlc.FRAMEWORK"] == "Pytorch-2.8.0"
        assert labels["aime.mlc.NAME"] == "copy"
        assert user.mlc("remove", "copy", "-s").returncode == 0


@pytest.mark.this_host
def test_another_user_gets_their_own_account_and_home(
    alice: User, ldap_user: User, slim: str
) -> None:
    container(alice, slim)
    file = shared(alice, "theirs.tar")
    assert alice.mlc("export", "it", file, "-f").returncode == 0
    file.chmod(0o644)
    with nothing_left():
        done = ldap_user.mlc("import", file, "-s")
        assert (done.returncode, done.stdout) == (1, "")
        assert f"wants {str(alice.workspace)!r} of this host mounted" in done.stderr
        assert f"-w {alice.workspace} - else leave it out: -w -" in done.stderr
    done = ldap_user.mlc("import", file, "-s", "-w", "-")
    assert done.returncode == 0, done.stderr
    assert (
        f"{ldap_user.workspace}:/workspace" in inspect(ldap_user.tag("it"))["HostConfig"]["Binds"]
    )
    name = account(ldap_user)
    owner = run(ldap_user, "stat -c '%u:%g' ~/file ~/.local ~/.local/link; cat ~/file")
    assert owner.split() == [f"{ldap_user.uid}:{ldap_user.gid}"] * 3 + ["mine"]
    assert run(ldap_user, f"getent passwd {alice.login} || echo gone") == "gone"
    assert run(ldap_user, "ls /home") == name
    assert_account_works(ldap_user)


def test_the_configuration_of_the_image_comes_back(alice: User, image_from, slim: str) -> None:
    changes = ("ENV SPACED='a b'", 'ENTRYPOINT ["/usr/bin/env", "W=1"]', "WORKDIR /srv")
    base = image_from("", *changes, base=slim)
    done = alice.mlc("create", "it", "--image", base, "-s")
    assert done.returncode == 0, done.stderr
    assert alice.mlc("export", "it", alice.home / "config.tar", "-f").returncode == 0
    assert alice.mlc("import", alice.home / "config.tar", "copy", "-s").returncode == 0
    before, after = inspect(base)["Config"], inspect(alice.tag("copy"))["Config"]
    assert set(before["Env"]) <= set(after["Env"])
    assert after["Entrypoint"] == before["Entrypoint"]
    assert not [variable for variable in after["Env"] if "DS01_" in variable]
    assert run(alice, "echo $SPACED", "copy") == "a b"


@pytest.mark.this_host
def test_directories_come_back_where_they_exist(alice: User, slim: str) -> None:
    for directory in ("mine/", "data/"):
        alice.file(directory)
    bare_container(alice, slim, "-w", f"{alice.home}/mine", "-d", f"{alice.home}/data")
    assert alice.mlc("export", "it", alice.home / "mounts.tar", "-f").returncode == 0
    (alice.home / "data").rmdir()
    done = alice.mlc("import", alice.home / "mounts.tar", "copy", "-s")
    assert done.returncode == 0, done.stderr
    assert f"Not mounted, because this host does not have it: {alice.home}/data" in done.stderr
    binds = inspect(alice.tag("copy"))["HostConfig"]["Binds"]
    assert f"{alice.home}/mine:/workspace" in binds
    assert not [bind for bind in binds if bind.endswith(":/data")]


def test_an_existing_file_is_replaced_only_on_request(alice: User, slim: str) -> None:
    bare_container(alice, slim)
    file = alice.file("taken.tar", "precious")
    done = alice.mlc("export", "it", file)
    assert done.returncode == 1
    assert "exists. Replace it with: -f" in done.stderr
    assert file.read_text() == "precious"
    assert alice.mlc("export", "it", file, "-f").returncode == 0
    assert tarfile.is_tarfile(file)
    assert not [each for each in alice.home.iterdir() if each.name.endswith(".part")]


def test_the_file_is_named_after_the_container(alice: User, slim: str) -> None:
    bare_container(alice, slim)
    there = alice.file("place/")
    assert alice.mlc("export", "it", cwd=there).returncode == 0
    with tarfile.open(there / "it.mlc.tar") as archive:
        first = archive.next()
        assert first is not None
        manifest = json.load(archive.extractfile(first))  # type: ignore[arg-type]
    assert (manifest["name"], manifest["account"]) == ("it", alice.login)
    assert manifest["labels"]["aime.mlc.WORK_MOUNT"] == str(alice.workspace)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_export_leaves_no_file(
    alice: User, slim: str, engine_calls: Recording, number: signal.Signals
) -> None:
    bare_container(alice, slim)
    there = alice.file("empty/")
    commands = []
    engine_calls.before["GET /containers/.*/export"] = lambda: commands[0].send_signal(number)
    commands.append(
        alice.start(
            *(alice.tree / "bin/mlc", "export", "it", there / "it.tar"),
            DOCKER_HOST=engine_calls.address,
        )
    )
    output, _ = commands[0].communicate(timeout=30)
    assert commands[0].returncode == 128 + number, output
    assert list(there.iterdir()) == []


def test_an_export_the_engine_refuses_leaves_no_file(
    alice: User, slim: str, engine_calls: Recording
) -> None:
    bare_container(alice, slim)
    there = alice.file("empty/")
    engine_calls.refuse = "GET /containers/.*/export"
    done = alice.mlc("export", "it", there / "it.tar", DOCKER_HOST=engine_calls.address)
    assert done.returncode == 1
    assert "refused by the test" in done.stderr
    assert list(there.iterdir()) == []


def test_a_directory_that_is_not_writable(alice: User, slim: str) -> None:
    bare_container(alice, slim)
    for place in ("/etc/it.tar", f"{alice.home}/no/where.tar"):
        done = alice.mlc("export", "it", place)
        assert done.returncode == 1
        assert f"{place} cannot be written" in done.stderr


@pytest.mark.parametrize("content", [b"", b"no archive" * 100, b"\0" * 10240])
def test_a_file_that_is_not_an_archive_leaves_nothing(alice: User, content: bytes) -> None:
    file = alice.file("broken.tar")
    file.write_bytes(content)
    with nothing_left():
        done = alice.mlc("import", file, "copy", "-s")
        assert (done.returncode, done.stdout) == (1, "")
        assert f"{file} is not an archive made by mlc export" in done.stderr.splitlines()[-1]


def test_another_program_s_archive_is_refused(alice: User) -> None:
    file = alice.file("other.tar")
    with tarfile.open(file, "w") as archive:
        archive.add("/etc/hostname")
    done = alice.mlc("import", file, "copy", "-s")
    assert done.returncode == 1
    assert "does not begin with a manifest" in done.stderr.splitlines()[-1]


def test_a_truncated_archive_leaves_nothing(alice: User, slim: str) -> None:
    bare_container(alice, slim)
    file = alice.home / "cut.tar"
    assert alice.mlc("export", "it", file, "-f").returncode == 0
    with file.open("r+b") as opened:
        opened.truncate(file.stat().st_size // 2)
    with nothing_left():
        done = alice.mlc("import", file, "copy", "-s")
        assert (done.returncode, done.stdout) == (1, "")
        assert "Unexpected" not in done.stderr


def test_an_import_whose_set_up_fails_leaves_nothing(alice: User, slim: str) -> None:
    container(alice, slim)
    run(alice, "sudo -n rm /usr/sbin/useradd")
    assert alice.mlc("stop", "it", "-s").returncode == 0
    assert alice.mlc("export", "it", alice.home / "bad.tar", "-f").returncode == 0
    with nothing_left():
        done = alice.mlc("import", alice.home / "bad.tar", "copy", "-s")
        assert done.returncode == 1
        assert "no useradd" in done.stderr


def test_a_name_in_use_is_refused_before_anything_is_read(alice: User, slim: str) -> None:
    bare_container(alice, slim)
    assert alice.mlc("export", "it", alice.home / "again.tar", "-f").returncode == 0
    with nothing_left():
        done = alice.mlc("import", alice.home / "again.tar", "-s")
        assert done.returncode == 1
        assert "You have a container 'it' already" in done.stderr.splitlines()[-1]


def test_docker_itself_can_import_the_file(alice: User, slim: str) -> None:
    container(alice, slim)
    file = alice.home / "plain.tar"
    assert alice.mlc("export", "it", file, "-f").returncode == 0
    imported = docker("import", str(file))
    try:
        assert docker("run", "--rm", "--network=host", imported, "cat", "/opt/file") == "theirs"
    finally:
        docker("rmi", imported)
    assert imported not in image_ids()


def test_nothing_to_export_or_import(user: User) -> None:
    assert user.mlc("export", "nowhere", user.home / "x.tar").returncode == 1
    assert user.mlc("import", user.home / "nowhere.tar").returncode == 1
    assert user.mlc("import").returncode == 2
    assert user.mlc("export").returncode == 1  # nothing to choose from


def test_a_container_whose_image_is_gone_starts_and_gets_one_by_export_and_import(
    alice: User, slim: str
) -> None:
    """What doctor recommends, because the engine cannot save such a container."""
    container(alice, slim)
    docker("rmi", "--force", inspect(alice.tag("it"))["Image"])
    [finding] = [
        each
        for each in json.loads(alice.mlc("doctor", "--json").stdout)["findings"]
        if each["check"] == "container"
    ]
    assert finding["health"] == "warning"
    assert run(alice, "cat ~/file") == "mine"
    alice.mlc("stop", "it", "-s")
    steps = [words.split()[1:] for words in finding["remedy"].split(", ")]
    for arguments in steps:
        arguments[-1] = arguments[-1].replace("it.mlc.tar", f"{alice.home}/it.mlc.tar")
        more = [f"{alice.home}/it.mlc.tar"] if arguments[0] == "export" else []
        done = alice.mlc(*arguments, *more, "-s")
        assert done.returncode == 0, done.stdout + done.stderr
    assert run(alice, "cat ~/file") == "mine"
    assert_account_works(alice)

"""The ways in: bin/mlc-*, symlinks, mlc.py, the console script, the module, the Python API."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.engine_state import container_names, nothing_left
from support.users import User

from mlc_patched.version import AIME_VERSION, CONTAINER_VERSION

pytestmark = pytest.mark.real_engine

ODD = """a  b"c'd$HOME `x` *"""
ALL = ("create", "open", "remove", "start", "stop", "export")


@pytest.fixture
def links(alice: User) -> Path:
    """A directory of alice's with a symlink to each shim."""
    directory = alice.file("my links/")
    for shim in (alice.tree / "bin").glob("mlc*"):
        link = directory / shim.name
        link.unlink(missing_ok=True)
        link.symlink_to(shim)
    return directory


@pytest.mark.parametrize("verb", ALL)
def test_a_shim_passes_its_arguments_on_as_they_are(alice: User, links: Path, verb: str) -> None:
    more = ("Pytorch", "2.8.0") if verb == "create" else ()
    with nothing_left():
        done = alice.run(links / f"mlc-{verb}", ODD, *more, "-s")
        assert done.returncode == 1
        assert f"{ODD!r} is not a valid container name" in done.stderr.splitlines()[-1]


@pytest.mark.parametrize("verb", ["list", "stats", "update-sys"])
def test_shims_of_commands_without_a_name_refuse_one(alice: User, links: Path, verb: str) -> None:
    done = alice.run(links / f"mlc-{verb}", ODD)
    assert done.returncode == 2
    assert done.stderr.endswith(f"unrecognized arguments: {ODD}\n")


def test_the_import_shim_takes_any_file_name(alice: User, links: Path) -> None:
    done = alice.run(links / "mlc-import", f"{ODD}.tar", "copy")
    assert done.returncode == 1
    assert f"There is no file {ODD}.tar." in done.stderr.splitlines()[-1]


def test_every_command_has_its_shim(alice: User) -> None:
    shown = {line.split()[0] for line in alice.mlc("-h").stdout.splitlines() if line.strip()}
    shims = {path.name.removeprefix("mlc-") for path in (alice.tree / "bin").glob("mlc-*")}
    assert {*ALL, "import", "list", "stats", "update-sys"} <= shims & shown


def test_the_life_of_a_container_by_shims_alone(alice: User, links: Path, labelled) -> None:
    workspace = alice.file("my work/")
    image = labelled(alice)
    with nothing_left():
        for shim, *arguments in (
            ("create", "it", "--image", image, f"-w={workspace}", "-Y"),
            ("start", "it", "echo 'a  b' > '/workspace/c  d'"),
            ("stop", "it", "-Y"),
            ("remove", "it", "-f"),
        ):
            done = alice.run(links / f"mlc-{shim}", *arguments)
            assert done.returncode == 0, (shim, done.stderr)
    assert (workspace / "c  d").read_text() == "a  b\n"


@pytest.mark.parametrize(
    "way",
    {
        "bin/mlc": ["{tree}/bin/mlc"],
        "mlc-patched.py": ["{tree}/bin/docker/mlc-patched.py"],
        "system python": ["/usr/bin/env", "python3", "{tree}/bin/docker/mlc-patched.py"],
        "console script": ["{tree}/.venv/bin/mlc"],
        "module": ["{tree}/.venv/bin/python", "-m", "mlc_patched"],
        "linked mlc.py": ["{links}/mlc.py"],
        "linked twice": ["{links}/again.py"],
    }.items(),
    ids=lambda item: item[0],
)
def test_every_entry_point_reaches_the_engine(alice: User, links: Path, labelled, way) -> None:
    for name, target in (
        ("mlc.py", alice.tree / "bin/docker/mlc-patched.py"),
        ("again.py", "mlc.py"),
    ):
        (links / name).unlink(missing_ok=True)
        (links / name).symlink_to(target)
    command = [part.format(tree=alice.tree, links=links) for part in way[1]]
    version = alice.run(*command, "--version")
    assert version.returncode == 0, version.stderr
    assert version.stdout.startswith(f"AIME MLC version {AIME_VERSION}\n")
    hint = alice.run(*command)
    assert (hint.returncode, "mlc -h" in hint.stdout) == (0, True)
    done = alice.run(*command, "create", "it", "--image", labelled(alice), "-s")
    assert done.returncode == 0, done.stderr
    assert alice.tag("it") in container_names()


def test_the_catalog_next_to_a_linked_mlc_py_is_used(alice: User) -> None:
    """An admin puts ours in place of AIME's mlc.py, and keeps the catalog."""
    checkout = alice.file("aime-ml-containers/")
    (checkout / "ml_images.repo").write_text("Ownwork, 7, [CUDA_ADA], localhost/own:7\n")
    (checkout / "mlc.py").symlink_to(alice.tree / "bin/docker/mlc-patched.py")
    shown = alice.run("python3", checkout / "mlc.py", "create", "--info", MLC_CATALOG="")
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.splitlines()[-1].split() == ["Ownwork", "7"]


def test_it_can_be_imported_like_aimes_module(alice: User, links: Path) -> None:
    (links / "mlc.py").unlink(missing_ok=True)
    (links / "mlc.py").symlink_to(alice.tree / "bin/docker/mlc-patched.py")
    script = """
import importlib.util, json, sys
sys.path.insert(0, sys.argv[1])
import mlc
spec = importlib.util.spec_from_file_location("patched", sys.argv[2])
patched = importlib.util.module_from_spec(spec)
spec.loader.exec_module(patched)
print(json.dumps([mlc.mlc_version, mlc.mlc_container_version, patched.mlc_version]))
sys.argv = ["mlc", "list", "--json"]
for module in (mlc, patched):
    try:
        module.main()
    except SystemExit as exit:
        print(exit.code or 0)
"""
    source = alice.tree / "bin/docker/mlc-patched.py"
    done = alice.run("python3", "-c", script, str(links), str(source))
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert json.loads(lines[0]) == [AIME_VERSION, CONTAINER_VERSION, AIME_VERSION]
    assert done.stdout.count('"containers": []') == 2
    assert [line for line in lines if line in ("0", "1")] == ["0", "0"]


def test_the_python_api(user: User, labelled) -> None:
    script = """
import os, sys
import mlc_patched as mlc
made = mlc.create("api", image=sys.argv[1], gpus="none", labels={"own.label": "x=y"})
print(made.name, made.tag, made.flow.value)
print([each.name for each in mlc.list_containers()])
print(mlc.start("api").was_running, mlc.start("api", ["sh", "-c", "exit 5"]).exit_status)
print([(each.name, each.usage.processes >= 1) for each in mlc.stats()])
for wrong in (lambda: mlc.remove("api"), lambda: mlc.create("api"), lambda: mlc.open("none")):
    try:
        wrong()
    except mlc.MlcError as error:
        print(type(error).__name__, error.exit_code)
print(mlc.stop("api").was_running, mlc.stop("api").was_running)
print(mlc.remove("api").image_removed)
"""
    image = labelled(user)
    with nothing_left():
        done = user.run(user.tree / ".venv/bin/python", "-c", script, image)
        assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        f"api {user.tag('api')} image",
        "['api']",
        "False 5",
        "[('api', True)]",
        "InUseError 1",
        "NotFoundError 1",
        "NotFoundError 1",
        "True False",
        "None",
    ]
    assert done.stderr == ""

"""mlc import on the command line: its output, and what it asks about directories."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from support.fakes.engine import FakeEngine
from support.run_command import call

from mlc_patched.containers import archive
from mlc_patched.context import Context
from mlc_patched.names import labels


@pytest.fixture
def file(tmp_path: Path) -> str:
    """The archive of a container `n` with data that are not below the home."""
    data = tmp_path / "data"
    data.mkdir()
    path = tmp_path / "n.mlc.tar"
    manifest = archive.Manifest("n", "alice", {labels.DATA: str(data)})
    path.write_bytes(archive.head(manifest) + b"\0" * 1024)
    return str(path)


def test_an_imported_container_is_named(file: str, fake: FakeEngine, context: Context) -> None:
    done = call(["mlc", "import", file, "-d", "-"], context)
    assert (done.code, done.out) == (0, "[n] ready. Open it with: mlc open n\n")
    assert call(["mlc", "import", file, "two", "-d", "-", "-q"], context).out == "two\n"
    made = call(["mlc", "import", file, "three", "-d", "-", "--json"], context)
    assert json.loads(made.out)["container"]["tag"] == "three._.1001"
    assert len(fake.made) == 3


@pytest.mark.parametrize(("said", "is_mounted"), [("y", True), ("", False), ("n", False)])
def test_a_person_decides_about_directories_that_are_not_below_the_home(
    file: str,
    fake: FakeEngine,
    context: Context,
    answer: Callable[..., object],
    tmp_path: Path,
    said: str,
    is_mounted: bool,
) -> None:
    answer(said)
    done = call(["mlc", "import", file], context)
    assert done.code == 0
    assert f"wants {tmp_path}/data of this host mounted as /data" in done.out
    ((made),) = fake.made.values()
    binds = {bind.source for bind in made.specification.binds}
    assert (str(tmp_path / "data") in binds) == is_mounted


def test_nothing_is_mounted_where_nobody_can_be_asked(
    file: str, fake: FakeEngine, context: Context, answer: Callable[..., object]
) -> None:
    answer("y")
    assert call(["mlc", "import", file, "-s"], context).code == 1
    assert fake.made == {}


def test_yes_answers_about_directories(
    file: str, fake: FakeEngine, context: Context, tmp_path: Path
) -> None:
    done = call(["mlc", "import", file, "-y"], context)
    assert done.code == 0
    assert f"wants {tmp_path}/data of this host mounted as /data" in done.out
    ((made),) = fake.made.values()
    assert str(tmp_path / "data") in {bind.source for bind in made.specification.binds}


def test_a_missing_file_has_a_code_and_a_hint(tmp_path: Path, context: Context) -> None:
    done = call(["mlc", "import", f"{tmp_path}/none", "--json"], context)
    assert json.loads(done.out)["error"] == {
        "code": "not_found",
        "message": f"There is no file {tmp_path}/none.",
        "hint": "mlc export NAME writes NAME.mlc.tar.",
    }

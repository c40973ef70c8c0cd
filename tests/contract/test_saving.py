"""What every engine does for container-retire --save, and for lists of images."""

from __future__ import annotations

import pytest
from support.contract_fixtures import LABEL, Bench, bench
from support.engine_state import BASE
from support.fakes.engine import FakeEngine

from mlc_patched.engine.interface import Change
from mlc_patched.errors import ConflictError

__all__ = ["bench"]


def test_images_are_found_by_pattern_in_one_call(bench: Bench) -> None:
    container = bench.create()
    image_id = bench.commit(container, "one", **{LABEL: bench.word})
    name = bench.name("image")
    for names in ((name,), (f"{name}:one",), (f"{name[:-1]}*:o*",), ("nothing", name)):
        [found] = bench.engine.find_images(names=names)
        assert (found.id, found.references) == (image_id, (f"{name}:one",))
        assert found.labels[LABEL] == bench.word
    assert [each.id for each in bench.engine.find_images(labels=(f"{LABEL}={bench.word}",))] == [
        image_id
    ]
    assert bench.engine.find_images(names=(f"{name}:two",)) == []
    assert bench.engine.find_images(names=(f"*/{name}",)) == []
    assert any(BASE in each.references for each in bench.engine.find_images())


def test_a_command_is_run_inside(bench: Bench) -> None:
    container = bench.create()
    with pytest.raises(ConflictError):
        bench.engine.exec_run(container, ("true",), "0:0")
    bench.engine.start(container)
    status, output = bench.engine.exec_run(container, ("true",), "0:0")
    assert (status, output) == (0, "")
    if not isinstance(bench.engine, FakeEngine):
        failing = ("sh", "-c", "exec 2>&1; id -u; echo 'and more' >&2; exit 7")
        assert bench.engine.exec_run(container, failing, "12:0") == (7, "12\nand more\n")


def test_what_a_container_changed_is_told(bench: Bench) -> None:
    script = "mkdir /new; echo x > /new/file; rm /etc/motd; echo y >> /etc/issue"
    container = bench.create(script=script)
    expected = [
        Change("/etc/issue", "changed"),
        Change("/etc/motd", "deleted"),
        Change("/new", "added"),
        Change("/new/file", "added"),
    ]
    if isinstance(bench.engine, FakeEngine):
        bench.engine.made[container].changes = expected
    bench.engine.start(container)
    if not isinstance(bench.engine, FakeEngine):
        bench.engine.wait(container)
    found = bench.engine.changes(container)
    assert [each for each in found if each in expected] == expected


def test_a_commit_takes_a_message(bench: Bench) -> None:
    container = bench.create()
    labels = {LABEL: bench.word}
    name = bench.name("image")
    made = bench.engine.commit(container, name, "one", bench.image, labels, message="why 'so'")
    found = bench.engine.image(made)
    assert found is not None
    assert found.labels[LABEL] == bench.word

"""Every row of the table of bad input: its message, its exit code, and that nothing changed."""

from __future__ import annotations

from pathlib import Path

import pytest
from bad_input import HOME, Row, prepare, rows
from commands import call, files_of
from conftest import BASE
from fake_engine import FakeEngine
from reliability import Counted

from mlc_patched.context import Context

DOCKERFILE = "FROM {base}\nRUN pip install numpy\n"


@pytest.fixture
def prepared(fake: FakeEngine, context: Context) -> Context:
    """Alice with a container and a project of her own, and all that the rows name."""
    fake.add_image(BASE)
    fake.add_image("ds01-1001/p:latest")
    assert call(["mlc", "create", "mine", "--image", BASE, "-s"], context).code == 0
    home = Path(context.account.home)
    (home / "dockerfiles").mkdir()
    (home / "dockerfiles/p.Dockerfile").write_text(DOCKERFILE.format(base=BASE))
    prepare(home)
    return context


def engine_state(fake: FakeEngine) -> object:
    """Return all containers and images with their states and names."""
    return (
        {each.id: (each.specification, each.state) for each in fake.made.values()},
        {each.image.id: each.image for each in fake.images.values()},
    )


@pytest.mark.promise("input-refused")
def test_each_row_is_refused_with_its_message(
    prepared: Context, fake: FakeEngine, counted: Counted
) -> None:
    """One test for all rows: preparing a home takes longer than all of them."""
    home = prepared.account.home
    files, engine = files_of(home), engine_state(fake)
    wrong = []
    for row in rows():
        counted("inputs")
        outcome = call([word.replace(HOME, home) for word in row.argv], prepared)
        faults = [
            fault
            for fault, there in {
                f"exit code {outcome.code}": outcome.code != row.code,
                "it wrote to standard output": outcome.out,
                "its message": row.says.replace(HOME, home) not in outcome.err,
                "a defect": "Unexpected" in outcome.err or "Traceback" in outcome.err,
                "a control character": not _plain(outcome.err),
                "a long message": len(outcome.err) > 2000 and len(" ".join(row.argv)) < 1000,
                "the engine was changed": engine_state(fake) != engine,
            }.items()
            if there
        ]
        if faults:
            wrong.append((row.what, faults, outcome))
    assert not wrong, "\n".join(map(str, wrong[:5]))
    assert {**files_of(home)} == files


def _plain(text: str) -> bool:
    return all(char.isprintable() or char in "\n\udce9" for char in text)


def test_the_table_has_what_it_promises() -> None:
    found: list[Row] = rows()
    assert len({row.what for row in found}) == len(found) > 500

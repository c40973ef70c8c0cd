"""Every row of the table of bad input: its message, its exit code, and that nothing changed."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.bad_input.environment import environ_rows
from support.bad_input.files import prepare
from support.bad_input.table import HOME, Row, rows
from support.base_images import BASE
from support.fakes.engine import FakeEngine
from support.programs import starting_no_program
from support.reliability import Counted
from support.run_command import call, copy_of, files_of

from mlc_patched.context import Context
from mlc_patched.images.build.client import Client
from mlc_patched.images.build.environment import Builder
from mlc_patched.images.dockerfile.syntax import instructions

DOCKERFILE = "FROM {base}\nRUN pip install numpy\n"


@pytest.fixture
def prepared(fake: FakeEngine, context: Context, monkeypatch: pytest.MonkeyPatch) -> Context:
    """Alice with a container and a project of her own, and all that the rows name."""
    client = Client("/nowhere/docker", Builder.CLASSIC)
    monkeypatch.setattr("mlc_patched.images.create.choose_builder", lambda context: client)
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


@pytest.mark.promise("input-refused", "no-command", "plain-output")
def test_each_row_is_refused_with_its_message(
    prepared: Context, fake: FakeEngine, counted: Counted
) -> None:
    """One test for all rows: preparing a home takes longer than all of them."""
    home = prepared.account.home
    files, engine = files_of(home), engine_state(fake)
    wrong = []
    for row in (*rows(), *environ_rows()):
        counted("inputs")
        said = {name: value.replace(HOME, home) for name, value in row.environ}
        context = copy_of(prepared)
        context.environ = {**prepared.environ, **said}
        with starting_no_program():  # no row gets as far as one
            outcome = call([word.replace(HOME, home) for word in row.argv], context)
        faults = [
            fault
            for fault, there in {
                f"exit code {outcome.code}": outcome.code != row.code,
                "it wrote to standard output": outcome.out,
                "its message": row.says.replace(HOME, home) not in outcome.err,
                "a defect": "Unexpected" in outcome.err or "Traceback" in outcome.err,
                "a control character": not _plain(outcome.err),
                "a long message": len(outcome.err)
                > (2000 if len(" ".join(row.argv)) < 1000 else 5000),
                "the engine was changed": engine_state(fake) != engine,
            }.items()
            if there
        ]
        if faults:
            wrong.append((row.what, faults, outcome))
    assert not wrong, "\n".join(map(str, wrong[:5]))
    assert files_of(home) == files


def _plain(text: str) -> bool:
    return all(char.isprintable() or char == "\n" for char in text)


def test_the_table_has_what_it_promises() -> None:
    found: list[Row] = [*rows(), *environ_rows()]
    assert len({row.what for row in found}) == len(found) > 900


@pytest.mark.promise("input-refused")
def test_a_catalog_of_a_hundred_thousand_rows_is_told_of_in_a_few_words(
    prepared: Context, counted: Counted
) -> None:
    file = Path(prepared.account.home, "many.repo")
    file.write_text("".join(f"F{n}, 1.{n}, [CUDA_ADA], hub/{n}\n" for n in range(100_000)))
    prepared.environ = {**prepared.environ, "MLC_CATALOG": str(file)}
    for framework, says in (("nope", "There is no framework nope"), ("F7", "Available: 1.7\n")):
        outcome = call(["mlc", "create", "it", framework, "9", "-s"], prepared)
        assert outcome.code == 1
        assert says in outcome.err
        assert len(outcome.err) < 5000
        counted("inputs")


UNUSUAL = {
    "a syntax line": "# syntax=docker/dockerfile:1\nFROM {base}\nRUN true\n",
    "ONBUILD": "FROM {base}\nONBUILD RUN pip install scipy\nONBUILD COPY . /x\n",
    "a heredoc": "FROM {base}\nRUN <<EOF\npip install scipy\nFROM nowhere\nEOF\nRUN true\n",
    "two heredocs": "FROM {base}\nCOPY <<A <<B /x/\nRUN a\nA\nRUN b\nB\nRUN true\n",
    "CRLF": "FROM {base}\r\nRUN pip install \\\r\n    scipy\r\n",
    "no line break at the end": "FROM {base}\nRUN true",
    "a byte order mark in a comment": "# \ufeff\nFROM {base}\n",
    "1 MiB of it": "FROM {base}\n" + "# a comment of forty characters, or so.\n" * 25_000,
}


@pytest.mark.promise("input-works")
@pytest.mark.parametrize("text", UNUSUAL.values(), ids=UNUSUAL)
def test_a_dockerfile_that_is_unusual_is_taken_as_it_is(
    prepared: Context, text: str, counted: Counted
) -> None:
    """Every line stays, in its order; the package and the account block are all that is new."""
    text = text.format(base=BASE)
    file = Path(prepared.account.home, "Dockerfile")
    file.write_bytes(text.encode())
    argv = ["image-create", "q", "--dockerfile", str(file), "-p", "numpy", "--dry-run", "-y"]
    outcome = call(argv, prepared)
    assert outcome.code == 0, outcome.err
    made = outcome.out.partition("# Build command:")[0].split("\n")
    lines = iter(made)
    wanted = [line for line in text.split("\n") if "scipy" not in line or "ONBUILD" in line]
    assert all(line in lines for line in wanted)
    assert sum("numpy" in line for line in made if not line.startswith("# ")) == 1
    assert [each.keyword for each in instructions("\n".join(made))][-1] == "LABEL"
    counted("inputs")

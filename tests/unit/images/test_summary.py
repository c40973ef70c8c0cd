"""What is said before a build: its base, and which steps come from the cache."""

from __future__ import annotations

import pytest
from support.fakes.engine import FakeEngine

from mlc_patched.context import Context
from mlc_patched.images.dockerfile.render import account_block
from mlc_patched.images.project.files import ProjectFiles
from mlc_patched.images.summary import summary_of
from mlc_patched.images.versions.lockfile import Lock, Locked, LockedBase, render
from mlc_patched.images.versions.pins import NO_UPGRADE, Upgrade
from mlc_patched.names.projects import Project

PROJECT = Project(1001, "demo")
BLOCK = account_block("demo", "custom", "base:1")
ENV = "ENV A=1\n"
STEPS = (
    "RUN apt-get install -y curl\n"
    f"{ENV}"
    "RUN pip install six\n"
    "COPY demo.requirements.txt /r.txt\n"
    "RUN pip install -r /r.txt\n"
)
TEXT = f"FROM base:1\n{STEPS}{BLOCK}"
STAGES = f"FROM tools AS made\nRUN make\nFROM base:1\nRUN a\nCOPY --from=made /x /\n{BLOCK}"
ALIAS = f"FROM base:1 AS made\nRUN make\nFROM made\nRUN a\n{BLOCK}"


def said(
    context: Context,
    ids: list[str],
    text: str,
    before: str = TEXT,
    *,
    pull: bool = False,
    upgrade: Upgrade = NO_UPGRADE,
    builder: str = "BUILDKIT",
    is_kept: bool = True,
) -> list[str]:
    """Return the lines about a build of a text after one of another on base:1."""
    base = LockedBase("base:1", ids[0])
    lock = Lock("demo", before, base, builder=builder, packages=(Locked("numpy", "2"),))
    ProjectFiles(context.account, PROJECT).write_lock(render(lock))
    last = base if is_kept else None
    return summary_of(text, PROJECT, context, last=last, pull=pull, upgrade=upgrade).lines()


def short(image: str) -> str:
    """Return an image's ID as it is shown."""
    return image.removeprefix("sha256:")[:12]


def states(lines: list[str]) -> str:
    """Return the first letters of the states of steps."""
    return "".join(each[0] for each in lines if each[0] in "cmr" and ":" not in each[:8])


@pytest.fixture
def ids(fake: FakeEngine) -> list[str]:
    """The images that the engine has: two bases, and the project's."""
    return [fake.add_image(name).id for name in ("base:1", "other:1", PROJECT.image)]


def test_steps_are_cached_until_one_copies_a_file(context: Context, ids: list[str]) -> None:
    lines = said(context, ids, TEXT)
    assert [" ".join(line.split()) for line in lines] == [
        f"Base: base:1 ({short(ids[0])}), on this engine, 0B",
        "cached install curl",
        "cached install six",
        "maybe COPY demo.requirements.txt /r.txt",
        "maybe RUN pip install -r /r.txt",
        "maybe: runs if the base, a copied file or a build argument has changed",
    ]
    assert "maybe:" not in "".join(said(context, ids, f"FROM base:1\nRUN a\n{BLOCK}"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (TEXT.replace("base:1\nRUN", "other:1\nRUN"), "rrrr"),
        (TEXT.replace("base:1\nRUN", "absent:1\nRUN"), "rrrr"),
        (TEXT.replace(ENV, "ENV A=2\n"), "crrr"),
        (TEXT.replace(ENV, f"{ENV}ENV B=1\n"), "crrr"),
        (TEXT.replace(ENV, ""), "crrr"),
        (TEXT.replace("six\n", "six\nRUN more\n"), "ccrrr"),
        (TEXT.replace(BLOCK, f"RUN more\n{BLOCK}"), "ccmmr"),
    ],
)
def test_what_stands_before_a_step_counts(
    context: Context, ids: list[str], text: str, expected: str
) -> None:
    assert states(said(context, ids, text)) == expected


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (STAGES, STAGES, "cm"),
        (STAGES, STAGES.replace("make", "more"), "cr"),
        (ALIAS, ALIAS, "m"),
        (ALIAS, ALIAS.replace("make", "more"), "r"),
        (TEXT, f"FROM tools\n{TEXT}", "ccmm"),
        (*[f"FROM base:1\nARG X=1\nRUN a\n{BLOCK}"] * 2, "m"),
        (*[f"ARG B=base:1\nFROM $B\nRUN a\n{BLOCK}"] * 2, "m"),
        (*[f"FROM base:1\nRUN --mount=type=bind,target=/x a\nRUN b\n{BLOCK}"] * 2, "mm"),
        (*[f"FROM base:1\nCOPY <<E /x\ntext\nE\nRUN b\n{BLOCK}"] * 2, "cc"),
    ],
)
def test_other_stages_arguments_and_mounts_count(
    context: Context, ids: list[str], before: str, after: str, expected: str
) -> None:
    assert states(said(context, ids, after, before)) == expected


@pytest.mark.parametrize(
    ("upgrade", "expected"),
    [
        (Upgrade(packages=("six",)), "crrr"),
        (Upgrade(packages=("curl",)), "rrrr"),
        (Upgrade(everything=True), "rrrr"),
    ],
)
def test_steps_of_what_is_upgraded_run(
    context: Context, ids: list[str], upgrade: Upgrade, expected: str
) -> None:
    assert states(said(context, ids, TEXT, upgrade=upgrade)) == expected


def test_the_base_is_that_of_the_last_build_also_if_the_name_was_moved(
    context: Context, ids: list[str], fake: FakeEngine
) -> None:
    fake.tag_image(ids[1], "base", "1")
    lines = said(context, ids, TEXT)
    assert f"({short(ids[0])})" in lines[0]
    assert states(lines) == "ccmm"
    lines = said(context, ids, TEXT, is_kept=False)
    assert f"({short(ids[1])})" in lines[0]
    assert states(lines) == "rrrr"
    fake.images.pop(ids[0])
    lines = said(context, ids, TEXT)
    assert f"({short(ids[1])})" in lines[0], "the build cannot have the last one"
    assert states(lines) == "rrrr"


def test_what_a_pull_brings_is_not_known(context: Context, ids: list[str]) -> None:
    lines = said(context, ids, TEXT, pull=True)
    assert lines[0].split() == ["Base:", "base:1,", "to", "be", "pulled"]
    assert states(lines) == "mmmm"


def test_a_base_that_is_gone_is_pulled_by_its_digest(
    context: Context, ids: list[str], fake: FakeEngine
) -> None:
    fake.images.clear()
    fake.add_image(PROJECT.image)
    last = LockedBase("base:1", "sha256:1", f"base@sha256:{'d' * 64}")
    ProjectFiles(context.account, PROJECT).write_lock(render(Lock("demo", TEXT, last)))
    lines = summary_of(TEXT, PROJECT, context, last=last).lines()
    assert lines[0].split() == ["Base:", "base:1", "(dddddddddddd),", "to", "be", "pulled"]
    assert states(lines) == "ccmm"
    lines = summary_of(TEXT, PROJECT, context, last=LockedBase("base:1", "sha256:1")).lines()
    assert lines[0].split() == ["Base:", "base:1", "(unknown),", "to", "be", "pulled"]


def test_some_builders_run_everything_again(context: Context, ids: list[str]) -> None:
    argument = f"FROM base:1\nARG X\nRUN a\n{BLOCK}"
    assert states(said(context, ids, TEXT, builder="CLASSIC")) == "ccmm"
    upgrade = Upgrade(packages=("six",))
    assert states(said(context, ids, TEXT, builder="CLASSIC", upgrade=upgrade)) == "rrrr"
    assert states(said(context, ids, argument, argument, builder="PODMAN")) == "r"
    assert states(said(context, ids, TEXT, builder="PODMAN")) == "ccmm"


def test_without_an_image_every_step_runs(
    context: Context, ids: list[str], fake: FakeEngine
) -> None:
    fake.remove_image(PROJECT.image)
    assert states(said(context, ids, TEXT)) == "rrrr"

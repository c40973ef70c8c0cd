"""What was installed in a container, and how to add it to the image of its project."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.fakes.engine import FakeEngine

from mlc_patched.containers.installed import how_to_keep, sentence
from mlc_patched.context import Context
from mlc_patched.engine.specification import ContainerSpecification
from mlc_patched.errors import EngineError
from mlc_patched.names import labels

DOCKERFILE = """\
FROM debian
RUN apt-get update && apt-get install -y git less
RUN python3 -m pip install pandas[excel]>=2 \\
    scikit_learn
"""
FOUND = [
    "pip seaborn-0.13.2.dist-info",
    "pip scikit_learn-1.5.0.dist-info",
    "pip Pandas-2.2.3.dist-info",
    "list ffmpeg.list",
    "list libavcodec59:amd64.list",
    "list git.list",
    "list openssl.list",
    "installed ffmpeg:amd64",
    "installed libavcodec59:amd64",
    "installed git:amd64",
    "automatic libavcodec59",
]


def test_what_was_asked_for_and_is_not_in_the_dockerfile_is_named_with_the_command() -> None:
    assert sentence("thesis", FOUND, DOCKERFILE) == (
        "Installed in the container, but not in its image: seaborn 0.13.2, ffmpeg. "
        "Add to the image with: image-update thesis --add seaborn --apt ffmpeg"
    )


def test_what_other_packages_need_is_not_named_though_uv_marks_it_as_asked_for() -> None:
    lines = [
        "uv seaborn-0.13.2.dist-info",
        "needs numpy",
        "needs Foo.bar",
        "uv numpy-2.1.dist-info",
    ]
    lines += ["uv foo_bar-1.dist-info", "pip numpy-2.1.dist-info"]
    assert sentence("t", lines[:-1], "FROM x").endswith(" --add seaborn")
    assert sentence("t", lines, "FROM x").endswith(" --add numpy seaborn")


def test_only_python_packages_need_no_apt() -> None:
    assert sentence("t", FOUND[:1], "FROM x").endswith("image-update t --add seaborn")


@pytest.mark.parametrize(
    "line",
    [
        "pip evil; rm -rf-1.0.dist-info",
        "pip --index-url=x-1.dist-info",
        "pip nothing",
        "list a b.list",
        "list -o.list",
        "sh: find: not found",
        "",
    ],
)
def test_nothing_but_names_of_packages_gets_into_the_command(line: str) -> None:
    assert sentence("t", [line, "installed -o", "installed a b"], "FROM x") == ""


@pytest.fixture
def of_project(context: Context, fake: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> FakeEngine:
    """An engine with a running container of a project, in which seaborn was installed."""
    image = fake.add_image("ds01-1001/thesis")
    made = ContainerSpecification(
        name="it._.1001", image=image.id, labels={labels.PROJECT: "thesis", labels.OWNER: "alice"}
    )
    fake.start(fake.create_container(made))
    monkeypatch.setattr(fake, "exec_run", lambda *arguments: (0, FOUND[0]))
    path = Path(context.account.home, "dockerfiles")
    path.mkdir()
    (path / "thesis.Dockerfile").write_text(DOCKERFILE)
    return fake


def _said(context: Context, fake: FakeEngine) -> str:
    container = fake.container("it._.1001")
    assert container is not None
    return how_to_keep(container, context)


def test_the_container_of_a_project_is_asked(context: Context, of_project: FakeEngine) -> None:
    assert "image-update thesis --add seaborn" in _said(context, of_project)


def test_a_container_that_does_not_answer_is_no_failure(
    context: Context, of_project: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object) -> None:
        raise EngineError("it is not running")

    monkeypatch.setattr(of_project, "exec_run", fail)
    assert _said(context, of_project) == ""


def test_a_project_without_a_dockerfile_of_the_user_is_not_asked(
    context: Context, of_project: FakeEngine
) -> None:
    Path(context.account.home, "dockerfiles/thesis.Dockerfile").unlink()
    assert _said(context, of_project) == ""

"""container-deploy and container-create: menus, shells, dry runs, and what a cluster is asked."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from support.accounts import PASSWD, THESIS_LABELS
from support.fakes.engine import FakeEngine
from support.run_command import Outcome, call

from mlc_patched.cluster import wait
from mlc_patched.context import Context
from mlc_patched.errors import EngineUnreachableError
from mlc_patched.images.push import push_image
from mlc_patched.settings.model import Settings

Answer = Callable[..., object]
IMAGE = "ds01-1001/thesis:latest"


@pytest.fixture
def thesis(fake: FakeEngine) -> FakeEngine:
    """An engine with the image of alice's project."""
    fake.add_image("ds01-1001/thesis", THESIS_LABELS, PASSWD)
    return fake


def run(context: Context, *words: str, code: int = 0) -> Outcome:
    done = call([*words], context)
    assert done.code == code, done
    return done


def names(fake: FakeEngine) -> list[str]:
    return [each.specification.name for each in fake.made.values()]


def test_on_a_terminal_the_project_is_chosen_and_a_shell_opened(
    thesis: FakeEngine, context: Context, client: None, answer: Answer
) -> None:
    answer("")
    said = run(context, "container-deploy").out
    assert "Your projects:\n  1) thesis\nWhich one? (1-1) [1]: " in said
    assert said.endswith("[thesis] stopped. Open it again with: mlc open thesis\n")
    assert names(thesis) == ["thesis._.1001"]


def test_a_container_that_is_there_can_be_opened_instead(
    thesis: FakeEngine, context: Context, client: None, answer: Answer
) -> None:
    run(context, "container-create", "thesis")
    answer("thesis", "1")
    said = run(context, "container-deploy").out
    assert "You have a container of thesis already:\n  1) open thesis (" in said
    assert names(thesis) == ["thesis._.1001"]
    answer("2")
    assert "2) create another one" in run(context, "container-deploy", "--project", "thesis").out
    assert names(thesis) == ["thesis._.1001", "thesis-2._.1001"]


def test_a_container_in_use_is_left_running_when_its_shell_is_closed(
    thesis: FakeEngine, context: Context, client: None, answer: Answer
) -> None:
    run(context, "container-deploy", "thesis", "--background")
    ((made),) = thesis.made.values()
    made.processes = ["bash", "python3 train.py"]
    answer("1")
    said = run(context, "container-deploy", "--project", "thesis").out
    assert "[thesis] left running: 1 process is still running in it." in said
    said = run(context, "mlc", "open", "thesis").out
    assert said == "[thesis] left running: 1 process is still running in it.\n"
    made.processes = ["bash"]
    assert run(context, "mlc", "open", "thesis").out == "[thesis] stopped.\n"


def test_a_container_that_was_removed_while_its_shell_was_open_is_not_to_be_opened_again(
    thesis: FakeEngine,
    context: Context,
    client: None,
    answer: Answer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run(context, "container-deploy", "thesis", "--background")

    def removed(*arguments: object, **named: object) -> int:
        thesis.made.clear()
        return 0

    monkeypatch.setattr("mlc_patched.containers.open.run_inside", removed)
    answer("1")
    said = run(context, "container-deploy", "--project", "thesis").out
    assert "[thesis] was removed while the shell was open.\n" in said
    assert "Open it again" not in said


def test_who_has_no_image_is_told_how_to_make_one(context: Context, answer: Answer) -> None:
    answer("1")
    said = run(context, "container-create", code=1).err
    assert "You have no images yet." in said
    assert "image-create" in said


def test_a_dry_run_says_what_would_be_created(thesis: FakeEngine, context: Context) -> None:
    words = ("container-deploy", "thesis", "--cpus", "2", "--memory", "8g", "--dry-run")
    said = run(context, *words).out
    assert f"Would create and start: thesis (thesis._.1001) from {IMAGE}" in said
    fields = {line.split()[0]: line.split()[1:] for line in said.splitlines() if "  " in line}
    assert (fields["CPUs"], fields["Memory"]) == (["2"], ["8.59GB"])
    assert fields["/workspace"] == [f"{context.account.home}/workspace"]
    assert run(context, *words, "-q").out == "thesis\n"
    planned = json.loads(run(context, *words, "--json").out)["planned"]
    assert (planned["tag"], planned["nano_cpus"]) == ("thesis._.1001", 2 * 10**9)
    assert thesis.made == {}


def test_a_create_without_a_project_names_its_own_command(
    thesis: FakeEngine, context: Context
) -> None:
    for command in ("container-create", "container-deploy"):
        said = run(context, command, code=2).last
        assert said.endswith(
            f"Which project? Use: {command} PROJECT. Your images: ds01-1001/thesis."
        )


@pytest.fixture
def cluster(
    thesis: FakeEngine, context: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> FakeEngine:
    """A Swarm of one node with a GPU, and the pushed image."""
    sockets = tmp_path / "x11"  # not this host's, which may have none
    sockets.mkdir()
    for module in ("specify", "directories"):
        monkeypatch.setattr(f"mlc_patched.plan.{module}.X11_SOCKETS", str(sockets))
    context.__dict__["settings"] = Settings(registry="registry:5000")
    thesis.swarm.join("server-1", gpus=1)
    push_image("thesis", None, context)
    thesis.swarm.engines = {"server-1": thesis}
    return thesis


def test_a_service_is_announced_with_its_node(cluster: FakeEngine, context: Context) -> None:
    words = ("container-deploy", "thesis", "--cluster", "-g", "1", "--background")
    said = run(context, *words).out
    assert said.startswith("[thesis] ")
    assert f"/workspace is {context.account.home}/workspace of its node" in said
    assert "container-retire thesis [--save]" in said
    words = ("container-deploy", "--project", "thesis", *words[2:])
    waiting = json.loads(run(context, *words, "--json").out)["container"]
    assert (waiting["name"], waiting["ahead"]) == ("thesis-2", 0)
    assert run(context, *words, "-q").out == "thesis-3\n"


@pytest.mark.parametrize(
    ("flag", "message"), [("--exist-ok", "cannot be combined"), ("--dry-run", "--cluster")]
)
def test_what_a_cluster_cannot_do_is_refused(
    cluster: FakeEngine, context: Context, flag: str, message: str
) -> None:
    done = run(context, "container-deploy", "thesis", "--cluster", flag, code=2)
    assert message in done.last
    words = ("container-deploy", "thesis", "--gpu-kind", "a100", flag)
    assert "--gpu-kind" in run(context, *words, code=2).last
    assert cluster.swarm.services() == []


@pytest.mark.parametrize(
    ("error", "code"), [(KeyboardInterrupt(), 130), (EngineUnreachableError("away"), 1)]
)
def test_what_was_submitted_stays_when_the_waiting_ends(
    cluster: FakeEngine,
    context: Context,
    monkeypatch: pytest.MonkeyPatch,
    error: BaseException,
    code: int,
) -> None:
    def end(*arguments: object) -> None:
        raise error

    monkeypatch.setattr(wait, "wait_until_running", end)
    done = run(context, "container-deploy", "thesis", "--cluster", code=code)
    assert "[thesis] stays in the queue." in done.err
    assert "container-retire thesis" in done.err
    assert len(cluster.swarm.services()) == 1
    words = ("container-deploy", "--project", "thesis", "--cluster")
    assert "[thesis-2] stays in the queue." in run(context, *words, "-q", code=code).err
    said = json.dumps(json.loads(run(context, *words, "--json", code=code).out)["error"])
    assert "[thesis-3] stays in the queue." in said
    assert "container-retire thesis-3" in said


def test_a_service_that_runs_is_opened(cluster: FakeEngine, context: Context, client: None) -> None:
    done = run(context, "container-deploy", "thesis", "--cluster", "-g", "1", "--open")
    assert done.out.startswith("[thesis] running")
    assert "[thesis] left running: it keeps its node until container-retire thesis." in done.out

"""DS01's daily names of commands and flags, and names of containers as they are printed."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.accounts import OWN, PASSWD, AccountOfThisProcess
from support.fakes.engine import FakeEngine

import mlc_patched
from mlc_patched.cli.main import parse, run
from mlc_patched.context import Context
from mlc_patched.names.containers import plain_name
from mlc_patched.names.labels import Claim, claim_labels


@pytest.fixture
def container(fake: FakeEngine, context: Context) -> Context:
    fake.add_image(OWN, claim_labels(Claim(1001, 2001, "alice")), PASSWD)
    mlc_patched.create("n", image=OWN, context=context)
    return context


@pytest.mark.parametrize("name", ["n", "[n]", "n._.1001", "[n._.1001]"])
def test_the_daily_commands_take_every_spelling_of_a_name(
    fake: FakeEngine, container: Context, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for argv, state in (
        (["container-start", name, "-s"], "running"),
        (["container-stats"], "running"),
        (["container-stop", name, "-y"], "exited"),
    ):
        assert run(argv, "mlc", container) == 0
        assert [each.state for each in fake.made.values()] == [state]
    assert run(["container-remove", name, "-f"], "mlc", container) == 0
    assert not fake.made
    assert "[n] removed" in capsys.readouterr().out


@pytest.mark.parametrize(
    "argv",
    [["container-retire", "[n]", "-y"], ["remove", "n._.1001", "-s"]],
)
def test_other_commands_take_them_too(
    fake: FakeEngine, container: Context, argv: list[str]
) -> None:
    assert run(argv, "mlc", container) == 0
    assert not fake.made


def test_a_container_can_be_created_by_them(fake: FakeEngine, container: Context) -> None:
    assert run(["create", "[m]", "--image", OWN, "-s"], "mlc", container) == 0
    assert {each.specification.name for each in fake.made.values()} == {"n._.1001", "m._.1001"}


def test_a_name_of_another_user_is_not_understood(container: Context) -> None:
    assert plain_name("n._.1002", 1001) == "n._.1002"
    assert run(["container-start", "n._.1002", "-s"], "mlc", container) == 2


def test_root_has_no_containers_to_name(
    container: Context, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    container.__dict__["account"] = AccountOfThisProcess("root", 0, 0, str(tmp_path))
    for argv in (
        *(["container-stop", "n", "-s"], ["container-create", "m", "--image", OWN]),
        *(["container-deploy", "m", "--image", OWN], ["container-deploy", "m", "--cluster"]),
        *(["container-retire", "n"], ["container-list"]),
        *(["run"], ["run", "p", "--", "true"], ["slurm-job"]),
    ):
        assert run(argv, "mlc", container) == 1, argv
        assert "You are root" in capsys.readouterr().err, argv


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        ("image-create p -t nlp cv", {"preset": ["nlp", "cv"]}),
        ("image-create p --type nlp", {"preset": ["nlp"]}),
        ("image-create p -s ffmpeg --system vim", {"apt": ["ffmpeg", "vim"]}),
        ("image-update p --add-system ffmpeg -s vim", {"apt": ["ffmpeg", "vim"]}),
        ("image-update p --rebuild", {"project": "p"}),
        ("container-deploy p --num-gpus 2", {"gpus": "2"}),
        ("create p Pytorch 2.8.0 --num-gpus=2", {"gpus": "2"}),
        ("image-delete p -y", {"projects": ["p"], "yes": True}),
        ("container-open p", {"container_name": "p"}),
        ("container-attach p", {"container_name": "p"}),
    ],
)
def test_flags_of_ds01(argv: str, expected: dict[str, object]) -> None:
    assert expected.items() <= vars(parse(argv.split())[1]).items()


def test_the_help_of_a_second_name_has_examples_with_it(capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("image-delete", "container-attach"):
        with pytest.raises(SystemExit):
            run([name, "-h"], "mlc")
        said = capsys.readouterr().out
        assert f"usage: {name}" in said
        assert "image-retire thesis" not in said
        assert "mlc open" not in said

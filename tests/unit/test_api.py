"""The Python API on a fake engine: the calls it makes, and what a failure leaves."""

from __future__ import annotations

import inspect
import pickle
from dataclasses import is_dataclass
from pathlib import Path

import pytest
from support.accounts import OWN, PASSWD, THESIS_LABELS, AccountOfThisProcess, own_image
from support.base_images import CATALOG
from support.fakes.engine import FakeEngine
from support.fakes.jobs import record
from support.sandbox import BASE, REGISTRY, Sandbox, new_sandbox

import mlc_patched
from mlc_patched import errors
from mlc_patched.context import Context
from mlc_patched.errors import (
    AlreadyExistsError,
    InUseError,
    MlcError,
    MountMissingError,
    NotFoundError,
    UsageError,
)
from mlc_patched.images.verify import Findings


@pytest.mark.parametrize("verb", ["open", "start", "stop", "remove", "export"])
def test_a_container_that_is_not_there(context: Context, verb: str) -> None:
    with pytest.raises(NotFoundError, match="mlc list -a"):
        getattr(mlc_patched, verb)("n", context=context)
    with pytest.raises(UsageError):
        getattr(mlc_patched, verb)("a.*", context=context)


def test_another_user_s_container_of_the_name_is_not_touched(
    fake: FakeEngine, context: Context
) -> None:
    own_image(fake)
    created = mlc_patched.create("n", image=OWN, context=context)
    context.__dict__["account"] = AccountOfThisProcess("bob", 1002, 1002, context.account.home)
    for verb in ("stop", "remove", "start"):
        with pytest.raises(NotFoundError):
            getattr(mlc_patched, verb)("n", context=context)
    assert list(fake.made) == [created.id]
    assert mlc_patched.list_containers(context=context) == []
    assert [each.name for each in mlc_patched.list_containers(all_users=True, context=context)]


def test_the_package_shows_and_exports_its_api() -> None:
    shown = dir(mlc_patched)
    assert {"create", "run", "create_image", "deploy", "doctor", "MlcError", "Context"} <= {*shown}
    for name in shown:
        found = getattr(mlc_patched, name)
        if is_dataclass(found) and name != "Context":
            assert found.__setattr__ is not object.__setattr__, name
        if inspect.isfunction(found):
            kinds = {each.name: each.kind for each in inspect.signature(found).parameters.values()}
            assert kinds["context"] is inspect.Parameter.KEYWORD_ONLY, name
    with pytest.raises(AttributeError, match="no_such_function"):
        mlc_patched.no_such_function  # noqa: B018


def test_every_error_is_exported() -> None:
    for name, found in vars(errors).items():
        if isinstance(found, type) and issubclass(found, BaseException):
            assert getattr(mlc_patched, name) is found


def test_a_text_is_a_line_and_a_sequence_a_program(fake: FakeEngine, context: Context) -> None:
    own_image(fake)
    mlc_patched.create("c", image=OWN, context=context)
    line = mlc_patched.start("c", "echo hello", detach=True, context=context).job
    program = mlc_patched.start("c", ["nvidia-smi"], detach=True, context=context).job
    assert line.words == ("bash", "-c", "echo hello")
    assert program.words == ("nvidia-smi",)
    for wrong in ("", "a\0b", ["sleep", 5], ["\udcff"]):
        with pytest.raises(UsageError):
            mlc_patched.start("c", wrong, context=context)


@pytest.fixture
def client(context: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Docker client that prints its arguments and input, and exits with 3."""
    monkeypatch.setattr("mlc_patched.containers.run.fitting_client", lambda *_: "docker")
    program = tmp_path / "docker"
    program.write_text("#!/bin/sh\nprintf '%s\\n' \"$@\"\ncat >&2\nexit 3\n")
    program.chmod(0o755)
    context.environ = {**context.environ, "PATH": f"{tmp_path}:{context.environ['PATH']}"}
    return program


def test_run_returns_what_a_command_prints(
    fake: FakeEngine, context: Context, client: Path
) -> None:
    own_image(fake)
    mlc_patched.create("c", image=OWN, context=context)
    done = mlc_patched.run("c", "echo hello", input="given", context=context)
    words = done.stdout.splitlines()
    assert (done.name, done.exit_status, done.stderr) == ("c", 3, "given")
    assert words[:4] == ["exec", "-i", "--user", "1001:2001"]
    assert words[-4:] == ["c._.1001", "bash", "-c", "echo hello"]
    assert fake.container("c._.1001").is_running
    done = mlc_patched.run("c", ["nvidia-smi"], context=context)
    assert (done.stdout.splitlines()[-1], done.stderr) == ("nvidia-smi", "")
    with pytest.raises(MlcError, match="failed: exit 3"):
        mlc_patched.run("c", ["false"], check=True, context=context)


def test_run_ends_a_command_that_takes_too_long(
    fake: FakeEngine, context: Context, client: Path
) -> None:
    own_image(fake)
    created = mlc_patched.create("c", image=OWN, context=context)
    client.write_text("#!/bin/sh\nexec sleep 60\n")
    with pytest.raises(MlcError, match=r"longer than 0\.1 seconds"):
        mlc_patched.run("c", "sleep 60", timeout=0.1, context=context)
    ((hang_up, _),) = fake.made[created.id].commands
    assert "kill -HUP" in hang_up[2]


def test_images_and_deployments(
    fake: FakeEngine, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake.add_image("ds01-1001/thesis", THESIS_LABELS, PASSWD)
    made = mlc_patched.deploy("thesis", gpus=1, context=context)
    assert (made.state, made.flow, made.gpus, made.project) == ("running", "image", "1", "thesis")
    assert (made.data, made.models) == (None, None)
    (listed,) = mlc_patched.list_containers(context=context)
    assert (listed.framework, listed.data) == ("custom-latest", None)
    (image,) = mlc_patched.list_images(context=context)
    assert (image.name, image.framework) == ("thesis", None)
    with pytest.raises(InUseError):
        mlc_patched.retire_image("thesis", context=context)
    assert mlc_patched.retire("thesis", context=context).name == "thesis"
    assert mlc_patched.retire_image("thesis", context=context).images == (
        "ds01-1001/thesis:latest",
    )
    written = mlc_patched.create_image(
        "paper", base="debian:12", pip="numpy<2", build=False, context=context
    )
    assert "numpy<2" in Path(written.dockerfile).read_text()
    (image,) = mlc_patched.list_images(context=context)
    assert (image.project, image.id, image.created) == ("paper", None, None)


def test_doctor_returns_findings(context: Context) -> None:
    found = mlc_patched.doctor(context=context)
    assert "engine" in [each.name for each in found]


def test_listing_is_two_calls(fake: FakeEngine, context: Context) -> None:
    own_image(fake)
    for name in ("c", "a", "b"):
        mlc_patched.create(name, image=OWN, context=context)
    fake.calls.clear()
    assert [each.name for each in mlc_patched.list_containers(context=context)] == ["b", "a", "c"]
    assert fake.calls == ["containers", "containers"]


def test_the_catalog_of_these_tests_is_read(context: Context) -> None:
    assert len(context.catalog.rows) == len(CATALOG.splitlines())


@pytest.fixture
def sandbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    """This process's own user, engine and builder, as a program that uses the API has them."""
    return new_sandbox(tmp_path, monkeypatch)


def test_a_project_from_its_image_to_its_archive(sandbox: Sandbox) -> None:
    made = mlc_patched.create_image("demo", base=BASE, pip="numpy<2 six", apt=["ffmpeg"])
    assert made.image == "ds01-1001/demo:latest"
    again = mlc_patched.create_image("demo", base=BASE, pip=["six"], exist_ok=True)
    assert (again.existed, again.image_id) == (True, made.image_id)
    with pytest.raises(AlreadyExistsError):
        mlc_patched.create_image("demo", base=BASE)
    updated = mlc_patched.update_image("demo", add="pandas", remove=["six"])
    text = Path(updated.dockerfile).read_text()
    assert ("pandas" in text, "six" in text) == (True, False)
    assert updated.previous == "ds01-1001/demo:previous"
    assert mlc_patched.update_image("demo", upgrade=True, no_cache=True).image_id
    assert mlc_patched.roll_back_image("demo").image_id == updated.image_id
    file = sandbox.home / "demo.tar"
    archive = mlc_patched.export_image("demo", str(file), gpus=2, cpus=4, command="python3 'a b'")
    assert (archive.archive, file.exists()) == (str(file), True)
    job = Path(archive.job).read_text()
    assert "python3 'a b'" in job
    with pytest.raises(AlreadyExistsError):
        mlc_patched.export_image("demo", str(file), command=["python3"])
    archive = mlc_patched.export_image("demo", file, workspace=Path("/a/place"), force=True)
    assert archive.archive == str(file)
    assert "/a/place" in Path(archive.job).read_text()
    own = mlc_patched.create_image("own", dockerfile=Path(made.dockerfile), build=False)
    assert "ffmpeg" in Path(own.dockerfile).read_text()
    pushed = mlc_patched.push_image("demo", REGISTRY)
    assert pushed.pushed.startswith(f"{REGISTRY}/ds01-1001/demo")


def test_a_container_that_fits_is_kept(fake: FakeEngine, context: Context) -> None:
    own_image(fake)
    first = mlc_patched.create("c", image=OWN, gpus=1, exist_ok=True, context=context)
    again = mlc_patched.create("c", image=OWN, gpus=1, exist_ok=True, context=context)
    assert (first.existed, again.existed, again.id) == (False, True, first.id)
    with pytest.raises(AlreadyExistsError):
        mlc_patched.create("c", image=OWN, gpus=2, exist_ok=True, context=context)


def test_paths_may_be_objects(fake: FakeEngine, context: Context, tmp_path: Path) -> None:
    own_image(fake)
    where = {name: tmp_path / name for name in ("workspace", "data", "models")}
    for each in where.values():
        each.mkdir()
    as_text = {name: str(path) for name, path in where.items()}
    made = mlc_patched.create("a", image=OWN, **where, context=context)
    assert mlc_patched.create("a", image=OWN, **as_text, exist_ok=True, context=context).existed
    assert {each.source for each in fake.made[made.id].specification.binds} >= {*as_text.values()}
    deployed = mlc_patched.deploy("b", image=OWN, **where, context=context)
    shown = (deployed.workspace, deployed.data, deployed.models)
    assert shown == tuple(as_text.values())
    file = mlc_patched.export("a", tmp_path / "c", context=context).file
    assert mlc_patched.import_(Path(file), "c", **where, context=context).name == "c"
    (listed,) = [each for each in mlc_patched.list_containers(context=context) if each.name == "c"]
    assert listed.workspace == as_text["workspace"]


def test_the_output_of_a_job_and_how_it_ended(fake: FakeEngine, context: Context) -> None:
    own_image(fake)
    made = fake.made[mlc_patched.create("c", image=OWN, context=context).id]
    made.files |= record(1, "true", status=0)
    made.files |= record(2, "train", status=3)
    assert [each.number for each in mlc_patched.jobs("c", context=context)] == [1, 2]
    assert mlc_patched.logs("c", context=context) == "first\nlast\n"
    assert mlc_patched.logs("c", 1, tail=1, context=context) == "last\n"
    with pytest.raises(UsageError, match="tail is -5"):
        mlc_patched.logs("c", 1, tail=-5, context=context)
    assert mlc_patched.wait("c", context=context).exit_status == 3
    with pytest.raises(NotFoundError):
        mlc_patched.logs("c", 7, context=context)


def test_a_container_goes_into_a_file_and_out_of_it(
    fake: FakeEngine, context: Context, tmp_path: Path
) -> None:
    own_image(fake)
    mlc_patched.create("c", image=OWN, context=context)
    file = mlc_patched.export("c", str(tmp_path / "c"), context=context).file
    made = mlc_patched.import_(file, "copy", gpus=1, context=context)
    assert (made.name, made.tag) == ("copy", "copy._.1001")
    assert fake.container("copy._.1001") is not None


def test_a_container_is_saved_when_it_is_retired(
    fake: FakeEngine, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mlc_patched.images.save.examine", lambda *arguments: Findings(()))
    fake.add_image("ds01-1001/thesis", THESIS_LABELS, PASSWD)
    for tag in ("kept", None):
        mlc_patched.deploy("thesis", context=context)
        saved = mlc_patched.retire("thesis", save=True, tag=tag, context=context).saved
        assert saved is not None
        assert fake.image(saved.image) is not None
    assert fake.image("ds01-1001/thesis:kept") is not None


def test_doctor_repairs_what_is_safe_to_repair(context: Context) -> None:
    workspace = Path(context.account.home, "workspace")
    workspace.rmdir()
    found = {each.name: each for each in mlc_patched.doctor(context=context)}
    assert found["workspace"].repair is not None
    found = {each.name: each for each in mlc_patched.doctor(repair=True, context=context)}
    assert (found["workspace"].repair, workspace.is_dir()) == (None, True)


def test_an_error_about_a_mount_can_be_pickled() -> None:
    error = pickle.loads(pickle.dumps(MountMissingError("/data")))
    assert (error.path, error.args) == ("/data", MountMissingError("/data").args)

"""Temporary containers, images and directories, and what the next command does with leftovers."""

from __future__ import annotations

import errno
import os
import tempfile
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from support.base_images import BASE
from support.fakes.engine import FakeEngine, FakeImage
from support.recording_reporter import RecordingReporter

from mlc_patched.context import Context
from mlc_patched.engine.interface import PODMAN, Image
from mlc_patched.engine.specification import ContainerSpecification
from mlc_patched.errors import ConflictError, MlcError
from mlc_patched.host import locks
from mlc_patched.host.account import Account
from mlc_patched.images.build import steps as steps_module
from mlc_patched.images.build.private_directory import private_directory, written
from mlc_patched.images.build.steps import StepNames, clear_steps
from mlc_patched.images.editor import edited
from mlc_patched.images.project.files import ProjectFiles
from mlc_patched.images.project.lock import remove_build_directories, working_on
from mlc_patched.maintenance.leftover_files import left_files
from mlc_patched.names import labels
from mlc_patched.names.projects import Project
from mlc_patched.temporary import (
    KINDS,
    SHARED,
    STEP,
    build_directory_prefix,
    mark,
    new_directory,
    remove_nameless,
    temporary_directory,
    temporary_image,
    temporary_name,
)

DEMO = Project(1001, "demo")
STEP_NAME = "mlc-step-1001-0123456789ab"
TEMPORARY = "ds01-1001/demo:mlc-build-0123456789ab"


@pytest.fixture
def own(context: Context) -> Context:
    """A context whose account can write to its home."""
    context.report = RecordingReporter()
    context.__dict__["account"] = replace(context.account, uid=os.getuid())
    return context


def leave(fake: FakeEngine, name: str) -> str:
    """Create a container like one left by a killed command."""
    image = fake.image(BASE) or fake.add_image(BASE)
    return fake.create_container(ContainerSpecification(name=name, image=image.id))


def names(fake: FakeEngine) -> set[str]:
    return {each.name for each in fake.containers()}


def test_each_job_has_its_own_token(own: Context) -> None:
    tokens = []
    for name in ("n._.1001", "n._.1001", "image n"):
        with own.lock(name) as job:
            assert own.job is job
            tokens.append(job.token)
    assert tokens[0] == tokens[1] != tokens[2]
    assert own.job.token not in tokens
    assert not own.job.is_alone


def test_leftovers_of_a_killed_command_are_removed_before_the_next_starts(
    own: Context, fake: FakeEngine
) -> None:
    uid = own.account.uid
    with own.lock("n._.1001") as job:
        for kind in KINDS:
            leave(fake, temporary_name(kind, own.account, job.token))
        running = leave(fake, f"mlc-setup-{uid}-000000000000")
        made = fake.add_image(TEMPORARY)
        fake.tag_image(made.id, "ds01-1001/demo", "latest")
        for name in (f"{TEMPORARY}-ca", f"{TEMPORARY}s"):
            fake.add_image(name)
    fake.start(fake.made[running].id)
    with own.lock("other"):
        own.remove_leftovers()
    assert len(names(fake)) == len(KINDS) + 1, "that was another job's"
    with own.lock("n._.1001"):
        own.remove_leftovers(BASE)
        own.remove_leftovers(TEMPORARY)
    assert names(fake) == {f"mlc-setup-{uid}-000000000000"}
    assert fake.image(BASE) is not None, "it is in use"
    assert fake.image(TEMPORARY) is None
    assert fake.image(f"{TEMPORARY}-ca") is None
    assert fake.image(f"{TEMPORARY}s") is not None
    assert fake.image("ds01-1001/demo:latest") is not None
    assert sum("left behind" in text for text in own.report.said) == len(KINDS) + 3


@pytest.mark.parametrize("held", [None, False])
def test_without_a_lock_nothing_is_removed(
    own: Context, fake: FakeEngine, monkeypatch: pytest.MonkeyPatch, held: bool | None
) -> None:
    """Without locks another command may be using it."""
    with own.lock("n._.1001") as job:
        left = leave(fake, temporary_name(STEP, own.account, job.token))
    monkeypatch.setattr(locks, "_locked", lambda *_, **__: held)
    with own.lock("n._.1001") as job:
        assert not job.is_alone
        assert temporary_name(STEP, own.account, job.token) not in names(fake)
        own.remove_leftovers(BASE)
    assert left in fake.made


def test_files_of_a_killed_build_are_removed_and_others_stay(own: Context, tmp_path: Path) -> None:
    home, temporary = Path(own.account.home), tmp_path / "tmp"
    own.environ = {**own.environ, "TMPDIR": str(temporary)}
    with own.lock("image demo") as job:
        token = job.token
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "file").write_text("x")
    left = {
        home / "dockerfiles/.demo.Dockerfile.0123abcd.mlc-part": True,
        home / "dockerfiles/.demo.Dockerfile.previous.0123abcd.mlc-part": True,
        home / "dockerfiles/.demo.Dockerfile.20261124": False,
        home / "dockerfiles/.demo.Dockerfile.swp": False,
        home / "dockerfiles/.other.Dockerfile.0123abcd.mlc-part": False,
        home / "dockerfiles/demo.Dockerfile": False,
        home / ".ds01-config/images/.demo.json.0123abcd.mlc-part": True,
        home / ".ds01-config/images/.demo-2.json.0123abcd.mlc-part": False,
        temporary / f"mlc-build-{token}-abc_d123/Dockerfile": True,
        temporary / "mlc-build-0123456789ab-abc_d123/Dockerfile": False,
    }
    for path in left:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    (temporary / f"mlc-build-{token}-linked").symlink_to(elsewhere)
    with working_on(replace(DEMO, uid=own.account.uid), own):
        pass
    assert {path: path.exists() for path in left} == {path: not gone for path, gone in left.items()}
    assert (elsewhere / "file").exists()


def test_a_directory_of_another_user_is_kept(
    own: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environ = {"TMPDIR": str(tmp_path)}
    made = tmp_path / f"{build_directory_prefix('0123456789ab')}abc"
    made.mkdir()
    other = Account("other", os.getuid() + 1, os.getgid() + 1, own.account.home)
    with monkeypatch.context() as patch:
        patch.setattr(os, "geteuid", lambda: other.uid)
        remove_build_directories("0123456789ab", other, environ)
        assert made.exists()
    remove_build_directories("0123456789ab", own.account, environ)
    assert not made.exists()


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give files away")
def test_under_sudo_directories_of_root_and_of_the_user_are_removed(tmp_path: Path) -> None:
    """A build's directory belongs to root there: the docker client reads it as root."""
    account = Account("alice", 1001, 1001, "/nonexistent")
    made = {uid: tmp_path / f"mlc-build-0123456789ab-{uid}" for uid in (0, 1001, 1002)}
    for uid, path in made.items():
        path.mkdir()
        os.chown(path, uid, uid)
    tmp_path.chmod(0o1777)
    for parent in tmp_path.parents:
        if parent == Path(tempfile.gettempdir()):
            break
        parent.chmod(0o755)
    remove_build_directories("0123456789ab", account, {"TMPDIR": str(tmp_path)})
    assert [uid for uid, path in made.items() if path.exists()] == [1002]


@pytest.fixture
def no_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """No file can be written in any directory for temporary files."""

    def refuse() -> str:
        raise FileNotFoundError(errno.ENOENT, "No usable temporary directory found in ['/tmp']")

    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.setattr("tempfile._get_default_tempdir", refuse)
    monkeypatch.delenv("TMPDIR", raising=False)


@pytest.mark.usefixtures("no_room")
def test_without_room_for_temporary_files_that_is_said(own: Context) -> None:
    with pytest.raises(MlcError, match=r"cannot be made: No usable temporary.*df -h /tmp"):
        new_directory("mlc-edit-")
    assert temporary_directory({}) == Path("/tmp")
    with pytest.raises(MlcError, match="No usable temporary"), private_directory("0"):
        pass
    with pytest.raises(MlcError, match="No usable temporary"):
        edited("FROM x", "x.Dockerfile", own.account, {"EDITOR": "true"})
    assert left_files(own.account, {}, 0) == []


def test_a_full_disk_is_said_by_what_is_written_for_a_build(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own: Context
) -> None:
    def full(*arguments: object, **more: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(MlcError, match="x cannot be written: No space left on device"):
        written(tmp_path / "x", "FROM x")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(MlcError, match=r"x\.Dockerfile cannot be written: No space left on device"):
        edited("FROM x", "x.Dockerfile", own.account, {"EDITOR": "true"})
    assert not list(tmp_path.glob("mlc-*"))


def test_a_file_in_place_of_the_dockerfiles_directory_does_no_harm(own: Context) -> None:
    Path(own.account.home, "dockerfiles").write_text("")
    with working_on(DEMO, own):
        pass
    assert ProjectFiles(own.account, DEMO).read_metadata() == {}


@pytest.fixture
def steps(fake: FakeEngine) -> StepNames:
    """A build about to start on an engine with a base, an untagged image and a container."""
    leave(fake, "somebody-s")
    nameless(fake, 0xAAA)
    return StepNames(fake, STEP_NAME, TEMPORARY)


def nameless(fake: FakeEngine, number: int, parent: str = "", marked: str | None = None) -> str:
    """Add an untagged image; return its ID as a builder prints it. A marked one is on a base."""
    identity = f"sha256:{number:012x}".ljust(71, "0")
    own = {} if marked is None else {labels.TEMPORARY: marked}
    if marked is not None:
        parent = (fake.image(BASE) or fake.add_image(BASE)).id
    fake.images[identity] = FakeImage(Image(identity, (), own), parent=parent)
    return f"{number:012x}"


def test_steps_that_all_users_share_go_if_they_stay_without_a_name(
    own: Context, fake: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A running build of another user names the image that it has just made."""
    left, running, others = (nameless(fake, each, marked=SHARED) for each in (0xC1, 0xC2, 0xC3))
    nameless(fake, 0xC4, marked=mark(own.account, "0123456789ab"))
    nameless(fake, 0xC5, marked="1002-0123456789ab")
    nameless(fake, 0xC6)
    named = f"sha256:{running}".ljust(71, "0")
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 1:
            fake.tag_image(named, "ds01-1002/x", "mlc-build-0123456789ab-s1")

    monkeypatch.setattr("mlc_patched.temporary.time.sleep", sleep)
    remove_nameless(fake, mark(own.account, "0123456789ab"), own.report)
    here = {each[7:19] for each in fake.images}
    assert not {left, others, f"{0xC4:012x}"} & here
    assert {running, f"{0xC5:012x}", f"{0xC6:012x}"} <= here
    assert slept
    slept.clear()
    remove_nameless(fake, mark(own.account, "0123456789ab"), own.report)
    assert not slept, "nothing is left to wait for"


def test_the_newest_step_and_its_container_get_temporary_names(
    fake: FakeEngine, steps: StepNames
) -> None:
    base, container = fake.image(BASE), leave(fake, "wizardly_hopper")
    first = nameless(fake, 0xB1, base.id)
    second = nameless(fake, 0xB2, fake.image(f"sha256:{first}".ljust(71, "0")).id)
    other = nameless(fake, 0xB3, base.id)
    for line in (
        f"Step 1/6 : FROM {BASE}",
        f" ---> {base.id[7:19]}",
        "Step 2/6 : RUN one",
        f" ---> Running in {container[:12]}",
        f" ---> {first}",
        "Step 3/6 : COPY x y",
        f" ---> {second}",
        f"Step 4/6 : FROM {BASE} AS last",
        f" ---> {base.id[7:19]}",
        "Step 5/6 : COPY --from=0 x y",
        f" ---> {other}",
    ):
        steps.hear(line)
    assert STEP_NAME in names(fake)
    held = {stage: fake.image(f"{TEMPORARY}-s{stage}").id[7:19] for stage in (1, 2)}
    assert held == {1: second, 2: other}, "each stage has a chain of its own"
    assert fake.image(base.id).references == (BASE,)
    assert fake.image(TEMPORARY) is None, "that is the build's own"
    fake.remove_container(STEP_NAME, force=True)
    steps.clear()
    made = {f"sha256:{each}".ljust(71, "0") for each in (first, second, other)}
    assert not made & set(fake.images)
    assert fake.image(BASE) is not None


@pytest.mark.parametrize(
    "lines",
    [
        ("Step 1/2 : FROM x", f" ---> {0xB1:012x}"),  # a base without a name, which is not ours
        ("Step 2/2 : RUN x", " ---> Using cache", f" ---> {0xB1:012x}"),  # another build's
        ("Step 2/2 : RUN x", f" ---> {0xAAA:012x}"),  # was there before, and is only printed
        ("Step 2/2 : RUN x", f" ---> {0xB2:012x}"),  # there is none
        (f" ---> {0xB1:012x}",),
    ],
)
def test_images_of_others_get_no_name(
    fake: FakeEngine, steps: StepNames, lines: tuple[str, ...]
) -> None:
    nameless(fake, 0xB1)
    for line in lines:
        steps.hear(line)
    assert all("build-" not in name for each in fake.find_images() for name in each.references)


def test_what_an_interrupted_step_still_makes_is_removed(
    own: Context, fake: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The engine ends the step that runs when the client goes away, and may commit it."""
    steps, container = StepNames(fake, STEP_NAME, TEMPORARY), leave(fake, "wizardly_hopper")
    for line in (f"Step 2/3 : LABEL {labels.TEMPORARY}=x", f" ---> Running in {container[:12]}"):
        steps.hear(line)

    def commit(seconds: float) -> None:
        nameless(fake, 0xB1, marked=mark(own.account, own.job.token))
        fake.remove_container(container, force=True)

    monkeypatch.setattr(steps_module.time, "sleep", commit)
    clear_steps(steps, own)
    assert not fake.find_images(nameless=True)


def test_podmans_steps_are_named_too(fake: FakeEngine) -> None:
    leave(fake, "somebody-s")
    base = fake.image(BASE)
    fake.product = PODMAN
    podman_steps = StepNames(fake, STEP_NAME, TEMPORARY)
    cached = nameless(fake, 0xB0, base.id)
    first = nameless(fake, 0xB1, base.id)
    second = nameless(fake, 0xB2, base.id)
    for line in (
        f"[1/2] STEP 1/3: FROM {BASE} AS one",
        "[1/2] STEP 2/3: ARG x",
        f"--> Using cache {cached.ljust(64, '0')}",
        f"--> {cached}",
        "[1/2] STEP 3/3: RUN x",
        "some output",
        f"--> {first}",
        f"[2/2] STEP 1/2: FROM {BASE}",
        "[2/2] STEP 2/2: RUN y",
        f"--> {second}",
    ):
        podman_steps.hear(line)
    held = {stage: fake.image(f"{TEMPORARY}-s{stage}").id[7:19] for stage in (1, 2)}
    assert held == {1: first, 2: second}
    podman_steps.clear()
    left = {each.id[7:19] for each in fake.find_images(nameless=True)}
    assert cached in left, "another build's"
    assert not {first, second} & left


def test_a_step_that_podman_still_runs_is_reported_with_what_happens_next(
    fake: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake.product = PODMAN
    podman_steps = StepNames(fake, STEP_NAME, TEMPORARY)
    for line in ("STEP 1/2: FROM x", "STEP 2/2: RUN x", f"--> {nameless(fake, 0xB1)}"):
        podman_steps.hear(line)

    def refuse(reference: str) -> None:
        raise ConflictError("image is in use by a container")

    monkeypatch.setattr(fake, "remove_image", refuse)
    monkeypatch.setattr(steps_module, "_SECONDS_TO_CLEAR", 0)
    with pytest.raises(ConflictError, match=r"still runs the step.*next build"):
        podman_steps.clear()


def test_a_container_that_a_step_only_mentions_keeps_its_name(
    fake: FakeEngine, steps: StepNames
) -> None:
    (before,) = fake.containers()
    steps.hear(f" ---> Running in {before.id[:12]}")
    steps.hear(f" ---> Running in {'f' * 12}")
    assert names(fake) == {"somebody-s"}


def test_an_image_in_use_is_removed_when_its_container_has_gone(
    fake: FakeEngine, steps: StepNames, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries = []
    for line in ("Step 1/2 : FROM x", "Step 2/2 : RUN x", f" ---> {nameless(fake, 0xB1)}"):
        steps.hear(line)

    def remove(reference: str) -> None:
        tries.append(reference)
        if len(tries) < 3:
            raise ConflictError("a container is using it")

    monkeypatch.setattr(fake, "remove_image", remove)
    monkeypatch.setattr("mlc_patched.images.build.steps.time.sleep", lambda seconds: None)
    steps.clear()
    assert tries == [f"{TEMPORARY}-s1"] * 3
    monkeypatch.setattr("mlc_patched.images.build.steps._SECONDS_TO_CLEAR", -1)
    tries.clear()
    with pytest.raises(ConflictError):
        steps.clear()


def test_prune_recognises_temporary_images() -> None:
    from mlc_patched.maintenance.leftovers import left_images

    name = temporary_image(DEMO.repository, "0123456789ab")
    names = (name, f"{name}-ca", f"{name}-s12", f"{name}-mine")
    found = left_images([Image("sha256:1", names)], [], 1001, 1, lambda image: True)
    assert [each.name for each in found] == list(names[:3])
    assert name == TEMPORARY


def test_each_thread_has_its_own_job(own: Context) -> None:
    """Even if they share a context, as a program that uses the API may do."""
    first, tokens = threading.Event(), []

    def run() -> None:
        with own.lock("a"):
            first.wait(5)
            tokens.append(own.job.token)

    thread = threading.Thread(target=run)
    thread.start()
    with own.lock("b") as mine:
        first.set()
        thread.join()
        assert own.job is mine
    assert tokens != [mine.token]
    assert not own.job.is_alone

"""mlc-patch on checkouts of both forms: use, update, revert, and kills at every step."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest
from support.aime_checkout import AimeCheckout, checkout, fingerprint, v1_files, v2_files
from support.base_images import BASE
from support.engine_state import docker, inspect
from support.kill import NEVER, killed
from support.reliability import Counted, sized
from support.users import User

from mlc_patched.patch import apply as patching
from mlc_patched.patch import store as patch_store
from mlc_patched.patch.apply import apply
from mlc_patched.report import SilentReporter

pytestmark = pytest.mark.real_engine

OURS, AIME = "mlc-patched", "AIME"
ROW = f"Pytorch, 2.8.0, [CUDA_ADA], {BASE}\n"
STEPS = range(0, 1000, sized(8, 1))
"""The changes before which a command is killed; it ends earlier."""


@pytest.fixture
def v2() -> Iterator[AimeCheckout]:
    """A checkout like that of AIME MLC 2.2.0."""
    with checkout(v2_files(ROW)) as made:
        yield made


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Skip revert's wait for commands that have just started."""
    monkeypatch.setattr(patching, "GRACE_SECONDS", 0)


@pytest.fixture
def patch(tree: Path):
    """Run mlc-patch as root: `patch("apply", path)`."""

    def run(*arguments: str | Path, code: int = 0) -> str:
        done = subprocess.run(
            [tree / "bin/mlc-patch", *arguments],
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            check=False,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    return run


def program_of(made: AimeCheckout, names: Iterable[str] = ()) -> str:
    """Run commands of a checkout (all if none is named) and return which program answers."""
    running = [
        subprocess.Popen(
            [made.path / name, "-h"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        for name in names or made.names()
    ]
    answers = set()
    for command in running:
        said, _ = command.communicate()
        is_ours = "usage: mlc" in said
        assert is_ours or said.startswith("AIME"), (command.args, said)
        answers.add(OURS if is_ours else AIME)
    assert len(answers) == 1, answers
    return answers.pop()


def used(made: AimeCheckout, user: User, step: int) -> str:
    """Use a checkout after a kill: one command in turn, and at some steps all of them and `list`.

    The program that answers must be the one that the marker selects.
    """
    names = made.names()
    if step % 12 == 0:
        answer = program_of(made)
        assert lists(made, user) == answer
    else:
        answer = program_of(made, [names[step % len(names)]])
    assert answer == (OURS if (made.path / ".mlc-patched/active").exists() else AIME)
    return answer


def snapshot(made: AimeCheckout) -> Callable[[], None]:
    """Copy a checkout with its git directory; the returned function restores it."""
    copy = made.path.with_name("copy")
    shutil.copytree(made.path, copy, symlinks=True)

    def restore() -> None:
        shutil.rmtree(made.path)
        shutil.copytree(copy, made.path, symlinks=True)

    return restore


def lists(made: AimeCheckout, user: User) -> str:
    """List containers through a checkout, and return which program answers."""
    environ = {"MLC_CATALOG": ""}
    done = user.run(made.path / "mlc", "list", **environ)
    assert done.returncode == 0, done.stderr
    return AIME if done.stdout.startswith("AIME") else OURS


def test_apply_use_update_revert(v2: AimeCheckout, alice: User, patch) -> None:
    before = fingerprint(v2.path)
    assert "AIME MLC 2.2.0 (v2), not patched" in patch("status", v2.path)
    patch("apply", v2.path, "-y")
    patch("verify", v2.path)
    assert program_of(v2) == OURS
    assert "nothing was done" in patch("apply", v2.path)
    made = alice.run(v2.path / "mlc-create", "a-b", "Pytorch", "2.8.0", "-s", MLC_CATALOG="")
    assert made.returncode == 0, made.stderr
    assert inspect(alice.tag("a-b"))["Config"]["Labels"]["aime.mlc.FRAMEWORK"] == "Pytorch-2.8.0"
    ran = alice.run(v2.path / "mlc-start", "a-b", "echo 'two  spaces'; id -u")
    assert ran.stdout.splitlines() == ["two  spaces", str(alice.uid)]
    assert alice.run("python3", v2.path / "mlc.py", "stop", "a-b", "-s").returncode == 0
    patch("revert", v2.path, "-y")
    assert fingerprint(v2.path) == before
    assert v2.git("status", "--porcelain") == ""
    assert program_of(v2) == AIME


def test_update_sys_updates_and_keeps_the_patch(v2: AimeCheckout, patch) -> None:
    after = v2_files(ROW.replace("2.8.0", "2.9.9"), "2.3.0")
    patch("apply", v2.path, "-y")
    v2.publish("A new version", {**after, "docs/more.md": None, "docs/new/page.md": "New.\n"})
    (v2.path / "README.md").write_text("Local changes.\n")
    environ = {**os.environ, "MLC_CATALOG": ""}
    done = subprocess.run(
        [v2.path / "mlc-update-sys", "-f"], capture_output=True, text=True, env=environ, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "A new version" in done.stdout
    assert "has not been tested with AIME MLC 2.3.0" in done.stderr
    assert "2.9.9" in subprocess.check_output([v2.path / "mlc", "create", "-i"], text=True)
    assert program_of(v2) == OURS
    patch("verify", v2.path)
    assert "2.3.0" in patch("status", v2.path)
    patch("revert", v2.path, "-y")
    assert v2.git("status", "--porcelain") == "M README.md"
    assert (v2.path / "mlc.py").read_text() == after["mlc.py"]
    assert program_of(v2) == AIME


def test_update_sys_refuses_to_overwrite_local_changes(v2: AimeCheckout, patch) -> None:
    patch("apply", v2.path, "-y")
    v2.publish("A catalog", {"ml_images.repo": ROW.replace("2.8.0", "2.9.9")})
    (v2.path / "ml_images.repo").write_text("Own, 1.0, [CUDA_ADA], own/image\n")
    before = fingerprint(v2.path), v2.git("rev-parse", "HEAD")
    done = subprocess.run(
        [v2.path / "mlc", "update-sys", "-f"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "ml_images.repo, but so have you" in done.stderr
    assert (fingerprint(v2.path), v2.git("rev-parse", "HEAD")) == before


@pytest.mark.promise("patch-atomic")
def test_killed_at_any_step_of_apply_all_commands_run_the_same_program(
    v2: AimeCheckout, alice: User, tree: Path, at_once: None, counted: Counted
) -> None:
    """After every second kill it is reverted first, else the next apply goes on from there."""
    before, program = fingerprint(v2.path), tree / "bin/docker/mlc-patched.py"
    for turn, step in enumerate(STEPS):
        at = killed(step, program, "mlc-patch", "apply", v2.path)
        answer = used(v2, alice, turn)
        if at is None:
            break
        counted("kills")
        if turn % 2:
            assert killed(NEVER, program, "mlc-patch", "revert", v2.path) is None
            assert fingerprint(v2.path) == before, at
    assert step > 50
    assert answer == OURS == lists(v2, alice) == program_of(v2)


@pytest.mark.promise("patch-atomic")
def test_killed_at_any_step_of_revert_all_commands_run_the_same_program(
    v2: AimeCheckout, alice: User, tree: Path, at_once: None, counted: Counted
) -> None:
    before, program = fingerprint(v2.path), tree / "bin/docker/mlc-patched.py"
    assert killed(NEVER, program, "mlc-patch", "apply", v2.path) is None
    restore = snapshot(v2)
    for turn, step in enumerate(STEPS):
        if turn % 2:  # every second time the next revert goes on where this one was killed
            restore()
        at = killed(step, program, "mlc-patch", "revert", v2.path)
        answer = used(v2, alice, turn)
        if at is None:
            break
        counted("kills")
    assert step > 20
    assert fingerprint(v2.path) == before
    assert answer == AIME == program_of(v2)


@pytest.mark.promise("patch-atomic")
def test_killed_at_any_step_of_update_sys_it_stays_patched_and_the_next_one_completes(
    v2: AimeCheckout, alice: User, patch, counted: Counted
) -> None:
    program = v2.path / ".mlc-patched/mlc.py"
    patch("apply", v2.path, "-y")
    after = v2_files(ROW.replace("2.8.0", "2.9.9"), "2.3.0")
    v2.publish("A new version", {**after, "docs/more.md": None, "docs/new/page.md": "New.\n"})
    restore = snapshot(v2)
    for turn, step in enumerate(STEPS):
        if turn % 2:  # every second time the next update goes on where this one was killed
            restore()
        at = killed(step, program, "update-sys", "-f")
        assert used(v2, alice, turn) == OURS, at
        if at is None:
            break
        counted("kills")
    assert step > 5
    patch("verify", v2.path)
    patch("revert", v2.path, "-y")
    assert v2.git("status", "--porcelain") == ""
    assert v2.git("log", "-1", "--format=%s") == "A new version"
    assert (v2.path / "mlc.py").read_text() == after["mlc.py"]


def test_a_running_command_is_not_disturbed(v2: AimeCheckout, patch) -> None:
    """Shells read their script as they run it; here it is replaced while one waits."""
    script = v2.path / "mlc-stats"
    script.write_text("#!/bin/bash\nread -r\necho 'AIME to the end'\n")
    v2.git("commit", "-qam", "slow")
    with subprocess.Popen(
        [script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as running:
        patch("apply", v2.path, "-y")
        assert program_of(v2, ["mlc-list"]) == OURS
        said, _ = running.communicate("\n", timeout=20)
    assert said == "AIME to the end\n"


def test_commands_started_while_it_switches_all_work(v2: AimeCheckout, tree: Path) -> None:
    program, failed, answers = tree / "bin/docker/mlc-patched.py", [], set()
    is_over = threading.Event()

    def use(name: str) -> None:
        while not is_over.is_set():
            argv = [v2.path / name, "-h"]
            done = subprocess.run(argv, capture_output=True, text=True, check=False)
            if done.returncode != 0:
                failed.append(done)
            answers.add(AIME if done.stdout.startswith(AIME) else OURS)

    users = [threading.Thread(target=use, args=(name,)) for name in ("mlc", "mlc.py", "mlc-stop")]
    for user in users:
        user.start()
    try:
        for action, program_then in (("apply", OURS), ("revert", AIME)) * 3:
            assert killed(NEVER, program, "mlc-patch", action, v2.path) is None
            answers.clear()
            deadline = time.monotonic() + 30
            while program_then not in answers:
                assert time.monotonic() < deadline, f"nobody used {program_then} after {action}"
                time.sleep(0.01)
    finally:
        is_over.set()
        for user in users:
            user.join()
    assert failed == []


def test_the_first_form_is_patched_and_reverted(patch, alice: User) -> None:
    with checkout(v1_files(ROW.replace("[", "").replace("]", ""))) as made:
        before = fingerprint(made.path)
        assert "AIME MLC 3 (v1), not patched" in patch("status", made.path)
        patch("apply", made.path)
        assert "mlc" not in made.names()
        created = alice.run(made.path / "mlc-create", "--info", "-arch", "CUDA_ADA", MLC_CATALOG="")
        assert "2.8.0" in created.stdout
        patch("revert", made.path)
        assert fingerprint(made.path) == before
        assert program_of(made) == AIME


def test_it_is_found_by_path_and_called_by_a_link(
    v2: AimeCheckout, alice: User, tree: Path
) -> None:
    environ = {"PATH": f"{v2.path}:{os.environ['PATH']}"}
    done = subprocess.run(
        [tree / "bin/mlc-patch", "apply"], env={**os.environ, **environ}, check=False
    )
    assert done.returncode == 0
    link = alice.home / "mlc"
    link.symlink_to(v2.path / "mlc")
    try:
        assert "2.8.0" in alice.run(link, "create", "-i", MLC_CATALOG="").stdout
    finally:
        link.unlink()


@pytest.mark.parametrize(
    ("spoil", "words"),
    {
        "edited": (
            lambda c: (c.path / "mlc-list").write_text("#!/bin/sh\n"),
            "mlc-list was edited",
        ),
        "unknown": (
            lambda c: (
                (c.path / "mlc.py").write_text(v2_files(ROW, "2.7")["mlc.py"]),
                c.git("commit", "-qam", "2.7"),
            ),
            "was not tested with its version 2.7 (v2)",
        ),
        "no git": (
            lambda c: subprocess.run(["rm", "-rf", c.path / ".git"], check=True),
            "its files are not in git",
        ),
    }.values(),
)
def test_an_unknown_checkout_needs_force(v2: AimeCheckout, patch, spoil, words: str) -> None:
    spoil(v2)
    before = fingerprint(v2.path)
    assert words in patch("apply", v2.path, code=1)
    assert fingerprint(v2.path) == before
    patch("apply", v2.path, "--force")
    assert program_of(v2, ["mlc", "mlc-stop"]) == OURS
    patch("revert", v2.path)
    assert fingerprint(v2.path) == before


def test_a_checkout_of_another_user_or_read_only_is_refused(
    v2: AimeCheckout, alice: User, patch
) -> None:
    before = fingerprint(v2.path)
    done = alice.run(alice.tree / "bin/mlc-patch", "apply", v2.path, "--force")
    assert done.returncode == 1
    assert "belongs to root, not to you, so nothing was changed" in done.stderr
    subprocess.run(["mount", "--bind", str(v2.path), str(v2.path)], check=True)
    subprocess.run(["mount", "-o", "remount,ro,bind", str(v2.path)], check=True)
    try:
        assert "is not writable" in patch("apply", v2.path, code=1)
    finally:
        subprocess.run(["umount", str(v2.path)], check=True)
    assert fingerprint(v2.path) == before


def test_only_the_owner_patches_a_checkout(v2: AimeCheckout, alice: User, patch) -> None:
    subprocess.run(["chown", "-R", f"{alice.uid}:{alice.gid}", v2.path, v2.remote], check=True)
    assert f"Run the same command as {alice.login}" in patch("apply", v2.path, "--force", code=1)
    for action in ("apply", "verify", "revert"):
        done = alice.run(alice.tree / "bin/mlc-patch", action, v2.path)
        assert done.returncode == 0, done.stderr
    assert {each.stat().st_uid for each in v2.path.iterdir()} == {alice.uid}


def test_root_runs_nothing_of_a_checkout_that_belongs_to_others(
    v2: AimeCheckout, alice: User, patch
) -> None:
    """Its git configuration, and the Python that its commands run, are their owner's."""
    patch("apply", v2.path)
    trap, mark = v2.path.parent / "trap", v2.path.parent / "ran"
    trap.write_text(f'#!/bin/sh\necho "$(id -u) $*" >>{mark}\nexit 1\n')
    trap.chmod(0o755)
    (v2.path / ".mlc-patched/active").write_text(f"{trap}\n")
    tree = v2.git("rev-parse", "HEAD^{tree}")
    for key, value in {
        "core.repositoryFormatVersion": "1",
        "extensions.partialClone": "origin",
        "remote.origin.promisor": "true",
        "remote.origin.url": f"ext::{trap} remote",
        "protocol.ext.allow": "always",
        "core.fsmonitor": str(trap),
    }.items():
        v2.git("config", key, value)
    (v2.path / ".git/objects" / tree[:2] / tree[2:]).unlink()
    subprocess.run(["chown", "-R", f"{alice.uid}:{alice.gid}", v2.path.parent], check=True)
    login = {"SUDO_UID": "", "SUDO_GID": ""}
    for action in ("status", "verify", "apply"):
        for way in ({}, login):
            done = alice.sudo(alice.tree / "bin/mlc-patch", action, v2.path, **way)
            assert "Unexpected" not in done.stderr
    who = mark.read_text().splitlines()
    assert {line.split()[0] for line in who} == {str(alice.uid)}, "its commands, by verify"
    assert "remote" not in mark.read_text()


@pytest.mark.parametrize("number", [0, 1, 5, 11])
def test_a_failed_apply_is_rolled_back(
    v2: AimeCheckout, tree: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """The disk is full, or Ctrl-C is pressed, while one of the commands is replaced."""
    before, real, done = fingerprint(v2.path), patch_store.replace, []

    def replace(checkout: Path, name: str, original: patch_store.Original) -> None:
        done.append(name)
        if len(done) == number + 1:
            raise OSError(errno.ENOSPC, "No space left on device") if number else KeyboardInterrupt
        real(checkout, name, original)

    monkeypatch.setattr(patch_store, "replace", replace)
    program = tree / "bin/docker/mlc-patched.py"
    with pytest.raises((OSError, KeyboardInterrupt)):
        apply(v2.path, program, sys.executable, SilentReporter(), force=False)
    assert fingerprint(v2.path) == before


def test_damage_is_found_and_fixed(v2: AimeCheckout, patch) -> None:
    before = fingerprint(v2.path)
    patch("apply", v2.path)
    v2.git("checkout", "--", "mlc-stop")
    assert "mlc-stop is AIME's" in patch("verify", v2.path, code=1)
    patch("apply", v2.path)
    patch("verify", v2.path)
    kept = v2.path / ".mlc-patched/original/mlc-stop"
    kept.write_text("spoilt")
    assert "stored original of mlc-stop" in patch("verify", v2.path, code=1)
    assert "nothing was changed" in patch("revert", v2.path, code=1)
    v2.git("checkout", "--", "mlc-stop")
    patch("apply", v2.path)
    patch("revert", v2.path)
    assert fingerprint(v2.path) == before


def test_either_program_uses_the_containers_of_the_other(
    v2: AimeCheckout, alice: User, patch
) -> None:
    """Created by AIME's and used by ours, and the other way round."""

    def mlc(*arguments: str, stdin: str | None = None) -> str:
        done = alice.run(v2.path / "mlc", *arguments, stdin=stdin, MLC_CATALOG="")
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def use(name: str) -> None:
        image = inspect(alice.tag(name))["Image"]
        assert f"[{name}]" in mlc("list")
        assert str(alice.uid) in mlc("open", name, "-s", stdin="id -u\n").splitlines()
        mlc("start", name, "-s")
        mlc("stop", name, "-s")
        mlc("remove", name, "-s")
        assert f"[{name}]" not in mlc("list")
        assert docker("images", "-q", "--no-trunc", image, check=False) == ""

    mlc("create", "before", "Pytorch", "2.8.0", "-s")
    patch("apply", v2.path)
    mlc("create", "after", "Pytorch", "2.8.0", "-s")
    use("before")
    patch("revert", v2.path)
    use("after")

"""update-sys: what becomes of a checkout, patched or not, by new commits of its remote."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support.aime_checkout import AimeCheckout, fingerprint, git, v2_files
from support.recording_reporter import RecordingReporter

from mlc_patched.errors import DeclinedError, MlcError
from mlc_patched.host.git import git as real_git
from mlc_patched.patch import store as patch_store
from mlc_patched.patch import update
from mlc_patched.patch.apply import apply, revert
from mlc_patched.patch.layout import ORIGINAL, PROGRAM, STORE
from mlc_patched.patch.state import Condition, FileState, examine
from mlc_patched.patch.update import Updated, update_sys
from mlc_patched.report import SilentReporter

CATALOG = "Pytorch, 2.9.0, [CUDA_ADA], hub/pytorch\n"
LIST = "#!/bin/bash\necho AIME newer list\n"


class Updating:
    """Updates a checkout, and keeps what was said and which commits were asked about."""

    def __init__(self, made: AimeCheckout) -> None:
        self.path = made.path
        self.asked: list[tuple[str, ...]] = []
        self.report = RecordingReporter()

    def __call__(self) -> Updated:
        patched = self.path / STORE
        program = patched / PROGRAM if patched.exists() else self.path / "mlc.py"
        return update_sys(str(program), self.report, self.asked.append)


@pytest.fixture
def updating(v2: AimeCheckout) -> Updating:
    """update-sys of an unpatched checkout."""
    return Updating(v2)


@pytest.fixture
def patched(v2: AimeCheckout, shell_program: Path, updating: Updating) -> Updating:
    """update-sys of a patched checkout."""
    apply(v2.path, shell_program, "/bin/sh", SilentReporter(), force=False)
    return updating


def subjects(changes: tuple[str, ...]) -> list[str]:
    return [change.split(None, 1)[1] for change in changes]


def assert_is_as_upstream(v2: AimeCheckout) -> None:
    """Assert that a checkout has exactly the files of its remote."""
    clone = v2.remote.with_name("clone")
    git(v2.remote.parent, "clone", "--quiet", str(v2.remote), str(clone))
    clone.chmod(0o755)
    assert fingerprint(v2.path) == fingerprint(clone)
    assert v2.git("status", "--porcelain") == ""
    assert v2.git("rev-parse", "HEAD") == git(clone, "rev-parse", "HEAD")


def test_a_checkout_that_is_not_patched_gets_its_remotes_commits(
    v2: AimeCheckout, updating: Updating
) -> None:
    assert updating() == Updated(str(v2.path), ())
    assert updating.asked == []
    v2.publish("First", {"ml_images.repo": CATALOG})
    v2.publish("Second", {"mlc-list": LIST, "docs/more.md": None})
    done = updating()
    assert subjects(done.changes) == ["Second", "First"]
    assert updating.asked == [done.changes]
    assert_is_as_upstream(v2)


def test_commits_that_are_not_wanted_change_nothing(v2: AimeCheckout, patched: Updating) -> None:
    v2.publish("First", {"ml_images.repo": CATALOG, "mlc-list": LIST})
    before, head = fingerprint(v2.path), v2.git("rev-parse", "HEAD")

    def refuse(changes: tuple[str, ...]) -> None:
        raise DeclinedError(f"{len(changes)} not wanted")

    for program in (v2.path / STORE / PROGRAM, v2.path / "mlc.py"):
        with pytest.raises(DeclinedError, match="1 not wanted"):
            update_sys(str(program), SilentReporter(), refuse)
        assert fingerprint(v2.path) == before
        assert v2.git("rev-parse", "HEAD") == head


def test_a_patched_checkout_stays_patched_and_revert_restores_the_new_commit(
    v2: AimeCheckout, patched: Updating
) -> None:
    assert patched() == Updated(str(v2.path), ())
    v2.publish(
        "Everything",
        {
            **v2_files(CATALOG, "2.2.0.1"),
            "mlc-list": LIST,
            "mlc-stats": None,
            "docs/more.md": None,
            "guide/deep/page.md": "new\n",
            "tool.sh": "#!/bin/sh\n",
        },
    )
    author = v2.remote.with_name("author")
    (author / "link.md").symlink_to("README.md")
    (author / "mlc-open").chmod(0o644)
    v2.publish("A link, and a mode", {})
    done = patched()
    assert subjects(done.changes) == ["A link, and a mode", "Everything"]
    assert patched.asked == [done.changes]
    state = examine(v2.path)
    assert state.condition is Condition.PATCHED
    assert (state.checkout.version, "mlc-stats" in state.files) == ("2.2.0.1", False)
    assert set(state.files.values()) == {FileState.OURS}
    assert (v2.path / STORE / ORIGINAL / "mlc-list").read_text() == LIST
    assert (v2.path / "ml_images.repo").read_text() == CATALOG
    assert not (v2.path / "docs").exists()
    assert v2.git("rev-parse", "HEAD") == v2.git("rev-parse", "@{upstream}")
    assert not list((v2.path / STORE).glob("stage-*"))
    said = "\n".join(patched.report.said)
    assert "This is an update to AIME MLC 2.2.0.1." in said
    assert "has not been tested with AIME MLC 2.2.0.1" in said
    revert(v2.path, SilentReporter(), force=False)
    assert_is_as_upstream(v2)


def test_a_known_version_is_not_warned_of(v2: AimeCheckout, patched: Updating) -> None:
    text = v2_files(CATALOG)["mlc.py"] + "# more\n"
    v2.publish("More", {"mlc.py": text})
    patched()
    assert len(patched.report.said) == 1, "only that it looked for updates"
    assert (v2.path / STORE / ORIGINAL / "mlc.py").read_text() == text


@pytest.mark.parametrize(
    ("name", "here"),
    [
        ("ml_images.repo", "edited\n"),
        ("README.md", None),
        ("new.md", "of my own\n"),
        ("directory", "directory/mine.md"),
    ],
)
def test_local_changes_are_never_overwritten(
    v2: AimeCheckout, patched: Updating, name: str, here: str | None
) -> None:
    path = v2.path / name
    if here is None:
        path.unlink()
    elif "/" in here:
        path.mkdir()
        (v2.path / here).write_text("mine\n")
    else:
        path.write_text(here)
    v2.publish("Theirs", {name: "theirs\n", "mlc-list": LIST})
    before, head = fingerprint(v2.path), v2.git("rev-parse", "HEAD")
    with pytest.raises(MlcError, match=f"The update changes {name}, but so have you"):
        patched()
    assert (fingerprint(v2.path), v2.git("rev-parse", "HEAD")) == (before, head)
    assert patched.asked == []


def test_a_local_change_that_the_update_makes_too_is_no_conflict(
    v2: AimeCheckout, patched: Updating
) -> None:
    (v2.path / "README.md").write_text("the same\n")
    v2.publish("The same", {"README.md": "the same\n"})
    patched()
    assert v2.git("diff", "--stat", "HEAD", "--", "README.md") == ""


def test_files_are_not_written_through_a_link(v2: AimeCheckout, patched: Updating) -> None:
    elsewhere = v2.path.parent / "elsewhere"
    (v2.path / "docs").rename(elsewhere)
    (v2.path / "docs").symlink_to(elsewhere)
    v2.publish("More", {"docs/more.md": "theirs\n"})
    with pytest.raises(MlcError, match="The update has files in docs, but"):
        patched()
    assert (elsewhere / "more.md").read_text() != "theirs\n"


@pytest.mark.parametrize("breaks_off", [False, True])
def test_a_file_becomes_a_directory_and_a_directory_a_file(
    v2: AimeCheckout, patched: Updating, monkeypatch: pytest.MonkeyPatch, breaks_off: bool
) -> None:
    v2.publish("First", {"tools/a": "a\n", "tools/deep/b": "b\n", "notes": "n\n"})
    author = v2.remote.with_name("author")
    (author / "latest").symlink_to("tools")
    v2.publish("A link", {"guide/page": "p\n"})
    patched()
    (v2.path / "tools/empty").mkdir()
    for name in ("tools", "guide"):
        shutil.rmtree(author / name)
    for name in ("latest", "notes"):
        (author / name).unlink()
    (author / "guide").symlink_to("docs")
    v2.publish("Second", {"tools": "t\n", "notes/deep/c": "c\n", "latest/d": "d\n"})
    if breaks_off:

        def full(*arguments: object) -> None:
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as once, pytest.raises(OSError, match="No space"):
            once.setattr(patch_store, "keep", full)
            patched()
    patched()
    assert (v2.path / "docs/more.md").exists()
    revert(v2.path, SilentReporter(), force=False)
    assert_is_as_upstream(v2)


@pytest.mark.parametrize("mine", ["tools/mine", "tools/a", "tools/mine.pyc"])
def test_what_is_in_a_directory_that_becomes_a_file_is_not_lost(
    v2: AimeCheckout, patched: Updating, mine: str
) -> None:
    v2.publish("First", {"tools/a": "a\n", ".gitignore": "*.pyc\n"})
    patched()
    (v2.path / mine).write_text("mine\n")
    shutil.rmtree(v2.remote.with_name("author") / "tools")
    v2.publish("Second", {"tools": "t\n"})
    with pytest.raises(MlcError, match=r"The update changes tools.*, but so have you"):
        patched()
    assert (v2.path / mine).read_text() == "mine\n"


@pytest.mark.parametrize("names", [["README.md"], ["new.md"], ["new.pyc", "docs/more.md"]])
def test_the_advice_for_local_changes_works(
    v2: AimeCheckout, patched: Updating, names: list[str]
) -> None:
    v2.publish("First", {".gitignore": "*.pyc\n"})
    patched()
    git(v2.path, "config", "user.name", "Somebody")
    git(v2.path, "config", "user.email", "somebody@example.org")
    for name in names:
        (v2.path / name).write_text("mine\n")
    author = v2.remote.with_name("author")
    for name in names:
        (author / name).write_text("theirs\n")
    git(author, "add", "--force", *names)
    v2.publish("Theirs", {})
    with pytest.raises(MlcError, match="but so have you") as caught:
        patched()
    [command] = re.findall(r"\((git -C [^)]* stash push [^)]*)\)", str(caught.value))
    subprocess.run(command, shell=True, check=True)
    patched()
    for name in names:
        assert (v2.path / name).read_text() == "theirs\n"
    assert examine(v2.path).condition is Condition.PATCHED
    for name in names:
        kept = "stash@{0}^3" if name.startswith("new") else "stash@{0}"
        assert v2.git("show", f"{kept}:{name}") == "mine"


@pytest.mark.parametrize("theirs", [LIST, None])
def test_the_advice_for_an_edited_command_works(
    v2: AimeCheckout, shell_program: Path, updating: Updating, theirs: str | None
) -> None:
    """Every command that a message names is run as it stands, and no version gets lost."""
    mine = "#!/bin/sh\necho mine\n"
    git(v2.path, "config", "user.name", "Somebody")
    git(v2.path, "config", "user.email", "somebody@example.org")
    v2.path.chmod(0o700)  # others may be unable to read our program
    (v2.path / "mlc-list").write_text(mine)
    apply(v2.path, shell_program, "/bin/sh", SilentReporter(), force=True)
    v2.publish("Theirs", {"mlc-list": theirs, "README.md": "theirs\n"})
    updating()
    assert v2.git("log", "-1", "--format=%s") == "Theirs"
    assert (v2.path / "README.md").read_text() == "theirs\n"
    assert examine(v2.path).condition is Condition.PATCHED
    assert (v2.path / STORE / ORIGINAL / "mlc-list").read_text() == mine
    [said] = [each for each in updating.report.said if "mlc-list" in each]
    assert "changes mlc-list, but so have you" in said
    [advice] = re.findall(r": (mlc-patch revert .* && .* --force)$", said)
    program = Path(__file__).parents[3] / "bin/docker/mlc-patched.py"
    (command := v2.path.parent / "mlc-patch").write_text(
        f'#!/bin/sh\nexec {sys.executable} {program} mlc-patch "$@"\n'
    )
    command.chmod(0o755)
    environ = {**os.environ, "PATH": f"{command.parent}:{os.environ['PATH']}"}
    subprocess.run(advice, shell=True, check=True, env=environ)
    state = examine(v2.path)
    assert state.condition is Condition.PATCHED
    if theirs:
        assert (v2.path / STORE / ORIGINAL / "mlc-list").read_text() == theirs
    else:
        assert "mlc-list" not in state.files
    # Both are there after the patch is removed.
    revert(v2.path, SilentReporter(), force=False)
    assert v2.git("status", "--porcelain") == ""
    kept = "stash@{0}" if theirs else "stash@{0}^3"
    assert v2.git("show", f"{kept}:mlc-list") + "\n" == mine


@pytest.mark.parametrize("by_link", [False, True])
def test_a_directory_that_is_something_else_here_is_named(
    v2: AimeCheckout, patched: Updating, by_link: bool
) -> None:
    elsewhere = v2.path.parent / "elsewhere"
    (v2.path / "docs").rename(elsewhere)
    if by_link:
        (v2.path / "docs").symlink_to(elsewhere)
    else:
        (v2.path / "docs").write_text("mine\n")
    v2.publish("More", {"docs/new.md": "theirs\n"})
    with pytest.raises(MlcError, match="The update has files in docs, but yours is not"):
        patched()
    (v2.path / "docs").rename(v2.path.parent / "moved")
    patched()
    assert (v2.path / "docs/new.md").read_text() == "theirs\n"
    assert not (elsewhere / "new.md").exists()


def test_local_commits_are_not_lost(v2: AimeCheckout, patched: Updating) -> None:
    v2.publish("Theirs", {"README.md": "theirs\n"})
    v2.git("commit", "--quiet", "--allow-empty", "-m", "Mine")
    with pytest.raises(MlcError, match="has local commits, so nothing was changed"):
        patched()
    assert v2.git("log", "-1", "--format=%s") == "Mine"
    revert(v2.path, SilentReporter(), force=False)
    with pytest.raises(MlcError, match="git merge failed"):
        patched()
    assert v2.git("log", "-1", "--format=%s") == "Mine"


def test_an_update_with_files_of_the_store_or_a_submodule_is_refused(
    v2: AimeCheckout, patched: Updating
) -> None:
    v2.publish("A module", {"x": "x"})
    author = v2.remote.with_name("author")
    commit = git(author, "rev-parse", "HEAD")
    git(author, "update-index", "--add", "--cacheinfo", f"160000,{commit},module")
    git(author, "commit", "--quiet", "-m", "A module")
    git(author, "push", "--quiet")
    with pytest.raises(MlcError, match="contains a submodule, module"):
        patched()
    git(author, "rm", "--quiet", "--cached", "module")
    v2.publish("A store", {f"{STORE}/active": "python3\n"})
    with pytest.raises(MlcError, match="where the patch stores its own files"):
        patched()
    assert examine(v2.path).condition is Condition.PATCHED


def test_a_damaged_patch_is_to_be_fixed_first(v2: AimeCheckout, patched: Updating) -> None:
    v2.publish("First", {"ml_images.repo": CATALOG})
    patch_store.deactivate(v2.path)
    with pytest.raises(MlcError, match="mlc-patch apply"):
        patched()
    assert (v2.path / "ml_images.repo").read_text() != CATALOG


def test_an_update_that_breaks_off_stays_patched_and_the_next_one_completes_it(
    v2: AimeCheckout, patched: Updating, monkeypatch: pytest.MonkeyPatch
) -> None:
    v2.publish("First", {"ml_images.repo": CATALOG, "mlc-list": LIST, "docs/more.md": None})

    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as once, pytest.raises(OSError, match="No space"):
        once.setattr(patch_store, "keep", full)
        patched()
    assert examine(v2.path).condition is Condition.PATCHED
    assert not list((v2.path / STORE).glob("stage-*"))
    patched()
    assert (v2.path / STORE / ORIGINAL / "mlc-list").read_text() == LIST
    revert(v2.path, SilentReporter(), force=False)
    assert_is_as_upstream(v2)


def test_a_program_outside_git_says_how_it_is_updated(tmp_path: Path) -> None:
    program = tmp_path / "bin/mlc.py"
    program.parent.mkdir()
    program.touch()
    with pytest.raises(MlcError, match="make install"):
        update_sys(str(program), SilentReporter(), lambda changes: None)


def test_a_checkout_inside_another_repository_is_left_to_git(
    v2: AimeCheckout, patched: Updating
) -> None:
    parent = v2.path.parent
    (v2.path / ".git").rename(parent / ".git")
    with pytest.raises(MlcError, match="not the top of a git checkout"):
        patched()
    assert examine(v2.path).condition is Condition.PATCHED


def test_users_of_a_patched_checkout_run_ours_before_and_after(
    v2: AimeCheckout, patched: Updating
) -> None:
    def said() -> str:
        argv = [str(v2.path / "mlc-list"), "-a"]
        return subprocess.run(argv, capture_output=True, text=True, check=True).stdout

    assert said() == "ours list -a\n"
    v2.publish("First", {"mlc-list": LIST})
    patched()
    assert said() == "ours list -a\n"
    assert os.access(v2.path / "mlc-list", os.X_OK)


def test_a_checkout_without_an_upstream_says_how_to_set_it(
    v2: AimeCheckout, updating: Updating
) -> None:
    branch = v2.git("branch", "--show-current")
    v2.git("branch", "--unset-upstream")
    with pytest.raises(MlcError, match=f"The branch {branch} of .* has no upstream") as refused:
        updating()
    assert refused.value.hint == (
        f"Set it with: git -C {v2.path} branch --set-upstream-to=origin/BRANCH"
    )
    v2.git("checkout", "--quiet", "--detach")
    with pytest.raises(MlcError, match=f"is on no branch.* git -C {v2.path} checkout BRANCH"):
        updating()


def test_another_failure_of_git_is_passed_on(
    updating: Updating, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(checkout: Path, *arguments: str, **options: Any) -> str:
        if arguments[0] == "log":
            raise MlcError("git log failed")
        return real_git(checkout, *arguments, **options)

    monkeypatch.setattr(update, "git", fail)
    with pytest.raises(MlcError, match="git log failed"):
        updating()

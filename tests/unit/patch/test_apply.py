"""apply, verify and revert: what becomes of a checkout's files, and when nothing is changed."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest
from support.aime_checkout import AimeCheckout, checkout, fingerprint, git, v1_files, v2_files
from support.recording_reporter import RecordingReporter

from mlc_patched.errors import MlcError
from mlc_patched.patch import store as patch_store
from mlc_patched.patch.apply import Patched, apply, revert, verify, would_apply, would_revert
from mlc_patched.patch.layout import MARKER, ORIGINAL, PROGRAM, STORE
from mlc_patched.patch.shim import shim
from mlc_patched.patch.state import Condition, FileState, examine
from mlc_patched.report import SilentReporter

OURS = Path(__file__).parents[3] / "bin/docker/mlc-patched.py"
ROW = "Pytorch, 2.8.0, [CUDA_ADA], hub/pytorch\n"
EDIT = "#!/bin/sh\necho edited\n"


def patched(path: Path, *, force: bool = False) -> Condition:
    made = apply(path, OURS, sys.executable, SilentReporter(), force=force)
    return made.state.condition


def put(made: AimeCheckout, program: Path, *, force: bool = False) -> Patched:
    """Patch a checkout with a program that a shell runs."""
    return apply(made.path, program, "/bin/sh", SilentReporter(), force=force)


def put_back(made: AimeCheckout, *, force: bool = False) -> Patched:
    """Restore AIME's files."""
    return revert(made.path, SilentReporter(), force=force)


def test_revert_restores_every_byte_mode_and_time(v2: AimeCheckout, shell_program: Path) -> None:
    (v2.path / "mlc-stats").chmod(0o744)
    before = fingerprint(v2.path)
    times = {name: (v2.path / name).stat().st_mtime_ns for name in v2.names()}
    done = put(v2, shell_program)
    assert done.state.condition is Condition.PATCHED
    assert set(done.replaced) == set(v2.names())
    assert verify(v2.path)[1] == ()
    assert v2.git("status", "--porcelain", "--", STORE) == "", "git is told nothing of the store"
    back = put_back(v2)
    assert set(back.replaced) == set(v2.names())
    assert fingerprint(v2.path) == before
    assert {name: (v2.path / name).stat().st_mtime_ns for name in v2.names()} == times
    assert put_back(v2).replaced == ()


def test_the_first_form_is_patched_and_restored(shell_program: Path) -> None:
    with checkout(v1_files(ROW)) as made:
        before = fingerprint(made.path)
        assert put(made, shell_program).state.condition is Condition.PATCHED
        put_back(made)
        assert fingerprint(made.path) == before


def test_applying_again_replaces_only_what_is_not_as_it_should_be(
    v2: AimeCheckout, shell_program: Path
) -> None:
    put(v2, shell_program)
    before = fingerprint(v2.path)
    assert put(v2, shell_program).replaced == ()
    assert fingerprint(v2.path) == before
    v2.git("checkout", "mlc-list")
    assert put(v2, shell_program).replaced == ("mlc-list",)
    assert fingerprint(v2.path).keys() == before.keys()
    other = shell_program.with_name("other.py")
    other.write_bytes(shell_program.read_bytes())
    other.chmod(0o644)
    done = put(v2, other)
    assert (done.state.program, done.replaced) == (str(other), ())


def test_an_apply_that_breaks_off_is_undone(
    v2: AimeCheckout, shell_program: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, replace = fingerprint(v2.path), patch_store.replace

    def full(path: Path, name: str, original: patch_store.Original) -> None:
        if name == "mlc-list" and not original.times:
            raise OSError(28, "No space left on device")
        replace(path, name, original)

    monkeypatch.setattr(patch_store, "replace", full)
    with pytest.raises(OSError, match="No space"):
        put(v2, shell_program)
    assert fingerprint(v2.path) == before


def test_an_interrupted_apply_can_be_completed_or_reverted(
    v2: AimeCheckout, shell_program: Path
) -> None:
    before = fingerprint(v2.path)
    put(v2, shell_program)
    patch_store.deactivate(v2.path)
    (fault,) = verify(v2.path)[1]
    assert "was interrupted" in fault
    assert put(v2, shell_program).state.condition is Condition.PATCHED
    patch_store.deactivate(v2.path)
    put_back(v2)
    assert fingerprint(v2.path) == before


def test_what_verify_finds(v2: AimeCheckout, shell_program: Path) -> None:
    assert verify(v2.path)[1] == ("it is not patched",)
    (v2.path / "mlc").chmod(0o644)  # nobody can run it, so it is not run
    put(v2, shell_program)
    assert verify(v2.path)[1] == ()
    shell_program.write_text("echo out of order >&2; exit 3\n")
    faults = verify(v2.path)[1]
    assert faults[0] == "mlc.py -h fails: out of order"
    assert len(faults) == len(v2.names()) - 1
    shell_program.write_text("exit 3\n")
    assert verify(v2.path)[1][1] == "mlc-create -h fails: no error message"
    shell_program.unlink()
    assert verify(v2.path)[1] == (f"our program {shell_program} is missing",)
    (v2.path / STORE / ORIGINAL / "mlc").write_text("damaged\n")
    (v2.path / "mlc-list").write_text(EDIT)
    state, faults = verify(v2.path)
    assert state.condition is Condition.DAMAGED
    assert any(each.startswith("mlc-list is ") for each in faults)
    assert "the stored original of mlc is damaged" in faults


@pytest.mark.parametrize(
    ("place", "mode", "fault"),
    [
        ("mlc-list", 0o644, "mlc-list is our shim, but closed to users who could run AIME's"),
        ("mlc-list", 0o750, "mlc-list is our shim, but closed to users who could run AIME's"),
        (f"{STORE}/{MARKER}", 0o600, f"can read the commands can read {{0}}/{STORE}/{MARKER}"),
        (STORE, 0o700, f"can read the commands can read {{0}}/{STORE}/{MARKER}"),
    ],
)
def test_what_users_cannot_run_is_found_and_opened(
    v2: AimeCheckout, shell_program: Path, place: str, mode: int, fault: str
) -> None:
    put(v2, shell_program)
    before = fingerprint(v2.path)
    (v2.path / place).chmod(mode)
    state, faults = verify(v2.path)
    assert state.condition is Condition.DAMAGED
    assert faults[0].endswith(fault.format(v2.path))
    put(v2, shell_program)
    assert fingerprint(v2.path) == before
    assert verify(v2.path)[1] == ()


def test_a_program_that_was_closed_to_users_is_found(v2: AimeCheckout, shell_program: Path) -> None:
    put(v2, shell_program)
    shell_program.chmod(0o600)
    assert verify(v2.path)[1] == (
        f"not every user who can read the commands can read {shell_program}",
    )
    v2.path.chmod(0o750)  # a checkout for one group, whose program may be closed, too
    assert verify(v2.path)[1] == ()


def test_an_edited_shim_is_found_and_replaced_with_a_warning(
    v2: AimeCheckout, shell_program: Path
) -> None:
    before = fingerprint(v2.path)
    put(v2, shell_program)
    before_edit = (v2.path / "mlc-stop").read_text()
    edit = before_edit.replace("revert\n", "revert\necho edited; exit 0\n", 1)
    (v2.path / "mlc-stop").write_text(edit)
    state, faults = verify(v2.path)
    assert state.condition is Condition.DAMAGED
    assert faults == ("mlc-stop is our shim, but edited since it was patched",)
    report = RecordingReporter()
    done = apply(v2.path, shell_program, "/bin/sh", report, force=False)
    assert done.replaced == ("mlc-stop",)
    assert "Our shim of mlc-stop was edited, and the edit is not kept" in report.said[-1]
    assert (v2.path / "mlc-stop").read_text() == before_edit
    (v2.path / "mlc-stop").write_text(edit)
    put_back(v2)
    assert fingerprint(v2.path) == before


def test_shims_that_another_version_put_there_are_no_edits(
    v2: AimeCheckout, shell_program: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as earlier:
        made = "mlc_patched.patch.apply.shim"
        earlier.setattr(made, lambda name, text: shim(name, text) + b"# of another version\n")
        put(v2, shell_program)
    assert set(examine(v2.path).files.values()) == {FileState.OLDER}
    assert verify(v2.path)[1] == ()
    with monkeypatch.context() as interrupted:
        interrupted.setattr(patch_store, "replace", fail)
        with pytest.raises(OSError, match="No space"):
            put(v2, shell_program)
    assert verify(v2.path)[1] == (), "the manifest knows both"
    assert set(put(v2, shell_program).replaced) == set(v2.names())


def fail(*arguments: object) -> None:
    raise OSError(28, "No space left on device")


def test_an_edit_since_the_patch_is_kept_by_force_and_refused_without(
    v2: AimeCheckout, shell_program: Path
) -> None:
    put(v2, shell_program)
    (v2.path / "mlc-list").write_text(EDIT)
    with pytest.raises(MlcError, match=r"mlc-list in .* changed since the patch"):
        put_back(v2)
    assert patch_store.is_active(v2.path)
    assert "mlc-list" not in put_back(v2, force=True).replaced
    assert (v2.path / "mlc-list").read_text() == EDIT
    assert v2.git("status", "--porcelain", "--untracked-files=all").split() == ["M", "mlc-list"]


def test_a_damaged_original_is_not_restored(v2: AimeCheckout, shell_program: Path) -> None:
    put(v2, shell_program)
    (v2.path / STORE / ORIGINAL / "mlc-list").write_text("damaged\n")
    for change in (put_back, lambda made: put(made, shell_program.with_name("mlc.py"))):
        with pytest.raises(MlcError, match=r"originals of mlc-list in .* are damaged"):
            change(v2)
    v2.git("checkout", "mlc-list")
    put_back(v2)
    assert v2.git("status", "--porcelain") == ""


@pytest.mark.parametrize("name", ["mlc.py", "mlc-list"])
def test_a_lost_original_is_reported_with_a_way_out(
    v2: AimeCheckout, shell_program: Path, name: str
) -> None:
    put(v2, shell_program)
    (v2.path / STORE / ORIGINAL / name).unlink()
    with pytest.raises(MlcError, match=f"git -C {v2.path} checkout -- {name}$"):
        put_back(v2)
    v2.git("checkout", "--", name)
    assert put(v2, shell_program).state.condition is Condition.PATCHED
    put_back(v2)
    assert v2.git("status", "--porcelain") == ""


def test_a_file_that_changes_while_it_is_restored_keeps_the_store(
    v2: AimeCheckout, shell_program: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(v2, shell_program)
    replace = patch_store.replace

    def replace_and_edit(path: Path, name: str, original: patch_store.Original) -> None:
        replace(path, name, original)
        if name == "mlc-list":
            (path / name).write_text(EDIT)

    monkeypatch.setattr(patch_store, "replace", replace_and_edit)
    with pytest.raises(MlcError, match="mlc-list was not restored correctly"):
        put_back(v2)
    assert (v2.path / STORE / ORIGINAL / "mlc-list").exists()


def test_only_the_owner_changes_a_checkout(
    v2: AimeCheckout, shell_program: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, owner = fingerprint(v2.path), os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    with pytest.raises(MlcError, match=r"belongs to \S+, not to you"):
        put(v2, shell_program)
    assert fingerprint(v2.path) == before


@pytest.mark.parametrize(
    ("spoil", "doubt"),
    [
        ("edit", "mlc-list, mlc-open were edited"),
        ("git", "its files are not in git, so edits cannot be detected"),
        ("untracked", "its files are not in git, so edits cannot be detected"),
        ("version", r"not tested with its version unknown \(v2\)"),
    ],
)
def test_what_may_not_be_aimes_is_patched_by_force_only(
    v2: AimeCheckout, shell_program: Path, spoil: str, doubt: str
) -> None:
    if spoil == "edit":
        for name in ("mlc-list", "mlc-open"):
            (v2.path / name).write_text(EDIT)
    elif spoil == "git":
        (v2.path / ".git").rename(v2.path.parent / "git")
    elif spoil == "untracked":
        v2.git("rm", "--quiet", "--cached", "-r", ".")
        v2.git("commit", "--quiet", "-m", "Nothing")
    else:
        (v2.path / "mlc.py").write_text("#!/usr/bin/env python3\n")
    before = fingerprint(v2.path)
    with pytest.raises(MlcError, match=doubt):
        put(v2, shell_program)
    assert fingerprint(v2.path) == before
    assert put(v2, shell_program, force=True).state.condition is Condition.PATCHED
    put_back(v2)
    assert fingerprint(v2.path) == before


def test_a_program_that_users_cannot_run_is_not_put_in_place(
    v2: AimeCheckout, shell_program: Path
) -> None:
    before = fingerprint(v2.path)
    shell_program.chmod(0o600)
    with pytest.raises(MlcError, match=r"Not every user who can read .* can read"):
        put(v2, shell_program)
    shell_program.chmod(0o644)
    shell_program.write_text("echo broken >&2; exit 1\n")
    with pytest.raises(MlcError, match="does not run, so nothing was changed: broken"):
        put(v2, shell_program)
    assert fingerprint(v2.path) == before
    assert examine(v2.path).named(FileState.OURS) == ()


def test_the_switch_is_one_file(v2: AimeCheckout, shell_program: Path) -> None:
    put(v2, shell_program)
    assert (v2.path / STORE / MARKER).read_text() == "/bin/sh\n"
    assert (v2.path / STORE / PROGRAM).readlink() == shell_program


def test_a_version_that_was_patched_before_needs_no_force(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlc_patched.patch.apply._check_program", lambda *arguments: None)
    with checkout(v2_files(ROW, "2.7")) as made:
        with pytest.raises(MlcError, match=r"not tested with its version 2\.7"):
            patched(made.path)
        assert patched(made.path, force=True) is Condition.PATCHED
        made.git("checkout", ".")
        assert examine(made.path).condition is Condition.DAMAGED
        assert patched(made.path) is Condition.PATCHED
        # Another version, or files that are edited, are still refused.
        made.git("checkout", ".")
        (made.path / "mlc-list").write_text("#!/bin/sh\n")
        with pytest.raises(MlcError, match="mlc-list was edited"):
            patched(made.path)
        made.git("checkout", ".")
        (made.path / "mlc.py").write_text(v2_files(ROW, "2.8")["mlc.py"])
        made.git("commit", "-qam", "2.8")
        with pytest.raises(MlcError, match=r"not tested with its version 2\.8"):
            patched(made.path)


def would_put(made: AimeCheckout, program: Path, *, force: bool = False) -> tuple[str, ...]:
    """Return what `put` would replace."""
    return would_apply(made.path, program, "/bin/sh", force=force).replaced


def test_what_apply_would_do_is_what_it_does(v2: AimeCheckout, shell_program: Path) -> None:
    (v2.path / "mlc-list").write_text(EDIT)
    before = fingerprint(v2.path)
    for attempt in (would_put, put):
        with pytest.raises(MlcError, match="mlc-list was edited"):
            attempt(v2, shell_program)
    assert set(would_put(v2, shell_program, force=True)) == set(v2.names())
    assert fingerprint(v2.path) == before
    put(v2, shell_program, force=True)
    assert would_put(v2, shell_program) == ()
    (v2.path / "mlc-stop").unlink()
    assert would_put(v2, shell_program) == put(v2, shell_program).replaced == ("mlc-stop",)


def test_what_revert_would_do_is_what_it_does(v2: AimeCheckout, shell_program: Path) -> None:
    def would_put_back(made: AimeCheckout, *, force: bool = False) -> Patched:
        return would_revert(made.path, force=force)

    put(v2, shell_program)
    assert set(would_put_back(v2).replaced) == set(v2.names())
    v2.publish("Newer", {"mlc.py": "#!/usr/bin/env python3\n# 3\n", "mlc-export": None})
    v2.git("checkout", ".")
    v2.git("pull", "--quiet")
    for attempt in (would_put_back, put_back):
        with pytest.raises(MlcError, match=r"mlc\.py in .* changed since the patch"):
            attempt(v2)
    assert would_put_back(v2, force=True).replaced == ()
    assert (v2.path / STORE).exists()
    assert put_back(v2, force=True).replaced == ()
    assert would_put_back(v2).state.condition is Condition.AIME


@pytest.fixture
def edited(v2: AimeCheckout, shell_program: Path) -> AimeCheckout:
    """Return a checkout whose mlc-list the site had edited when it was patched."""
    git(v2.path, "config", "user.name", "Somebody")
    git(v2.path, "config", "user.email", "somebody@example.org")
    (v2.path / "mlc-list").write_text(EDIT)
    put(v2, shell_program, force=True)
    return v2


def test_the_repair_of_a_patch_keeps_an_edited_original(
    edited: AimeCheckout, shell_program: Path
) -> None:
    edited.git("checkout", ".")
    report = RecordingReporter()
    apply(edited.path, shell_program, "/bin/sh", report, force=False)
    assert "Your version of mlc-list is kept" in report.said[-1]
    assert verify(edited.path)[1] == ()
    put_back(edited)
    assert (edited.path / "mlc-list").read_text() == EDIT
    assert edited.git("status", "--porcelain") == "M mlc-list"


def test_revert_brings_an_edited_original_back_that_git_replaced(edited: AimeCheckout) -> None:
    edited.git("checkout", ".")
    assert put_back(edited).replaced == ("mlc-list",)
    assert (edited.path / "mlc-list").read_text() == EDIT
    assert edited.git("status", "--porcelain") == "M mlc-list"


@pytest.mark.parametrize("change", ["apply", "revert", "damaged"])
def test_an_edited_original_that_another_edit_replaces_is_set_aside(
    edited: AimeCheckout, shell_program: Path, change: str
) -> None:
    other = EDIT + "# once more\n"
    (edited.path / "mlc-list").write_text(other)
    if change == "damaged":
        (edited.path / STORE / ORIGINAL / "mlc-list").write_text(EDIT[:-4])
        edited.git("checkout", "mlc-list")
    if change != "revert":
        put(edited, shell_program, force=change == "apply")
    aside = edited.path / "mlc-list.original-1"
    back = put_back(edited, force=True)
    assert aside.read_text() == (EDIT[:-4] if change == "damaged" else EDIT)
    assert not aside.stat().st_mode & 0o111
    assert back.state.condition is Condition.PATCHED or change == "revert"
    if change != "damaged":
        assert (edited.path / "mlc-list").read_text() == other
    (edited.path / "mlc-list").write_text(EDIT + "# and once more\n")
    put(edited, shell_program, force=True)
    (edited.path / "mlc-list").write_text(other)
    put(edited, shell_program, force=True)
    assert (edited.path / "mlc-list.original-2").read_text() == EDIT + "# and once more\n"


def test_a_version_that_git_has_is_not_set_aside(v2: AimeCheckout, shell_program: Path) -> None:
    put(v2, shell_program)
    v2.publish("Newer", {"mlc-list": EDIT, "mlc-stats": None})
    v2.git("checkout", ".")
    v2.git("pull", "--quiet")
    assert examine(v2.path).named(FileState.MISSING) == ("mlc-stats",)
    assert put(v2, shell_program).state.condition is Condition.PATCHED
    put_back(v2)
    assert v2.git("status", "--porcelain") == ""
    assert (v2.path / "mlc-list").read_text() == EDIT


@pytest.mark.parametrize("names", [["mlc-stats"], ["mlc.py", "mlc-list"], None])
@pytest.mark.parametrize("repaired", [False, True])
def test_commands_deleted_after_the_patch_are_found_and_restored(
    v2: AimeCheckout, shell_program: Path, names: list[str] | None, repaired: bool
) -> None:
    (v2.path / "mlc-stats").write_text(EDIT)
    before = fingerprint(v2.path)
    put(v2, shell_program, force=True)
    names = names or v2.names()
    for name in names:
        (v2.path / name).unlink()
    state, faults = verify(v2.path)
    assert (state.condition, state.checkout.version) == (Condition.DAMAGED, "2.2.0")
    assert faults == tuple(
        f"{name} is missing" for name in state.checkout.commands if name in names
    )
    if repaired:
        assert set(put(v2, shell_program).replaced) == set(names)
        assert verify(v2.path)[1] == ()
    put_back(v2)
    assert fingerprint(v2.path) == before


def test_a_command_that_is_lost_with_its_original_is_to_be_restored_first(
    v2: AimeCheckout, shell_program: Path
) -> None:
    put(v2, shell_program)
    (v2.path / "mlc-stats").unlink()
    (v2.path / STORE / ORIGINAL / "mlc-stats").unlink()
    for change in (put_back, lambda made: put(made, shell_program)):
        with pytest.raises(MlcError, match=f"git -C {v2.path} checkout -- mlc-stats$"):
            change(v2)
    v2.git("checkout", "--", "mlc-stats")
    put_back(v2)
    assert v2.git("status", "--porcelain") == ""


def test_all_originals_that_are_lost_with_the_store_are_named_at_once(
    v2: AimeCheckout, shell_program: Path
) -> None:
    before, names = fingerprint(v2.path), examine(v2.path).checkout.commands
    put(v2, shell_program)
    shutil.rmtree(v2.path / STORE)
    for change in (put_back, lambda made: put(made, shell_program)):
        with pytest.raises(MlcError, match=f"{STORE} has lost AIME's original of mlc") as failed:
            change(v2)
        assert str(failed.value).endswith(f"git -C {v2.path} checkout -- {' '.join(names)}")
    v2.git("checkout", "--", *names)
    assert fingerprint(v2.path) == before


@pytest.mark.parametrize("lost", [False, True])
def test_a_damaged_manifest_is_fixed_by_apply_and_nothing_is_lost(
    v2: AimeCheckout, shell_program: Path, lost: bool
) -> None:
    (v2.path / "mlc-list").write_text(EDIT)
    (v2.path / "ml_images.repo").write_text(ROW * 2)
    before = fingerprint(v2.path)
    put(v2, shell_program, force=True)
    manifest = v2.path / STORE / ORIGINAL / patch_store.MANIFEST
    if lost:
        manifest.unlink()
    else:
        manifest.write_text('{"files": [{}]}')
    v2.git("checkout", "mlc-open")
    state, faults = verify(v2.path)
    assert state.condition is Condition.DAMAGED
    assert faults[-1] == f"the list of the stored originals, {manifest}, is missing or damaged"
    with pytest.raises(MlcError, match=f"mlc-patch apply {v2.path}$"):
        put_back(v2)
    with pytest.raises(MlcError, match="mlc-list was edited"):
        put(v2, shell_program)
    put(v2, shell_program, force=True)
    assert verify(v2.path)[1] == ()
    put_back(v2)
    assert fingerprint(v2.path) == before


def test_the_owner_in_the_advice_is_quoted_for_a_shell(
    v2: AimeCheckout, shell_program: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    monkeypatch.setattr("mlc_patched.patch.apply._login", lambda uid: f"#{uid}")
    with pytest.raises(MlcError, match=f"belongs to #{owner}, .* sudo -u '#{owner}' …"):
        put(v2, shell_program)

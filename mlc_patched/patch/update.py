"""update-sys: update the git checkout that the program runs from.

In a patched checkout git itself would refuse, because our shims are changes to AIME's files. So
git checks the update out into a directory of the store, and it is applied from there file by file:
AIME's new commands become the stored originals, all other files are replaced, and finally HEAD is
moved. If interrupted, the commands still run our program, and the next update-sys completes it.
"""

from __future__ import annotations

import os
import secrets
import shlex
import stat
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from ..errors import MlcError
from ..host.git import git
from ..lean import dataclass, replace
from ..report import Reporter
from . import checkout as patch_checkout
from . import store as patch_store
from .apply import check_writable, manifest_of, stash_advice
from .layout import ORIGINAL, STORE, checkout_of
from .shim import shim
from .state import SHIMS, Condition, State, examine
from .store import Original

_SUBMODULE = "160000"  # git-ls-tree(1)


@dataclass(frozen=True)
class _Staged:
    """The files of a commit that an update touches, checked out into `place`."""

    place: Path
    paths: tuple[str, ...]

    def original(self, path: str) -> Original:
        """Return a file, with modes that do not depend on the umask."""
        found = patch_store.read_original(self.place / path)
        return replace(found, mode=0o755 if found.mode & stat.S_IXUSR else 0o644, times=None)


@dataclass(frozen=True)
class Updated:
    """The checkout, and the subjects of the new commits, newest first."""

    checkout: str
    changes: tuple[str, ...]


def update_sys(
    program: str, report: Reporter, confirm: Callable[[tuple[str, ...]], object]
) -> Updated:
    """Update the checkout that a program was called from, by its path without resolved links.

    `confirm` is called with the new commits' subjects; it raises if they are not wanted. Raises
    MlcError if this is not a git checkout, git failed, or, in a patched one, the patch is damaged
    or local commits or changes conflict; nothing was changed.
    """
    if patched := checkout_of(program):
        with patch_store.locked(patched):
            return _update_patched(patched, report, confirm)
    checkout = Path(git(place_in_git(program), "rev-parse", "--show-toplevel"))
    changes = _fetch(checkout, report)
    if changes:
        confirm(changes)
        git(checkout, "merge", "--ff-only", "--quiet", "@{upstream}")
    return Updated(str(checkout), changes)


def place_in_git(program: str) -> Path:
    """Return the program's directory if it is in a git checkout, or raise MlcError."""
    place = Path(program).resolve().parent
    if any((each / ".git").exists() for each in (place, *place.parents)):
        return place
    raise MlcError(
        f"{place} is not in a git checkout, so update-sys cannot update it.",
        "Update the tree that it was installed from (git pull), then: sudo make install - or, if "
        "it came as a Debian package, that package.",
    )


def _fetch(checkout: Path, report: Reporter) -> tuple[str, ...]:
    report.step(f"Checking for updates of {checkout}")
    git(checkout, "fetch", "--quiet", fetches=True)
    try:
        return tuple(git(checkout, "log", "--format=%h %s", "HEAD..@{upstream}").splitlines())
    except MlcError as error:
        if (missing := _without_upstream(checkout)) is None:
            raise
        raise missing from error


def _without_upstream(checkout: Path) -> MlcError | None:
    """Return an error that says so if no branch to update from is set."""
    here = shlex.join(["git", "-C", str(checkout)])
    branch = git(checkout, "rev-parse", "--abbrev-ref", "HEAD")
    if branch == "HEAD":
        return MlcError(
            f"{checkout} is on no branch, so there is nothing to update it from.",
            f"Check one out with: {here} checkout BRANCH",
        )
    if git(checkout, "for-each-ref", "--format=%(upstream)", f"refs/heads/{branch}"):
        return None
    return MlcError(
        f"The branch {branch} of {checkout} has no upstream to update it from.",
        f"Set it with: {here} branch --set-upstream-to=origin/BRANCH",
    )


def _update_patched(
    checkout: Path, report: Reporter, confirm: Callable[[tuple[str, ...]], object]
) -> Updated:
    state = examine(checkout)
    if state.condition is not Condition.PATCHED:
        raise MlcError(
            f"{checkout} is {state.condition.value}.", f"Fix it first: mlc-patch apply {checkout}"
        )
    check_writable(state)
    if git(checkout, "rev-parse", "--show-prefix"):
        raise MlcError(f"{checkout} is not the top of a git checkout. Update it with git itself.")
    changes = _fetch(checkout, report)
    if not changes:
        return Updated(str(checkout), ())
    old, new = git(checkout, "rev-parse", "HEAD"), git(checkout, "rev-parse", "@{upstream}")
    if git(checkout, "merge-base", old, new) != old:
        raise MlcError(
            f"{checkout} has local commits, so nothing was changed.",
            "Remove the patch (mlc-patch revert), merge with git, and apply it again.",
        )
    patch_store.tidy(checkout)
    try:
        paths = _changed_paths(checkout, old, new)
        before, after = _check_out(checkout, old, paths), _check_out(checkout, new, paths)
        before, after = _without_edited(state, before, after, report)
        _check_local_changes(state, before, after)
        _report_version(state, after, report)
        confirm(changes)
        _apply_update(state, before, after)
        git(checkout, "reset", "--mixed", "--quiet", new)
    finally:
        patch_store.tidy(checkout)
    return Updated(str(checkout), changes)


def _changed_paths(checkout: Path, old: str, new: str) -> tuple[str, ...]:
    listed = git(checkout, "diff-tree", "-r", "-z", "--no-renames", old, new).strip("\0")
    parts = listed.split("\0") if listed else []
    for about, path in zip(parts[::2], parts[1::2], strict=True):
        if _SUBMODULE in about:
            raise MlcError(f"The update contains a submodule, {path}, which is not supported.")
        if path.split("/")[0].startswith(STORE):
            raise MlcError(f"The update contains {path}, where the patch stores its own files.")
    return tuple(parts[1::2])


def _check_out(checkout: Path, commit: str, paths: Sequence[str]) -> _Staged:
    """Check paths of a commit out into a new directory of the store."""
    place = checkout / STORE / f"stage-{secrets.token_hex(4)}"
    place.mkdir()
    index = {"GIT_INDEX_FILE": str(place / ".index")}
    git(checkout, "read-tree", commit, environ=index)
    listed = git(checkout, "ls-tree", "-r", "-z", "--name-only", "--full-tree", commit).split("\0")
    there = tuple(path for path in paths if path in set(listed))
    git(
        *(checkout, "checkout-index", "--force", f"--prefix={place}/", "-z", "--stdin"),
        environ=index,
        stdin=b"".join(os.fsencode(path) + b"\0" for path in there),
    )
    return _Staged(place, there)


def _without_edited(
    state: State, before: _Staged, after: _Staged, report: Reporter
) -> tuple[_Staged, _Staged]:
    """Leave out the commands that were edited before the patch: their originals stay."""
    originals = state.checkout.path / STORE / ORIGINAL
    edited = [
        path
        for path in dict.fromkeys((*before.paths, *after.paths))
        if path in state.files
        and _content(originals / path) not in [_staged(each, path) for each in (before, after)]
    ]
    if edited:
        report.warn(
            f"The update changes {', '.join(edited)}, but so have you: your version is kept, and "
            "mlc-patch revert restores it. To use AIME's instead, with yours in git's stash, after "
            f"this update: {stash_advice(state.checkout.path, edited)}"
        )
    kept = (
        replace(each, paths=tuple(path for path in each.paths if path not in edited))
        for each in (before, after)
    )
    return next(kept), next(kept)


def _staged(staged: _Staged, path: str) -> bytes | None:
    """Return the content of a path in a commit, None if it does not have it."""
    return _content(staged.place / path) if path in staged.paths else None


def _check_local_changes(state: State, before: _Staged, after: _Staged) -> None:
    """Refuse an update that would overwrite local changes."""
    checkout = state.checkout.path
    known = dict.fromkeys((*before.paths, *after.paths))
    changed = []
    for path in known:
        here = checkout / path
        if path in state.files:  # as in one of the commits, else it was left out
            continue
        parent = _not_a_directory(checkout, path)
        now = None if parent or _is_of_update(here, checkout, known) else _content(here)
        wanted = [_staged(each, path) for each in (before, after)]
        if parent and parent not in known:
            raise MlcError(
                f"The update has files in {parent}, but yours is not a directory; nothing was "
                "done.",
                f"Move it away: {shlex.join(['mv', str(checkout / parent), 'OTHER_PLACE'])}",
            )
        if now not in wanted:
            changed.append(path)
    if changed:
        stash = shlex.join(["git", "-C", str(checkout), "stash", "push", "-a", "--", *changed])
        pop = shlex.join(["git", "-C", str(checkout), "stash", "pop"])
        raise MlcError(
            f"The update changes {', '.join(changed)}, but so have you; nothing was done. "
            f"Stash your changes ({stash}), update, and restore them ({pop}; if the update "
            "adds a file that you have, too, see yours with: git show stash@{0}^3:FILE)."
        )


def _not_a_directory(checkout: Path, path: str) -> str:
    """Return the first parent of a path that is something else in the checkout, or nothing."""
    for parent in list(Path(path).parents)[-2::-1]:
        here = checkout / parent
        if here.is_symlink() or (here.exists() and not here.is_dir()):
            return str(parent)
    return ""


def _is_of_update(here: Path, checkout: Path, known: Collection[str]) -> bool:
    """Whether this is a directory without files that the update does not know."""
    return _is_directory(here) and all(
        _is_directory(each) or str(each.relative_to(checkout)) in known for each in here.rglob("*")
    )


def _is_directory(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _content(path: Path) -> bytes | None:
    """Return the kind and content of a path, to be compared; None if it does not exist."""
    if path.is_symlink():
        return b"link " + os.fsencode(path.readlink())
    if path.is_dir():
        return b"directory"
    try:
        return b"file " + path.read_bytes()
    except FileNotFoundError:
        return None


def _report_version(state: State, after: _Staged, report: Reporter) -> None:
    form = state.checkout.form
    name = "mlc.py" if form is patch_checkout.Form.V2 else "mlc-create"
    if name not in after.paths:
        return
    version = patch_checkout.version_of(form, after.original(name).text)
    shown = version or "(version unknown)"
    if version != state.checkout.version:
        report.note(f"This is an update to AIME MLC {shown}.")
    if not patch_checkout.is_known(form, version):
        known = ", ".join(patch_checkout.KNOWN[form.value])
        report.warn(
            f"mlc-patched has not been tested with AIME MLC {shown}, only with {known}. "
            "The checkout stays patched, so nothing changes for your users; "
            "mlc-patch revert switches to the new version."
        )


def _apply_update(state: State, before: _Staged, after: _Staged) -> None:
    checkout = state.checkout.path
    gone = [path for path in before.paths if path not in after.paths]
    for path in gone:
        # After an interrupted update it may have become a directory, or one of its parents a file.
        if _is_directory(checkout / path) or _not_a_directory(checkout, path):
            continue
        (checkout / path).unlink(missing_ok=True)
        for parent in list(Path(path).parents)[:-1]:
            if (checkout / parent).is_dir() and not any((checkout / parent).iterdir()):
                (checkout / parent).rmdir()
    originals = {
        name: patch_store.read_original(checkout / STORE / ORIGINAL / name)
        for name, found in state.files.items()
        if found in SHIMS and name not in gone
    }
    for path in after.paths:
        if _is_directory(checkout / path):  # only empty ones are left in it
            for directory, _, _ in os.walk(checkout / path, topdown=False):
                Path(directory).rmdir()
        if path in patch_checkout.COMMANDS:
            originals[path] = after.original(path)
        elif (after.place / path).is_symlink():
            (checkout / path).parent.mkdir(parents=True, exist_ok=True)
            patch_store.link(checkout / path, str((after.place / path).readlink()))
        else:
            (checkout / path).parent.mkdir(parents=True, exist_ok=True)
            patch_store.write(after.place / path, after.original(path))
            (after.place / path).replace(checkout / path)
    _keep_originals(state, originals, after.paths)


def _keep_originals(state: State, originals: dict[str, Original], changed: tuple[str, ...]) -> None:
    """Store AIME's new commands as originals, and write the shims that they need."""
    checkout = state.checkout.path
    program = originals.get("mlc.py") or originals.get("mlc-create")
    form = patch_checkout.Form.V2 if "mlc.py" in originals else patch_checkout.Form.V1
    version = patch_checkout.version_of(form, program.text) if program else ""
    patch_store.keep(checkout, manifest_of(form.value, version, originals, state), originals)
    for name, original in originals.items():
        text = shim(name, original.text)
        if _content(checkout / name) != b"file " + text:
            patch_store.replace(checkout, name, Original(text, original.mode))
        elif name in changed:
            (checkout / name).chmod(original.mode)

"""update-sys in a patched checkout: AIME's update comes in, and the patch stays on.

git itself would refuse, because our stand-ins are changes to its files. So the update is laid
out beside the checkout by git, and goes in file by file: AIME's new commands become the
originals that are kept, everything else is replaced, and at last git is told where it stands.
Cut short anywhere, the commands go on being ours, and the next update-sys finishes it.
"""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..context import Context
from ..errors import MlcError
from ..host.git import git
from . import checkout as patch_checkout
from . import store as patch_store
from .apply import check_writable, manifest_of
from .layout import ORIGINAL, STORE
from .standin import stand_in
from .state import Condition, FileState, State, examine
from .store import Original
from .update_sys import Updated

_SUBMODULE = "160000"  # git-ls-tree(1)


@dataclass(frozen=True)
class _Layout:
    """A commit's files that an update touches, as git would check them out."""

    place: Path
    paths: tuple[str, ...]

    def original(self, path: str) -> Original:
        """Return a file; open to all, whatever the umask was."""
        found = patch_store.read_original(self.place / path)
        return replace(found, mode=0o755 if found.mode & stat.S_IXUSR else 0o644, times=None)


def update(context: Context, checkout: Path, agree: Callable[[tuple[str, ...]], bool]) -> Updated:
    """Fetch AIME's update of a patched checkout, show what is new, and take it in.

    Args:
        context: hears what is done.
        checkout: the patched checkout.
        agree: is shown the changes and says whether to take them.

    Raises:
        MlcError: the checkout is not patched as it should be, has commits or changes of its
            own that stand in the way, or git failed. Nothing was changed then.
    """
    report = context.report
    with patch_store.locked(checkout):
        state = examine(checkout)
        if state.condition is not Condition.PATCHED:
            raise MlcError(
                f"{checkout} is {state.condition.value}. Mend it first with: "
                f"mlc-patch apply {checkout}"
            )
        check_writable(state)
        if git(checkout, "rev-parse", "--show-prefix"):
            raise MlcError(f"{checkout} is not the top of a git checkout. Update it by git itself.")
        report.step(f"Asking for updates of {checkout}")
        git(checkout, "fetch", "--quiet")
        old, new = git(checkout, "rev-parse", "HEAD"), git(checkout, "rev-parse", "@{upstream}")
        changes = tuple(git(checkout, "log", "--format=%h %s", f"{old}..{new}").splitlines())
        if not changes:
            return Updated(str(checkout), ())
        if git(checkout, "merge-base", old, new) != old:
            raise MlcError(
                f"{checkout} has commits of its own, so nothing was changed. Take the patch off "
                "(mlc-patch revert), bring them together by git, and put it on again."
            )
        patch_store.tidy(checkout)
        try:
            paths = _changed_paths(checkout, old, new)
            before, after = _lay_out(checkout, old, paths), _lay_out(checkout, new, paths)
            _check_own_changes(state, before, after)
            _tell_version(state, after, context)
            if not agree(changes):
                return Updated(str(checkout), changes, declined=True)
            _take_in(state, before, after)
            git(checkout, "reset", "--mixed", "--quiet", new)
        finally:
            patch_store.tidy(checkout)
        return Updated(str(checkout), changes)


def _changed_paths(checkout: Path, old: str, new: str) -> tuple[str, ...]:
    listed = git(checkout, "diff-tree", "-r", "-z", "--no-renames", old, new).strip("\0")
    parts = listed.split("\0") if listed else []
    for about, path in zip(parts[::2], parts[1::2], strict=True):
        if _SUBMODULE in about:
            raise MlcError(f"The update has a submodule, {path}, which this cannot take in.")
        if path.split("/")[0].startswith(STORE):
            raise MlcError(f"The update has {path}, where the patch keeps its own files.")
    return tuple(parts[1::2])


def _lay_out(checkout: Path, commit: str, paths: Sequence[str]) -> _Layout:
    """Have git check these paths of a commit out into a directory of the store."""
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
    return _Layout(place, there)


def _check_own_changes(state: State, before: _Layout, after: _Layout) -> None:
    """Refuse where the update would overwrite what somebody has changed here."""
    checkout = state.checkout.path
    own = []
    for path in dict.fromkeys((*before.paths, *after.paths)):
        here = checkout / path
        if path in state.files:
            here = checkout / STORE / ORIGINAL / path
        now = _content(here)
        wanted = [
            _content(layout.place / path) if path in layout.paths else None
            for layout in (before, after)
        ]
        if now not in wanted or any(
            (checkout / parent).is_symlink() for parent in Path(path).parents
        ):
            own.append(path)
    if own:
        raise MlcError(
            f"The update changes {', '.join(own)}, which you have changed, too: nothing was done. "
            f"Put yours aside (git -C {checkout} stash push -- {' '.join(own)}), update, "
            "and bring it back (git stash pop)."
        )


def _content(path: Path) -> bytes | None:
    """Return what tells one content of a path from another; None if nothing is there."""
    if path.is_symlink():
        return b"link " + os.fsencode(path.readlink())
    if path.is_dir():
        return b"directory"
    try:
        return b"file " + path.read_bytes()
    except FileNotFoundError:
        return None


def _tell_version(state: State, after: _Layout, context: Context) -> None:
    form = state.checkout.form
    name = "mlc.py" if form is patch_checkout.Form.V2 else "mlc-create"
    if name not in after.paths:
        return
    version = patch_checkout.version_of(form, after.original(name).text)
    if version != state.checkout.version:
        context.report.note(f"The update brings AIME MLC {version or 'of an untold version'}.")
    if not patch_checkout.is_known(form, version):
        known = ", ".join(patch_checkout.KNOWN[form.value])
        context.report.warn(
            f"mlc-patched has not been tested with AIME MLC {version or 'of an untold version'}, "
            f"only with {known}. The patch stays on, so nothing changes for your users; "
            "the new version waits underneath, for mlc-patch revert."
        )


def _take_in(state: State, before: _Layout, after: _Layout) -> None:
    checkout = state.checkout.path
    gone = [path for path in before.paths if path not in after.paths]
    for path in gone:
        (checkout / path).unlink(missing_ok=True)
        for parent in list(Path(path).parents)[:-1]:
            if (checkout / parent).is_dir() and not any((checkout / parent).iterdir()):
                (checkout / parent).rmdir()
    originals = {
        name: patch_store.read_original(checkout / STORE / ORIGINAL / name)
        for name, found in state.files.items()
        if found is FileState.OURS and name not in gone
    }
    for path in after.paths:
        if path in patch_checkout.COMMANDS:
            originals[path] = after.original(path)
        elif (after.place / path).is_symlink():
            (checkout / path).parent.mkdir(parents=True, exist_ok=True)
            patch_store.link(checkout / path, str((after.place / path).readlink()))
        else:
            (checkout / path).parent.mkdir(parents=True, exist_ok=True)
            patch_store.write(after.place / path, after.original(path))
            (after.place / path).replace(checkout / path)
    _keep(state, originals, after.paths)


def _keep(state: State, originals: dict[str, Original], changed: tuple[str, ...]) -> None:
    """Keep AIME's new commands, and stand in for those that are new."""
    checkout = state.checkout.path
    program = originals.get("mlc.py") or originals.get("mlc-create")
    form = patch_checkout.Form.V2 if "mlc.py" in originals else patch_checkout.Form.V1
    version = patch_checkout.version_of(form, program.text) if program else ""
    patch_store.keep(checkout, manifest_of(form.value, version, originals), originals)
    for name, original in originals.items():
        text = stand_in(name, original.text)
        if _content(checkout / name) != b"file " + text:
            patch_store.replace(checkout, name, Original(text, original.mode))
        elif name in changed:
            (checkout / name).chmod(original.mode)

"""The user's account in a container."""

from __future__ import annotations

import os

import pexpect

from support.engine_state import inspect
from support.users import User

LEGACY_FLOW, OPTIMIZED_FLOW = "commit", "image"


def account(user: User) -> str:
    """Return the name of the user's account inside, as in docs/contracts.md, "Accounts"."""
    return user.login.replace("@", "-at-").replace(".", "-")


def flow(user: User, name: str = "it") -> str:
    """Return the flow by which a container was created."""
    return str(inspect(user.tag(name))["Config"]["Labels"]["aime.mlc.DS01_USER_SETUP"])


def run(user: User, line: str, name: str = "it") -> str:
    """Run a shell line in a container as the user and return what it printed."""
    done = user.mlc("start", name, line, "-s")
    assert done.returncode == 0, f"{line}: {done.stdout}{done.stderr}"
    return done.stdout.strip()


def assert_account_works(user: User, name: str = "it") -> None:
    """Check that the account inside is the user's, and stop the container."""
    said = run(user, "id -u; id -g; id -un; id -gn; echo $HOME; sudo -n id -u", name).split()
    own = account(user)
    assert said == [str(user.uid), str(user.gid), own, own, f"/home/{own}", "0"]
    assert user.mlc("stop", name, "-s").returncode == 0


def state(user: User, name: str = "it") -> str:
    """Return the state of the user's container in one word."""
    word = str(inspect(user.tag(name))["State"]["Status"])
    return {"stopped": "exited"}.get(word, word)  # Podman's own word for it


def close_terminal(child: pexpect.spawn) -> None:
    """Close a terminal like its window; pexpect's close() would also send signals."""
    os.close(child.child_fd)
    child.closed = child.ptyproc.closed = True  # or it would close the number again later

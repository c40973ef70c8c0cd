"""Run the container commands as a user, and examine what they leave in the engine."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

from support.engine_state import container_names, docker
from support.users import User


def command(
    user: User, name: str, *arguments: str | Path, **options: object
) -> subprocess.CompletedProcess[str]:
    """Run a documented command as a user, without a terminal."""
    return user.run(user.tree / "bin" / "user" / name, *arguments, **options)


def names_in_engine(user: User) -> tuple[set[str], set[str]]:
    """Return the names of a user's containers and images, including temporary ones."""
    uid = str(user.uid)
    images = docker("images", "--format", "{{.Repository}}:{{.Tag}}").split()
    return (
        {name for name in container_names() if uid in name},
        {name for name in images if uid in name},
    )


@contextlib.contextmanager
def unchanged(user: User) -> Iterator[None]:
    """Check that a block leaves a user's containers and images as they were."""
    before = names_in_engine(user)
    yield
    assert names_in_engine(user) == before

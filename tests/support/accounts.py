"""Accounts for tests in this process."""

from __future__ import annotations

import os
from pathlib import Path

from mlc_patched.host.account import Account


class AccountOfThisProcess(Account):
    """An account with any IDs in the engine, whose files on this host are the process's own.

    So a test needs no root, and as root it reaches pytest's directories, which only root may enter.
    """

    @property
    def file_ids(self) -> tuple[int, int]:
        """UID and GID of the process."""
        return os.getuid(), os.getgid()


def path_with_gpu_hook(place: Path) -> str:
    """Return a PATH on which NVIDIA's hook is found, as on a server with GPUs."""
    directory = place / "gpu-hook"
    directory.mkdir()
    (directory / "nvidia-container-runtime-hook").touch(0o755)
    return f"{directory}:{os.environ['PATH']}"

"""What tests of the scripts that run in containers share."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def applets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with BusyBox's programs and nothing else, empty without BusyBox."""
    place = tmp_path_factory.mktemp("applets")
    if busybox := shutil.which("busybox"):
        subprocess.run([busybox, "--install", "-s", place], check=True)
    return place

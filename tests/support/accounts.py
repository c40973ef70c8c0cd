"""The account of tests in this process, alice, 1001:2001, and images that hold it."""

from __future__ import annotations

import os
from pathlib import Path

from mlc_patched.engine.interface import Image
from mlc_patched.host.account import Account
from mlc_patched.names import images as names
from mlc_patched.names.labels import Claim, claim_labels
from support.fakes.engine import FakeEngine


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


PASSWD = "root:x:0:0::/root:/bin/sh\nalice:x:1001:2001::/home/alice:/bin/bash\n"
"""The accounts of an image with alice's account."""
THESIS_LABELS = {
    "aime.mlc.DS01_HAS_USER_SETUP": "true",
    "aime.mlc.DS01_USER_ID": "1001",
    "aime.mlc.DS01_GROUP_ID": "2001",
    "aime.mlc.DS01_USERNAME": "alice",
    "aime.mlc.DS01_PROJECT": "thesis",
}
"""The labels of the image of alice's project `thesis`."""
OWN = "ds01-1001/p:latest"


def own_image(fake: FakeEngine, uid: int = 1001, gid: int = 2001, passwd: str = PASSWD) -> str:
    """Add the image OWN to a fake engine, with the labels of alice's account; return its ID."""
    return fake.add_image(OWN, claim_labels(Claim(uid, gid, "alice")), passwd).id


BASE_ID = f"sha256:{'a' * 64}"


def account_image(uid: int = 1001, base: str = BASE_ID, **more: object) -> Image:
    """Return the image that `legacy_flow = build` makes once for an account and a base."""
    name = ":".join(names.account_image(base, uid))
    claim = claim_labels(Claim(uid, uid, "alice"))
    return Image(f"sha256:of-{uid}", (name,), {**claim, **more})  # type: ignore[arg-type]

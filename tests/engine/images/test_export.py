"""image-export on the real engine; tests/apptainer runs what it writes."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Callable

import pytest
from support.base_images import BARE
from support.engine_state import docker, nothing_left
from support.image_commands import ImageUser
from support.users import User

pytestmark = pytest.mark.real_engine


def test_an_image_for_apptainer_and_for_enroot(alice: User, image_from: Callable[..., str]) -> None:
    image = image_from(
        "mkdir /srv/set; echo shipped >/srv/set/file",
        'VOLUME ["/srv/set"]',
        'ENTRYPOINT ["/usr/bin/env", "X=a b"]',
        "ENV A=b",
        base=BARE,
    )
    docker("tag", image, f"ds01-{alice.uid}/demo:latest")
    it, there = ImageUser(alice), alice.file("there/")
    with nothing_left():
        for runtime in ("apptainer", "enroot"):
            file = there / f"{runtime}.tar"
            exported = it.json("image-export", "demo", "--for", runtime, "-o", str(file))
            assert exported["size"] == file.stat().st_size
            for each in (file, file.with_suffix(".sbatch")):
                status = each.stat()
                assert (status.st_uid, status.st_mode & 0o777) == (alice.uid, 0o600)
    with tarfile.open(there / "apptainer.tar") as tar:
        [saved] = json.load(tar.extractfile("manifest.json"))  # type: ignore[arg-type]
    assert saved["RepoTags"] == [f"ds01-{alice.uid}/demo:latest"]
    with tarfile.open(there / "enroot.tar") as tar:
        files = {
            name: tar.extractfile(name).read().decode()  # type: ignore[union-attr]
            for name in ("etc/environment", "etc/rc", "srv/set/file")
        }
        assert tar.getmember("etc/rc").mode & 0o111 == 0o111
    assert "A=b" in files["etc/environment"].splitlines()
    assert files["etc/rc"].endswith("exec /usr/bin/env 'X=a b' \"$@\"\n")
    assert files["srv/set/file"] == "shipped\n"

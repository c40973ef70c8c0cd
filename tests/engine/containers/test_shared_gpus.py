"""GPUs of several users on the real engine, with a stand-in for nvidia-smi."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.container_commands import command, unchanged
from support.engine_state import docker, inspect
from support.nvidia_smi import Gpu, NvidiaSmi, uuid
from support.users import SYSTEM_PATH, User

from mlc_patched.engine.interface import DOCKER, Engine

pytestmark = pytest.mark.real_engine


@pytest.fixture
def smi() -> Iterator[NvidiaSmi]:
    """nvidia-smi of a host with three GPUs, in a directory that every user may enter."""
    place = Path(tempfile.mkdtemp(prefix="mlc-test-", dir="/var/tmp"))
    place.chmod(0o755)
    found = NvidiaSmi(place)
    found.set(*map(Gpu, range(3)))
    (found.place / "mlc.ini").write_text("[gpus]\nassign = free\n")
    yield found
    shutil.rmtree(place)


def environ(smi: NvidiaSmi) -> dict[str, str]:
    return {"DS01_SETTINGS": str(smi.place / "mlc.ini"), "PATH": f"{smi.place}:{SYSTEM_PATH}"}


def devices(tag: str) -> list[str]:
    """Return the UUIDs that the engine was sent, after a look at label and variable."""
    found = inspect(tag)
    (sent,) = found["HostConfig"]["DeviceRequests"]
    assert sent["Count"] == 0
    chosen: list[str] = sent["DeviceIDs"]
    assert f"CUDA_VISIBLE_DEVICES={','.join(chosen)}" in found["Config"]["Env"]
    assert found["Config"]["Labels"]["aime.mlc.DS01_DEVICES"] == "%2C".join(chosen)
    return chosen


@pytest.mark.this_host
def test_users_share_three_gpus_for_a_day(
    engine: Engine, alice: User, ldap_user: User, labelled, smi: NvidiaSmi
) -> None:
    if engine.product != DOCKER or "MLC_TEST_NO_HOOK" in os.environ:
        pytest.skip("needs an engine that accepts GPU requests without a GPU")
    users, env = (alice, ldap_user), environ(smi)
    images = {user.uid: labelled(user) for user in users}

    # Four at once, for three GPUs.
    def deploy(user: User, name: str) -> subprocess.Popen[str]:
        program = user.tree / "bin/user/container-deploy"
        image = images[user.uid]
        return user.start(program, name, "--image", image, "--background", "-g", "1", **env)

    started = [deploy(user, name) for user in users for name in ("a", "b")]
    said = [each.communicate(timeout=120)[0] for each in started]
    failed = [text for each, text in zip(started, said, strict=True) if each.returncode]
    (why,) = failed
    assert "1 GPU was requested, and 0 of 3 are free. GPU 0 (NVIDIA H200, GPU-d50ab500): [" in why
    running = [
        user.tag(name)
        for (user, name), each in zip(
            ((user, name) for user in users for name in ("a", "b")), started, strict=True
        )
        if not each.returncode
    ]
    given = {tag: devices(tag) for tag in running}
    assert sorted(given.values()) == [[uuid(number)] for number in range(3)]

    # A process is found in its container.
    first = next(tag for tag in running if given[tag] == [uuid(0)])
    smi.set(Gpu(0, processes=[(inspect(first)["State"]["Pid"], "python3")]), Gpu(1), Gpu(2))
    done = alice.mlc("gpus", "--json", **env)
    assert done.returncode == 0, done.stdout
    found = json.loads(done.stdout)["gpus"]
    assert [each["containers"][0]["tag"] for each in found] == [
        next(tag for tag in running if given[tag] == [uuid(number)]) for number in range(3)
    ]
    assert found[0]["processes"][0]["container"] == first
    assert alice.mlc("gpus", **env).stdout.count(f" of {ldap_user.login}, up ") >= 1

    # The GPU of a stopped container is another one's when it is started again.
    smi.set(*map(Gpu, range(3)))
    tag = next(each for each in running if each.endswith(str(alice.uid)))
    name = tag.partition("._.")[0]
    assert alice.mlc("stop", name, "-s", "-f", **env).returncode == 0
    thief = ldap_user.mlc(
        *("create", "thief", "--image", images[ldap_user.uid], "-s", "-g", "1"), **env
    )
    assert thief.returncode == 0, thief.stderr
    assert devices(ldap_user.tag("thief")) == given[tag]
    assert ldap_user.mlc("start", "thief", "-s", **env).returncode == 0
    for verb in (("start", name, "-s"), ("open", name), ("exec", name, "--", "true")):
        done = alice.mlc(*verb, **env)
        assert done.returncode == 1
        assert f"[thief] of {ldap_user.login}" in done.stderr
        assert f"container-deploy {name} --project project -g 1" in done.stderr
    assert not inspect(tag)["State"]["Running"]

    # What is saved from it does not know of its GPU.
    done = command(alice, "container-retire", name, "--save", "v1", "-y", **env)
    assert done.returncode == 0, done.stderr
    saved = f"ds01-{alice.uid}/project:v1"
    done = alice.mlc("create", "again", "--image", saved, "-s", "-g", "none", **env)
    assert done.returncode == 0, done.stderr
    docker("start", alice.tag("again"))
    assert "CUDA_VISIBLE_DEVICES" not in docker("exec", alice.tag("again"), "env")
    assert not inspect(alice.tag("again"))["Config"]["Labels"].get("aime.mlc.DS01_DEVICES")

    # Nobody is left without a word, and nothing is left of what failed.
    with unchanged(alice):
        done = alice.mlc("create", "late", "--image", images[alice.uid], "-s", "-g", "1", **env)
        assert done.returncode == 1
        assert f"[thief] of {ldap_user.login}" in done.stderr

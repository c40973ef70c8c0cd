"""The docker client calls that AIME's mlc 2.2.0 makes, for comparison.

By the client and not by our own code: what these functions make is the measure for ours.
"""

from __future__ import annotations

from collections.abc import Sequence

from support.engine_state import docker
from support.users import User

X11 = "/tmp/.X11-unix"
CUDA_FLAGS = ("--device=/dev/snd", "--device=/dev/video0")
ROCM_FLAGS = (
    *("--device=/dev/kfd", "--device=/dev/dri", "--device=/dev/snd"),
    *("--cap-add=SYS_PTRACE", "--security-opt=seccomp=unconfined", "--shm-size=8G"),
    *("-e", "ROCM_PATH=/opt/rocm"),
)


def labels(
    user: User,
    name: str,
    *,
    framework: str = "Pytorch-2.8.0",
    architecture: str = "CUDA_ADA",
    gpus: str = "all",
    workspace: str | None = None,
    data: str = "-",
    models: str = "-",
) -> dict[str, str]:
    """Return the labels of a user's container, exactly."""
    return {
        "aime.mlc": user.login,
        "aime.mlc.NAME": name,
        "aime.mlc.USER": user.login,
        "aime.mlc.ARCH": architecture,
        "aime.mlc.MLC_VERSION": "4",
        "aime.mlc.WORK_MOUNT": workspace or str(user.workspace),
        "aime.mlc.DATA_MOUNT": data,
        "aime.mlc.MODELS_MOUNT": models,
        "aime.mlc.FRAMEWORK": framework,
        "aime.mlc.GPUS": gpus,
    }


def create(
    user: User,
    docker_name: str,
    image: str,
    own_labels: dict[str, str],
    flags: Sequence[str] = ("--gpus=all", *CUDA_FLAGS),
) -> str:
    """Create a container as AIME's mlc does and return its name in Docker."""
    mounts = {
        "/workspace": own_labels["aime.mlc.WORK_MOUNT"],
        "/data": own_labels["aime.mlc.DATA_MOUNT"],
        "/models": own_labels["aime.mlc.MODELS_MOUNT"],
        X11: X11,
    }
    docker(
        *("create", "-it", f"--name={docker_name}", f"--user={user.uid}:{user.gid}"),
        *(f"--label={key}={value}" for key, value in own_labels.items()),
        *(f"--volume={source}:{target}" for target, source in mounts.items() if source != "-"),
        *("--workdir=/workspace", "--network=host", "--ipc=host", "--privileged"),
        *("--group-add=video", "--group-add=sudo"),
        *("--ulimit=memlock=-1", "--ulimit=stack=67108864", *flags),
        *(image, "bash", "-c", "bash"),
    )
    return docker_name


def commit(user: User, name: str, image: str) -> str:
    """Add the user's account to an image as AIME's mlc does; return the committed image."""
    tag = user.tag(name)
    account = f"aime{user.uid}"
    docker(
        *("run", "--network=host", "--name", tag, "--user=0:0", image, "bash", "-c"),
        f"groupadd -g {user.gid} {account} && useradd --no-log-init -m -s /bin/bash "
        f"-u {user.uid} -g {user.gid} {account} && passwd -d {account}",
    )
    committed = f"{image.rpartition(':')[0]}:{tag}"
    docker("commit", tag, committed)
    docker("rm", tag)
    return committed


def container(user: User, name: str, image: str, **own: str) -> str:
    """Create a container as AIME's mlc does, with its set-up, but without the host's devices."""
    committed = commit(user, name, image)
    return create(user, user.tag(name), committed, labels(user, name, **own), ())

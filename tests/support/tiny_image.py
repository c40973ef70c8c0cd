"""A labelled image of a few megabytes, made of this machine's programs: unlike the base images of
other tests, it is built, copied and started at once."""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
import tarfile
from pathlib import Path

from mlc_patched.host.account import Account
from mlc_patched.names.labels import Claim, claim_labels
from support.users import User

PROGRAMS = ("bash", "sh", "cat", "chmod", "find", "grep", "head", "hostname", "id", "ls", "rm")
PROGRAMS += ("sleep", "stat", "touch", "true")
PROGRAMS += ("cut", "date", "mkdir", "mv", "tail")  # for jobs in the background
_SUDO = '#!/bin/bash\n[[ "$1" == -n ]] && shift\nexec "$@"\n'
"""Replaces sudo, which the check of a saved image runs."""
_LIBRARY = re.compile(r"(/\S+)")


def build(user: User, name: str, docker_host: str) -> str:
    """Build an image with the user's account on an engine; return its name.

    Args:
        user: the owner.
        name: the name of the image.
        docker_host: the address of the engine.
    """
    account = Account(user.login, user.uid, user.gid, str(user.home)).container_name
    home = f"/home/{account}"
    labels = claim_labels(Claim(user.uid, user.gid, account))
    dockerfile = [
        "FROM scratch",
        "ADD root.tar /",  # as COPY does not, with owners
        f"RUN echo '{account}:x:{user.uid}:{user.gid}::{home}:/bin/bash' >>/etc/passwd",
        f"ENV HOME={home} PATH={home}/.local/bin:/usr/bin:/bin",
        *(f"LABEL {key}={value}" for key, value in labels.items()),
        f"USER {user.uid}",
        'CMD ["bash"]',
    ]
    root, context = io.BytesIO(), io.BytesIO()
    with tarfile.open(fileobj=root, mode="w", dereference=True) as tar:
        for path in _files():
            tar.add(path, path)
        _text(tar, "/usr/bin/sudo", _SUDO, 0o755)
        _text(tar, "/etc/passwd", "root:x:0:0:root:/root:/bin/bash\n")
        groups = f"root:x:0:\nsudo:x:27:\nvideo:x:44:\n{account}:x:{user.gid}:\n"
        _text(tar, "/etc/group", groups)
        for directory in (home, f"{home}/.local", f"{home}/.local/bin"):
            _directory(tar, directory, user.uid, user.gid)
        _directory(tar, "/workspace", 0, 0)
        _directory(tar, "/tmp", 0, 0, 0o1777)
    with tarfile.open(fileobj=context, mode="w") as tar:
        _text(tar, "Dockerfile", "\n".join(dockerfile))
        _text(tar, "root.tar", root.getvalue())
    subprocess.run(
        ["docker", "build", "-q", "-t", name, "-"],
        input=context.getvalue(),
        capture_output=True,
        check=True,
        env={**os.environ, "DOCKER_HOST": docker_host, "DOCKER_BUILDKIT": "0"},
    )
    return name


def _files() -> list[str]:
    found = {}
    for program in PROGRAMS:
        path = shutil.which(program, path="/usr/bin:/bin")
        assert path, program
        found[f"/usr/bin/{program}"] = None
        found[f"/bin/{program}"] = None
        said = subprocess.run(["ldd", path], capture_output=True, text=True, check=True).stdout
        found |= dict.fromkeys(_LIBRARY.findall(said))
    return [path for path in found if Path(path).is_file()]


def _text(tar: tarfile.TarFile, name: str, text: str | bytes, mode: int = 0o644) -> None:
    member = tarfile.TarInfo(name)
    content = text.encode() if isinstance(text, str) else text
    member.size, member.mode = len(content), mode
    tar.addfile(member, io.BytesIO(content))


def _directory(tar: tarfile.TarFile, path: str, uid: int, gid: int, mode: int = 0o755) -> None:
    member = tarfile.TarInfo(path)
    member.type, member.mode, member.uid, member.gid = tarfile.DIRTYPE, mode, uid, gid
    tar.addfile(member)

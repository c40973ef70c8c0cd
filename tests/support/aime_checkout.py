"""AIME checkouts of the tests' own making: the least that behaves like AIME's two forms.

Written from docs/contracts.md alone. The v2-like program creates, lists, starts, opens, stops and
removes containers by Docker's client; the v1-like scripts only say what they were asked.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

VERBS = ("create", "export", "import", "list", "open", "remove", "start", "stats", "stop")
SHIMS = (*(f"mlc-{verb}" for verb in VERBS), "mlc-update-sys")

PROGRAM = '''\
#!/usr/bin/env python3
"""A replacement for AIME's program, for tests."""
import os
import pwd
import subprocess
import sys

mlc_version = "{version}"
mlc_container_version = 4
CATALOG = os.path.join(os.path.dirname(os.path.abspath(__file__)), "ml_images.repo")


def docker(*arguments, **options):
    return subprocess.run(["docker", *arguments], check=True, **options)


def image_of(framework, version):
    with open(CATALOG) as rows:
        for row in rows:
            cells = [cell.strip() for cell in row.split(",")]
            if cells[:2] == [framework, version]:
                return cells[3]
    sys.exit("no such row")


def create(name, framework, version):
    image, uid, gid = image_of(framework, version), os.getuid(), os.getgid()
    login, tag = pwd.getpwuid(uid).pw_name, name + "._." + str(uid)
    home, quiet = os.path.expanduser("~"), {{"stdout": subprocess.DEVNULL}}
    account = "groupadd -g %d aime; useradd -m --no-log-init -u %d -g %d aime" % (gid, uid, gid)
    root = ("--network=host", "--user=0:0")
    docker("run", "--name", tag, *root, image, "bash", "-c", account, **quiet)
    committed = image.rpartition(":")[0] + ":" + tag
    docker("commit", tag, committed, **quiet)
    docker("rm", tag, **quiet)
    labels = {{
        "": login, ".NAME": name, ".USER": login, ".ARCH": "CUDA_ADA", ".MLC_VERSION": "4",
        ".WORK_MOUNT": home + "/workspace", ".DATA_MOUNT": "-", ".MODELS_MOUNT": "-",
        ".FRAMEWORK": framework + "-" + version, ".GPUS": "all",
    }}
    docker(
        "create", "-it", "--name", tag, "--user", "%d:%d" % (uid, gid), "--network=host",
        "-v", home + "/workspace:/workspace", "-w", "/workspace",
        *("--label=aime.mlc%s=%s" % each for each in labels.items()),
        committed, "bash", "-c", "bash", **quiet
    )


def main():
    verb, *rest = ["-h"] if "-h" in sys.argv else sys.argv[1:] or ["-h"]
    tag = (rest or ["-"])[0] + "._." + str(os.getuid())
    if verb in ("-h", "-v"):
        print("AIME MLC version", mlc_version)
    elif verb == "create":
        create(*rest[:3])
    elif verb == "list":
        print("AIME", mlc_version, "list", flush=True)
        docker(
            "ps", "-a", "--filter", "label=aime.mlc=" + pwd.getpwuid(os.getuid()).pw_name,
            "--format", '[{{{{.Label "aime.mlc.NAME"}}}}]',
        )
    elif verb == "open":
        docker("start", tag, stdout=subprocess.DEVNULL)
        docker("exec", "-i", "--user", "%d:%d" % (os.getuid(), os.getgid()), tag, "bash")
    elif verb == "start":
        docker("start", tag)
    elif verb == "stop":
        docker("stop", "-t", "1", tag)
    elif verb == "remove":
        image = docker(
            "inspect", "-f", "{{{{.Config.Image}}}}", tag, capture_output=True, text=True
        ).stdout.strip()
        docker("rm", tag)
        docker("rmi", image)
    else:
        print("AIME", mlc_version, *sys.argv[1:])


if __name__ == "__main__":
    main()
'''
V2 = {
    "mlc": '#!/bin/bash\n# a replacement for tests\npython3 "$(dirname "$0")/mlc.py" "$@"\n',
    **{
        shim: f'#!/bin/bash\n# a replacement for tests\n"$(dirname "$0")/mlc" {shim[4:]} $@\n'
        for shim in SHIMS
    },
    "README.md": "A replacement for AIME's checkout.\n",
    "docs/more.md": "More of it.\n",
}
V1 = {
    shim: "#!/bin/bash\nMLC_VERSION=3\n"
    'here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)\n'
    f'echo "AIME v1 {shim[4:]} $# $*: $(head -n 1 "$here/ml_images.repo")"\n'
    for shim in SHIMS
    if shim not in ("mlc-export", "mlc-import")
}


@dataclass(frozen=True)
class AimeCheckout:
    """A checkout with its own remote."""

    path: Path
    remote: Path

    def git(self, *arguments: str) -> str:
        """Run git in the checkout."""
        return git(self.path, *arguments)

    def publish(self, message: str, files: dict[str, str | None]) -> None:
        """Push a commit with these files (None: without them) to the remote."""
        work = self.remote.with_name("author")
        if not work.exists():
            git(self.remote.parent, "clone", "--quiet", str(self.remote), str(work))
        git(work, "pull", "--quiet")
        for name, text in files.items():
            if text is None:
                (work / name).unlink()
            else:
                place(work, {name: text})
        git(work, "add", "-A")
        git(work, "commit", "--quiet", "-m", message)
        git(work, "push", "--quiet")

    def names(self) -> list[str]:
        """Return the commands that exist."""
        return [name for name in ("mlc", "mlc.py", *SHIMS) if (self.path / name).exists()]


def git(directory: Path, *arguments: str) -> str:
    """Run git with an identity for tests."""
    who = ("-c", "user.name=Test", "-c", "user.email=test@localhost", "-c", "commit.gpgsign=false")
    bare = ("-c", "init.defaultBranch=main", "-c", "init.templateDir=")
    done = subprocess.run(
        ["git", "-C", str(directory), *who, *bare, *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"git {arguments}: {done.stderr}"
    return done.stdout.strip()


def place(directory: Path, files: dict[str, str]) -> None:
    """Write files; those that begin with #! are executable."""
    for name, text in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o755 if text.startswith("#!") else 0o644)


def v2_files(catalog: str, version: str = "2.2.0") -> dict[str, str]:
    """Return the files of a v2-like checkout."""
    return {**V2, "mlc.py": PROGRAM.format(version=version), "ml_images.repo": catalog}


def v1_files(catalog: str) -> dict[str, str]:
    """Return the files of a v1-like checkout."""
    return {**V1, "ml_images.repo": catalog}


@contextmanager
def checkout(files: dict[str, str]) -> Iterator[AimeCheckout]:
    """Create a git checkout of these files, whose upstream is a repository next to it."""
    parent = Path(tempfile.mkdtemp(prefix="mlc-test-aime-", dir="/var/tmp"))
    try:
        parent.chmod(0o755)
        remote, path = parent / "remote.git", parent / "aime-ml-containers"
        git(parent, "init", "--quiet", "--bare", str(remote))
        git(parent, "clone", "--quiet", str(remote), str(path))
        path.chmod(0o755)
        place(path, files)
        git(path, "add", "-A")
        git(path, "commit", "--quiet", "-m", "as it was")
        git(path, "push", "--quiet", "-u", "origin", "HEAD")
        yield AimeCheckout(path, remote)
    finally:
        subprocess.run(["chmod", "-R", "u+w", str(parent)], check=False)
        shutil.rmtree(parent)


def fingerprint(path: Path) -> dict[str, tuple[str, int]]:
    """Return digest and mode of every file of a checkout, except git's."""
    found = {}
    for root, directories, files in os.walk(path):
        if ".git" in directories:
            directories.remove(".git")
        for name in (*files, *directories):
            each = Path(root, name)
            status = each.lstat()
            text = each.read_bytes() if stat.S_ISREG(status.st_mode) else b""
            found[str(each.relative_to(path))] = (
                hashlib.sha256(text).hexdigest(),
                stat.S_IMODE(status.st_mode),
            )
    return found

"""Which packages a user installed in a container that its project's image does not have."""

from __future__ import annotations

import contextlib
import re

from ..context import Context
from ..engine.interface import Container
from ..errors import MlcError
from ..images.dockerfile.installs import APT, PIP, packages_in
from ..images.packages import apt_name, pip_name, quoted
from ..images.project.files import ProjectFiles
from ..names import labels
from ..names.projects import project_of
from .shell import user_of

# Prints what is newer than the container: Python packages that were asked for by name (PEP 376,
# PEP 610) and what the new ones need; Debian packages, those that dpkg installed, and those that
# apt added by itself.
_SCRIPT = r"""
python="$(command -v python3)"
for place in "$HOME/.local" /usr/local "${python%/bin/*}"; do
    find "$place"/lib/python3*/*-packages -maxdepth 1 -name '*.dist-info' -newermt "$1"
done 2>/dev/null | sort -u | while read -r found; do
    sed -n '/extra ==/d; s/^Requires-Dist: \([A-Za-z0-9._-]*\).*/needs \1/p' "$found/METADATA"
    if [ -e "$found/REQUESTED" ] && [ ! -e "$found/direct_url.json" ]; then
        echo "$(head -n 1 "$found/INSTALLER") ${found##*/}"
    fi
done
if find /var/lib/dpkg/info -maxdepth 1 -name '*.list' -newermt "$1" -printf 'list %f\n' | grep .
then
    sed -n 's/^[^ ]* [^ ]* install \([^ ]*\) <none> .*/installed \1/p' /var/log/dpkg.log
    awk '/^Package:/ {name = $2} /^Auto-Installed: 1/ {print "automatic", name}' \
        /var/lib/apt/extended_states
fi 2>/dev/null
true
"""
_PYTHON = re.compile(r"(\S+) (\S+)-([^-]+)\.dist-info")
_APT = re.compile(r"list ([^:]+)(?::\w+)?\.list")


def how_to_keep(container: Container, context: Context) -> str:
    """Return which packages a project's image would lack, and the command that adds them; empty if
    there are none, the container is not of a project of the caller's, or it does not answer."""
    name = container.labels.get(labels.PROJECT)
    if not name:
        return ""
    with contextlib.suppress(MlcError, ValueError):
        project = project_of(name, context.account)
        text = ProjectFiles(context.account, project).read_dockerfile()
        if text is None:
            return ""
        (listed,) = context.engine.containers(names=(container.name,))  # with its age
        command = ("sh", "-c", _SCRIPT, "sh", f"@{listed.created}")
        _, output = context.engine.exec_run(container.id, command, user_of(context))
        return sentence(project.name, output.splitlines(), text)
    return ""


def sentence(project: str, lines: list[str], dockerfile: str) -> str:
    """Say which packages the script found that a Dockerfile does not install, and how to add them;
    empty if there are none."""
    have = {pip_name(each) for each in packages_in(dockerfile, PIP)}
    # uv marks every package as asked for, also what others need.
    needed = {pip_name(line[6:]) for line in lines if line.startswith("needs ")}
    found = [match.groups() for match in map(_PYTHON.fullmatch, lines) if match]
    pip = {
        name: version
        for tool, name, version in found
        if pip_name(name) not in {*have, "", *(needed if tool == "uv" else ())}
    }
    have = {apt_name(each) for each in packages_in(dockerfile, APT)}
    said = {
        key: {line.split(" ", 1)[1].partition(":")[0] for line in lines if line.startswith(key)}
        for key in ("installed ", "automatic ")
    }
    apt = [match[1] for match in map(_APT.fullmatch, lines) if match and apt_name(match[1])]
    apt = [each for each in apt if each in said["installed "] - said["automatic "] - have]
    names = [*(f"{name} {version}" for name, version in sorted(pip.items())), *sorted(apt)]
    if not names:
        return ""
    add = ["--add", *map(quoted, sorted(pip))] if pip else []
    add += ["--apt", *sorted(apt)] if apt else []
    return (
        f"Installed in the container, but not in its image: {', '.join(names)}. "
        f"Add to the image with: image-update {project} {' '.join(add)}"
    )

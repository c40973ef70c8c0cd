"""The text of a Slurm job that runs an image where there is no Docker: with Apptainer or Enroot.

A job has what a container of ours has: the same directories, GPUs and variables, and the image's
ENTRYPOINT. The options are those of apptainer-run(1), of doc/cmd/start.md and doc/image-format.md
of Enroot, and of sbatch(1). Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from shlex import join, quote

from ..errors import UsageError, shown
from ..host.account import Account
from ..host.gpus import parse_gpus
from ..lean import dataclass
from ..plan.directories import DEFAULT_WORKSPACE
from ..plan.specify import COMMAND, WORKING_DIRECTORY
from ..units import parse_size

APPTAINER, ENROOT = "apptainer", "enroot"
RUNTIMES = (APPTAINER, ENROOT)
ARCHIVE = ".tar"
"""The suffix of an archive, in place of which its job has another one."""
BEGINNING = "#!/bin/bash\n"
"""The first line of a job."""
_PASSED_ON = ("SLURM_", "CUDA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES")
"""Beginnings of the names of variables that the cluster sets for a job."""
_PASSED_ON_NAMES = " ".join(f'"${{!{each}@}}"' for each in _PASSED_ON)
_WORD = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.,:@+-]*")
_CPUS = re.compile(r"[1-9][0-9]{0,4}")
_TIME = re.compile(r"[0-9]+(?::[0-9]+){0,2}|[0-9]+-[0-9]+(?::[0-9]+){0,2}|(?i:unlimited|infinite)")
"""As sbatch(1) has it."""
_STEM = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+@-]*")
_SEPARATORS = re.compile(r"[:,\s]")


@dataclass(frozen=True)
class JobRequest:
    """What a job asks for; None leaves it to the cluster. Directories are paths there, and `~` is
    the home there. `gpus` is a number or `none`; `command` is run if sbatch is given none."""

    runtime: str = APPTAINER
    workspace: str | None = None
    data: str | None = None
    models: str | None = None
    gpus: str | None = None
    cpus: str | None = None
    memory: str | None = None
    time: str | None = None
    partition: str | None = None
    account: str | None = None
    qos: str | None = None
    command: tuple[str, ...] = ()


@dataclass(frozen=True)
class Subject:
    """The image that a job runs: its project, its reference, the account in it, and the name of its
    archive."""

    project: str
    reference: str
    username: str
    archive: str
    is_rocm: bool = False

    @property
    def stem(self) -> str:
        """What the other files are called, without a suffix."""
        return self.archive.removesuffix(ARCHIVE)

    def file(self, runtime: str) -> str:
        """Return the name of the runtime's own file."""
        return f"{self.stem}{'.sif' if runtime == APPTAINER else '.sqsh'}"

    def preparation(self, runtime: str) -> str:
        """Return the command line that makes the runtime's own file of the archive."""
        image = self.file(runtime)
        if runtime == APPTAINER:
            return f"apptainer build {image} docker-archive:{self.archive}"
        return (
            f"mkdir {self.stem}.root && "
            f"tar --anchored --exclude 'dev/*' -xf {self.archive} -C {self.stem}.root && "
            f"mksquashfs {self.stem}.root {image} -all-root"
        )


def check_stem(stem: str) -> str:
    """Return the name of a job's files without a suffix, or raise UsageError."""
    if not _STEM.fullmatch(stem):
        raise UsageError(
            f"{shown(stem)} cannot be the name of a job's files.",
            "Use letters, digits, '_', '.' and '-'.",
        )
    return stem


def job_file(image: Subject, request: JobRequest, account: Account) -> str:
    """Return the text of a job, or raise UsageError if a value of the request is invalid."""
    if request.runtime not in RUNTIMES:
        raise UsageError(f"{shown(request.runtime)} is not one of {', '.join(RUNTIMES)}.")
    gpus = _gpus(request.gpus)
    directories = dict(_directories(request, account))
    is_default = request.workspace is None
    start = _apptainer if request.runtime == APPTAINER else _enroot
    job = f"{image.stem}.sbatch"
    options = [f"--{name}={value}" for name, value in _options(image, request, gpus)]
    lines = (
        f"# Runs a command in {image.reference} where there is no Docker.",
        "# Written by image-export.",
        "#",
        f"# Once:     {image.preparation(request.runtime)}",
        f"# A job:    sbatch {job} python3 train.py",
        f"# A shell:  srun {' '.join(options)} --pty bash {job} bash",
        *(f"#SBATCH {each}" for each in options),
        "set -euo pipefail",
        "",
        f"image={image.file(request.runtime)}",
        *(f"{name}={path}" for name, path in directories.items()),
        f"if (($# == 0)); then set -- {join(request.command or COMMAND[-1:])}; fi",
        'if [[ ! -e "$image" ]]; then',
        '    echo "There is no $PWD/$image. The first lines of this job say how to make it." >&2',
        "    exit 1",
        "fi",
        *(('mkdir -p "$workspace"',) if is_default else ()),
        "",
        *start(image, gpus, tuple(directories)),
    )
    return BEGINNING + "".join(f"{line}\n" for line in lines)


def _apptainer(image: Subject, gpus: int, directories: tuple[str, ...]) -> Iterator[str]:
    yield "# The variables are the image's and Slurm's, not those of your shell."
    yield f"for name in {_PASSED_ON_NAMES}; do"
    yield '    export "APPTAINERENV_$name=${!name}"'
    yield "done"
    yield "# Nobody can write to the image, so the home is the workspace. Packages that were"
    yield "# installed in the image's home are found there."
    yield f"export APPTAINERENV_PYTHONUSERBASE={quote(f'/home/{image.username}/.local')}"
    device = "" if not gpus else " --rocm" if image.is_rocm else " --nv"
    yield f"exec apptainer run --cleanenv --no-eval{device} \\"
    yield f'    --home "$workspace:{WORKING_DIRECTORY}" --pwd {WORKING_DIRECTORY} \\'
    for name in directories[1:]:
        yield f'    --bind "${name}:/{name}" \\'
    yield '    "$image" "$@"'


def _enroot(image: Subject, gpus: int, directories: tuple[str, ...]) -> Iterator[str]:
    yield "# The variables are the image's and Slurm's, not those of your shell."
    yield "variables=()"
    yield f"for name in {_PASSED_ON_NAMES}; do"
    yield '    variables+=(--env "$name")'
    yield "done"
    has_nvidia = gpus and not image.is_rocm
    yield f"export NVIDIA_VISIBLE_DEVICES={'all' if has_nvidia else 'void'}"
    yield "export NVIDIA_DRIVER_CAPABILITIES=compute,utility"
    yield "export ENROOT_MOUNT_HOME=no"
    yield f'name={image.project}-"${{SLURM_JOB_ID:-$$}}"'
    yield "trap 'enroot remove --force \"$name\" >/dev/null' EXIT"
    yield 'enroot create --name "$name" "$image"'
    yield "enroot start --rw \\"
    for name in directories:
        target = WORKING_DIRECTORY if name == "workspace" else f"/{name}"
        yield f'    --mount "${name}:{target}:none:x-create=dir,rbind" \\'
    yield '    ${variables[@]+"${variables[@]}"} "$name" "$@"'


def enroot_files(variables: tuple[str, ...], entrypoint: tuple[str, ...]) -> dict[str, bytes]:
    """Return the files in /etc, by name, that give an image for Enroot its variables, and run its
    ENTRYPOINT in the workspace."""
    lines = "".join(f"{each}\n" for each in variables if each.isprintable())
    script = (
        f"cd {WORKING_DIRECTORY} && unset OLDPWD || exit 1\n"
        f"[ $# -gt 0 ] || set -- {COMMAND[-1]}\n"
        f'exec {"".join(f"{quote(word)} " for word in entrypoint)}"$@"\n'
    )
    return {"environment": lines.encode(), "rc": f"#!/bin/sh\n{script}".encode()}


def _gpus(text: str | None) -> int:
    """Return the number of GPUs, by default 1."""
    request = parse_gpus("1" if text is None else text)
    if request is None:
        return 0
    if request.count < 1:
        raise UsageError(
            f"Slurm chooses the GPUs of a job, so {shown(text)} is not possible.",
            "Give their number, such as -g 2, or -g none.",
        )
    return request.count


def _directories(request: JobRequest, account: Account) -> Iterator[tuple[str, str]]:
    """Yield the directories that are given, and their paths as words of the shell there."""
    for name in ("workspace", "data", "models"):
        path = getattr(request, name)
        if name == "workspace" and path is None:
            path = DEFAULT_WORKSPACE
        if path is None:
            continue
        if account.home != "/":  # a path that the shell here has put in place of `~`
            path = re.sub(rf"^{re.escape(account.home)}(?=/|$)", "~", path)
        if not re.match(r"/|~(?:/|$)", path):
            raise UsageError(
                f"The {name} directory {shown(path)} is not an absolute path.",
                "Give its path on the cluster; ~ is your home there.",
            )
        if not path.isprintable() or _SEPARATORS.search(path):
            raise UsageError(
                f"The {name} directory {shown(path)} cannot be mounted by Apptainer and Enroot: "
                "it contains a blank, a comma or a colon."
            )
        below = path.removeprefix("~")
        yield name, f"{'' if below == path else '$HOME'}{quote(below) if below else ''}"


def _options(image: Subject, request: JobRequest, gpus: int) -> Iterator[tuple[str, str]]:
    """Yield sbatch's options."""
    yield "job-name", image.project
    yield "nodes", "1"
    if gpus:
        yield "gres", f"gpu:{gpus}"
    if request.cpus is not None:
        if not _CPUS.fullmatch(request.cpus):
            raise UsageError(f"--cpus {shown(request.cpus)} is not a number of CPUs from 1.")
        yield "cpus-per-task", request.cpus
    if request.memory is not None:
        yield "mem", f"{-(-parse_size(request.memory) // 1024**2)}M"
    for name in ("time", "partition", "account", "qos"):
        value = getattr(request, name)
        if value is None:
            continue
        if not _WORD.fullmatch(value):
            raise UsageError(f"--{name} {shown(value)} is not a value that Slurm takes.")
        if name == "time" and not _TIME.fullmatch(value):
            raise UsageError(
                f"--time {shown(value)} is not a time limit that Slurm takes.",
                "Give minutes, HOURS:MINUTES:SECONDS, or DAYS-HOURS:MINUTES:SECONDS.",
            )
        yield name, value

"""Slurm's commands: sbatch, squeue, scancel, scontrol, sinfo and srun, with argument lists."""

from __future__ import annotations

import os
import shutil
import subprocess
from functools import lru_cache
from pathlib import Path

from ...context import Context
from ...errors import SlurmError
from ...host.files import is_root_for
from ...host.owner import as_account
from ...host.sudo import for_programs, is_for_another
from ...version import documentation

PROGRAM_VARIABLE = "MLC_PROGRAM"
"""In a job's environment: the path of mlc where the job was submitted."""
_SECONDS = 60
_LOOK = "Look at slurmctld: scontrol ping, systemctl status slurmctld"
_DEFAULTS = (
    *("SBATCH_ACCOUNT", "SBATCH_CONSTRAINT", "SBATCH_EXCLUSIVE", "SBATCH_MEM_PER_CPU"),
    *("SBATCH_MEM_PER_NODE", "SBATCH_PARTITION", "SBATCH_QOS", "SBATCH_RESERVATION"),
    *("SBATCH_TIMELIMIT", "SBATCH_WCKEY"),
)
"""Of sbatch's variables, those with which a user chooses where and for how long jobs run. Others
change what a job is: SBATCH_WAIT, SBATCH_ARRAY_INX, SBATCH_SIGNAL, …"""
_KEPT = (
    *("LANG", "LC_ALL", "TZ", "TERM", "DISPLAY", "NCCL_P2P_LEVEL", "DOCKER_CONFIG", "NO_COLOR"),
    *_DEFAULTS,
)
"""Variables of the caller's that go into jobs, beside those that begin with _KEPT_PREFIXES."""
_KEPT_PREFIXES = ("SLURM_CONF", "MLC_", "DS01_")
_HERE = ("MLC_ARCH", "MLC_GPUS", "MLC_AS", "MLC_PROGRAM", "MLC_JOB")
"""Variables that say something about this host, or are set here."""


def is_set_up(context: Context) -> bool:
    """Whether this host belongs to a Slurm cluster: `sbatch` is there and finds its configuration.

    It does not ask slurmctld, which may be away for a while.
    """
    environ = for_programs(context.environ)
    # Root must not load the plugins of a configuration that the user names.
    named = "" if is_for_another(context.environ) else environ.get("SLURM_CONF", "")
    return _answers(environ.get("PATH", os.defpath), named)


_USUAL = ("/etc/slurm/slurm.conf", "/etc/slurm-llnl/slurm.conf", "/run/slurm/conf/slurm.conf")
"""Without a configuration, sbatch looks for one in DNS, and waits long where nothing answers."""


@lru_cache(maxsize=8)
def _answers(path: str, configuration: str) -> bool:
    program = shutil.which("sbatch", path=path)
    if program is None:
        return False
    environ = {"PATH": path, **({"SLURM_CONF": configuration} if configuration else {})}
    try:
        done = subprocess.run(
            [program, "--version"],
            env=environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=10 if configuration or any(map(os.path.exists, _USUAL)) else 1,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def call(context: Context, program: str, *arguments: str, stdin: str = "", **variables: str) -> str:
    """Run a command of Slurm's as the user, and return what it printed; SlurmError if it failed.

    `variables` are added to its environment. A key on the terminal does not reach it.
    """
    argv = [path_of(program, context), *arguments]
    account = context.account if is_root_for(context.account) else None
    try:
        done: subprocess.CompletedProcess[str] = subprocess.run(
            argv,
            input=stdin,
            env={**environment(context), **variables},
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_SECONDS,
            start_new_session=True,
            check=False,
            **as_account(account),
        )
    except subprocess.TimeoutExpired as error:
        raise SlurmError(
            f"Slurm's {program} did not answer within {_SECONDS} seconds.", _LOOK
        ) from error
    except OSError as error:
        raise SlurmError(f"Slurm's {program} cannot be run: {error.strerror}") from error
    if done.returncode:
        raise SlurmError(
            f"Slurm's {program} failed: {_reason(done.stderr, program)}", _hint(done.stderr)
        )
    return done.stdout


def path_of(program: str, context: Context) -> str:
    """Return the path of a command of Slurm's, or raise SlurmError."""
    path = for_programs(context.environ).get("PATH", os.defpath)
    found = shutil.which(program, path=path)
    if found is None:
        raise SlurmError(
            f"{program} is not on PATH, so there is no Slurm here.",
            f"See {documentation('slurm')}, or set cluster.engine in /etc/ds01/mlc.ini.",
        )
    return found


def environment(context: Context) -> dict[str, str]:
    """Return the environment of Slurm's commands, which a job inherits.

    It has nothing that says where this host's engine is: a job uses its node's own.
    """
    account, given = context.account, context.environ
    kept = {
        name: value
        for name, value in given.items()
        if (name in _KEPT or name.startswith(_KEPT_PREFIXES)) and name not in _HERE
    }
    return {
        **kept,
        "HOME": account.home,
        "USER": account.login,
        "LOGNAME": account.login,
        "SHELL": "/bin/sh",
        "PATH": given.get("PATH", os.defpath),
        "DOCKER_CONTEXT": "default",
        PROGRAM_VARIABLE: own_program(),
    }


def own_program() -> str:
    """Return the path by which mlc can be started on a node, which has it at the same path."""
    tree = Path(__file__).resolve().parents[3] / "bin" / "mlc"
    if tree.exists():
        return str(tree)
    import sys

    return str(Path(sys.executable).parent / "mlc")


def _reason(said: str, program: str) -> str:
    """Return the last thing that a command of Slurm's said, without its prefix."""
    lines = [
        line.removeprefix(f"{program}: ").removeprefix("error: ") for line in said.splitlines()
    ]
    last = [line.strip() for line in lines if line.strip()][-2:]
    return " ".join(dict.fromkeys(last)) or "it said nothing"


def _hint(said: str) -> str:
    if "Unable to contact slurm controller" in said:
        return f"What runs goes on. {_LOOK}"
    return ""

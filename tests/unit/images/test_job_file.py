"""The jobs of image-export, run by bash with programs in place of Apptainer and Enroot."""

from __future__ import annotations

import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from mlc_patched.errors import UsageError
from mlc_patched.host.account import Account
from mlc_patched.images.job_file import (
    APPTAINER,
    ENROOT,
    JobRequest,
    Subject,
    enroot_files,
    job_file,
)

ALICE = Account("alice", 1001, 2001, "/home/alice")
THESIS = Subject("thesis", "ds01-1001/thesis:latest", "alice", "thesis.tar")
PROGRAM = """#!/bin/bash
printf '%s\\n' "${0##*/} $1" "${@:2}" "" >>"$CALLS"
env | sed -n 's/^\\(APPTAINERENV_\\|NVIDIA_\\)/variable &/p' | sort >>"$CALLS"
[[ "$1" != start && "$1" != run ]] || exit 7
"""


@pytest.fixture
def there(tmp_path: Path) -> Path:
    """A directory of the cluster with both programs and with the images that were made."""
    for name in ("apptainer", "enroot"):
        program = tmp_path / name
        program.write_text(PROGRAM)
        program.chmod(0o755)
    for name in ("thesis.sif", "thesis.sqsh"):
        (tmp_path / name).touch()
    return tmp_path


def run(there: Path, request: JobRequest, *command: str, subject: Subject = THESIS) -> list[str]:
    """Run a job with a command as Slurm would, and return what the programs were given."""
    (there / "job").write_text(job_file(subject, request, ALICE))
    environ = {
        "PATH": f"{there}:{os.environ['PATH']}",
        "HOME": str(there / "home"),
        "CALLS": str(there / "calls"),
        "SLURM_JOB_ID": "42",
        "CUDA_VISIBLE_DEVICES": "0,1",
        "PYTHONPATH": "/from/a/module",
    }
    argv = ["bash", there / "job", *command]
    done = subprocess.run(argv, cwd=there, env=environ, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (7, "")
    return (there / "calls").read_text().splitlines()


def options(text: str) -> list[str]:
    """Return what a job asks Slurm for."""
    lines = text.splitlines()
    asked = [line for line in lines if line.startswith("#SBATCH ")]
    # Slurm reads no further than the first command (sbatch(1)).
    assert lines.index(asked[-1]) < lines.index("set -euo pipefail")
    return [line.removeprefix("#SBATCH --") for line in asked]


def test_apptainer_has_the_directories_the_variables_and_the_gpus_of_a_container(
    there: Path,
) -> None:
    request = JobRequest(APPTAINER, data="/scratch/data", models="~/models")
    found = run(there, request, "python3", "-c", "print('a  b')")
    at = found.index("thesis.sif")
    assert found[: at + 4] == [
        *("apptainer run", "--cleanenv", "--no-eval", "--nv"),
        *("--home", f"{there}/home/workspace:/workspace", "--pwd", "/workspace"),
        *("--bind", "/scratch/data:/data", "--bind", f"{there}/home/models:/models"),
        *("thesis.sif", "python3", "-c", "print('a  b')"),
    ]
    assert [line for line in found if line.startswith("variable ")] == [
        "variable APPTAINERENV_CUDA_VISIBLE_DEVICES=0,1",
        "variable APPTAINERENV_PYTHONUSERBASE=/home/alice/.local",
        "variable APPTAINERENV_SLURM_JOB_ID=42",
    ]
    assert (there / "home/workspace").is_dir()


def test_enroot_unpacks_the_image_for_the_job_and_removes_it(there: Path) -> None:
    found = run(there, JobRequest(ENROOT, workspace="/w", data="/scratch/data"), "nvidia-smi", "-L")
    calls = [line for line in found if line.startswith("enroot ")]
    assert calls == ["enroot create", "enroot start", "enroot remove"]
    start = found[found.index("enroot start") :]
    assert start[: start.index("")] == [
        *("enroot start", "--rw"),
        *("--mount", "/w:/workspace:none:x-create=dir,rbind"),
        *("--mount", "/scratch/data:/data:none:x-create=dir,rbind"),
        *("--env", "SLURM_JOB_ID", "--env", "CUDA_VISIBLE_DEVICES"),
        *("thesis-42", "nvidia-smi", "-L"),
    ]
    assert "variable NVIDIA_VISIBLE_DEVICES=all" in found
    assert found[1:5] == ["--name", "thesis-42", "thesis.sqsh", ""]


def test_the_command_of_the_export_runs_unless_sbatch_is_given_another(there: Path) -> None:
    request = JobRequest(command=("python3", "it's $HOME.py"))
    assert "it's $HOME.py" in run(there, request)
    (there / "calls").unlink()
    assert run(there, request, "other")[-2:] != ["python3", "it's $HOME.py"]
    (there / "calls").unlink()
    found = run(there, JobRequest())
    assert found[found.index("thesis.sif") + 1] == "bash"


@pytest.mark.parametrize(
    ("gpus", "is_rocm", "flag"),
    [(None, False, "--nv"), ("2", True, "--rocm"), ("none", False, None), ("0", True, None)],
)
def test_gpus_are_asked_for_and_made_visible_together(
    there: Path, gpus: str | None, is_rocm: bool, flag: str | None
) -> None:
    subject, request = replace(THESIS, is_rocm=is_rocm), JobRequest(gpus=gpus)
    asked = [each for each in options(job_file(subject, request, ALICE)) if "gres" in each]
    assert asked == ([] if flag is None else [f"gres=gpu:{gpus or 1}"])
    found = run(there, request, "true", subject=subject)
    assert [each for each in found if each in ("--nv", "--rocm")] == ([flag] if flag else [])
    nvidia = run(there, replace(request, runtime=ENROOT), "true", subject=subject)
    assert (f"variable NVIDIA_VISIBLE_DEVICES={'all' if flag == '--nv' else 'void'}") in nvidia


def test_limits_are_those_of_slurm() -> None:
    request = JobRequest(
        gpus="none", cpus="8", memory="1.5g", time="2-00:00:00", partition="a,b", account="x-1"
    )
    text = job_file(THESIS, request, ALICE)
    assert options(text) == [
        *("job-name=thesis", "nodes=1", "cpus-per-task=8", "mem=1536M"),
        *("time=2-00:00:00", "partition=a,b", "account=x-1"),
    ]
    # srun does not read them in the script.
    assert f"srun --{' --'.join(options(text))} --pty bash thesis.sbatch bash\n" in text


@pytest.mark.parametrize(
    "time", ["30", "30:00", "12:00:00", "2-0", "2-12:30", "2-00:00:00", "UNLIMITED", "infinite"]
)
def test_a_time_limit_is_one_that_sbatch_takes(time: str) -> None:
    assert f"#SBATCH --time={time}\n" in job_file(THESIS, JobRequest(time=time), ALICE)
    for wrong in (f"{time}x", "abc", "2d", "12h", "1:2:3:4", "2-", "2-1:2:3:4"):
        with pytest.raises(UsageError, match="is not a time limit that Slurm takes"):
            job_file(THESIS, JobRequest(time=wrong), ALICE)


def test_a_path_below_the_home_is_below_the_home_there(there: Path) -> None:
    found = run(there, JobRequest(workspace="/home/alice/thesis", data="/home/alicex"), "true")
    assert f"{there}/home/thesis:/workspace" in found
    assert "/home/alicex:/data" in found
    assert not (there / "home").exists()


def test_a_job_without_its_image_says_how_to_make_it(there: Path) -> None:
    (there / "thesis.sif").unlink()
    (there / "job").write_text(job_file(THESIS, JobRequest(), ALICE))
    done = subprocess.run(["bash", "job"], cwd=there, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert f"There is no {there}/thesis.sif" in done.stderr
    assert "apptainer build thesis.sif docker-archive:thesis.tar" in (there / "job").read_text()


def test_a_home_that_is_the_root_is_no_beginning_of_paths(there: Path) -> None:
    text = job_file(THESIS, JobRequest(data="/data"), replace(ALICE, home="/"))
    assert "\ndata=/data\n" in text


@pytest.mark.parametrize("value", ["gpu\n#SBATCH --exclusive", "a b", "$(id)", "-x", ""])
def test_a_value_cannot_add_another_option(value: str) -> None:
    with pytest.raises(UsageError, match="is not a value that Slurm takes"):
        job_file(THESIS, JobRequest(partition=value), ALICE)


def test_enroot_runs_the_entrypoint_with_the_variables_of_the_image(tmp_path: Path) -> None:
    files = enroot_files(("A=b c", "TWO=1\n2", "HOME=/home/alice"), ("/usr/bin/env", "X=a b"))
    assert files["environment"] == b"A=b c\nHOME=/home/alice\n"
    script = files["rc"].decode().replace("cd /workspace", f"cd {tmp_path}")
    argv = ["sh", "-c", script, "rc", "sh", "-c", 'echo "$X" "$1"; pwd', "sh", "c  d"]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    assert done.stdout == f"a b c  d\n{tmp_path}\n"

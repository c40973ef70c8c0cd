"""Slurm's commands, as small programs of the shell."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

import pytest

from mlc_patched.cluster.slurm import commands
from mlc_patched.context import Context
from mlc_patched.errors import SlurmError


@pytest.fixture
def here(context: Context, tmp_path: Path) -> Context:
    """A context that finds nothing but Slurm's commands that a test makes."""
    (tmp_path / "slurm").mkdir()
    context.environ = {**context.environ, "PATH": str(tmp_path / "slurm")}
    return context


def install(context: Context, name: str, script: str) -> Path:
    """Install a command of Slurm's."""
    program = Path(context.environ["PATH"], name)
    program.write_text(f"#!/bin/sh\nPATH=/usr/bin:/bin\n{script}\n")
    program.chmod(0o755)
    return program


def test_a_command_gets_its_arguments_its_input_and_its_variables(here: Context) -> None:
    install(here, "sbatch", 'printf "%s\\n" "$@" "$JOB" "$USER" "$HOME"; cat')
    said = commands.call(here, "sbatch", "--job-name", "a b; c", stdin="#!/bin/sh\n", JOB="x")
    assert said.splitlines() == [
        *("--job-name", "a b; c", "x", "alice", here.account.home, "#!/bin/sh")
    ]


def test_a_key_on_the_terminal_does_not_reach_a_command(here: Context) -> None:
    install(here, "squeue", f"{shlex.quote(sys.executable)} -c 'import os; print(os.getsid(0))'")
    assert int(commands.call(here, "squeue")) != os.getsid(0)


@pytest.mark.parametrize(
    ("said", "message", "hint"),
    [
        (
            "sbatch: error: Batch job submission failed: Invalid partition",
            "Slurm's sbatch failed: Batch job submission failed: Invalid partition",
            "",
        ),
        ("sbatch: error: a\nsbatch: error: b\nsbatch: error: c", "sbatch failed: b c", ""),
        ("sbatch: error: again\nsbatch: error: again\n", "sbatch failed: again", ""),
        ("", "sbatch failed: it said nothing", ""),
        (
            "sbatch: error: Unable to contact slurm controller (connect failure)",
            "Unable to contact slurm controller (connect failure)",
            "scontrol ping",
        ),
    ],
)
def test_a_failure_has_slurms_own_reason(here: Context, said: str, message: str, hint: str) -> None:
    install(here, "sbatch", f"printf %s {shlex.quote(said)} >&2; exit 1")
    with pytest.raises(SlurmError) as failed:
        commands.call(here, "sbatch")
    assert failed.value.message.endswith(message)
    assert hint in (failed.value.hint or "")
    assert bool(failed.value.hint) == bool(hint)


def test_a_command_that_does_not_answer_is_given_up(
    here: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands, "_SECONDS", 0.05)
    install(here, "squeue", "exec sleep 60")
    with pytest.raises(SlurmError) as failed:
        commands.call(here, "squeue")
    assert failed.value.message == "Slurm's squeue did not answer within 0.05 seconds."
    assert "scontrol ping" in (failed.value.hint or "")


def test_a_command_that_is_not_there_is_named_with_the_setting(here: Context) -> None:
    with pytest.raises(SlurmError, match="srun is not on PATH") as failed:
        commands.path_of("srun", here)
    assert "cluster.engine" in (failed.value.hint or "")
    install(here, "broken", "").write_bytes(b"\x7fELF no program")
    with pytest.raises(SlurmError, match="broken cannot be run: Exec format error"):
        commands.call(here, "broken")


def test_a_job_inherits_what_is_meant_for_it_and_nothing_of_this_hosts_engine(
    here: Context,
) -> None:
    kept = {
        "LANG": "C",
        "SBATCH_PARTITION": "gpu",
        "SLURM_CONF": "/etc/slurm.conf",
        "MLC_CATALOG": "/c",
        "DS01_REGISTRY": "r:1",
        "NO_COLOR": "1",
    }
    ours = {"MLC_ARCH": "CUDA", "MLC_GPUS": "1", "MLC_AS": "bob", "MLC_JOB": "7"}
    engine = {"DOCKER_HOST": "ssh://far", "DOCKER_CONTEXT": "far", "SECRET": "1", "USER": "bob"}
    here.environ = {"PATH": "/bin", **kept, **ours, **engine}
    found = commands.environment(here)
    assert {name: found[name] for name in kept} == kept
    assert not {*ours, "DOCKER_HOST", "SECRET"} & set(found)
    assert (found["USER"], found["LOGNAME"], found["HOME"]) == (
        *("alice", "alice"),
        here.account.home,
    )
    assert (found["DOCKER_CONTEXT"], found["PATH"]) == ("default", "/bin")
    assert Path(found[commands.PROGRAM_VARIABLE]).name == "mlc"


def test_what_would_change_the_form_of_a_job_is_not_passed_on(here: Context) -> None:
    """With SBATCH_WAIT, sbatch would not return; with SBATCH_ARRAY_INX there would be two jobs."""
    defaults = {f"SBATCH_{each}": "1" for each in ("ACCOUNT", "QOS", "TIMELIMIT", "MEM_PER_CPU")}
    names = ("WAIT", "ARRAY_INX", "SIGNAL", "ERROR", "GPUS", "CLUSTERS", "REQUEUE", "CONTAINER")
    others = {f"SBATCH_{each}": "1" for each in names}
    inside = {"SLURM_JOB_ID": "1", "SRUN_CPUS_PER_TASK": "1", "SQUEUE_STATES": "1"}
    here.environ = {**here.environ, **defaults, **others, **inside, "SCANCEL_INTERACTIVE": "1"}
    found = commands.environment(here)
    slurms = {each for each in found if each.startswith("S")}
    assert slurms == {*defaults, "SHELL"}


def test_a_host_belongs_to_a_cluster_if_sbatch_finds_its_configuration(here: Context) -> None:
    assert not commands.is_set_up(here)
    install(here, "sbatch", '[ "$1 $SLURM_CONF" = "--version /my.conf" ]')
    for configuration, is_found in (("/my.conf", True), ("/other.conf", False)):
        here.environ = {**here.environ, "SLURM_CONF": configuration}
        assert commands.is_set_up(here) is is_found


def test_a_host_whose_sbatch_cannot_be_run_belongs_to_none(here: Context) -> None:
    install(here, "sbatch", "").write_bytes(b"\x7fELF no program")
    assert not commands.is_set_up(here)


def test_root_lets_no_user_name_the_configuration(
    here: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may name plugins, which sbatch would load."""
    asked: list[tuple[str, str]] = []
    monkeypatch.setattr(commands, "_answers", lambda *arguments: asked.append(arguments))
    monkeypatch.setattr(os, "getuid", lambda: 0)
    here.environ = {**here.environ, "SLURM_CONF": "/evil.conf", "SUDO_UID": "1"}
    commands.is_set_up(here)
    assert asked
    assert "evil" not in str(asked)
    assert here.environ["PATH"] not in str(asked)


def test_an_installed_program_is_beside_its_python(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Path(commands.own_program()).exists(), "that of the checkout"
    monkeypatch.setattr(commands, "__file__", "/venv/lib/python3/site/mlc_patched/a/b/commands.py")
    monkeypatch.setattr(sys, "executable", "/venv/bin/python")
    assert commands.own_program() == "/venv/bin/mlc"

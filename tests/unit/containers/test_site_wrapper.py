"""Call a site's own program in place of `docker`."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from support.recording_reporter import RecordingReporter

from mlc_patched.containers import site_wrapper
from mlc_patched.errors import MlcError, UsageError
from mlc_patched.host.account import Account
from mlc_patched.plan.request import CreateRequest

ME = Account("me", os.getuid(), os.getgid(), "/home/me")


def test_the_wrapper_is_called_as_documented() -> None:
    request = CreateRequest(
        "n",
        image="i",
        workspace="/a b",
        data="/d'",
        gpus="device=0,1",
        shm_size="1g",
        cgroup_parent="x.slice",
        cpus="2",
        memory="3g",
        pids_limit="4",
    )
    assert site_wrapper.command("/w x", request) == [
        *("/w x", "n", "custom", "latest", "-w=/a b", "-d=/d'", "--image=i", "--gpus=device=0,1"),
        *("--shm-size=1g", "--cgroup-parent=x.slice", "--cpus=2", "--memory=3g", "--pids-limit=4"),
    ]
    assert site_wrapper.command("/w", CreateRequest("n", "F", "1", gpus="none")) == [
        *("/w", "n", "F", "1", "--cpu-only")
    ]


@pytest.mark.parametrize("value", ["wrapper.sh", "/there/is/none", "/etc/passwd"])
def test_a_wrapper_must_be_a_program_by_its_absolute_path(value: str) -> None:
    with pytest.raises(MlcError, match="absolute path of a program") as failure:
        site_wrapper.path({"DS01_MLC_WRAPPER": value}, ME)
    assert failure.value.hint.endswith("unset DS01_MLC_WRAPPER")
    assert site_wrapper.path({"DS01_MLC_WRAPPER": ""}, ME) is None


@pytest.mark.skipif(os.getuid() != 0, reason="only root can work for others")
def test_root_runs_no_wrapper_that_its_user_could_have_written(tmp_path: Path) -> None:
    user = Account("nobody", 65534, 65534, "/nonexistent")
    (tmp_path / "users").mkdir()
    programs = tmp_path / "roots", tmp_path / "users/wrapper", tmp_path / "users/link"
    for program in programs[:2]:
        program.touch(0o755)
    programs[2].symlink_to(programs[0])
    os.chown(tmp_path / "users", user.uid, user.gid)
    roots, users, link = ({"DS01_MLC_WRAPPER": str(each)} for each in programs)
    assert site_wrapper.path(roots, user) == str(programs[0])
    assert site_wrapper.path(link, user) == str(programs[0]), "as the link says now"
    with pytest.raises(MlcError, match="not root's alone"):
        site_wrapper.path(users, user)
    assert site_wrapper.path(users, ME) == str(programs[1])


def wrapper(place: Path, script: str) -> str:
    """Make a site's wrapper."""
    program = place / "wrapper"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return str(program)


ENVIRON = {"PATH": "/usr/bin:/bin", "OF": "the caller"}


def test_the_wrappers_output_is_progress_and_its_success_is_ours(tmp_path: Path) -> None:
    report = RecordingReporter()
    program = wrapper(tmp_path, 'cat; echo "$OF"; echo "$1" >&2')
    site_wrapper.create(program, CreateRequest("n", image="i"), ENVIRON, report)
    assert report.said == [f"Creating n by {program}", "the caller\n", "n\n"]


def test_a_wrapper_that_fails_is_quoted_with_its_exit_status(tmp_path: Path) -> None:
    program = wrapper(tmp_path, "echo begun; echo no quota is left >&2; exit 9")
    with pytest.raises(MlcError, match=r"(?s)no quota is left\n.*container n \(exit status 9\)"):
        site_wrapper.create(program, CreateRequest("n", image="i"), ENVIRON, RecordingReporter())


def test_a_wrapper_that_cannot_be_run_says_why(tmp_path: Path) -> None:
    broken = tmp_path / "wrapper"
    broken.write_text("#!/there/is/none\n")
    broken.chmod(0o755)
    with pytest.raises(MlcError, match="wrapper cannot be run: No such file"):
        site_wrapper.create(str(broken), CreateRequest("n"), ENVIRON, RecordingReporter())


def test_an_interrupt_ends_the_wrapper_and_waits_for_it(tmp_path: Path) -> None:
    class Interrupted(RecordingReporter):
        def progress(self, text: str) -> None:
            self.said.append(text.strip())
            raise KeyboardInterrupt

    report = Interrupted()
    cleanup = "trap 'sleep 0.6; exit 1' TERM"  # it takes longer than Popen waits by itself
    program = wrapper(tmp_path, f"{cleanup}; echo $$; while :; do sleep 0.05; done")
    with pytest.raises(KeyboardInterrupt):
        site_wrapper.create(program, CreateRequest("n"), ENVIRON, report)
    assert not Path("/proc", report.said[-1]).exists()


@pytest.mark.parametrize(
    ("flag", "request_"),
    [
        ("-arch", CreateRequest("n", architecture="CUDA_ADA")),
        ("--wait", CreateRequest("n", wait=True)),
    ],
)
def test_what_no_wrapper_takes_is_refused(flag: str, request_: CreateRequest) -> None:
    with pytest.raises(UsageError, match=f"{flag} cannot be passed on"):
        site_wrapper.create("/w", request_, ENVIRON, RecordingReporter())
    with pytest.raises(UsageError, match=f"{flag} cannot be passed on"):
        site_wrapper.command("/w", request_)  # as a dry run shows it

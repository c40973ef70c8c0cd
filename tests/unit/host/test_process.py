"""Programs without input, whose output is captured."""

from __future__ import annotations

from pathlib import Path

from mlc_patched.host.process import output_of


def test_output_and_status_are_returned() -> None:
    script = "cat; echo out; printf '\\377' >&2; echo $A; exit 3"
    done = output_of(["sh", "-c", script], seconds=60, environ={"A": "a", "PATH": "/usr/bin:/bin"})
    assert (done.returncode, done.stdout, done.stderr) == (3, "out\na\n", "\ufffd")


def test_a_program_that_cannot_be_started_is_a_failure_with_its_reason(tmp_path: Path) -> None:
    done = output_of([str(tmp_path / "none")], seconds=60)
    assert (done.returncode, done.stdout) == (127, "")
    assert "No such file" in done.stderr


def test_a_program_that_takes_too_long_is_ended() -> None:
    done = output_of(["sleep", "60"], seconds=0.01)
    assert done.returncode == 127
    assert "timed out" in done.stderr

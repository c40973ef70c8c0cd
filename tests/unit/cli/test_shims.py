"""Bad input to the programs that other scripts call: the wrapper and mlc-patched.py, as they are.

No engine is reached: what is refused is so before one is asked.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.reliability import Counted
from support.users import ROOT

NO_NAME = "is not a valid container name. Use letters"
NAMES = {
    "a way out": ("../x", NO_NAME),
    "a pattern": ("a.*", NO_NAME),
    "129 characters": ("a" * 129, "has 129 characters; at most"),
    "nothing": ("", "The name is empty"),
    "a space": ("a b", NO_NAME),
    "a line break": ("a\nb", NO_NAME),
    "an escape sequence": ("\x1b[2J", r"'\x1b[2J' is not a valid container name"),
    "written from right to left": ("\u202eabc", r"'\u202eabc' is not a valid container name"),
    "bytes that are no text": (
        os.fsdecode(b"caf\xe9"),
        r"'caf\udce9' is not a valid",
    ),
    "a command": ("$(touch MARK)", NO_NAME),
    "two commands": ("x;touch MARK", NO_NAME),
    "a back quote": ("`touch MARK`", NO_NAME),
}
FLAGS = {
    "flags": ("-rf", "mlc-create-wrapper.sh: -rf is not a known flag"),
    "two dashes": ("--", "mlc-create-wrapper.sh: -- is not a known flag"),
    "another flag with a value": ("--name=x", "--name is not a known flag"),
    "a flag with a command": ("-$(touch MARK)=x", r"-\$\(touch\ MARK\) is not a known flag"),
    "an escape sequence": ("-\x1b[2J", r"$'-\E[2J' is not a known flag"),
    "5000 characters": (f"-{'a' * 5000}", "a is not a known flag. See"),
    "a flag without its value": ("--image", "--image needs a value"),
}
VALUES = {
    "a workspace": ("-w=relative;touch MARK", 1, "/relative;touch MARK does not exist"),
    "an empty workspace": ("-w=", 2, "'' is not a path"),
    "a workspace with an escape sequence": ("-w=/\x1b[2J", 1, r"directory /\x1b[2J does not exist"),
    "an image": ("--image=$(touch MARK)", 2, "'$(touch MARK)' is not a valid image name"),
    "an empty image": ("--image=", 2, "'' is not a valid image name"),
    "GPUs": ("--gpus=$(touch MARK)", 2, "The GPU request '$(touch MARK)' is not understood"),
    "memory": ("--memory=-1", 2, "The size '-1' is not understood"),
    "empty memory": ("--memory=", 2, "The size '' is not understood"),
    "cores": ("--cpus=nan", 2, "--cpus 'nan' is not understood"),
    "processes": ("--pids-limit=0", 2, "--pids-limit '0' is not understood"),
    "shared memory": ("--shm-size=", 2, "The size '' is not understood"),
    "a cgroup": ("--cgroup-parent=../x", 2, "is neither a slice nor a cgroup path"),
}


def refused(argv: list[str], place: Path) -> subprocess.CompletedProcess[str]:
    """Run a program that must fail without a mark, a control character or an engine."""
    environ = {"PATH": "/usr/bin:/bin", "HOME": str(place), "LANG": "C.UTF-8", "MLC_ARCH": "CUDA"}
    done = subprocess.run(
        argv,
        capture_output=True,
        text=True,
        errors="surrogateescape",
        cwd=place,
        env={**environ, "DOCKER_HOST": "unix:///there/is/none.sock"},
        check=False,
        timeout=30,
    )
    assert done.stdout == ""
    assert all(char.isprintable() or char == "\n" for char in done.stderr), done.stderr
    assert len(done.stderr) < 1000
    assert not any(word in done.stderr for word in ("Traceback", "Unexpected", "Engine"))
    assert list(place.iterdir()) == []
    return done


WRAPPER = str(ROOT / "bin/docker/mlc-create-wrapper.sh")
PATCHED = str(ROOT / "bin/docker/mlc-patched.py")
refuses = pytest.mark.promise("input-refused", "no-command", "plain-output")


@refuses
@pytest.mark.parametrize(("name", "says"), NAMES.values(), ids=NAMES)
def test_an_invalid_name_is_refused_by_each_program(
    name: str, says: str, tmp_path: Path, counted: Counted
) -> None:
    calls = (
        [WRAPPER, name, "Pytorch", "2.8.0"],
        [WRAPPER, name, "--image=debian"],
        ["python3", PATCHED, "create", name, "Pytorch", "2.8.0", "-s"],
        ["python3", PATCHED, "remove", name, "-f", "-s"],
    )
    for argv in calls:
        done = refused(argv, tmp_path)
        expected = "The container name is empty" if not name and "remove" in argv else says
        assert done.returncode == 1  # as AIME's mlc
        assert expected in done.stderr.splitlines()[-1]
        counted("inputs")


@refuses
@pytest.mark.parametrize(("word", "says"), FLAGS.values(), ids=FLAGS)
def test_words_that_the_wrapper_does_not_know(
    word: str, says: str, tmp_path: Path, counted: Counted
) -> None:
    done = refused([WRAPPER, "it", word], tmp_path)
    assert done.returncode == 2
    assert says in done.stderr
    counted("inputs")


@refuses
@pytest.mark.parametrize(("flag", "code", "says"), VALUES.values(), ids=VALUES)
def test_an_invalid_value_is_refused_by_the_wrapper(
    flag: str, code: int, says: str, tmp_path: Path, counted: Counted
) -> None:
    argv = [WRAPPER, "it", flag]
    if not flag.startswith("--image"):
        argv += ["--image=debian"]
    if not flag.startswith("-w"):
        argv += ["-w=/tmp"]
    done = refused(argv, tmp_path)
    assert done.returncode == code, done.stderr
    assert says in done.stderr.splitlines()[-1]
    counted("inputs")


@refuses
def test_a_word_too_many_is_quoted(tmp_path: Path) -> None:
    done = refused([WRAPPER, "a", "b", "c", "d\x1b[2J"], tmp_path)
    assert (done.returncode, r"$'d\E[2J' is one argument too many" in done.stderr) == (2, True)


CALLS = {
    ("n", "torch"): "create n Pytorch latest -s",
    ("n", "TF", "2.16.1", "-g=2"): "create n Tensorflow 2.16.1 -s --num_gpus=2",
    ("n", "pytorch", "--gpu=device=0"): "create n pytorch latest -s --num_gpus=device=0",
    ("n", "--image=i", "--prefer-full", "--show-limits"): "create n -s --image=i",
    ("n", "Jax", "--gpu", "all"): "create n Jax latest -s --num_gpus=all",
}


@pytest.mark.parametrize("words", CALLS)
def test_the_wrapper_takes_what_ds01_passes(words: tuple[str, ...]) -> None:
    done = subprocess.run(
        [WRAPPER, *words, "--dry-run"], capture_output=True, text=True, check=True
    )
    assert done.stdout.split()[1:] == CALLS[words].split()


def test_the_wrapper_without_arguments_shows_its_usage() -> None:
    done = subprocess.run([WRAPPER], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("usage: mlc-create-wrapper.sh NAME")


def test_a_plain_copy_of_the_program_says_what_it_needs(tmp_path: Path) -> None:
    copy = tmp_path / "a" / "b" / "mlc.py"
    copy.parent.mkdir(parents=True)
    shutil.copy(PATCHED, copy)
    done = subprocess.run(
        [sys.executable, "-IS", str(copy), "list"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "cannot find its package, mlc_patched" in done.stderr
    assert "link to it instead of copying it" in done.stderr

"""The completion scripts in real shells: what `mlc complete` prints is text, never code."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pexpect
import pytest

ROOT = Path(__file__).resolve().parents[3]
HOSTILE = (
    "b$(touch MARK)",
    "b`touch MARK`",
    "b${x:-$(touch MARK)}",
    "b'; touch MARK; '",
    'b";touch MARK;"',
    "b <(touch MARK)",
    "b$[a[$(touch MARK)]]",
    "b\\$(touch MARK)",
    "b*",
    "b{1,2}",
    "~root",
    "worst$(touch MARK)",
)
"""What a catalog or an engine might answer; MARK becomes a file that must not appear."""
LINES = {
    ("mlc", "open"): "containers",
    ("mlc", "create", "new"): "frameworks",
    ("mlc", "create", "new", "Pytorch"): "versions",
    ("container-deploy",): "projects",
    ("container-deploy", "--image"): "images",
    ("mlc", "create", "-arch"): "architectures",
    ("mlc", "list", "--context"): "contexts",
    ("image-create", "new", "--preset"): "presets",
    ("mlc", "remove", "first"): "containers",
    ("image-retire", "-y", "first", "second"): "projects",
}
zsh = shutil.which("zsh")
needs_zsh = pytest.mark.skipif(zsh is None, reason="no zsh here")


@pytest.fixture(scope="module")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("completion")
    subprocess.run([sys.executable, ROOT / "tools/completions.py", directory], check=True)
    return directory


@pytest.fixture
def mark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put an `mlc` first on PATH that prints hostile names, and `best`."""
    mark = tmp_path / "mark"
    names = tmp_path / "names"
    names.write_text("".join(f"{line}\n".replace("MARK", str(mark)) for line in (*HOSTILE, "best")))
    program = tmp_path / "bin" / "mlc"
    program.parent.mkdir()
    program.write_text(
        f'#!/bin/sh\necho "$*" $MLC_ARCH $MLC_GPUS >>"{tmp_path}/asked"\ncat "{names}"\n'
    )
    program.chmod(0o755)
    (program.parent / "container-deploy").symlink_to("mlc")
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    monkeypatch.chdir(tmp_path)
    return mark


def completed(scripts: Path, *words: str) -> list[str]:
    """Return what bash completes the last of the words to."""
    script = """
        . "$1/bash/$2"
        shift
        COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
        complete -p "$1" | { read -ra spec; printf '%s\\n' "${spec[@]}"; } >spec
        function=$(sed -n '/^-F$/{n;p}' spec)
        "$function" "$1" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
        printf '%s\\0' "${COMPREPLY[@]}"
    """
    argv = ["bash", "--norc", "-c", script, "-", str(scripts), *words]
    found = subprocess.run(argv, check=True, stdout=subprocess.PIPE, text=True).stdout
    return [word for word in found.split("\0") if word]


@pytest.mark.parametrize("words", LINES, ids=LINES.get)
def test_bash_expands_nothing_in_names(words: tuple[str, ...], scripts: Path, mark: Path) -> None:
    assert "best" in completed(scripts, *words, "")
    assert f"complete {LINES[words]}" in (mark.parent / "asked").read_text()
    assert completed(scripts, *words, "be") == ["best"]
    assert completed(scripts, *words, "$(touch mark)") == []
    assert not mark.exists()


def test_flags_for_gpus_decide_which_versions_bash_offers(scripts: Path, mark: Path) -> None:
    completed(scripts, "mlc", "create", "-arch", "CUDA_ADA", "-g", "1", "new", "Pytorch", "")
    asked = (mark.parent / "asked").read_text()
    assert asked == "complete versions Pytorch CUDA_ADA 1\n"


def test_a_prefix_is_not_a_pattern_in_bash(scripts: Path, mark: Path) -> None:
    assert completed(scripts, "mlc", "open", "*") == []
    assert completed(scripts, "mlc", "open", "b*") == ["b*"]
    assert completed(scripts, "mlc", "open", "[a-z]") == []


@needs_zsh
@pytest.mark.parametrize("words", LINES, ids=LINES.get)
def test_zsh_expands_nothing_in_names(words: tuple[str, ...], scripts: Path, mark: Path) -> None:
    shell = pexpect.spawn(
        zsh, ["-f", "-i"], encoding="utf-8", timeout=30, dimensions=(50, 300),
        env={**os.environ, "TERM": "dumb", "PS1": "ready> "},
    )  # fmt: skip
    shell.expect("ready> ")
    shell.sendline(
        f"unsetopt ZLE_BRACKETED_PASTE; fpath=({scripts}/zsh $fpath); "
        "autoload -Uz compinit && compinit -u -D; setopt AUTO_LIST; print compl''eted"
    )
    shell.expect("completed")
    shell.expect("ready> ")
    shell.send(f"{' '.join(words)} be\t")
    shell.expect("best ")
    shell.sendcontrol("u")
    shell.send(f"{' '.join(words)} b\t\t")  # the list
    shell.expect("touch")
    shell.sendcontrol("u")
    shell.send(f"{' '.join(words)} wo\t")
    shell.expect("touch")
    shell.sendline("")  # runs the line with that name
    shell.sendline("print fini''shed")
    shell.expect("finished")
    shell.sendline("exit")
    shell.expect(pexpect.EOF)
    shell.close()
    assert f"complete {LINES[words]}" in (mark.parent / "asked").read_text()
    assert not mark.exists()

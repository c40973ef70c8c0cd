"""Run a command and kill it just before its Nth change to the file system.

Python raises an audit event (PEP 578) before each change, so N from 0 on covers every state.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from mlc_patched.cli.main import run

CHANGES = {
    *("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.symlink", "os.link", "os.chmod"),
    *("os.utime", "os.chown", "os.truncate", "subprocess.Popen", "shutil.rmtree"),
}
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
NEVER = 10**9


def killed(step: int, program: Path, *arguments: str | Path) -> str | None:
    """Run a command in a new process and kill it before change number `step`.

    Returns:
        The change it was about to make; None if it succeeded before that.
    """
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            _become(step, write, program, [str(each) for each in arguments])
        finally:
            os._exit(3)
    os.close(write)
    with os.fdopen(read) as said:
        text = said.read()
    _, status = os.waitpid(child, 0)
    if status == 0:
        return None
    assert os.WIFSIGNALED(status), f"{arguments} failed: {text}"
    return text


def _become(step: int, write: int, program: Path, arguments: list[str]) -> None:
    left = step

    def hook(event: str, about: tuple[object, ...]) -> None:
        nonlocal left
        writes = event == "open" and isinstance(about[2], int) and about[2] & WRITING
        if event in CHANGES or (writes and "pycache" not in str(about[0])):
            left -= 1
            if left < 0:
                os.write(write, f"{event} {about}".encode()[:300])
                os.kill(os.getpid(), signal.SIGKILL)

    null = os.open(os.devnull, os.O_RDWR)
    for descriptor, target in ((null, 0), (null, 1), (write, 2)):
        os.dup2(descriptor, target)
    sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w")
    sys.dont_write_bytecode = True
    sys.addaudithook(hook)
    code = run(arguments, str(program))
    sys.stderr.flush()
    os._exit(code)

"""open: a shell in a container, on a terminal as without one."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Callable

import pexpect
import pytest
from support.account_in_container import account, close_terminal, state
from support.engine_state import docker
from support.users import User

pytestmark = pytest.mark.real_engine

PROMPT = r"\[it\] [\w-]+@[\w.-]+:[^$\r\n]*\$ "


@pytest.fixture
def it(user: User, labelled) -> User:
    """A user with the container `it`."""
    assert user.mlc("create", "it", "--image", labelled(user), "-s").returncode == 0
    return user


@pytest.fixture
def alices(alice: User, labelled) -> User:
    """The everyday user with the container `it`."""
    assert alice.mlc("create", "it", "--image", labelled(alice), "-s").returncode == 0
    return alice


def shell(user: User, **environ: str) -> pexpect.spawn:
    """Open a shell on a terminal and wait for its prompt."""
    child = user.spawn(user.tree / "bin/mlc", "open", "it", **environ)
    child.expect(PROMPT)
    return child


def said(child: pexpect.spawn, line: str) -> str:
    """Run a line in a shell and return what it printed."""
    child.sendline(f"echo '<'$({line})'>'")
    child.expect(r"(?<!')<([^>]*)>")
    answer = str(child.match[1])
    child.expect(PROMPT)
    return answer


def left(child: pexpect.spawn, line: str = "exit") -> tuple[int, str]:
    """Leave a shell; return mlc's exit status and last words."""
    child.sendline(line)
    child.expect(pexpect.EOF)
    child.wait()
    return child.exitstatus, str(child.before)


def eventually(true: Callable[[], bool]) -> bool:
    """Wait a while for something to come true."""
    return any(true() or time.sleep(0.05) for _ in range(200))


def test_a_shell_as_the_user_with_the_prompt_of_aimes(it: User) -> None:
    child = it.spawn(it.tree / "bin/mlc", "open", "it")
    child.expect(PROMPT)
    host = os.uname().nodename
    assert re.search(rf"\[it\] {account(it)}@{host}:/workspace\$ $", child.after)
    assert said(child, "id -u; id -g; pwd") == f"{it.uid} {it.gid} /workspace"
    assert said(child, "tty").startswith("/dev/pts/")
    status, words = left(child)
    assert status == 0
    assert "[it] stopped." in words
    assert state(it) == "exited"


def test_the_exit_status_of_the_shell_is_passed_on(alices: User) -> None:
    assert left(shell(alices), "exit 42")[0] == 42


def test_end_of_input_leaves_the_shell(alices: User) -> None:
    child = shell(alices)
    child.sendeof()
    child.expect(r"\[it\] stopped")
    child.wait()
    assert child.exitstatus == 0


def test_variables_are_passed_on(alices: User) -> None:
    child = shell(alices, DISPLAY=":7.0", NCCL_P2P_LEVEL="NVL")
    assert said(child, "echo $DISPLAY $NCCL_P2P_LEVEL") == ":7.0 NVL"
    left(child)


def test_the_window_size_follows_the_terminal(alices: User) -> None:
    child = shell(alices)
    sizes = [(33, 120), (44, 99)] * 20

    def is_followed() -> bool:
        # Docker's client may show the prompt before it listens for changes.
        lines, columns = sizes.pop()
        child.setwinsize(lines, columns)
        time.sleep(0.1)
        return said(child, "stty size") == f"{lines} {columns}"

    assert eventually(is_followed)
    assert eventually(is_followed)
    left(child)


def test_ctrl_c_ends_the_inner_program_only(alices: User) -> None:
    child = shell(alices)
    # Between its own `echo` and the fork for `sleep`, bash itself loses an interrupt.
    child.sendline("sh -c 'echo go; exec sleep 1000'")
    child.expect(r"\rgo\r")
    child.sendintr()
    child.expect(PROMPT)
    assert said(child, "echo still here") == "still here"
    assert left(child, "true; exit")[0] == 0


def test_a_running_process_keeps_the_container_running(it: User) -> None:
    child = shell(it)
    child.sendline("nohup sleep 1000 >/dev/null 2>&1 &")
    child.expect(PROMPT)
    status, words = left(child)
    assert status == 0
    assert "[it] left running: 1 process is still running" in words
    assert state(it) == "running"
    docker("exec", it.tag("it"), "sh", "-c", "kill $(pidof sleep)")
    assert "[it] stopped" in left(shell(it))[1]


def test_it_is_not_stopped_under_another_shell(alices: User) -> None:
    first, second = shell(alices), shell(alices)
    status, words = left(first)
    assert (status, state(alices)) == (0, "running")
    assert "left running: another shell is open in it" in words
    assert said(second, "echo here") == "here"
    assert "[it] stopped" in left(second)[1]
    assert state(alices) == "exited"


def test_two_shells_that_close_at_once_stop_it(alices: User) -> None:
    shells = [shell(alices), shell(alices)]
    for child in shells:
        child.sendline("exit")
    words = []
    for child in shells:
        child.expect(pexpect.EOF)
        child.wait()
        assert child.exitstatus == 0
        words.append(str(child.before))
    assert any("[it] stopped" in each for each in words), words
    assert state(alices) == "exited"


def test_a_running_container_is_not_started_again(alices: User) -> None:
    docker("start", alices.tag("it"))
    assert "[it] stopped" in left(shell(alices))[1]


def test_without_a_terminal_the_shell_reads_its_input(it: User) -> None:
    done = it.mlc("open", "it", "-s", stdin="id -u; pwd; exit 3\n")
    assert done.returncode == 3
    assert done.stdout.splitlines() == [str(it.uid), "/workspace", "[it] stopped."]


def test_a_closed_terminal_ends_the_shell_and_stops_the_container(alices: User) -> None:
    child = shell(alices)
    close_terminal(child)
    assert eventually(lambda: state(alices) == "exited")


def test_sighup_ends_the_shell_and_stops_the_container(alices: User) -> None:
    child = shell(alices)
    os.kill(child.pid, signal.SIGHUP)
    assert eventually(lambda: state(alices) == "exited")
    child.close(force=True)


def test_a_container_stopped_in_the_meantime_is_no_error(alices: User) -> None:
    child = shell(alices)
    assert alices.mlc("stop", "it", "-s").returncode == 0
    child.expect(pexpect.EOF)
    child.wait()
    assert "Unexpected" not in child.before
    assert state(alices) == "exited"


def test_the_menu_offers_all_containers(alices: User) -> None:
    child = alices.spawn(alices.tree / "bin/mlc-open")
    child.expect(r"1\) it.*Which one to open")
    child.sendline("1")
    child.expect(PROMPT)
    assert left(child)[0] == 0


def test_a_missing_container_is_a_failure(user: User) -> None:
    done = user.mlc("open", "it", "-s")
    assert (done.returncode, done.stdout) == (1, "")
    assert "You have no container 'it'" in done.stderr.splitlines()[-1]


def test_a_shell_in_a_container_of_the_legacy_flow(user: User) -> None:
    assert user.mlc("create", "it", "Pytorch", "2.8.0", "-s").returncode == 0
    child = shell(user)
    assert said(child, "whoami; sudo id -u; echo $PATH").split()[:2] == [account(user), "0"]
    assert "[it] stopped" in left(child)[1]

"""Type the commands of a day on the server into a shell, for a reader to watch: see tour.sh.

    tools/tour.py WORD…    the words before a command that run it as the user of the tour

A line that begins with `!` must fail, every other one succeed. SPEED=0 types at once.
"""

from __future__ import annotations

import os
import sys
import time

import pexpect

PROMPT = r"\[(\d+)\] server\$ "
"""The prompt of the user's shell, with the exit status of the last command."""
INSIDE = r"\[thesis\][^\n]*\$ "
"""The prompt of a shell in the container."""
SPEED = float(os.environ.get("SPEED", "1"))
OPENS = "container-deploy thesis -g none"
"""The line that opens a shell in the container; what is typed there begins with `>`."""
DAY = """
# A student's first day: an image, a container, a shell
image-create thesis -f PyTorch -p einops -y
container-deploy thesis -g none
> id -un; pwd
> python3 -c 'import einops; print("einops", einops.__version__)'
> echo 'print(6 * 7)' > train.py
> python3 train.py
> exit
ls ~/workspace
mlc list
# One more package: the image changes, the workspace stays
image-update thesis --add tqdm -y
container-retire thesis -y
container-deploy thesis --background -g none
mlc exec thesis -- python3 -c 'import einops, tqdm; print("both")'
# A misspelt name
! mlc stop tehsis -s
# A doctoral candidate: a job that goes on, and its output
mlc start thesis -d 'for epoch in 1 2 3; do echo "epoch $epoch"; sleep 1; done'
mlc jobs thesis
mlc logs thesis -f
mlc wait thesis; echo "exit status $?"
mlc list
# The state of a paper, kept; and a container as a file
container-retire thesis --save paper -y
image-list
container-deploy again --image ds01-$(id -u)/thesis:paper --background -g none
mlc export again ~/again.mlc.tar
container-retire again -y
mlc import ~/again.mlc.tar moved -g none
mlc start moved 'cat /workspace/train.py'
# Tidy up
mlc stop moved -f
mlc remove moved -f
image-retire thesis:paper -y
image-retire thesis --with-dockerfile -y
"""


def type_line(shell: pexpect.spawn[str], line: str) -> None:
    """Type a line as fast as a person who knows what to type."""
    for letter in line:
        shell.send(letter)
        time.sleep(0.03 * SPEED)
    shell.sendline("")


def main(user: list[str]) -> None:
    """Play the day, until a command fails that should not, or takes more than ten minutes."""
    shell = pexpect.spawn(
        user[0],
        [*user[1:], "PS1=[$?] server$ ", "TERM=xterm", "bash", "--norc", "--noprofile"],
        encoding="utf-8",
        timeout=600,
        dimensions=(40, 110),
    )
    shell.delaybeforesend = None
    shell.expect(PROMPT)
    shell.sendline("bind 'set enable-bracketed-paste off'")
    shell.expect(PROMPT)
    shell.logfile_read = sys.stdout
    for line in DAY.strip().splitlines():
        type_line(shell, line.lstrip("!> "))
        opens = line == OPENS or (line.startswith(">") and line != "> exit")
        shell.expect(INSIDE if opens else PROMPT)
        if not opens and line[0] != "#" and (shell.match[1] != "0") != line.startswith("!"):
            sys.exit(f"\nThe tour ends: {line} returned {shell.match[1]}.")
        time.sleep(SPEED)
    shell.sendline("exit")
    shell.expect(pexpect.EOF)


if __name__ == "__main__":
    main(sys.argv[1:])

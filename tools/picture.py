#!/usr/bin/env python3
"""Make docs/demo.svg, a picture of a terminal with a real run of tools/demo.sh.

    tools/picture.py [OUTPUT]      runs the demo, with its requirements, and saves the picture

The demo runs on a terminal of its own, and the output is converted to SVG unchanged, except for
two omissions: the last part, which cleans up, and the engine's reason why a registry did not
answer.
"""

from __future__ import annotations

import io
import os
import subprocess
import sys
import time
from pathlib import Path

import pexpect
from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

ROOT = Path(__file__).resolve().parents[1]
COLUMNS = 100
MINUTES = 10
LAST = "Cleaning up"
USING = ", as it could not be pulled"
# rich.console.CONSOLE_SVG_FORMAT without fonts from another host.
SVG = """\
<svg class="terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
  <desc>{desc}</desc>
  <style>
    .{unique_id}-matrix {{
      font-family: ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace;
      font-size: {char_height}px; line-height: {line_height}px; font-variant-east-asian: full-width;
    }}
    .{unique_id}-title {{ font-size: 18px; font-weight: bold; font-family: sans-serif; }}
    {styles}
  </style>
  <defs>
    <clipPath id="{unique_id}-clip-terminal">
      <rect x="0" y="0" width="{terminal_width}" height="{terminal_height}" />
    </clipPath>
    {lines}
  </defs>
  {chrome}
  <g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
    {backgrounds}
    <g class="{unique_id}-matrix">{matrix}</g>
  </g>
</svg>
"""


def main() -> None:
    """Run the demo and save the picture."""
    output = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "demo.svg"
    said = run_demo()
    console = Console(
        record=True,
        width=COLUMNS,
        file=io.StringIO(),
        force_terminal=True,
        color_system="truecolor",
    )
    git = ("git", "-C", str(ROOT), "describe", "--always", "--dirty", "--exclude=*")
    commit = subprocess.run(git, capture_output=True, text=True, check=True).stdout.strip()
    day = time.strftime("%Y-%m-%d", time.gmtime())
    for line in shown(said):
        console.print(Text.from_ansi(line), soft_wrap=False)
    svg = console.export_svg(
        title="make demo",
        theme=MONOKAI,
        code_format=SVG.replace("{desc}", f"A run on {day}, at commit {commit}."),
        unique_id="mlc-demo",
    )
    output.write_text(
        "\n".join(line.rstrip() for line in svg.splitlines()) + "\n", encoding="utf-8"
    )
    print(f"{output}: {len(shown(said))} lines of a real run")


def run_demo() -> str:
    """Run the demo on a terminal of its own and return its output."""
    environ = {**os.environ, "TERM": "xterm-256color", "COLUMNS": str(COLUMNS)}
    said, status = pexpect.run(
        str(ROOT / "tools" / "demo.sh"),
        withexitstatus=True,
        timeout=60 * MINUTES,
        env=environ,
        dimensions=(50, COLUMNS),
        encoding="utf-8",
    )
    if status != 0:
        sys.exit(f"The demo failed (exit status {status}), so there is no picture:\n{said}")
    return str(said)


def shown(said: str) -> list[str]:
    """Return the lines of the picture; of a line that was rewritten, only the last state."""
    lines = [line.rstrip("\r").rpartition("\r")[2] for line in said.split("\n")]
    lines = [line.replace("\x1b[K", "") for line in lines]
    lines = [line.partition(USING)[0] + USING if USING in line else line for line in lines]
    end = next((number for number, line in enumerate(lines) if LAST in line), len(lines))
    while lines[:end] and not lines[0].strip():
        lines, end = lines[1:], end - 1
    while end and not lines[end - 1].strip():
        end -= 1
    return lines[:end]


if __name__ == "__main__":
    main()

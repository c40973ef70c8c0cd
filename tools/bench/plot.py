"""Plot seconds on a logarithmic scale, as SVG without a library."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from timing import Spread

WIDTH, LEFT, RIGHT, TOP, BAR, GAP = 900, 330, 90, 56, 18, 22
OURS, THEIRS = "#1b7837", "#9aa0a6"
OWN = ("mlc", "image-")
"""How the names of our bars begin."""
_STYLE = (
    "text{font:13px sans-serif;fill:#222}.title{font-size:16px;font-weight:bold}"
    ".axis{stroke:#ccc;stroke-width:1}.spread{stroke:#222;stroke-width:1.5}"
    "rect.back{fill:#fff}"
)


@dataclass(frozen=True)
class Group:
    """Bars under a common heading, each with a label and its figures. Ours begin as OWN says."""

    heading: str
    bars: Sequence[tuple[str, Spread]]


def svg(title: str, groups: Sequence[Group]) -> str:
    """Return the plot: a bar for each median, with a line from quartile to quartile."""
    everything = [figures for group in groups for _, figures in group.bars]
    low = 10 ** math.floor(math.log10(min(each.low for each in everything)))
    high = 10 ** math.ceil(math.log10(max(each.high for each in everything)))
    span = math.log10(high / low)

    def x(value: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * math.log10(value / low) / span

    body, y = [], float(TOP)
    for group in groups:
        body.append(_text(10, y + 13, group.heading))
        for name, figures in group.bars:
            colour = OURS if name.startswith(OWN) else THEIRS
            middle = y + BAR / 2
            body += [
                _text(LEFT - 8, y + 13, name, anchor="end"),
                f'<rect x="{LEFT}" y="{y:.0f}" width="{max(x(figures.median) - LEFT, 1):.1f}" '
                f'height="{BAR - 2}" fill="{colour}"/>',
                f'<line class="spread" x1="{x(figures.low):.1f}" x2="{x(figures.high):.1f}" '
                f'y1="{middle:.1f}" y2="{middle:.1f}"/>',
                _text(x(figures.high) + 6, y + 13, f"{figures.median:.3g} s"),
            ]
            y += BAR
        y += GAP
    ticks = []
    for power in range(round(math.log10(low)), round(math.log10(high)) + 1):
        at = x(10.0**power)
        ticks.append(
            f'<line class="axis" x1="{at:.1f}" x2="{at:.1f}" y1="{TOP - 8}" y2="{y:.0f}"/>'
        )
        ticks.append(_text(at, y + 16, f"{10.0**power:g} s", anchor="middle"))
    height = y + 30
    return "\n".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height:.0f}" '
            f'viewBox="0 0 {WIDTH} {height:.0f}">',
            f"<style>{_STYLE}</style>",
            f'<rect class="back" width="{WIDTH}" height="{height:.0f}"/>',
            f'<text class="title" x="10" y="26">{escape(title)}</text>',
            *ticks,
            *body,
            "</svg>\n",
        )
    )


def _text(x: float, y: float, words: str, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'

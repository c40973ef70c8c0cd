"""Wrap generated Markdown at the width of the pages that are written by hand."""

from __future__ import annotations

import textwrap

WIDTH = 100
"""Characters in a line; tables, code blocks, images and comments are exempt."""
EXEMPT = ("|", "    ", "![", "<")


def wrapped(page: str) -> str:
    """Wrap the prose of a page in which each paragraph and list item is one line."""
    return "\n".join(
        line
        if line.startswith(EXEMPT)
        else textwrap.fill(
            line,
            WIDTH,
            subsequent_indent="  " * line.startswith("- "),
            break_long_words=False,
            break_on_hyphens=False,
        )
        for line in page.split("\n")
    )

"""Version numbers, in a module that imports nothing, so that `--version` is instant."""

__version__ = "1.0.0"

AIME_VERSION = "2.2.0"
"""The AIME MLC release whose command line and containers this program reproduces."""

CONTAINER_VERSION = 4
"""Value of the label `aime.mlc.MLC_VERSION` (docs/contracts.md, "Labels")."""


def documentation(page: str) -> str:
    """Return the path of a page of the documentation, which is installed with the program."""
    from pathlib import Path

    return str(Path(__file__).resolve().parents[1] / "docs" / f"{page}.md")

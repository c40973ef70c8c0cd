"""The steps of a Dockerfile that install packages, as image-create and image-update write them.

uv installs Python packages: it is several times faster than pip, and what is installed already
stays as it is. It comes from the package index by a step of its own, so the Dockerfile builds with
any builder and plain `docker build`, and needs no registry. The step is the same for everyone, so
users of a base share its layer (37 MB), and uv is there for them inside containers, too.
`python3 -m` selects the Python that `python3` is: the system's, conda's, or that of a virtual
environment on PATH.
"""

from __future__ import annotations

from collections.abc import Iterable

from ..packages import quoted
from .syntax import line_break

UV = "uv"
UV_VERSION = "0.13.9"
UV_COMMENT = "# uv, which installs Python packages fast"
PIP_COMMENT = "# pip installs Python packages here, as uv does not support this Python"
_BY_UV = "RUN python3 -m uv pip install --break-system-packages --compile-bytecode --no-cache"
_BY_PIP = "RUN python3 -m pip install --no-cache-dir"


def apt_step(packages: Iterable[str]) -> str:
    """Return the step that installs Debian packages and cleans up after apt."""
    lines = "".join(f"        {package} \\\n" for package in packages)
    return (
        "RUN apt-get update \\\n"
        "    && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \\\n"
        f"{lines}"
        "    && apt-get clean \\\n"
        "    && rm -rf /var/lib/apt/lists/*\n"
    )


def python_step(packages: Iterable[str], *, by_pip: bool = False) -> str:
    """Return the step that installs Python packages."""
    lines = " \\\n".join(f"        {quoted(package)}" for package in packages)
    return f"{_BY_PIP if by_pip else _BY_UV} \\\n{lines}\n"


def uv_step() -> str:
    """Return the step that installs uv, with its comment."""
    # By a variable: pip before 23.0.1 does not know the option.
    install = f"python3 -m pip install --no-cache-dir {UV}=={UV_VERSION}"
    return f"{UV_COMMENT}\nRUN PIP_BREAK_SYSTEM_PACKAGES=1 {install}\n"


def is_by_pip(text: str) -> bool:
    """Whether a Dockerfile says that pip is to install Python packages."""
    return PIP_COMMENT in text


def without_uv(text: str) -> str:
    """Return a Dockerfile in which pip does what the steps of image-create do with uv."""
    break_ = line_break(text)
    step = uv_step().replace("\n", break_)
    return text.replace(step, f"{PIP_COMMENT}{break_}").replace(f"{_BY_UV} ", f"{_BY_PIP} ")

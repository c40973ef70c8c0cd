"""The steps of a Dockerfile that install packages, as image-create and image-update write them.

uv installs Python packages: it is several times faster than pip, and what is installed already
stays as it is. It comes from the package index by a step of its own, so the Dockerfile builds with
any builder and plain `docker build`, and needs no registry. The step is the same for everyone, so
users of a base share its layer (37 MB), and uv is there for them inside containers, too.
`python3 -m` selects the Python that `python3` is: the system's, conda's, or that of a virtual
environment on PATH.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from ..packages import quoted

UV = "uv"
UV_VERSION = "0.13.9"
UV_COMMENT = "# uv, which installs Python packages fast"
UV_STEP = f"RUN PIP_BREAK_SYSTEM_PACKAGES=1 python3 -m pip install --no-cache-dir {UV}=="
"""The step that installs uv, without its version; pip before 23.0.1 does not know the option."""
RUNS_UV = "python3 -m uv "
BY_UV = f"{RUNS_UV}pip install --break-system-packages --compile-bytecode --no-cache"
_INTO_PYTHON = f"{BY_UV.removeprefix('python3 -m ')} --python python3 {UV}=={UV_VERSION}\n"
UV_STEP_BY_UV = f"RUN {_INTO_PYTHON}"
UV_STEP_BY_SYSTEM = (
    "RUN PIP_BREAK_SYSTEM_PACKAGES=1 /usr/bin/python3 -m pip install --no-cache-dir \\\n"
    f"        --target /tmp/uv {UV}=={UV_VERSION} \\\n"
    f"    && /tmp/uv/bin/{_INTO_PYTHON.rstrip()} \\\n"
    "    && rm -rf /tmp/uv\n"
)
"""Steps that install uv into a Python without pip: by the uv of the base, or by one that the
system's pip installs for that."""
BY_PIP = "PIP_BREAK_SYSTEM_PACKAGES=1 python3 -m pip install --no-cache-dir"
PIP_COMMENT = "# pip installs Python packages here"
_PIP_CAN = re.compile(rf"{re.escape(BY_UV)} (?!\\\r?\n\s*-r \S+/pyproject\.toml)")


def apt_step(packages: Iterable[str], *, if_missing: bool = False) -> str:
    """Return the step that installs Debian packages and cleans up after apt; with `if_missing` it
    does nothing if they are all installed."""
    names = tuple(packages)
    lines = "".join(f"        {name} \\\n" for name in names)
    begin, end = "apt-get update", ""
    if if_missing:
        begin = f"dpkg -s {' '.join(names)} >/dev/null 2>&1 \\\n    || (apt-get update"
        end = ")"
    return (
        f"RUN {begin} \\\n"
        "    && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \\\n"
        f"{lines}"
        "    && apt-get clean \\\n"
        f"    && rm -rf /var/lib/apt/lists/*{end}\n"
    )


def python_step(packages: Iterable[str], *, by_pip: bool = False) -> str:
    """Return the step that installs Python packages."""
    lines = " \\\n".join(f"        {quoted(package)}" for package in packages)
    return f"RUN {BY_PIP if by_pip else BY_UV} \\\n{lines}\n"


def uv_step() -> str:
    """Return the step that installs uv, with its comment."""
    return f"{UV_COMMENT}\n{UV_STEP}{UV_VERSION}\n"


def steps_by_pip(text: str) -> str:
    """Return steps in which pip does what they do with uv; pip cannot read pyproject.toml."""
    return _PIP_CAN.sub(f"{BY_PIP} ", text)


def is_by_pip(text: str) -> bool:
    """Whether a Dockerfile says that pip is to install Python packages."""
    return PIP_COMMENT in text

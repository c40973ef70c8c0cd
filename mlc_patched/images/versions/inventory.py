"""List the packages in an image: what a script prints in a container, and how it is read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...json_text import parsed
from ...lean import dataclass, field
from ..probe import ProbeResult

# Of two distributions with one name, Python uses the first.
PYTHON_SCRIPT = r"""
command -v python3 >/dev/null 2>&1 && python3 - 2>/dev/null <<'EOF'
import os, platform, sys
print("python", platform.python_version(), platform.machine())
try:
    from importlib.metadata import distributions
except ImportError:
    sys.exit()
seen = set()
for each in distributions():
    name = each.metadata["Name"]
    if not name or not each.version or name.lower() in seen:
        continue
    seen.add(name.lower())
    print("py", name, each.version)
    if (each.read_text("INSTALLER") or "").strip() == "conda" or (
        str(each.locate_file("")).rstrip("/") == "/usr/lib/python3/dist-packages"
    ):
        print("other", name)
    direct = each.read_text("direct_url.json")
    if direct:
        print("direct", name, " ".join(direct.split()))
conda = os.path.join(sys.prefix, "conda-meta")
for file in os.listdir(conda) if os.path.isdir(conda) else ():
    name, _, rest = file.rpartition(".json")[0].rpartition("-")[0].rpartition("-")
    if name:
        print("conda", name, rest)
print("listed all")
EOF
"""
DEBIAN_SCRIPT = r"""
command -v dpkg-query >/dev/null 2>&1 &&
    dpkg-query -W -f '${db:Status-Abbrev}${binary:Package} ${Version}\n' | sed -n 's/^ii */deb /p'
"""


@dataclass(frozen=True)
class Inventory:
    """The packages in an image, by name: Python's, which of them are not from an index and from
    where, Debian's, conda's; the version of `python3`, and the machine's architecture. `others` are
    Python packages that conda or apt installed."""

    python: str = ""
    machine: str = ""
    packages: Mapping[str, str] = field(default_factory=dict)
    direct: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    debian: Mapping[str, str] = field(default_factory=dict)
    conda: Mapping[str, str] = field(default_factory=dict)
    others: frozenset[str] = frozenset()


NOTHING = Inventory()


def read_inventory(result: ProbeResult) -> Inventory:
    """Return what the scripts printed; empty without a Python that they can use."""
    from packaging.utils import canonicalize_name

    python, _, machine = next(iter(result.values("python")), "").partition(" ")
    direct: dict[str, Mapping[str, Any]] = {}
    for line in result.values("direct"):
        name, _, text = line.partition(" ")
        try:
            found = parsed(text)
        except ValueError:
            found = {}
        direct[canonicalize_name(name)] = found if isinstance(found, dict) else {}
    return Inventory(
        python,
        machine,
        {canonicalize_name(name): version for name, version in _pairs(result, "py")},
        direct,
        dict(_pairs(result, "deb")),
        dict(_pairs(result, "conda")),
        frozenset(canonicalize_name(name) for name in result.values("other")),
    )


def _pairs(result: ProbeResult, key: str) -> list[tuple[str, str]]:
    words = [line.split() for line in result.values(key)]
    return [(each[0], each[1]) for each in words if len(each) == 2]

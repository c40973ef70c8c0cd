"""No command imports what it does not use: start-up is most of what a command takes."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
from support.engine_api import serving

from mlc_patched.cli.dispatch import COMMANDS

ROOT = Path(__file__).resolve().parents[3]
PATH = f"{ROOT}:{ROOT / 'lib'}:{sysconfig.get_path('purelib')}"
PARSERS = {
    f"mlc_patched{name}"
    for name in (
        *("", ".errors", ".version", ".cli", ".cli.commands"),
        *(".cli.main", ".cli.dispatch", ".cli.parser", ".cli.output", ".cli.streams"),
    )
}
"""What parses a command line. None of it decides or asks anything."""
ALSO = {
    "container_deploy": {"mlc_patched.cli.commands.container_create"},  # the same flags and more
    "image_create": {"mlc_patched.images", "mlc_patched.images.presets"},  # the help lists them
}
SLOW = {"dataclasses", "docker", "inspect", "json", "pathlib", "requests", "typing", "urllib"}
if sys.version_info >= (3, 14):
    SLOW -= {"dataclasses", "inspect"}  # its argparse imports them, for colours
LEAN = {"dataclasses", "inspect", "typing"} & SLOW
"""What mlc_patched/lean.py stands for."""
NOT_ROOT = {"SUDO_UID": "1001", "SUDO_GID": "1001"}
_CODE = """
import sys
sys.path[:0] = sys.argv.pop(1).split(":")
from mlc_patched.cli.main import main
try:
    main(sys.argv[1:], "mlc")
finally:
    print("MODULES", *sys.modules)
"""


def imported(*argv: str, status: int, **environ: str) -> set[str]:
    """Run mlc in an interpreter of its own and return the modules it imported.

    Without `site`, as the program starts; the SDK is in the path, so that it could be imported.
    """
    done = subprocess.run(
        [sys.executable, "-ISc", _CODE, PATH, *argv],
        capture_output=True,
        text=True,
        env={"HOME": "/nonexistent", "PATH": "/usr/bin:/bin", **NOT_ROOT, **environ},
        check=False,
    )
    assert done.returncode == status, done.stderr
    return set(done.stdout.splitlines()[-1].split()[1:])


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(("flag", "status"), [("-h", 0), ("--no-such-flag", 2)])
def test_help_and_a_usage_error_import_the_command_line_alone(
    command: str, flag: str, status: int
) -> None:
    found = imported(command, flag, status=status)
    module = COMMANDS[command].module
    allowed = PARSERS | {f"mlc_patched.cli.commands.{module}"} | ALSO.get(module, set())
    assert {name for name in found if name.startswith("mlc_patched")} <= allowed
    assert not found & SLOW


@pytest.mark.parametrize("argv", [("-h",), ("--version",)])
def test_so_do_help_and_version_of_mlc(argv: tuple[str, ...]) -> None:
    found = imported(*argv, status=0)
    assert {name for name in found if name.startswith("mlc_patched")} <= PARSERS
    assert not found & SLOW


@pytest.mark.parametrize(
    ("argv", "own"),
    [
        (("list",), {"containers.list"}),
        (("stats",), {"containers.stats"}),
        (("open", "a", "-s"), {"containers.open", "containers.shell", "containers.start"}),
        (("start", "a", "-s"), {"containers.shell", "containers.start"}),
        (("exec", "a", "true"), {"containers.shell", "containers.start"}),
        (("jobs", "a"), {"containers.jobs", "containers.processes"}),
        (("stop", "a", "-s"), {"containers.stop", "containers.on_cluster"}),
        (("remove", "a", "-s"), {"containers.remove", "containers.on_cluster"}),
        (("container-list",), {"containers.list"}),
        (("complete", "containers"), set()),
    ],
)
def test_a_command_imports_no_other_s_work_and_no_sdk(
    argv: tuple[str, ...], own: set[str], open_place: Path
) -> None:
    """All of them come as far as to ask an engine, which does not listen."""
    path = open_place / "engine.sock"
    with socket.socket(socket.AF_UNIX) as unheard:
        unheard.bind(str(path))
        path.chmod(0o666)
        found = imported(*argv, status=1, DOCKER_HOST=f"unix://{path}")
    assert "mlc_patched.engine.docker" in found
    assert not found & {"docker", "requests", "urllib3", *LEAN}
    operations = {
        name.removeprefix("mlc_patched.")
        for name in found
        if re.match(r"mlc_patched\.(containers|maintenance|cluster|images|patch)\.", name)
    }
    assert operations == own


@pytest.mark.parametrize("status", ["Created", "Exited (129) 3 days ago"])
def test_a_list_imports_neither_pathlib_nor_urllib(tmp_path: Path, status: str) -> None:
    """Nor does it look at jobs, unless a container runs or may have been interrupted."""
    listed = {
        "Id": "c1",
        "Names": ["/it._.1001"],
        "Image": "img",
        "ImageID": "sha256:i",
        "Labels": {"aime.mlc": "someone"},
        "State": "exited",
        "Status": status,
        "Created": 1767323045,
    }
    with serving(tmp_path / "engine.sock") as api:
        api.on("GET /containers/json", [listed])
        found = imported("list", status=0, DOCKER_HOST=api.address, SUDO_UID="")
    assert "GET /containers/json" in api.calls
    assert not found & {"pathlib", "urllib", "mlc_patched.containers.jobs"}


def test_reading_the_settings_imports_nothing_slow() -> None:
    """Most commands do it, on every host with a settings file."""
    code = "import sys; sys.path[:0] = sys.argv[1].split(':'); import mlc_patched.settings.parse"
    done = subprocess.run(
        [sys.executable, "-ISc", f"{code}; print(*sys.modules)", PATH],
        capture_output=True,
        text=True,
        check=True,
    )
    assert not set(done.stdout.split()) & LEAN

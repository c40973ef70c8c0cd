"""A registry on this machine: Debian's docker-registry, which Docker uses without TLS here."""

from __future__ import annotations

import contextlib
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from support.remote_engine import free_port, wait_for

CONFIGURATION = """\
version: 0.1
log: {{level: error}}
storage: {{filesystem: {{rootdirectory: {place}/store}}}}
http: {{addr: "127.0.0.1:{port}"}}
"""


@contextlib.contextmanager
def serving() -> Iterator[str]:
    """Start an empty registry, and yield its address."""
    with tempfile.TemporaryDirectory(prefix="mlc-registry-", dir="/var/tmp") as path:
        place, port = Path(path), free_port()
        file, log = place / "config.yml", place / "log"
        file.write_text(CONFIGURATION.format(place=place, port=port))
        with log.open("wb") as output:
            argv = ["docker-registry", "serve", str(file)]
            daemon = subprocess.Popen(argv, stdout=output, stderr=output, cwd="/")
        try:
            wait_for(port, daemon, log)
            yield f"127.0.0.1:{port}"
        finally:
            daemon.terminate()
            daemon.wait(timeout=30)

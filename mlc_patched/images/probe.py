"""Run a script in a temporary container of an image."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator

from ..context import Context
from ..engine.interface import REFUSED, Engine, Image
from ..engine.specification import ContainerSpecification
from ..errors import EngineError, EngineUnreachableError, MlcError
from ..host.gpus import GpuRequest
from ..interrupts import defer_signals
from ..lean import TYPE_CHECKING, dataclass
from ..names import labels
from ..plan.specify import GROUPS
from ..temporary import LOOK, temporary_name
from ..undo import Undo, retry_once

if TYPE_CHECKING:
    from typing import Any

NOT_STARTED = 127
"""The exit status of a command that could not be started, as in a shell."""
_NO_COMMAND = "/mlc-no-such-command"
_DEVICE_REFUSAL = re.compile(r"select device driver|CDI device|nvidia-container")
"""Words of dockerd, of its and Podman's CDI library, and of NVIDIA's hook."""


@dataclass(frozen=True)
class ProbeResult:
    """The lines that a script printed in an image, and its exit status."""

    status: int
    lines: tuple[str, ...]

    def values(self, key: str) -> list[str]:
        """Return the rest of each line that begins with `KEY `."""
        return [line[len(key) + 1 :] for line in self.lines if line.startswith(f"{key} ")]

    def ending(self, most: int = 300) -> str:
        """Return the end of the output, or the exit status if there is none."""
        text = " ".join(self.lines) or f"exit status {self.status}"
        return text if len(text) <= most else f"…{text[-most:]}"


def run_in_image(
    image: Image,
    script: str,
    kind: str,
    context: Context,
    *,
    user: str | None = None,
    look: Callable[[str], None] | None = None,
) -> ProbeResult:
    """Run a script in an image's own shell, without network, and return its output.

    `kind` (`temporary.LOOK` or `VERIFY`) is in the container's name and label. With `user`
    (`UID:GID`) it runs in the groups that mlc's containers have, else as root. `look` gets the
    container before it is started. A script that cannot be started has the status NOT_STARTED.
    """
    engine, lines = context.engine, []
    account = {"user": user, "groups": GROUPS} if user else {"user": "0:0"}
    shell = {"entrypoint": ("/bin/sh", "-c"), "command": (script,)}
    with temporary_container(image, kind, context, **shell, **account) as container:
        if look is not None:
            look(container)
        try:
            engine.start(container)
        except EngineError as error:
            lines.append(str(error))
            status = NOT_STARTED
        else:
            lines += engine.logs(container, follow=True)
            status = engine.wait(container)
    return ProbeResult(status, tuple(lines))


def refusal_of_gpus(image: Image, request: GpuRequest, context: Context) -> str | None:
    """Return why an engine refuses a device request, or None if it serves or ignores it.

    Engines look at it when a container is started. This one's command does not exist, so its start
    fails in any case, and nothing of the image runs.
    """
    what = {"entrypoint": (_NO_COMMAND,), "gpus": request}
    with temporary_container(image, LOOK, context, **what) as container:
        try:
            context.engine.start(container)
        except EngineUnreachableError:
            raise
        except MlcError as error:
            if _DEVICE_REFUSAL.search(str(error)):
                return str(error).removeprefix(REFUSED).rstrip(".\n")
    return None


@contextlib.contextmanager
def temporary_container(image: Image, kind: str, context: Context, **options: Any) -> Iterator[str]:
    """Have a container of an image, without network, until the end of the block.

    `kind` (`temporary.LOOK` or `VERIFY`) is in its name and label.
    """
    specification = ContainerSpecification(
        name=temporary_name(kind, context.account, context.job.token),
        image=image.id,
        labels={labels.TEMPORARY: kind},
        network="none",
        **options,
    )
    with Undo(context.report) as undo:
        container = create_temporary(specification, context.engine, undo)
        yield container
        retry_once(lambda: context.engine.remove_container(container, force=True))


def create_temporary(specification: ContainerSpecification, engine: Engine, undo: Undo) -> str:
    """Create a container whose removal is added to `undo`, and return its id."""
    undo.add(
        f"The container {specification.name}",
        # By name: an interrupt may come before the id is known.
        lambda: engine.remove_container(specification.name, force=True),
    )
    with defer_signals():
        return engine.create_container(specification)

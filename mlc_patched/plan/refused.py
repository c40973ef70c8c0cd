"""Which of the administrator's settings an engine refused: the user did not ask for its value."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..engine.specification import ContainerSpecification
from ..errors import MlcError
from ..settings.model import Settings
from .limits import resources


def name_setting(
    error: MlcError, settings: Settings, made: ContainerSpecification | None = None
) -> None:
    """Add to an engine's refusal which line of the settings file it is about, if it is about one.

    `made` is the container that was to be created; None if it was to be started.
    """
    for name, words in _refusals(settings, made):
        origin = settings.origins.get(name)
        if origin and re.search(words, error.message, re.IGNORECASE):
            section, _, key = name.partition(".")
            error.message = f"{error.message.rstrip('.')}."
            error.add_hint(
                f"{origin} asks for it: {key} = {settings.texts[name]} in [{section}]. Ask your "
                "administrator to change that; mlc doctor checks it."
            )
            return


def _refusals(settings: Settings, made: ContainerSpecification | None) -> Iterator[tuple[str, str]]:
    """Yield settings that count for a container, and what engines say if they refuse the value."""
    # Docker checks it at the start, Podman when the container is created.
    yield "container.network", f"network .*{re.escape(settings.network)}.* not found"
    if made is None:
        return
    own = resources(None, None, None, settings)
    if made.resources.nano_cpus == own.nano_cpus:
        yield "limits.cpus", "range of CPUs"
    if made.resources.memory == own.memory:
        yield "limits.memory", "minimum memory"
    if made.cgroup_parent == settings.cgroup_parent:
        yield "container.cgroup_parent", "cgroup.parent"
    yield "container.capabilities", "unknown capability"

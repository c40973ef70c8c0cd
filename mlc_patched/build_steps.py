"""Names for what the classic builder makes step by step: so that what a killed engine or command
leaves of a build is known by its name, as everything else that is there only meanwhile.

That builder says in its output which container a step runs in and which image it has made. What
a step itself prints looks the same. So only what came to be during the build is believed.
"""

from __future__ import annotations

import contextlib
import re
import time

from .engine import Engine
from .errors import ConflictError, EngineError

_STEP = re.compile(r"Step \d+/\d+ : ([A-Za-z]+)\b.*", re.DOTALL)
_CONTAINER = re.compile(r" ---> Running in ([0-9a-f]{12})")
_IMAGE = re.compile(r" ---> ([0-9a-f]{12})")
_CACHED = " ---> Using cache"
_SECONDS_TO_CLEAR = 5


class StepNames:
    """Hears what a build says, line by line, and names what its steps make.

    The newest step's image has the name `reference`, and with it all those below are held; the
    container of the step that runs has the name `container`.
    """

    def __init__(self, engine: Engine, container: str, reference: str) -> None:
        """Look at what is there before the build.

        Args:
            engine: where.
            container: a name that no container has.
            reference: a name for images, `REPOSITORY:TAG`, that none has.

        Raises:
            EngineError: the engine did not answer.
        """
        self._engine, self._container, self._reference = engine, container, reference
        self._containers = {each.id[:12] for each in engine.containers()}
        self._nameless = {_short(each.id) for each in engine.find_images(nameless=True)}
        self._is_made = False
        """Whether the next image that is told is this build's: neither a base nor a cached one."""

    def hear(self, line: str) -> None:
        """Take in a line. A name that cannot be given is no reason for the build to fail."""
        if match := _STEP.fullmatch(line):
            self._is_made = match[1].upper() != "FROM"
        elif line == _CACHED:
            self._is_made = False
        elif (match := _CONTAINER.fullmatch(line)) and match[1] not in self._containers:
            with contextlib.suppress(EngineError):
                self._engine.rename_container(match[1], self._container)
        elif (match := _IMAGE.fullmatch(line)) and self._is_made:
            with contextlib.suppress(EngineError):
                self._name_image(match[1])

    def _name_image(self, short: str) -> None:
        image = None if short in self._nameless else self._engine.image(short)
        # What has a name is somebody's; the last step's image has got the build's own by now.
        if image is not None and not image.references and _short(image.id) == short:
            repository, _, tag = self._reference.rpartition(":")
            self._engine.tag_image(image.id, repository, tag)

    def clear(self) -> None:
        """Remove the images of a build that has failed, by their name.

        The container of a step that was cut off is the engine's to remove, and takes a moment.

        Raises:
            EngineError: the engine failed.
        """
        deadline = time.monotonic() + _SECONDS_TO_CLEAR
        while True:
            try:
                self._engine.remove_image(self._reference)
            except ConflictError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)
            else:
                return


def _short(image_id: str) -> str:
    return image_id.removeprefix("sha256:")[:12]

"""Names for what the classic builder makes step by step: so that what a killed engine or command
leaves of a build is known by its name, as everything else that is there only meanwhile.

That builder says in its output which container a step runs in and which image it has made. What
a step itself prints looks the same. So only what came to be during the build is believed.
"""

from __future__ import annotations

import contextlib
import re
import time

from ...engine.interface import Engine
from ...errors import ConflictError, MlcError

_STEP = re.compile(r"Step \d+/\d+ : ([A-Za-z]+)\b.*")
_CONTAINER = re.compile(r" ---> Running in ([0-9a-f]{12})")
_IMAGE = re.compile(r" ---> ([0-9a-f]{12})")
_CACHED = " ---> Using cache"
_SECONDS_TO_CLEAR = 5


class StepNames:
    """Hears what a build says, line by line, and names what its steps make.

    The newest image of each stage has the name `reference-sNUMBER`, and with it all those below are
    held; the container of the step that runs has the name `container`.
    """

    def __init__(self, engine: Engine, container: str, reference: str) -> None:
        """Look at what is there before the build.

        Args:
            engine: where.
            container: a name that no container has.
            reference: beginning of names for images, `REPOSITORY:TAG`. It is not the name that
                the build itself gives its image: what is heard may be said before, or after, that.

        Raises:
            EngineError: the engine did not answer.
        """
        self._engine, self._container, self._reference = engine, container, reference
        self._containers = {each.id[:12] for each in engine.containers()}
        self._nameless = {_short(each.id) for each in engine.find_images(nameless=True)}
        self._stage = 0
        self._given: list[str] = []
        self._is_made = False
        """Whether the next image that is told is this build's: neither a base nor a cached one."""

    def hear(self, line: str) -> None:
        """Take in a line. A name that cannot be given is no reason for the build to fail."""
        if match := _STEP.fullmatch(line):
            self._is_made = match[1].upper() != "FROM"
            self._stage += not self._is_made
        elif line == _CACHED:
            self._is_made = False
        elif (match := _CONTAINER.fullmatch(line)) and match[1] not in self._containers:
            with contextlib.suppress(MlcError):
                self._engine.rename_container(match[1], self._container)
        elif (match := _IMAGE.fullmatch(line)) and self._is_made:
            with contextlib.suppress(MlcError):
                self._name_image(match[1])

    def _name_image(self, short: str) -> None:
        image = None if short in self._nameless else self._engine.image(short)
        # What has a name is somebody's; the last step's image has got the build's own by now.
        if image is not None and not image.references and _short(image.id) == short:
            repository, _, tag = f"{self._reference}-s{self._stage}".rpartition(":")
            self._engine.tag_image(image.id, repository, tag)
            self._given.append(f"{repository}:{tag}")

    def clear(self) -> None:
        """Take the names away, and with them the images that nothing is made of.

        The container of a step that was cut off is the engine's to remove, and takes a moment.

        Raises:
            EngineError: the engine failed.
        """
        deadline = time.monotonic() + _SECONDS_TO_CLEAR
        waiting = list(reversed(dict.fromkeys(self._given)))
        while waiting:
            failure = self._without(waiting)
            if failure and time.monotonic() > deadline:
                raise failure
            if failure:
                time.sleep(0.1)

    def _without(self, names: list[str]) -> ConflictError | None:
        """Take names away that nothing stands in the way of; return what stands in another's."""
        failure = None
        for name in [*names]:
            try:
                self._engine.remove_image(name)
                names.remove(name)
            except ConflictError as error:
                failure = error
        return failure


def _short(image_id: str) -> str:
    return image_id.removeprefix("sha256:")[:12]

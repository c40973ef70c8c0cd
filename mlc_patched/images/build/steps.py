"""Give temporary names to what the steps of the classic builder, and of Podman, make, so that
what a killed engine or command leaves of a build can be recognised.

The builder prints the container that a step runs in and the image that it made. A step's own output
can look the same, so only objects created during the build are named.
"""

from __future__ import annotations

import contextlib
import re
import time

from ...context import Context
from ...engine.interface import PODMAN, Engine
from ...errors import ConflictError, MlcError
from ...lean import dataclass
from ...temporary import mark, remove_nameless


@dataclass(frozen=True)
class _Lines:
    """How a builder reports a step, its container, its image, and an image from the cache."""

    step: re.Pattern[str]
    container: re.Pattern[str] | None
    image: re.Pattern[str]
    cached: re.Pattern[str]


_CLASSIC = _Lines(
    step=re.compile(r"Step \d+/\d+ : ([A-Za-z]+)\b.*"),
    container=re.compile(r" ---> Running in ([0-9a-f]{12})"),
    image=re.compile(r" ---> ([0-9a-f]{12})"),
    cached=re.compile(r" ---> Using cache"),
)
_PODMAN = _Lines(
    step=re.compile(r"(?:\[\d+/\d+\] )?STEP \d+/\d+: ([A-Za-z]+)\b.*"),
    container=None,  # containers of steps are not Podman's, but its builder's
    image=re.compile(r"--> ([0-9a-f]{11,12})"),
    cached=re.compile(r"--> Using cache [0-9a-f]+"),
)
_SECONDS_TO_CLEAR = 5
_STILL_RUNNING = (
    "Podman still runs the step that was interrupted. The next build of the project removes what "
    "it leaves, and so does mlc prune."
)


class StepNames:
    """Names the containers and images of a build's steps, as its output mentions them.

    The newest image of each stage is named `reference-sNUMBER`, which keeps those below it; the
    container of the current step is named `container`.
    """

    def __init__(self, engine: Engine, container: str, reference: str) -> None:
        """Note what exists before the build.

        `container` is an unused name; `reference` the prefix of the images' names,
        `REPOSITORY:TAG`. It differs from the name that the build gives its image, as the output may
        come before or after that.
        """
        self._engine, self._container, self._reference = engine, container, reference
        self._lines = _PODMAN if engine.product == PODMAN else _CLASSIC
        self._containers = {each.id[:12] for each in engine.containers()}
        self._nameless = {_short(each.id) for each in engine.find_images(nameless=True)}
        self._stage = 0
        self._given: list[str] = []
        self._running = ""
        """The container of a step whose image was not in the output yet."""
        self._is_made = False
        """Whether the next image in the output is new, not a base or from the cache."""

    def hear(self, line: str) -> None:
        """Read a line of the output. Failing to give a name does not fail the build."""
        lines = self._lines
        if match := lines.step.fullmatch(line):
            self._is_made = match[1].upper() != "FROM"
            self._stage += not self._is_made
        elif lines.cached.fullmatch(line):
            self._is_made = False
        elif lines.container is not None and (match := lines.container.fullmatch(line)):
            if match[1] not in self._containers:
                self._running = match[1]
                with contextlib.suppress(MlcError):
                    self._engine.rename_container(match[1], self._container)
        elif (match := lines.image.fullmatch(line)) and self._is_made:
            self._running = ""
            with contextlib.suppress(MlcError):
                self._name_image(match[1])

    def _name_image(self, short: str) -> None:
        is_old = any(each.startswith(short) for each in self._nameless)
        image = None if is_old else self._engine.image(short)
        # A name belongs to somebody else, or is that of the build on the last step's image.
        if image is not None and not image.references and _short(image.id).startswith(short):
            repository, _, tag = f"{self._reference}-s{self._stage}".rpartition(":")
            self._given.append(f"{repository}:{tag}")  # first, as an interrupt may come in between
            self._engine.tag_image(image.id, repository, tag)

    def clear(self) -> None:
        """Remove the names, and with them the images that no other image needs.

        The engine removes the container of an interrupted step itself, which takes a moment; it may
        still make the step's image, which has no name then: see `clear_steps`.
        """
        deadline = time.monotonic() + _SECONDS_TO_CLEAR
        while self._running and time.monotonic() < deadline:
            if not any(each.id.startswith(self._running) for each in self._engine.containers()):
                self._running = ""
            else:
                time.sleep(0.1)
        waiting = list(reversed(dict.fromkeys(self._given)))
        while waiting:
            failure = self._without(waiting)
            if failure and time.monotonic() > deadline:
                raise ConflictError(_STILL_RUNNING) if self._lines is _PODMAN else failure
            if failure:
                time.sleep(0.1)

    def _without(self, names: list[str]) -> ConflictError | None:
        """Remove the names that can be removed; return why another one cannot."""
        failure = None
        for name in [*names]:
            try:
                self._engine.remove_image(name)
                names.remove(name)
            except ConflictError as error:
                failure = error
        return failure


def clear_steps(steps: StepNames, context: Context) -> None:
    """Remove the images of a build's steps, with a name or without, unless something uses them."""
    steps.clear()
    remove_nameless(context.engine, mark(context.account, context.job.token), context.report)


def _short(image_id: str) -> str:
    return image_id.removeprefix("sha256:")[:12]

"""Label an image with the digest of its lock, which is known only when the image is built."""

from __future__ import annotations

from ...context import Context
from ...engine.interface import Image
from ...errors import last_lines
from ...names import labels
from ..dockerfile.syntax import final_stage, instructions
from ..versions.lockfile import Lock, digest, render
from .client import Client, build_command
from .environment import Builder
from .private_directory import private_directory, written
from .process import run_build
from .request import BuildError
from .steps import StepNames


def labelled_name(tag: str) -> str:
    """Return the temporary name of an image that has the label, for one named `tag`."""
    return f"{tag}-lock"


def with_label_of_lock(
    image: Image, tag: str, lock: Lock, client: Client, steps: StepNames, context: Context
) -> Image:
    """Build an image from one whose name is `tag`, with the label added: see `labelled_name`.

    It gets the Dockerfile's `ONBUILD` here, as a build on an image that has them would run them.
    Raises BuildError or EngineError if that fails.
    """
    engine, name = context.engine, labelled_name(tag)
    # In one step, as the second label completes the image: see temporary.mark.
    label = f'LABEL {labels.LOCK}={digest(render(lock))} {labels.TEMPORARY}=""'
    step = "\n".join((label, *_triggers(lock.dockerfile)))
    if client.builder not in (Builder.BUILDX, Builder.BUILDKIT):
        dockerfile = f"FROM {image.id}\n{step}\n"
        engine.build(dockerfile, name, labels={}, progress=steps.hear)
    elif engine.sends_contexts_to_buildkit():
        dockerfile = f"FROM {tag}\n{step}\n"
        engine.build(dockerfile, name, labels={}, progress=steps.hear, buildkit=True)
    else:
        _build_with_client(client, f"FROM {tag}\n{step}\n", name, context)
    labelled = engine.image(name)
    if labelled is None:
        raise BuildError(f"{name} was built, but the engine does not have it.")
    return labelled


def _triggers(text: str) -> list[str]:
    """Return the ONBUILD instructions of a Dockerfile's last stage, which `derive` leaves out."""
    stage = final_stage(instructions(text))
    return [text[each.start : each.end].strip() for each in stage if each.keyword == "ONBUILD"]


def _build_with_client(client: Client, dockerfile: str, name: str, context: Context) -> None:
    """Build without showing the output; this takes longer than by the engine's API."""
    with private_directory(context.job.token) as place:
        file = str(written(place / "Dockerfile", dockerfile))
        command = build_command(client, dockerfile=file, build_context=str(place), tag=name)
        status, log = run_build(command, context.client_environ, show=lambda line: None)
    if status:
        raise BuildError(f"The label of the lock was not added: {last_lines(log)}")

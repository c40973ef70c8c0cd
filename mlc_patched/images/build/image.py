"""Build a project's image under a temporary name, and check it."""

from __future__ import annotations

import contextlib
import io
import re
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from ...context import Context
from ...engine.build_context import BuildOptions
from ...engine.interface import Engine, Image
from ...errors import EngineError
from ...host.account import Account
from ...host.files import is_root_for
from ...interrupts import defer_signals
from ...names import labels
from ...names.labels import Claim, later_labels
from ...report import Reporter
from ...temporary import (
    STEP,
    build_directory_prefix,
    mark,
    mark_directory,
    remove_nameless,
    temporary_image,
    temporary_name,
)
from ...undo import Undo, retry_once, warn_on_failure
from ..base import Base
from ..dockerfile import render as dockerfile
from ..dockerfile.syntax import Instruction, instructions
from ..entrypoint import warn_of_entrypoint
from ..project.files import ProjectFiles
from ..verify import verify
from ..versions.collect import Sources
from ..versions.lockfile import Lock, digest, render
from ..versions.pins import NO_UPGRADE, Pins, Upgrade, pins_of
from . import failure as build_failure
from .client import Client, build_command, build_network, choose_builder, needs_ssh
from .context_stream import SENT_DOCKERFILE, STANDARD_INPUT, sent_context
from .derive import DerivedDockerfile, derive
from .environment import Builder, settings_from
from .process import run_build
from .record import lock_of
from .shown import OwnSteps
from .steps import StepNames
from .streamed import stream_build

_SHOWN_STEP = 200
_FROM_FLAG = re.compile(r"\s--from=|,from=")


class BuildError(EngineError):
    """A build failed; the message begins with the cause, and has the end of the output."""


@dataclass(frozen=True)
class BuildRequest:
    """A build of a project: the text of its Dockerfile, its base, the lock of the last build, what
    to upgrade, and where packages can be had, as far as it is known."""

    files: ProjectFiles
    dockerfile: str
    no_cache: bool = False
    base: Base | None = None
    lock: Lock | None = None
    upgrade: Upgrade = NO_UPGRADE
    sources: Sources = field(default_factory=dict)
    arguments: tuple[str, ...] = ()

    @property
    def inherited_labels(self) -> Mapping[str, str]:
        """The labels that the image inherits."""
        return self.base.image.labels if self.base else {}


@dataclass(frozen=True)
class Built:
    """An image that was built and checked, and its lock."""

    image: Image
    lock: Lock


@contextlib.contextmanager
def built(request: BuildRequest, context: Context, undo: Undo) -> Iterator[Built]:
    """Build an image, check it and compose its lock; in the block it has a temporary name.

    `undo` receives the removal of what the build makes. Raises BuildError if the build failed,
    EngineUnreachableError if the engine went away, SetupError if the account in the image is not
    right, and MlcError if a setting of the environment is invalid.
    """
    engine, account, report = context.engine, context.account, context.report
    token = context.job.token
    tag = temporary_image(request.files.project.repository, token)
    client = choose_builder(context)
    steps = StepNames(engine, temporary_name(STEP, account, token), tag)
    undo.add("The images of the build's steps", steps.clear)
    undo.add(f"The image {tag}", lambda: engine.remove_image(tag))
    files_image, base_image = f"{tag}-ca", f"{tag}-base"
    own = mark(account, token)
    pins = _pins(request, client.builder, context)
    former = request.base.reference if request.base and request.base.is_former else None
    derived = derive(
        request.dockerfile,
        settings_from(context.environ, account),
        client.builder,
        files_image,
        mark=own,
        pins=pins,
        bases={former: base_image} if former else {},
        user=str(account.uid),
    )
    report.step(f"Building {request.files.project.image} with {client.builder.value}")
    with (
        _private_directory(token) as private,
        _image_of_files(engine, files_image, derived.files, own, report),
        _named_base(request, base_image, context),
    ):
        if client.builder is Builder.PODMAN:
            build = _through_the_api(request, derived, tag, context)
        else:
            build = _with_client(client, request, derived, tag, private, context)
        if client.builder in (Builder.CLASSIC, Builder.PODMAN):
            build = partial(build, hear=steps.hear, show=OwnSteps(derived).line)
        _run(build, request, derived, context)
    image = engine.image(tag)
    if image is None:
        raise BuildError(f"The build succeeded, but there is no image {tag}.")
    report.step("Checking the account in the image")
    inventory = verify(image, account, context)
    warn_of_entrypoint(image, context)
    lock = lock_of(
        image,
        inventory,
        context,
        project=request.files.project.name,
        text=request.dockerfile,
        base=request.base,
        last=request.lock,
        pins=pins,
        builder=client.builder.name,
        sources=request.sources,
    )
    yield Built(_labelled(image, lock, f"{tag}-lock", steps, undo, context), lock)
    with warn_on_failure("Images of the steps stay until the next build", report):
        steps.clear()
        remove_nameless(engine, own, report)
    for name in (tag, f"{tag}-lock"):
        said = f"The name {name} stays until the next build"
        with defer_signals(), warn_on_failure(said, report):
            retry_once(partial(engine.remove_image, name))


def _labelled(
    image: Image, lock: Lock, name: str, steps: StepNames, undo: Undo, context: Context
) -> Image:
    """Return the image with the label for its lock, which is known only when it is built."""
    engine = context.engine
    undo.add(f"The image {name}", lambda: engine.remove_image(name))
    # In one step, as the second label completes the image: see temporary.mark.
    step = f'LABEL {labels.LOCK}={digest(render(lock))} {labels.TEMPORARY}=""'
    made = engine.build(f"FROM {image.id}\n{step}\n", name, labels={}, progress=steps.hear)
    labelled = engine.image(made)
    if labelled is None:
        raise BuildError(f"{name} was built, but the engine does not have it.")
    return labelled


def _pins(request: BuildRequest, builder: Builder, context: Context) -> Pins:
    lock, base = request.lock, request.base
    former = context.engine.image(request.files.project.image) if lock else None
    is_of_lock = (
        lock is not None
        and former is not None
        and former.labels.get(labels.LOCK) == digest(render(lock))
    )
    return pins_of(
        lock,
        request.dockerfile,
        request.upgrade,
        builder=builder.name,
        keeps_pinned=builder is Builder.CLASSIC and is_of_lock and not request.no_cache,
        is_same_base=lock is None or base is None or base.is_that_of(lock.base),
        now=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    )


@contextlib.contextmanager
def _named_base(request: BuildRequest, name: str, context: Context) -> Iterator[None]:
    """Give the base of the last build a name if its own means another image by now."""
    if request.base is None or not request.base.is_former:
        yield
        return
    engine = context.engine
    repository, _, tag = name.rpartition(":")
    try:
        engine.tag_image(request.base.image.id, repository, tag)
        yield
    finally:
        with defer_signals(), warn_on_failure(f"The name {name} stays", context.report):
            retry_once(lambda: engine.remove_image(name))


def _with_client(
    client: Client,
    request: BuildRequest,
    derived: DerivedDockerfile,
    tag: str,
    private: Path,
    context: Context,
) -> Callable[..., tuple[int, list[str]]]:
    """Return the build by a Docker client; its files are written into `private`."""
    account, directory = context.account, _build_context(request)
    # Root's client must not read what a link of the user's leads to.
    is_sent = directory is not None and is_root_for(account)
    if directory is None:
        directory = str(private / "context")
        (private / "context").mkdir()
    command = build_command(
        client,
        dockerfile=SENT_DOCKERFILE
        if is_sent
        else str(_written(private / "Dockerfile", derived.text)),
        build_context=STANDARD_INPUT if is_sent else directory,
        tag=tag,
        arguments=(*account_arguments(account), *request.arguments),
        inherited=derived.arguments,
        secrets={
            name: str(_written(private / name, content))
            for name, content in derived.secrets.items()
        },
        labels=later_labels(Claim.of(account), request.inherited_labels),
        no_cache=request.no_cache,
        network=build_network(context.environ),
        ssh=needs_ssh(request.dockerfile, client, context.client_environ),
    )
    if not is_sent:
        return partial(run_build, command, context.client_environ)

    def build(**options: Callable[[str], str | None]) -> tuple[int, list[str]]:
        with sent_context(directory, derived.text, account, client.builder) as stream:
            done = run_build(command, context.client_environ, **options, stdin=stream)
            stream.check()
            return done

    return build


def _through_the_api(
    request: BuildRequest, derived: DerivedDockerfile, tag: str, context: Context
) -> Callable[..., tuple[int, list[str]]]:
    """Return the build by the engine itself, which needs no client."""
    needs_ssh(request.dockerfile, Client("podman", Builder.PODMAN), context.client_environ)
    named = (*account_arguments(context.account), *request.arguments)
    arguments = dict(each.split("=", 1) for each in named)
    inherited = {name: context.client_environ[name] for name in derived.arguments}
    return partial(
        stream_build,
        context.engine,
        derived.text,
        tag,
        labels=_last_labels(request, context),
        options=BuildOptions(
            context.account,
            _build_context(request),
            arguments={**arguments, **inherited},
            secrets=derived.secrets,
            network=build_network(context.environ),
            no_cache=request.no_cache,
        ),
    )


def _last_labels(request: BuildRequest, context: Context) -> dict[str, str]:
    """Return labels that the builder adds in a last step, if any are needed."""
    later = later_labels(Claim.of(context.account), request.inherited_labels)
    return {**later, labels.TEMPORARY: ""} if later else {}


def account_arguments(account: Account, now: float | None = None) -> tuple[str, ...]:
    """Return the build arguments that name the account, and the time of the build."""
    created = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now))
    return (
        f"{dockerfile.USER_ID_ARGUMENT}={account.uid}",
        f"{dockerfile.GROUP_ID_ARGUMENT}={account.gid}",
        f"{dockerfile.USERNAME_ARGUMENT}={account.container_name}",
        f"{dockerfile.CREATED_ARGUMENT}={created}",
    )


def needs_build_context(text: str) -> bool:
    """Whether a Dockerfile takes files from its build context."""
    return any(_takes_files(each, text) for each in instructions(text))


def _takes_files(instruction: Instruction, text: str) -> bool:
    body = instruction.body(text)
    if instruction.keyword == "RUN":
        return "--mount=type=bind" in body and not _FROM_FLAG.search(body)
    return (
        instruction.keyword in ("COPY", "ADD")
        and not instruction.heredoc
        and not _FROM_FLAG.search(body)
    )


def _build_context(request: BuildRequest) -> str | None:
    """Return the build context; None if no step takes files from it."""
    if not needs_build_context(request.dockerfile):
        return None
    return request.files.build_context(request.dockerfile)


def _run(
    build: Callable[[], tuple[int, list[str]]],
    request: BuildRequest,
    derived: DerivedDockerfile,
    context: Context,
) -> None:
    try:
        status, log = build()
    except BaseException:
        # The engine may have finished just when the client gave up.
        time.sleep(0.5)
        raise
    if status == 0:
        return
    # If the engine went away, the client reports only that a connection ended.
    context.engine.image(request.files.project.image)
    raise BuildError(_failure(log, request, derived, status))


def _failure(log: list[str], request: BuildRequest, derived: DerivedDockerfile, status: int) -> str:
    """Return why a build failed: the cause, where it was, and the builder's last words."""
    line = build_failure.failing_line(log, derived)
    if line is None:
        where = f"The build of {request.files.project.image} failed (exit status {status})."
    else:
        where = (
            f"The build of {request.files.project.image} failed at line {line} of the Dockerfile: "
            f"{_step_at(request.dockerfile, line)}"
        )
    said = (f"  {line}" for line in build_failure.last_words(log))
    parts = [build_failure.cause(log), where, "The end of the builder's output:", *said]
    return "\n".join((*filter(None, parts), "The images of the project were not changed."))


def _step_at(text: str, line: int) -> str:
    for each in instructions(text):
        if each.line <= line <= each.last_line:
            step = " ".join(text[each.start : each.end].replace("\\", " ").split())
            return step if len(step) <= _SHOWN_STEP else f"{step[:_SHOWN_STEP]}…"
    return ""


@contextlib.contextmanager
def _private_directory(token: str) -> Iterator[Path]:
    """Have a directory that belongs to the process, even if root works for a user: what the docker
    client reads there as root must not be replaceable by a link."""
    with tempfile.TemporaryDirectory(prefix=build_directory_prefix(token)) as path:
        mark_directory(Path(path))
        yield Path(path)


def _written(path: Path, content: str) -> Path:
    path.write_text(content, encoding="utf-8", newline="")
    return path


@contextlib.contextmanager
def _image_of_files(
    engine: Engine, name: str, files: Mapping[str, str], own: str, report: Reporter
) -> Iterator[None]:
    """Have a temporary image of some files, for build steps to copy from."""
    if not files:
        yield
        return
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for path, content in files.items():
            entry = tarfile.TarInfo(path.lstrip("/"))
            data = content.encode()
            entry.size, entry.mode = len(data), 0o644
            tar.addfile(entry, io.BytesIO(data))
    repository, _, tag = name.rpartition(":")
    try:
        # Otherwise an interrupt could remove the image before the engine has made it.
        with defer_signals():
            engine.import_image(
                [archive.getvalue()], repository, tag, labels={labels.TEMPORARY: own}
            )
        yield
    finally:
        with defer_signals(), warn_on_failure(f"The image {name} was not removed", report):
            retry_once(lambda: engine.remove_image(name))

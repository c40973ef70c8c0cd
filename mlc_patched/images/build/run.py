"""Run one build by the builder that is there, with the temporary files and images that it needs."""

from __future__ import annotations

import contextlib
import io
import tarfile
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

from ...context import Context
from ...engine.build_context import BuildOptions
from ...errors import MlcError, NotFoundError
from ...host.account import Account
from ...host.files import is_root_for, rights_of
from ...interrupts import defer_signals
from ...lean import dataclass
from ...names import labels
from ...names.labels import Claim, later_labels
from ...temporary import mark
from ...undo import retry_once, warn_on_failure
from ..dockerfile.render import CREATED_ARGUMENT
from ..dockerfile.syntax import instructions
from . import failure as build_failure
from .client import Client, build_command, build_network, needs_ssh
from .context_stream import SENT_DOCKERFILE, STANDARD_INPUT, sent_context
from .derive import DerivedDockerfile
from .environment import Builder
from .private_directory import private_directory, written
from .process import run_build
from .request import (
    BuildError,
    BuildRequest,
    account_arguments,
    build_context,
    has_own_arguments,
)
from .shown import OwnSteps
from .steps import StepNames
from .streamed import stream_build

_SHOWN_STEP = 200


@dataclass(frozen=True)
class ImageNames:
    """The temporary names of a build's image, of the image of files that its steps copy, and of its
    base, if the base's own name means another image."""

    image: str

    @property
    def files(self) -> str:
        """The name of the image of files."""
        return f"{self.image}-ca"

    @property
    def base(self) -> str:
        """The name of the base."""
        return f"{self.image}-base"


def run(
    request: BuildRequest,
    derived: DerivedDockerfile,
    client: Client,
    names: ImageNames,
    steps: StepNames,
    context: Context,
    *,
    is_quiet: bool = False,
) -> None:
    """Run a build, whose image gets `names.image`; with `is_quiet`, its output is not shown.

    Raises BuildError if it failed, NotFoundError or MlcError if the directory of the build context
    does not exist or cannot be reached, and EngineUnreachableError if the engine went away.
    """
    _check_context(request, context.account)
    with (
        private_directory(context.job.token) as private,
        _image_of_files(names.files, derived.files, context),
        _named_base(request, names.base, context),
    ):
        if client.builder is Builder.PODMAN:
            build = _through_the_api(request, derived, names.image, context)
        else:
            build = _with_client(client, request, derived, names.image, private, context)
        if client.builder in (Builder.CLASSIC, Builder.PODMAN):
            build = partial(build, hear=steps.hear, show=OwnSteps(derived).line)
        if is_quiet:
            build = partial(build, show=_nothing)
        _checked(build, request, derived, context)


def _check_context(request: BuildRequest, account: Account) -> None:
    if (directory := build_context(request)) is None:
        return
    try:
        with rights_of(account):
            Path(directory).stat()
    except OSError as error:
        change = (
            "change the comment of the Dockerfile that names it: "
            f"image-update {request.files.project.name} --edit"
        )
        copies = f"The Dockerfile copies files of {directory}, which"
        if isinstance(error, FileNotFoundError):
            raise NotFoundError(
                f"{copies} does not exist.", f"Restore the directory, or {change}"
            ) from error
        raise MlcError(
            f"{copies} cannot be read: {error.strerror}.",
            f"Have the directory opened for you, or {change}",
        ) from error


def _nothing(line: str) -> None:
    """Show no line."""


def _with_client(
    client: Client,
    request: BuildRequest,
    derived: DerivedDockerfile,
    tag: str,
    private: Path,
    context: Context,
) -> Callable[..., tuple[int, list[str]]]:
    """Return the build by a Docker client; its files are written into `private`."""
    account, directory = context.account, build_context(request)
    # Root's client must not read what a link of the user's leads to.
    is_sent = directory is not None and is_root_for(account)
    if directory is None:
        directory = str(private / "context")
        (private / "context").mkdir()
    command = build_command(
        client,
        dockerfile=SENT_DOCKERFILE
        if is_sent
        else str(written(private / "Dockerfile", derived.text)),
        build_context=STANDARD_INPUT if is_sent else directory,
        tag=tag,
        arguments=(*account_arguments(account), *request.arguments),
        inherited=derived.arguments,
        secrets={
            name: str(written(private / name, content)) for name, content in derived.secrets.items()
        },
        labels=_last_labels(request, context),
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
    # What ENV and LABEL make of an argument comes from Podman's cache, whatever its value is now.
    text = derived.text.replace(f"${{{CREATED_ARGUMENT}}}", arguments[CREATED_ARGUMENT])
    no_cache = request.no_cache or has_own_arguments(request.dockerfile)
    inherited = {name: context.client_environ[name] for name in derived.arguments}
    return partial(
        stream_build,
        context.engine,
        text,
        tag,
        labels=_last_labels(request, context),
        options=BuildOptions(
            context.account,
            build_context(request),
            arguments={**arguments, **inherited},
            secrets=derived.secrets,
            network=build_network(context.environ),
            no_cache=no_cache,
        ),
    )


def _last_labels(request: BuildRequest, context: Context) -> dict[str, str]:
    """Return labels that the builder adds in a last step, if any are needed."""
    later = later_labels(Claim.of(context.account), request.inherited_labels)
    return {**later, labels.TEMPORARY: ""} if later else {}


def _checked(
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
    line = build_failure.failing_line(log, derived)
    why = build_failure.cause(log, "" if line is None else _step_at(request.dockerfile, line))
    raise BuildError(
        _said(why, line, log, request, status),
        why=why,
        log=log,
        line=line,
        dockerfile=request.dockerfile,
    )


def _said(why: str, line: int | None, log: list[str], request: BuildRequest, status: int) -> str:
    """Return why a build failed: the cause, where it was, and the builder's last words."""
    if line is None:
        where = f"The build of {request.files.project.image} failed (exit status {status})."
    else:
        where = (
            f"The build of {request.files.project.image} failed at line {line} of the Dockerfile: "
            f"{_step_at(request.dockerfile, line)}"
        )
    said = (f"  {line}" for line in build_failure.last_words(log))
    parts = [why, where, "The end of the builder's output:", *said]
    return "\n".join((*filter(None, parts), "The images of the project were not changed."))


def _step_at(text: str, line: int) -> str:
    for each in instructions(text):
        if each.line <= line <= each.last_line:
            step = " ".join(text[each.start : each.end].replace("\\", " ").split())
            return step if len(step) <= _SHOWN_STEP else f"{step[:_SHOWN_STEP]}…"
    return ""


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


@contextlib.contextmanager
def _image_of_files(name: str, files: Mapping[str, str], context: Context) -> Iterator[None]:
    """Have a temporary image of some files, for build steps to copy from."""
    if not files:
        yield
        return
    engine, own = context.engine, mark(context.account, context.job.token)
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
        with defer_signals(), warn_on_failure(f"The image {name} was not removed", context.report):
            retry_once(lambda: engine.remove_image(name))

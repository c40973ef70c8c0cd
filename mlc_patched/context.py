"""The context of a command: the user, the host and the engine."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack, suppress
from functools import cached_property

from . import temporary
from .engine.address import EngineAddress, resolve
from .engine.interface import BIND, Container, Engine, Image
from .errors import AlreadyExistsError, EngineError, MlcError, NotFoundError
from .host.account import AS_VARIABLE, Account, caller, known_elsewhere
from .host.files import held_socket, is_root_for
from .host.sudo import AGENT_VARIABLE, for_programs, is_for_another
from .lean import TYPE_CHECKING, dataclass, field, replace
from .names import labels
from .names.containers import (
    PATTERN_OF_NOBODY,
    ROOT,
    check_container_name,
    container_tag,
    is_own_name,
    pattern_of_own,
    says_whose,
    short_name,
)
from .names.words import did_you_mean
from .report import Reporter, SilentReporter

if TYPE_CHECKING:
    from pathlib import Path

    from .engine.interface import Mount
    from .host.gpus import GpuChoice
    from .host.hardware import Host
    from .plan.catalog import Catalog
    from .plan.container import Plan
    from .plan.request import CreateRequest
    from .settings.model import Settings


def already_exists(name: str) -> AlreadyExistsError:
    """Return the error for a name that a container of the user has."""
    return AlreadyExistsError(
        f"You have a container {name!r} already.",
        f"Open it with: mlc open {name} - or remove it first with: mlc remove {name}",
    )


def _is_missing(path: str) -> bool:
    try:
        os.stat(path)  # noqa: PTH116 - pathlib takes longer to import
    except FileNotFoundError:
        return True
    except OSError:  # the engine may be able to reach it
        return False
    return False


@dataclass
class Context:
    """The user, the host, the settings and the engine; each determined on first use.

    `program` is the path under which the program was started, which may decide the catalog;
    `docker_context` and `as_ids` are the flags --context and --as; `make_engine` replaces the
    connection to the engine's address.
    """

    report: Reporter = field(default_factory=SilentReporter)
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    program: str | None = None
    docker_context: str | None = None
    as_ids: str | None = None
    make_engine: Callable[[], Engine] | None = None

    @property
    def job(self) -> temporary.Job:
        """The job whose token temporary names carry."""
        return temporary.current_job.get() or self._without_lock

    @cached_property
    def _without_lock(self) -> temporary.Job:
        return temporary.random_job()

    def lock(self, name: str, *, waits: bool = True) -> AbstractContextManager[temporary.Job]:
        """Hold the caller's lock of this name; see `temporary.locked`."""
        return temporary.locked(name, self.account, self.report, waits=waits)

    def remove_leftovers(self, image: str | None = None) -> None:
        """Remove what a killed run of the same job left; see `temporary.remove_leftovers`."""
        temporary.remove_leftovers(self.engine, self.account, self.job, self.report, image)

    @cached_property
    def address(self) -> EngineAddress:
        """Where the engine is: by --context, the environment, or Docker's own settings."""
        found = resolve(self.environ, self.docker_context)
        if not found.is_users:
            return found
        from .engine.users_address import for_root

        return for_root(found, caller(self.environ), self._private_directory, self._open)

    @cached_property
    def _open(self) -> ExitStack:
        return ExitStack()

    def _private_directory(self) -> str:
        """Make a directory that only the process may use, until the context is closed."""
        prefix = temporary.build_directory_prefix(self._without_lock.token)
        return self._open.enter_context(temporary.new_directory(prefix))

    @cached_property
    def engine(self) -> Engine:
        """The engine, connected to on first use."""
        if self.make_engine is not None:
            return self.make_engine()
        from .engine import connect

        return connect.connect(self.address)

    @cached_property
    def client_environ(self) -> Mapping[str, str]:
        """The environment for the docker client, so that it uses the same engine."""
        own = {AS_VARIABLE: self.as_ids} if self.as_ids else {}
        if is_for_another(self.environ):
            given = for_programs(self.environ)
            if agent := given.pop(AGENT_VARIABLE, None):
                with suppress(OSError):  # it is gone
                    held = held_socket(agent, caller(self.environ))
                    given[AGENT_VARIABLE] = self._open.enter_context(held)
            found = {**self.address.without_a_name(), **self.address.without_proxy(given)}
            return {**given, **found, **own}
        return {**self.address.client_environment(self.environ), **own}

    def close(self) -> None:
        """Remove temporary files of the context."""
        self._open.close()

    def start(self, container: str) -> None:
        """Start a container. While root works for the user, check what the engine mounts, before
        and after: directories may have become links. Raises MlcError and EngineError."""
        if not (is_root_for(self.account) and self.address.is_local):
            self._start(container)
            return
        from .host.directories import is_mounted
        from .plan.directories import check_mount

        paths = self.engine.mounts_and_devices(container).mounts
        found = {path: check_mount(path, self.account, self.settings) for path in paths}
        self._start(container)
        now = self.engine.mounts_and_devices(container)
        for path, identity in found.items():
            target = now.targets.get(path, "")
            # In a deeper path inside, a link of the image's could lead elsewhere.
            if not now.process or identity is None or target.count("/") != 1:
                continue
            if not is_mounted(now.process, target, identity):
                self.engine.stop(container, seconds=0)
                raise MlcError(f"{path} was exchanged while the container was started.")

    def missing_mount(self, container: Container) -> Mount | None:
        """Return a mount of a container whose directory of this host does not exist, if any.

        Docker would create it, owned by root, when it starts the container, and also when it reads
        a file of it. Threads call this, so the user's rights are not taken on.
        """
        for mount in container.mounts if self.address.is_local else ():
            if mount.kind == BIND and _is_missing(mount.source):
                from .plan.directories import X11_SOCKETS

                if mount.source != X11_SOCKETS:  # which the engine may create
                    return mount
        return None

    def check_mounts(self, container: Container) -> None:
        """Raise EngineError if a container has a `missing_mount`."""
        mount = self.missing_mount(container)
        if mount is None:
            return
        from shlex import quote

        raise EngineError(
            f"{mount.source} does not exist, which {short_name(container.name)} mounts as "
            f"{mount.path}.",
            f"Create it with: mkdir -p {quote(mount.source)} - or, if it is on another file "
            "system, mount that.",
        )

    def _start(self, container: str) -> None:
        try:
            self.engine.start(container)
        except MlcError as error:
            from .plan.refused import name_setting

            name_setting(error, self.settings)
            raise

    def at(self, docker_context: str) -> Context:
        """Return the same context, but with the engine of a Docker context."""
        other = replace(self, docker_context=docker_context, make_engine=None)
        for name in ("account", "settings", "catalog"):
            if name in self.__dict__:  # it is the same user there
                other.__dict__[name] = self.__dict__[name]
        return other

    @cached_property
    def account(self) -> Account:
        """The user who runs the command, with the IDs for the engine's host if --as gave others."""
        found = caller(self.environ)
        said = self.environ.get(AS_VARIABLE) if self.as_ids is None else self.as_ids
        if self.as_ids is None and not said:
            return found
        by_sudo = is_for_another(self.environ)
        if self.address.is_local and self.as_ids is None:
            return found
        return known_elsewhere(
            found,
            said or "",
            # A remote engine that root knows would take the user at root's word.
            is_local=self.address.is_local or (by_sudo and not self.address.is_users),
            is_login_of_root=os.geteuid() == 0 and not by_sudo,
        )

    @cached_property
    def host(self) -> Host:
        """The host that containers run on."""
        from .host.hardware import elsewhere, probe

        if not self.address.is_local:
            info = self.engine.info()
            return elsewhere(info.runtimes, info.cdi_devices or ())
        return probe(more=self.settings.devices or ())

    @cached_property
    def settings(self) -> Settings:
        """The administrator's settings."""
        from .settings.file import load

        return load(self.environ, account=self.account)

    @cached_property
    def catalog(self) -> Catalog:
        """The catalog of images."""
        from .plan import catalog

        return catalog.load(self.catalog_file, self.account)

    @property
    def catalog_file(self) -> Path:
        """The path of the catalog."""
        from .plan import catalog

        return catalog.locate(self.program, self.environ, self.settings.catalog)

    def catalog_architecture(
        self, architecture: str | None = None, gpus: str | None = None
    ) -> str | None:
        """Return the architecture whose part of the catalog counts, or None for all of it.

        It is chosen as `gpu_choice` does.
        """
        from .host.gpus import CPU

        chosen = self.gpu_choice(architecture, gpus).architecture
        return None if chosen == CPU else chosen

    def gpu_choice(self, architecture: str | None = None, gpus: str | None = None) -> GpuChoice:
        """Return the architecture and GPUs of a container.

        The flags `-arch` and `-g` decide, else MLC_ARCH and MLC_GPUS, the settings or the host.
        Raises UsageError for an unknown architecture or GPU request.
        """
        from .plan.container import choose_gpus

        return choose_gpus(
            architecture, gpus, self.host, self.environ, lambda: self.catalog, self.settings
        )

    def plan(self, request: CreateRequest, *, is_dry_run: bool = False) -> Plan:
        """Decide everything about a request that needs no engine; see `make_plan`."""
        from .plan.container import make_plan

        return make_plan(
            request,
            self.account,
            self.host,
            self.environ,
            lambda: self.catalog,
            self.settings,
            is_dry_run=is_dry_run,
            is_local=self.address.is_local,
        )

    def pulled(self, reference: str) -> Image:
        """Pull an image, report the progress, and return it, or raise ImageNotFoundError."""
        self.engine.pull(reference, self.report.progress)
        image = self.engine.image(reference)
        if image is None:
            raise NotFoundError(f"{reference} was pulled, but the engine does not have it.")
        return image

    def container_tag(self, name: str) -> str:
        """Return the name in Docker of the user's container of this name."""
        return container_tag(name, self.account.uid)

    def find(self, name: str) -> Container | None:
        """Return the user's container of exactly this name, or None.

        It takes one to three engine calls, whose duration does not depend on the number of
        containers. If there is no container `NAME._.UID`, one with the user's label is returned
        that is called NAME, as AIME's first version created it, or `NAME._.0`, as AIME's mlc
        creates it under sudo. Such a name does not say whose the container is, so it has to have
        all of AIME's labels, and a note says that it was found by them. Raises UsageError if the
        name is not valid.
        """
        check_container_name(name, self.account.uid)
        found = _recognised(self.engine.container(self.container_tag(name)))
        if found is not None:
            return found
        for other in (name, container_tag(name, ROOT)):
            found = self.engine.container(other)
            if found is not None and self._is_by_labels(found):
                if found.id not in self._noted:
                    self._noted.add(found.id)
                    self.report.note(
                        f"{found.name} is yours by its labels alone; its name does not say whose "
                        "it is."
                    )
                return found
        return None

    @cached_property
    def _noted(self) -> set[str]:
        return set()

    def _is_by_labels(self, container: Container) -> bool:
        """Whether a container whose name says nothing belongs to the user by its labels."""
        return container.labels.get(labels.OWNER) == self.account.login and labels.is_complete(
            container.labels, short_name(container.name)
        )

    def owns(self, tag: str, login: str | None) -> bool:
        """Whether a container or service in a list of all users' is the user's: by its name in
        Docker, or, if that does not say whose it is, by the login in its label."""
        if says_whose(tag):
            return is_own_name(tag, self.account.uid)
        return login == self.account.login

    def get(self, name: str) -> Container:
        """Return the user's container of exactly this name, or raise NotFoundError."""
        container = self.find(name)
        if container is None:
            raise self.not_found(name)
        return container

    def not_found(self, name: str, listing: str = "mlc list -a") -> NotFoundError:
        """Return the error for a container that the user does not have; `listing` shows those."""
        close = did_you_mean(name, (short_name(each.name) for each in self.containers()))
        return NotFoundError(
            f"You have no container {name!r}.{close}", f"See those you have with: {listing}"
        )

    def refuse_existing(self, name: str) -> None:
        """Raise AlreadyExistsError if a name is in use, before anything slow starts."""
        if self.find(name) is not None:
            raise already_exists(name)
        tag = self.container_tag(name)
        if self.engine.container(tag) is not None:
            raise AlreadyExistsError(
                f"There is a container {tag} that mlc did not create.",
                f"Choose another name, or see what it is with: docker inspect {tag}",
            )

    def containers(self, *, all_users: bool = False, sizes: bool = False) -> list[Container]:
        """Return the user's containers, or those of all users, newest first, by two engine calls.

        The user's are those that `find` finds: by the UID in their name, as the login in the label
        is another while the user database does not answer; or, if the name does not say whose it
        is, by all of AIME's labels. With `sizes`, what each has written is measured, which is slow.
        """
        engine = self.engine
        if all_users:
            listed = engine.containers(labels=(labels.OWNER,), sizes=sizes)
            listed += engine.containers(labels=(labels.DS01_OWNER,), sizes=sizes)
        else:
            listed = engine.containers(pattern=pattern_of_own(self.account.uid), sizes=sizes)
            listed += engine.containers(
                pattern=PATTERN_OF_NOBODY,
                labels=(f"{labels.OWNER}={self.account.login}",),
                sizes=sizes,
            )
        found = {each.id: each for each in listed if self._is_listed(each, all_users)}
        newest = sorted(found.values(), key=lambda container: container.created, reverse=True)
        return [each for each in map(_recognised, newest) if each is not None]

    def _is_listed(self, container: Container, all_users: bool) -> bool:
        name, given = container.name, container.labels
        if not all_users and not self.owns(name, given.get(labels.OWNER)):
            return False
        if not says_whose(name):
            return labels.OWNER in given and labels.is_complete(given, short_name(name))
        # A container of an image that was saved from a container inherits the label, but empty.
        return all_users or given.get(labels.OWNER) != ""


def _recognised(container: Container | None) -> Container | None:
    """Return a container of ours, AIME's or DS01's with labels in AIME's spelling, or None."""
    if container is None:
        return None
    own = labels.without_ds01_spelling(container.labels)
    return None if own is None else replace(container, labels=own)

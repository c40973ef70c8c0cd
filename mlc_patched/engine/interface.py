"""The Docker Engine as this program needs it: an interface, and what goes over it.

`docker_engine` implements it on the real engine, the tests' fake implements it in memory,
and one contract suite (tests/contract) holds both to the same behaviour.
"""

from __future__ import annotations

import abc
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .cluster import Cluster
    from .registry import Registry
    from .specification import ContainerSpecification

DOCKER, PODMAN = "Docker Engine", "Podman"


@dataclass(frozen=True)
class Image:
    """An image in the engine. `size` is in bytes, layers shared with others included."""

    id: str
    references: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    size: int = 0
    created: str = ""
    environment: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    entrypoint: tuple[str, ...] = ()
    user: str = ""
    working_directory: str = ""
    layers: tuple[str, ...] = ()
    """Digests of its layers, the lowest first; as all above from `environment` on, only told
    of a single image."""


@dataclass(frozen=True)
class Layer:
    """One step of an image's history: what made it, and how many bytes it added."""

    created_by: str
    size: int


@dataclass(frozen=True)
class Container:
    """A container in the engine.

    `state` is one word (`created`, `running`, `exited` …), `status` the engine's sentence for
    people, `created` seconds since 1970, `size` bytes written by it, None where not asked for.
    """

    id: str
    name: str
    image: str
    image_id: str
    labels: Mapping[str, str]
    state: str
    status: str
    created: int
    size: int | None = None

    @property
    def is_running(self) -> bool:
        """Whether processes run in it; a paused container's do."""
        return self.state in ("running", "paused", "restarting")


@dataclass(frozen=True)
class MountsAndDevices:
    """What a container needs of the host to start: paths of devices, and of directories and
    files that are mounted."""

    devices: tuple[str, ...] = ()
    mounts: tuple[str, ...] = ()


@dataclass(frozen=True)
class EngineInfo:
    """The engine itself: its version, where it keeps images, and the runtimes it knows.

    `is_local` says whether its paths are this host's, `is_rootless` whether it runs as an
    ordinary user, `product` what it is.
    """

    version: str
    root_directory: str
    runtimes: tuple[str, ...] = ()
    is_local: bool = True
    is_rootless: bool = False
    product: str = DOCKER


@dataclass(frozen=True)
class Change:
    """A path that a container's file system has otherwise than its image: `kind` is one of
    `added`, `changed` and `deleted`."""

    path: str
    kind: str


@dataclass(frozen=True)
class Stats:
    """What a running container uses now: CPU in percent of one core, memory in bytes."""

    cpu_percent: float
    memory: int
    memory_limit: int
    processes: int

    @property
    def memory_percent(self) -> float:
        """Memory in percent of the limit."""
        return 100 * self.memory / self.memory_limit if self.memory_limit else 0.0


class Engine(abc.ABC):
    """What is asked of an engine. Every method may raise EngineError."""

    product = DOCKER

    @abc.abstractmethod
    def image(self, reference: str) -> Image | None:
        """Return the image of this name or id, or None."""

    @abc.abstractmethod
    def find_images(
        self, *, names: Iterable[str] = (), labels: Iterable[str] = (), nameless: bool = False
    ) -> list[Image]:
        """Return images that have a name, in one call; what they run is left empty.

        Args:
            names: only those with a name that is, or fits, one of these: `ds01-1001/*`;
                `references` are then the names that fit.
            labels: only those that have all of these, each `KEY` or `KEY=VALUE`.
            nameless: instead those without a name that no other image is made from.
        """

    @abc.abstractmethod
    def pull(self, reference: str, progress: Callable[[str], None]) -> None:
        """Get an image from its registry, telling how far it is.

        Raises:
            ImageNotFoundError: the registry cannot be reached or has no such image.
        """

    @abc.abstractmethod
    def tag_image(self, image_id: str, repository: str, tag: str) -> None:
        """Give an image a name; another image that had the name loses it."""

    @abc.abstractmethod
    def remove_image(self, reference: str) -> None:
        """Take away an image's name, and the image itself if that was the last; given an id,
        the image. Nothing is forced; an image that is not there is no error.

        Raises:
            ConflictError: a container uses it, or it has several names and was given by id.
        """

    @abc.abstractmethod
    def create_container(self, specification: ContainerSpecification) -> str:
        """Create a container and return its id.

        Raises:
            ConflictError: the name is in use.
            ImageNotFoundError: the image is not there.
        """

    @abc.abstractmethod
    def containers(
        self,
        *,
        names: Iterable[str] = (),
        labels: Iterable[str] = (),
        image: str | None = None,
        sizes: bool = False,
    ) -> list[Container]:
        """Return containers in any state, in one call.

        Args:
            names: only those whose name is exactly one of these.
            labels: only those that have all of these, each `KEY` or `KEY=VALUE`.
            image: only those made from this image or from one built on it.
            sizes: measure what each has written, which takes time.
        """

    @abc.abstractmethod
    def container(self, name: str) -> Container | None:
        """Return the container of exactly this name, or None, in one call.

        It takes the engine the same however many there are, which `containers` does not.
        `created` and `size` are not told, and `status` is no more than `state`.
        """

    @abc.abstractmethod
    def start(self, container: str) -> None:
        """Start a container; one that runs already is left as it is."""

    @abc.abstractmethod
    def stop(self, container: str, seconds: int = 10) -> None:
        """Hang up the container's terminal and stop it; killed after so many seconds."""

    @abc.abstractmethod
    def wait(self, container: str) -> int:
        """Wait until the container's process has ended and return its exit status."""

    @abc.abstractmethod
    def logs(self, container: str, follow: bool = False) -> Iterator[str]:
        """Yield the lines a container has written; with `follow`, until it ends."""

    @abc.abstractmethod
    def remove_container(self, container: str, force: bool = False) -> None:
        """Remove a container, by force even a running one; a missing one is no error.

        Raises:
            ConflictError: it is running and `force` was not given.
        """

    @abc.abstractmethod
    def rename_container(self, container: str, name: str) -> None:
        """Give a container another name; a missing container is no error.

        Raises:
            ConflictError: the name is in use.
        """

    @abc.abstractmethod
    def commit(
        self,
        container: str,
        repository: str,
        tag: str,
        like: Image,
        labels: Mapping[str, str],
        *,
        message: str = "",
    ) -> str:
        """Make an image of a container's file system and return its id.

        The image's configuration is that of `like`, with the labels added. The engine adds
        the container's own labels and variables which are not named there. `message` goes
        into the image's history.
        """

    @abc.abstractmethod
    def build(
        self,
        dockerfile: str,
        reference: str,
        *,
        labels: Mapping[str, str],
        progress: Callable[[str], None],
    ) -> str:
        """Build an image from a Dockerfile that takes no files, and return its id.

        By the builder that every engine has in itself; its cache is not used.

        Args:
            dockerfile: the text. FROM may name an image by its id.
            reference: name the image gets.
            labels: labels for the image.
            progress: hears every line of the builder's.

        Raises:
            EngineError: the build failed; the message ends with its last words. Images of its
                steps may be left, which `build_steps` gives a name to remove them by.
        """

    @abc.abstractmethod
    def changes(self, container: str) -> list[Change]:
        """Return how a container's file system differs from its image's, ordered by path."""

    @abc.abstractmethod
    def read_file(self, container: str, path: str, limit: int = 4 * 1024**2) -> bytes | None:
        """Return a regular file of at most `limit` bytes, or None where there is none."""

    @abc.abstractmethod
    def processes(self, container: str) -> int:
        """Return how many processes run in a container."""

    @abc.abstractmethod
    def exec_detached(self, container: str, command: Iterable[str], user: str) -> None:
        """Start a command inside a running container and leave it to itself."""

    @abc.abstractmethod
    def exec_run(self, container: str, command: Iterable[str], user: str) -> tuple[int, str]:
        """Run a command inside a running container; return its exit status and output."""

    @abc.abstractmethod
    def stats(self, container: str) -> Stats | None:
        """Return what a running container uses now, or None if it has ended meanwhile."""

    @abc.abstractmethod
    def export(self, container: str) -> Iterator[bytes]:
        """Yield a container's whole file system as a tar archive."""

    @abc.abstractmethod
    def import_image(self, archive: Iterable[bytes], repository: str, tag: str) -> str:
        """Make an image from a tar archive of a file system and return its id.

        It has a name from its first moment on: where the answer is lost, nothing but a name
        finds it again.
        """

    @abc.abstractmethod
    def history(self, image: str) -> list[Layer]:
        """Return the steps an image was made by, the newest first; none if it is not there."""

    @abc.abstractmethod
    def shared_sizes(self) -> Mapping[str, int]:
        """Return for each image, by its id, how many of its bytes other images hold as well."""

    @abc.abstractmethod
    def mounts_and_devices(self, container: str) -> MountsAndDevices:
        """Return what a container needs of the host.

        Raises:
            NotFoundError: it is not there.
        """

    @abc.abstractmethod
    def file_size(self, container: str, path: str) -> int | None:
        """Return how many bytes long a container's file says it is, or None without one."""

    @abc.abstractmethod
    def ping(self) -> None:
        """Ask for nothing but an answer."""

    @abc.abstractmethod
    def info(self) -> EngineInfo:
        """Return what the engine says of itself."""

    @abc.abstractmethod
    def registry(self) -> Registry:
        """Return registries as this engine reaches them; nothing is asked yet."""

    @abc.abstractmethod
    def cluster(self) -> Cluster:
        """Return the Swarm this engine manages; whether it does shows when it is asked."""

"""The engine interface and its data types.

`docker` and `podman` implement it on real engines, tests/support/fakes in memory. The contract
suite (tests/contract) checks that all of them behave the same.
"""

from __future__ import annotations

import abc
import re
from collections.abc import Callable, Iterable, Iterator, Mapping

from ..lean import TYPE_CHECKING, dataclass, field, replace

if TYPE_CHECKING:
    from .build_context import BuildOptions
    from .cluster import Cluster
    from .observations import Activity, Change, EngineInfo, Layer, MountsAndDevices, Stats
    from .registry import Registry
    from .specification import ContainerSpecification

DOCKER, PODMAN = "Docker Engine", "Podman"
REFUSED = "The Docker Engine refused: "
"""How an error begins whose text is the engine's."""


@dataclass(frozen=True)
class Image:
    """An image in the engine. `size` is what the engine states, which depends on where it stores
    images: `Engine.image_size` is the measure for people."""

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
    volumes: tuple[str, ...] = ()
    """Paths that the image declares as volumes."""
    triggers: tuple[str, ...] = ()
    """Its ONBUILD instructions, which builds on it run first."""
    layers: tuple[str, ...] = ()
    """Digests of its layers, lowest first. Lists of images leave this and everything from
    `environment` on empty."""
    digests: tuple[str, ...] = ()
    """Its names by digest in registries, `REPOSITORY@sha256:…`."""
    parent: str = ""
    """ID of the image of the step before, if the engine has it. Lists leave this empty, too."""

    def is_copy_of(self, other: Image) -> bool:
        """Whether both are the same image, which may have another ID in each image store."""
        if not self.layers or self.id == other.id:
            return self.id == other.id
        return (
            replace(
                self,
                id=other.id,
                references=other.references,
                size=other.size,
                digests=other.digests,
                parent=other.parent,
            )
            == other
        )


VOLUME, BIND = "volume", "bind"
_ANONYMOUS = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Mount:
    """What is mounted at a path of a container.

    `volume` is the name of a volume, `source` the path on the host.
    """

    kind: str
    path: str
    volume: str = ""
    source: str = ""

    @property
    def is_anonymous(self) -> bool:
        """Whether it is a volume that the engine named, and removes with the container."""
        return self.kind == VOLUME and _ANONYMOUS.fullmatch(self.volume) is not None


@dataclass(frozen=True)
class Container:
    """A container in the engine.

    `state` is one word (`created`, `running`, `exited` …), `status` the engine's sentence for
    people, `created` in seconds since 1970, `size` the bytes it wrote or None if not measured,
    `network` the kind of network it was created with, such as `host`, `limits` those that it has:
    `nano_cpus`, `memory`, `pids`, and `shm_size` of its own; both are empty in lists.
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
    mounts: tuple[Mount, ...] = ()
    network: str = ""
    limits: Mapping[str, int] = field(default_factory=dict)

    @property
    def is_running(self) -> bool:
        """Whether it has processes; a paused container has."""
        return self.state in ("running", "paused", "restarting")


class Engine(abc.ABC):
    """Operations on an engine. Every method may raise EngineError."""

    product = DOCKER
    copies_owners = True
    """Whether `read_directory` and `write_directory` keep the owners of files."""

    @abc.abstractmethod
    def image(self, reference: str) -> Image | None:
        """Return the image with this name or id, or None."""

    @abc.abstractmethod
    def find_images(
        self, *, names: Iterable[str] = (), labels: Iterable[str] = (), nameless: bool = False
    ) -> list[Image]:
        """List images that have a name, in one call.

        Args:
            names: only images with a name that matches one of these patterns (`ds01-1001/*`);
                `references` then has only the matching names.
            labels: only images that have all of these, each `KEY` or `KEY=VALUE`.
            nameless: list images without a name, and without children, instead.
        """

    @abc.abstractmethod
    def pull(self, reference: str, progress: Callable[[str], None]) -> None:
        """Pull an image from its registry, or raise ImageNotFoundError."""

    @abc.abstractmethod
    def tag_image(self, image_id: str, repository: str, tag: str) -> None:
        """Tag an image; another image that had this tag loses it."""

    @abc.abstractmethod
    def remove_image(self, reference: str) -> None:
        """Untag an image, and delete it if that was its last tag. An id deletes the image.

        An image that another is built on only loses its tag, so that its steps stay in the cache.
        Nothing is forced, and a missing image is not an error. Raises ConflictError if a container
        uses it, or it was given by id and has several tags, or no tag and is built on.
        """

    @abc.abstractmethod
    def create_container(self, specification: ContainerSpecification) -> str:
        """Create a container and return its id.

        Raises:
            ConflictError: the name is in use.
            ImageNotFoundError: the image does not exist.
        """

    @abc.abstractmethod
    def containers(
        self,
        *,
        names: Iterable[str] = (),
        pattern: str | None = None,
        labels: Iterable[str] = (),
        image: str | None = None,
        sizes: bool = False,
    ) -> list[Container]:
        """List containers in any state, in one call.

        Args:
            names: only containers with exactly one of these names.
            pattern: instead of `names`, a regular expression that is searched for in the name, with
                or without a slash before it, and in what containers linked to it call it.
            labels: only containers that have all of these, each `KEY` or `KEY=VALUE`.
            image: only containers created from this image or from one built on it.
            sizes: measure how much each has written, which is slow.
        """

    @abc.abstractmethod
    def container(self, name: str) -> Container | None:
        """Return the container with exactly this name, or None, in one call.

        Unlike `containers`, it does not slow down as the number of containers grows. `created`
        is 0, `size` is None and `status` is the same as `state`.
        """

    @abc.abstractmethod
    def start(self, container: str) -> None:
        """Start a container; a running one is left as it is."""

    @abc.abstractmethod
    def stop(self, container: str, seconds: int = 10, *, hang_up: bool = True) -> None:
        """Stop a container with SIGTERM, which a shell on a terminal ignores: with `hang_up` send
        SIGHUP before it. Kill it after `seconds`."""

    @abc.abstractmethod
    def pause(self, container: str) -> None:
        """Freeze the processes of a running container; ConflictError if it is paused already."""

    @abc.abstractmethod
    def unpause(self, container: str) -> None:
        """Let the processes of a paused container go on; EngineError if it is not paused."""

    @abc.abstractmethod
    def wait(self, container: str) -> int:
        """Wait until a container exits and return its exit status."""

    @abc.abstractmethod
    def logs(self, container: str, follow: bool = False) -> Iterator[str]:
        """Yield the lines of a container's output; with `follow`, until it exits."""

    @abc.abstractmethod
    def attach(self, container: str) -> Iterator[bytes]:
        """Yield what a container without a terminal prints after this call, as it comes, until it
        exits. Created ones can be attached to before they are started."""

    @abc.abstractmethod
    def remove_container(
        self, container: str, force: bool = False, *, keep_volumes: bool = False
    ) -> None:
        """Remove a container if it exists, and its anonymous volumes unless `keep_volumes`; without
        `force`, raises ConflictError if it runs."""

    @abc.abstractmethod
    def remove_volume(self, name: str) -> None:
        """Remove a volume; a missing one is not an error.

        Raises:
            ConflictError: a container uses it.
        """

    @abc.abstractmethod
    def rename_container(self, container: str, name: str) -> None:
        """Rename a container if it exists; raises ConflictError if the name is in use."""

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
        """Create an image from a container's file system, without what is in its volumes, and
        return its id.

        The image gets the configuration of `like` plus `labels`. The engine adds labels and
        variables of the container that are not among them. `message` goes into the image's
        history.
        """

    @abc.abstractmethod
    def build(
        self,
        dockerfile: str,
        reference: str,
        *,
        labels: Mapping[str, str],
        progress: Callable[[str], None],
        options: BuildOptions | None = None,
        buildkit: bool = False,
    ) -> str:
        """Build an image from a Dockerfile through the engine's API, and return its id.

        Uses the engine's classic builder (Docker Engine API, "ImageBuild") or Podman's own.

        Args:
            dockerfile: its text. FROM may name an image by its id, but not for BuildKit.
            reference: the image's name.
            progress: called with every line of output.
            options: the build context and what else the build is given; without them it has no
                build context and uses no cache. Only Podman's builder supports secrets.
            buildkit: use Docker's BuildKit. With containerd's image store the classic builder reads
                the whole image for each step, also for a label.

        Raises:
            MlcError: a file of the build context cannot be read.
            EngineError: the build failed; the message ends with the last lines of output. Images
                of its steps may remain (see `images.build.steps`).
        """

    @abc.abstractmethod
    def changes(self, container: str) -> list[Change]:
        """Return how a container's file system differs from its image, sorted by path."""

    @abc.abstractmethod
    def read_file(self, container: str, path: str, limit: int = 4 * 1024**2) -> bytes | None:
        """Return the content of a regular file of at most `limit` bytes, or None without one."""

    @abc.abstractmethod
    def real_path(self, container: str, path: str) -> str:
        """Return a path in a container without links in it.

        Raises:
            NotFoundError: it does not exist.
        """

    @abc.abstractmethod
    def read_directory(self, container: str, path: str) -> Iterator[bytes]:
        """Yield a directory of a container, with everything mounted in it, as a tar archive whose
        members begin with the directory's own name.

        Raises:
            NotFoundError: it does not exist.
        """

    @abc.abstractmethod
    def write_directory(self, container: str, path: str, archive: Iterable[bytes]) -> None:
        """Unpack a tar archive into a directory of a container.

        Raises:
            NotFoundError: the directory does not exist.
        """

    @abc.abstractmethod
    def files_below(
        self, container: str, path: str, limit: int = 4 * 1024**2
    ) -> dict[str, bytes] | None:
        """Return the regular files below a directory by their paths in it, or None without one.

        Files beyond `limit` bytes of the directory's tar archive are left out.
        """

    @abc.abstractmethod
    def stream_file(self, container: str, path: str) -> Iterator[bytes]:
        """Yield the content of a regular file of any size.

        Raises:
            NotFoundError: there is no such file.
        """

    @abc.abstractmethod
    def activity(self, container: str) -> Activity:
        """Return when a container last ran, and which commands started in it still run.

        The engine forgets such commands when it is restarted while they go on.

        Raises:
            NotFoundError: there is no such container.
        """

    @abc.abstractmethod
    def processes(self, container: str) -> list[str]:
        """Return the command lines of the processes in a container; raises ConflictError if it is
        not running."""

    @abc.abstractmethod
    def exec_detached(self, container: str, command: Iterable[str], user: str) -> None:
        """Start a command in a running container without waiting for it."""

    @abc.abstractmethod
    def exec_run(self, container: str, command: Iterable[str], user: str) -> tuple[int, str]:
        """Run a command in a running container; return its exit status and output."""

    @abc.abstractmethod
    def stats(self, container: str) -> Stats | None:
        """Return what a running container uses, or None if it has exited."""

    @abc.abstractmethod
    def export(self, container: str) -> Iterator[bytes]:
        """Yield a container's file system, without what is mounted in it, as a tar archive."""

    @abc.abstractmethod
    def save_image(self, reference: str) -> Iterator[bytes]:
        """Yield an image with its name, layers and configuration, as `docker save` writes it.

        Raises:
            NotFoundError: it does not exist.
        """

    @abc.abstractmethod
    def import_image(
        self,
        archive: Iterable[bytes],
        repository: str,
        tag: str,
        *,
        labels: Mapping[str, str] | None = None,
    ) -> str:
        """Create an image with labels from a tar archive of a file system and return its id.

        It is tagged at once: if the answer is lost, only the tag can find the image.
        """

    @abc.abstractmethod
    def history(self, image: str) -> list[Layer]:
        """Return the steps that made an image, newest first; empty for a missing image."""

    @abc.abstractmethod
    def has_containerd_store(self) -> bool:
        """Whether containerd stores the images."""

    def sends_contexts_to_buildkit(self) -> bool:
        """Whether BuildKit gets the Dockerfile and context of a build through the engine's API.

        Before Docker 28.0 it does not where containerd stores the images (moby/moby#47717).
        """
        return True

    @abc.abstractmethod
    def image_size(self, image: Image) -> int:
        """Return the bytes of an image's unpacked layers, those shared with others included."""

    @abc.abstractmethod
    def shared_sizes(self) -> Mapping[str, int]:
        """Return, by image id, how many bytes each image shares with other images."""

    @abc.abstractmethod
    def mounts_and_devices(self, container: str) -> MountsAndDevices:
        """Return the host paths that a container needs, or raise NotFoundError."""

    @abc.abstractmethod
    def file_size(self, container: str, path: str) -> int | None:
        """Return the size of a regular file in a container in bytes, or None without one."""

    @abc.abstractmethod
    def ping(self) -> None:
        """Check that the engine answers."""

    @abc.abstractmethod
    def minimum_api(self) -> str:
        """Return the oldest API version that the engine accepts, from the Docker client too."""

    @abc.abstractmethod
    def newest_api(self) -> str:
        """Return the newest API version that the engine accepts; empty if it accepts any."""

    @abc.abstractmethod
    def info(self) -> EngineInfo:
        """Return the engine's version and configuration."""

    @abc.abstractmethod
    def has_network(self, name: str) -> bool:
        """Whether there is a network of this name for containers."""

    @abc.abstractmethod
    def registry(self) -> Registry:
        """Return access to registries through this engine; sends no request."""

    @abc.abstractmethod
    def cluster(self) -> Cluster:
        """Return access to the Swarm this engine manages; sends no request."""

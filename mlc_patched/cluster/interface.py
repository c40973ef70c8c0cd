"""The interface to what decides where and when containers run: Docker Swarm or Slurm."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ..context import Context
from ..engine.cluster import Node, Service
from ..engine.interface import Container
from ..engine.specification import ContainerSpecification
from ..lean import Protocol, dataclass, field
from .state import ServiceState


@dataclass(frozen=True)
class Placement:
    """Where and how something may run: on one node by its name, on those with a kind of GPU, and
    what only Slurm knows: time limit, partition, account, QOS."""

    node: str | None = None
    gpu_kind: str | None = None
    time: str | None = None
    partition: str | None = None
    account: str | None = None
    qos: str | None = None

    @property
    def only_slurm(self) -> list[str]:
        """The flags that only Slurm has a meaning for, of those that were given."""
        names = ("time", "partition", "account", "qos")
        return [f"--{name}" for name in names if getattr(self, name) is not None]


@dataclass(frozen=True)
class Work:
    """A container to run on the cluster, called `name` by its user, with a number of GPUs.

    Its image is named by its digest in the registry; with Slurm it may be the ID of an image that
    the node has. With a `command`, which only Slurm takes, it runs that and ends with it; `array`
    is sbatch's.
    """

    name: str
    container: ContainerSpecification
    gpus: int
    placement: Placement = Placement()
    command: tuple[str, ...] = ()
    array: str | None = None


@dataclass(frozen=True)
class Found:
    """What runs or waits on a cluster, and its state. To Slurm a service is a job."""

    service: Service
    state: ServiceState


@dataclass(frozen=True)
class Place:
    """A container on a cluster, and a context with the engine of its node."""

    container: Container
    context: Context


@dataclass(frozen=True)
class Step:
    """A container that mlc on its node reaches: `argv` followed by a command of mlc's runs it
    there, `with_terminal` on a terminal, with this environment."""

    node: str
    argv: tuple[str, ...]
    with_terminal: tuple[str, ...]
    environ: Mapping[str, str] = field(default_factory=dict)


class Scheduler(Protocol):
    """Docker Swarm or Slurm. Every method may raise EngineError, and NotManagerError if there is
    no cluster here."""

    @property
    def name(self) -> str:
        """What it is called in messages."""

    def called(self, name: str) -> str:
        """Return what the cluster calls the user's container of this name; UsageError if the name
        is too long."""

    def is_taken(self) -> Callable[[str], bool]:
        """Return a function that says whether `called` of a name is in use now."""

    def differences(self, work: Work) -> list[str]:
        """Return how the container differs from the same one on a single server."""

    def submit(self, work: Work) -> str:
        """Submit it and return its ID on the cluster; on an error, nothing is left behind."""

    def entries(self, is_wanted: Callable[[Service], bool]) -> list[Found]:
        """Return what of mlc's runs, waits, or has ended and can still be seen, oldest first."""

    def where(self, found: Found) -> Place | Step:
        """Return how to reach a container; MlcError if it has none or its node does not answer."""

    def cancel(self, identity: str) -> None:
        """End and remove it, with its container; no error if it has ended."""

    def forget(self, identity: str) -> None:
        """Remove what has ended from `entries`, with its messages in the user's home."""

    def nodes(self) -> list[Node]:
        """Return the nodes, sorted by name. The `hostname` is what the cluster calls a node; with
        Slurm, `id` is the name of its host, which can be another."""

"""The state of a service, from what Swarm says of its task and node. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from ..engine.answers import missing_mount
from ..engine.cluster import Node, Service, Task
from ..lean import dataclass

PLACING = "placing"
QUEUED = "queued"
STARTING = "starting"
RUNNING = "running"
ENDED = "ended"
LOST = "lost"
_STARTING = ("allocated", "assigned", "accepted", "preparing", "ready", "starting")
_DOWN = "assigned node no longer meets constraints"
"""swarmkit's message for a task whose node went away (manager/constraintenforcer), and for every
task with a GPU on a node that `docker node update` changes: seen with Engine 20.10.24."""


@dataclass(frozen=True)
class ServiceState:
    """Where a service is. `state` is one of the constants above, `status` a phrase for people,
    `node` a host name, empty without a node. `ahead` is how many services wait for a GPU before
    this one, None if it does not wait for a GPU."""

    state: str
    status: str
    node: str = ""
    ahead: int | None = None
    container: str = ""

    @property
    def sentence(self) -> str:
        """The status as the end of a sentence; the reason of a failure may be a sentence itself."""
        return self.status if self.status.endswith((".", "?", "!")) else f"{self.status}."


def state_of(
    service: Service, services: Iterable[Service], tasks: Iterable[Task], nodes: Iterable[Node]
) -> ServiceState:
    """Return the state of a service, from all services (every user's wait for the same GPUs), all
    tasks, the newest of a service first, and all nodes."""
    newest: dict[str, Task] = {}
    for each in tasks:
        newest.setdefault(each.service, each)
    task = newest.get(service.id)
    if task is None or task.state == "new" or (task.state == "pending" and not task.message):
        return ServiceState(PLACING, "Swarm is looking for a node")
    node = next((each for each in nodes if each.id == task.node), None)
    name = node.hostname if node else ""
    on = f" on {name}" if node else ""
    if _waits(task):
        ahead = None
        if service.gpus:
            waiting = (
                other.id
                for other in services
                if other.gpus and (other.created, other.id) < (service.created, service.id)
            )
            ahead = sum(1 for each in waiting if each in newest and _waits(newest[each]))
        return ServiceState(QUEUED, _waiting(service, task, ahead), "", ahead)
    if task.node and (node is None or not node.answers):
        why = f"{name} does not answer" if node else "its node is no longer in the Swarm"
        status = f"{why}; the workspace and the pushed image are kept"
        return ServiceState(LOST, status, name, None, task.container)
    if task.state in _STARTING and task.desired in ("running", "ready"):
        status = "pulling the image" if task.state == "preparing" else "starting"
        return ServiceState(STARTING, f"{status}{on}", name)
    if task.state == "running" and task.desired == "running":
        return ServiceState(RUNNING, f"running{on}", name, None, task.container)
    if node is not None and node.availability == "drain":
        status = f"stopped: {name} is drained; container-retire --save still saves it"
    elif task.state == "running":
        status = f"being stopped{on}"
    else:
        status = f"ended{on}: {reason(task.message, name)}" if task.message else f"ended{on}"
    return ServiceState(ENDED, status, name, None, task.container)


def reason(message: str, node: str) -> str:
    """Return the engine's reason why a task could not run, in words for its user."""
    if path := missing_mount(message):
        return (
            f"{node} has no {path}. Directories are the node's own: create it there, or share it "
            "between the nodes"
        )
    if _DOWN in message:
        return f"{node} was unavailable for a while, or an administrator changed it"
    return message.strip()


def _waits(task: Task) -> bool:
    """Whether Swarm has looked for a node and found none."""
    return task.state == "pending" and bool(task.message)


def _waiting(service: Service, task: Task, ahead: int | None) -> str:
    if "scheduling constraints not satisfied" in task.message and "insufficient" not in (
        task.message
    ):
        return "waiting: no node matches --node or --gpu-kind"
    if ahead is not None:
        what = "a GPU" if service.gpus == 1 else f"{service.gpus} GPUs"
        return f"waiting for {what}, {ahead} ahead"
    return f"waiting: {task.message}"

"""Decide the specification of a user's container.

The values are those of docs/contracts.md, "Container".
"""

from __future__ import annotations

from collections.abc import Mapping

from ..engine.specification import Bind, ContainerSpecification, Ulimit
from ..host.account import Account
from ..names import labels
from ..names.containers import short_name
from ..names.projects import is_own_project
from ..version import CONTAINER_VERSION
from .container import Plan
from .directories import X11_SOCKETS
from .flow import Flow

COMMAND = ("bash", "-c", "bash")
WORKING_DIRECTORY = "/workspace"
GROUPS = ("video", "sudo")
ROCM_PATH = "/opt/rocm"
ROCM_SHM_SIZE = 8 * 1024**3
STACK_LIMIT = 64 * 1024**2
NAME_VARIABLE = "MLC_CONTAINER_NAME"
"""Variable in the container: the name that the shell prompt shows."""
CUDA_VARIABLE = "CUDA_VISIBLE_DEVICES"
"""What limits CUDA programs to some devices, also where all of them can be opened (CUDA C++
Programming Guide, "CUDA Environment Variables")."""


def specify(
    plan: Plan,
    image: str,
    image_id: str,
    flow: Flow,
    account: Account,
    inherited: Mapping[str, str] | None = None,
) -> ContainerSpecification:
    """Return the specification of a user's container of an image; `inherited` are its labels.

    `image_id` is the image that has the account, which got into it by `flow`.
    """
    rocm = plan.is_rocm
    # On this host the directories have been checked already.
    must_exist = not plan.is_local
    binds = [Bind(plan.directories.workspace, WORKING_DIRECTORY, must_exist)]
    if plan.directories.data:
        binds.append(Bind(plan.directories.data, "/data", must_exist))
    if plan.directories.models:
        binds.append(Bind(plan.directories.models, "/models", must_exist))
    if plan.has_x11_sockets:
        binds.append(Bind(X11_SOCKETS, X11_SOCKETS))
    environment = {NAME_VARIABLE: short_name(plan.tag)}
    if account.is_root:
        environment["HOME"] = "/root"  # an image built for a user sets that user's HOME
    if plan.visible:
        environment[CUDA_VARIABLE] = ",".join(plan.visible)
    if rocm:
        environment["ROCM_PATH"] = ROCM_PATH
    return ContainerSpecification(
        name=plan.tag,
        image=image,
        command=COMMAND,
        user=f"{account.uid}:{account.gid}",
        working_directory=WORKING_DIRECTORY,
        labels=_all_labels(plan, image_id, flow, account, inherited or {}),
        environment=environment,
        binds=tuple(binds),
        devices=plan.devices,
        gpus=plan.gpus,
        groups=GROUPS,
        capabilities=_capabilities(plan),
        dropped_capabilities=() if plan.settings.privileged else ("ALL",),
        security_options=("seccomp=unconfined",) if rocm else (),
        ulimits=(Ulimit("memlock", -1), Ulimit("stack", STACK_LIMIT)),
        privileged=plan.settings.privileged,
        network=plan.settings.network,
        ipc=_ipc(plan),
        shm_size=plan.shm_size or (ROCM_SHM_SIZE if rocm else None),
        cgroup_parent=plan.cgroup_parent or "",
        interactive=True,
        resources=plan.resources,
    )


def _capabilities(plan: Plan) -> tuple[str, ...]:
    if not plan.settings.privileged:
        return plan.settings.capabilities
    return ("SYS_PTRACE",) if plan.is_rocm else ()


def _ipc(plan: Plan) -> str:
    """Return the IPC mode; it is private if the container has its own shared memory."""
    mode = plan.settings.ipc
    return "" if mode == "host" and plan.shm_size is not None else mode


def _all_labels(
    plan: Plan, image_id: str, flow: Flow, account: Account, inherited: Mapping[str, str]
) -> dict[str, str]:
    username = inherited.get(labels.USERNAME) if flow is Flow.IMAGE else None
    own = {**_labels(plan, account), **_project(plan, account)}
    return {
        **labels.instead_of_inherited(inherited, username or account.container_name),
        **(labels.with_ds01_spelling(own) if plan.settings.ds01_labels else {}),
        **plan.labels,
        **own,
        labels.USER_SETUP: flow.value,
        labels.IMAGE_ID: image_id,
        labels.HOST_DEVICES: labels.escaped(",".join(plan.devices) or labels.NOT_GIVEN),
        **({labels.DEVICES: labels.escaped(",".join(plan.assigned))} if plan.assigned else {}),
    }


def _labels(plan: Plan, account: Account) -> dict[str, str]:
    return {
        labels.OWNER: account.login,
        labels.NAME: short_name(plan.tag),
        labels.USER: account.login,
        labels.ARCHITECTURE: plan.architecture,
        labels.MLC_VERSION: str(CONTAINER_VERSION),
        labels.WORKSPACE: labels.escaped(plan.directories.workspace),
        labels.DATA: labels.escaped(plan.directories.data or labels.NOT_GIVEN),
        labels.MODELS: labels.escaped(plan.directories.models or labels.NOT_GIVEN),
        labels.FRAMEWORK: labels.escaped(plan.framework),
        labels.GPUS: labels.escaped(plan.choice.gpus),
    }


def _project(plan: Plan, account: Account) -> dict[str, str]:
    """Return the label of the user's project, which images of earlier DS01 systems do not have."""
    if not is_own_project(plan.reference, account):
        return {}
    return {labels.PROJECT: plan.reference.repository.partition("/")[2]}

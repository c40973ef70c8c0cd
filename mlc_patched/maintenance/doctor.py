"""doctor: facts about this machine, gathered here, and what `diagnosis` makes of them."""

from __future__ import annotations

import contextlib
import grp
import os
import shutil
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from ..context import Context
from ..engine.interface import Container, Engine, EngineInfo, Image, MountsAndDevices
from ..engine.specification import ContainerSpecification
from ..errors import MlcError, NotFoundError
from ..interrupts import defer_signals
from ..names import labels
from ..names.containers import SEPARATOR
from ..names.images import account_image_of, committed_uid, parse_reference
from ..names.projects import project_of_repository
from ..patch import checkout as patch_checkout
from ..patch.layout import checkout_of
from ..patch.state import Condition, examine
from ..plan.directories import DEFAULT_WORKSPACE, expand, make_in_home
from ..plan.specify import X11_SOCKETS
from ..temporary import LOOK, temporary_name
from ..undo import retry_once
from . import checks as diagnosis
from . import checks_images as diagnosis_images
from . import install_tree
from .checks import Finding, Repair
from .leftovers import Kind
from .prune import Found, find, prune

_HOOKS = ("nvidia-container-runtime-hook", "nvidia-container-toolkit", "nvidia-container-runtime")
LOCK = "doctor"
"""Name of the lock under which it looks into images."""
_PINGS = 5
_DRIVER = Path("/proc/driver/nvidia/version")


def doctor(context: Context) -> list[Finding]:
    """Look at everything; nothing that is wrong hinders the look at the rest.

    Raises:
        UsageError: there is no such Docker context, so nobody knows which engine is meant.
    """
    about, error = _about(context)
    distance = _distance(context.engine) if about else None
    findings = [diagnosis.engine(about, error, context.address, distance), _docker_group(context)]
    findings += [_gpu(context, about)] if about or context.address.is_local else []
    images = context.engine.find_images() if about else []
    findings += [_settings(context), _catalog(context, images)]
    findings += [_workspace(context)] if context.address.is_local else []
    if about is not None:
        try:
            findings += _of_the_engine(context, about, images)
        except MlcError as error:
            findings.append(
                diagnosis.engine(None, f"it answered, and then not: {error}", context.address)
            )
    findings.append(diagnosis.tree(install_tree.look()))
    findings.append(
        diagnosis.modules(install_tree.missing_modules(), install_tree.python(), _setup())
    )
    findings.append(
        diagnosis.completion(install_tree.has_completion(context.account.home), "make install")
    )
    return findings + _checkout(context)


def repair(findings: Iterable[Finding], context: Context) -> None:
    """Do what the findings say may be done."""
    wanted = {each.repair for each in findings}
    if Repair.WORKSPACE in wanted:
        make_in_home(context.account, Path(DEFAULT_WORKSPACE).name)
    if Repair.LEFT_OVERS in wanted:
        found = find(context, all_users=context.account.is_root)
        setups = tuple(each for each in found.items if each.kind is Kind.SETUP)
        prune(Found(setups, 0), context)


def _about(context: Context) -> tuple[EngineInfo | None, str]:
    try:
        return context.engine.info(), ""
    except MlcError as error:
        return None, str(error)


def _distance(engine: Engine) -> float:
    """Return the seconds from a question to its answer: the median of some pings."""
    taken = []
    for _ in range(_PINGS):
        began = time.perf_counter()
        engine.ping()
        taken.append(time.perf_counter() - began)
    return sorted(taken)[_PINGS // 2]


def _docker_group(context: Context) -> Finding:
    account, is_elsewhere = context.account, not context.address.is_local
    try:
        group = grp.getgrnam("docker")
    except KeyError:
        return diagnosis.docker_group(account, False, False, is_elsewhere=is_elsewhere)
    in_database = account.login in group.gr_mem or account.gid == group.gr_gid
    in_session = group.gr_gid in os.getgroups()
    return diagnosis.docker_group(account, in_session, in_database, is_elsewhere=is_elsewhere)


def _gpu(context: Context, about: EngineInfo | None) -> Finding:
    if not context.host.is_here:
        return diagnosis.gpu_elsewhere(context.host)
    path = context.environ.get("PATH")
    has_hook = any(shutil.which(each, path=path) for each in _HOOKS)
    return diagnosis.gpu(context.host, about, has_hook, _DRIVER.exists())


def _settings(context: Context) -> Finding:
    try:
        notes = context.settings.notes
    except MlcError as error:
        return diagnosis.settings(str(error))
    return diagnosis.settings("", notes)


def _catalog(context: Context, images: Iterable[Image]) -> Finding:
    there = {name for image in images for name in image.references}
    try:
        return diagnosis.catalog(context.catalog, "", there)
    except MlcError as error:
        return diagnosis.catalog(None, str(error), there)


def _workspace(context: Context) -> Finding:
    path = expand(DEFAULT_WORKSPACE, context.account)
    try:
        status = Path(path).stat()
    except OSError:
        return diagnosis.workspace(path, os.path.lexists(path), False, None, context.account.uid)
    is_directory = Path(path).is_dir()
    return diagnosis.workspace(path, True, is_directory, status.st_uid, context.account.uid)


def _of_the_engine(context: Context, about: EngineInfo, images: list[Image]) -> list[Finding]:
    account, engine = context.account, context.engine
    # Root is told of everybody's, others of their own.
    uid = None if account.is_root else account.uid
    ours = [each for each in images if any(_is_of(name, uid) for name in each.references)]
    containers = (
        engine.containers(labels=(labels.OWNER,)) if account.is_root else context.own_containers()
    )
    findings = [
        diagnosis.disk(
            _free(about), about.root_directory, max((each.size for each in images), default=0)
        ),
        *diagnosis_images.labels(ours, account),
        *diagnosis_images.logs(_logs(ours, context)),
    ]
    own = [(each, needs) for each in containers if (needs := _needs(engine, each))]
    missing = {
        path
        for _, needs in own
        for path in (*needs.devices, *needs.mounts)
        # The engine makes the X server's place where there is none, and nobody misses it.
        if about.is_local and path != X11_SOCKETS and not _is_there(path)
    }
    there = {each.image_id for each, _ in own if engine.image(each.image_id) is not None}
    findings += diagnosis_images.containers(own, missing, there)
    left = find(context, all_users=account.is_root, aime=True)
    setups = [each for each in left.items if each.kind is Kind.SETUP]
    return findings + diagnosis_images.left_overs(
        len(setups), len(left.items) - len(setups), left.frees
    )


def _is_of(reference: str, uid: int | None) -> bool:
    """Whether a name is a project's, a committed or an account image's, of a user or (None) any."""
    project = project_of_repository(parse_reference(reference).repository)
    owner = project.uid if project else None
    if owner is None and SEPARATOR in reference:
        owner = committed_uid(reference)
    if owner is None and (parts := account_image_of(reference)):
        owner = parts[0]
    return owner is not None and uid in (None, owner)


def _free(about: EngineInfo) -> int | None:
    if not about.is_local:
        return None
    try:
        status = os.statvfs(about.root_directory)
    except OSError:
        return None
    return status.f_bavail * status.f_frsize


def _needs(engine: Engine, container: Container) -> MountsAndDevices | None:
    try:
        return engine.mounts_and_devices(container.id)
    except NotFoundError:
        return None  # gone meanwhile


def _is_there(path: str) -> bool:
    try:
        Path(path).stat()
    except PermissionError:
        return True  # in a place that the caller cannot look into
    except OSError:
        return False
    return True


def _logs(images: list[Image], context: Context) -> dict[str, dict[str, int]]:
    """Look into images, after what a doctor that was killed has left of such a look is gone."""
    if not images:
        return {}
    with context.lock(LOCK, waits=False):
        context.remove_leftovers()
        return {each.references[0]: _log_sizes(each, context) for each in images}


def _log_sizes(image: Image, context: Context) -> dict[str, int]:
    """Look into an image by a container of it that is never started."""
    sizes: dict[str, int | None] = {}
    with contextlib.suppress(NotFoundError), _looking_into(image, context) as container:
        for path in diagnosis_images.LOGS:
            sizes[path] = context.engine.file_size(container, path)
    return {path: size for path, size in sizes.items() if size is not None}


@contextlib.contextmanager
def _looking_into(image: Image, context: Context) -> Iterator[str]:
    engine = context.engine
    specification = ContainerSpecification(
        name=temporary_name(LOOK, context.account, context.job.token),
        image=image.id,
        command=("true",),
        network="none",
        labels={labels.TEMPORARY: "look"},
    )
    try:
        # Interrupted before the answer, it would remove what the engine has yet to make.
        with defer_signals():
            container = engine.create_container(specification)
        yield container
    finally:
        with defer_signals():
            retry_once(lambda: engine.remove_container(specification.name, force=True))


def _checkout(context: Context) -> list[Finding]:
    """Look at the AIME checkout the caller's commands come from, if there is one."""
    try:
        path = checkout_of(context.program) or patch_checkout.find(context.environ)
        state = examine(path)
    except NotFoundError:
        return []
    except (MlcError, OSError) as error:
        return [diagnosis.checkout("AIME's checkout", f"not to be read ({error})", False)]
    whole = state.condition in (Condition.AIME, Condition.PATCHED)
    return [diagnosis.checkout(str(path), state.condition.value, whole)]


def _setup() -> str:
    return f"make -C {install_tree.ROOT} setup"

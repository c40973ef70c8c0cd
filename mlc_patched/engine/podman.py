"""Podman through its Docker-compatible API (podman-system-service(1)): where it differs.

Tested with Podman 4.3 and 5.8.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from ..errors import ConflictError, EngineError, EngineUnreachableError
from ..json_text import string
from ..lean import replace
from .answers import validated
from .connection import ANSWER_SECONDS, Query
from .docker import DockerEngine, full_id
from .http import quoted
from .interface import PODMAN, Container, Image
from .observations import Change, Layer, Stats
from .podman_images import image_in_tree, without_steps

if TYPE_CHECKING:
    from .specification import ContainerSpecification

_POLL_SECONDS = 0.1
_CLEANUP_POLLS = 100
_STATS_SECONDS = 1  # as Docker waits
_ADDED_PREFIXES = ("localhost/", "docker.io/library/", "docker.io/")
"""Prefixes that Podman adds to a name without a registry."""


class PodmanEngine(DockerEngine):
    """Podman, with names, ids and states in Docker's form."""

    product = PODMAN
    copies_owners = False  # its archives of directories belong to root

    def _body(self, specification: ContainerSpecification) -> dict[str, Any]:
        body = without_shm_size(super()._body(specification))
        return rootless_body(body) if self.info().is_rootless else body

    def image(self, reference: str) -> Image | None:
        found = super().image(reference)
        if found is None:
            return None
        parent = full_id(found.parent) if found.parent else ""
        return _with_familiar_names(replace(found, parent=parent))

    def import_image(
        self,
        archive: Iterable[bytes],
        repository: str,
        tag: str,
        *,
        labels: Mapping[str, str] | None = None,
    ) -> str:
        # Podman ignores a tag that is given apart from the name.
        return super().import_image(archive, f"{repository}:{tag}", "", labels=labels)

    def find_images(
        self, *, names: Iterable[str] = (), labels: Iterable[str] = (), nameless: bool = False
    ) -> list[Image]:
        patterns = list(names)
        images = super().find_images(labels=labels, nameless=nameless)
        found = [_with_familiar_names(each) for each in images]
        if not patterns:
            return found
        # For Podman all patterns have to match, and each has to contain the registry.
        fitting = [
            replace(each, references=tuple(r for r in each.references if _matches(r, patterns)))
            for each in found
        ]
        return [each for each in fitting if each.references]

    def remove_image(self, reference: str) -> None:
        # With the last name Podman deletes the image, and with it the steps that it was built from:
        # for an image that others are built on, this would be their cache.
        found = super().image(reference)
        if found is None or found.references[1:] or not self._has_children(found.id):
            super().remove_image(reference)
        elif not found.references:
            raise ConflictError(f"unable to delete {reference}: other images are built on it")
        elif any(each.image_id == found.id for each in super().containers()):
            raise ConflictError(f"unable to remove {reference}: a container uses the image")
        else:
            repository, _, tag = found.references[0].rpartition(":")
            where = f"/libpod/images/{quoted(found.id)}/untag"
            self._ask("POST", where, {"repo": repository, "tag": tag})

    @validated
    def _has_children(self, image_id: str) -> bool:
        images = map(image_in_tree, self._images({"all": "1"}))
        return any(each.parent == image_id for each in images)

    def containers(
        self,
        *,
        names: Iterable[str] = (),
        pattern: str | None = None,
        labels: Iterable[str] = (),
        image: str | None = None,
        sizes: bool = False,
    ) -> list[Container]:
        found = super().containers(names=names, pattern=pattern, labels=labels, sizes=sizes)
        if image is not None:
            # Podman finds only containers created from exactly this image under this name.
            base = self.image(image)
            found = [each for each in found if base and self._is_built_on(each.image_id, base)]
        found.sort(key=lambda each: each.created, reverse=True)  # Docker's order: newest first
        return [
            replace(
                each,
                image=familiar(each.image),
                state="exited" if each.state == "stopped" else each.state,
            )
            for each in found
        ]

    def container(self, name: str) -> Container | None:
        found = super().container(name)
        return None if found is None else replace(found, image=familiar(found.image))

    def _is_built_on(self, image_id: str, base: Image) -> bool:
        image = self.image(image_id)
        return image is not None and image.layers[: len(base.layers)] == base.layers

    def stop(self, container: str, seconds: int = 10, *, hang_up: bool = True) -> None:
        # Podman cannot stop a paused container.
        with contextlib.suppress(ConflictError):  # it is not paused
            self._ask("POST", f"/containers/{quoted(container)}/unpause")
        try:
            super().stop(container, seconds, hang_up=hang_up)
        except EngineUnreachableError:
            raise
        except EngineError:  # its own end came before the signal
            path, patience = f"/containers/{quoted(container)}/stop", ANSWER_SECONDS + seconds
            self._ask("POST", path, {"t": str(seconds)}, seconds=patience)
        self._await_cleanup(container)

    def wait(self, container: str) -> int:
        status = super().wait(container)
        self._await_cleanup(container)
        return status

    def _await_cleanup(self, container: str) -> None:
        """Wait until Podman has unmounted the files of a container that ended, in a process of its
        own: until then an archive of them may come out empty, without an error."""
        for _ in range(_CLEANUP_POLLS):
            found = self._listed(container)
            if found is None or found.state != "stopped":
                break
            time.sleep(_POLL_SECONDS)

    def _commit_configuration(
        self, like: Image, labels: Mapping[str, str]
    ) -> tuple[Mapping[str, Query], dict[str, Any]]:
        # Podman ignores the configuration in the request's body, but not `changes`.
        return {"changes": configuration_changes(like, labels)}, {}

    def changes(self, container: str) -> list[Change]:
        # Podman mounts /etc/hosts and others, does not report them, but reports the directory.
        found = super().changes(container)
        is_alone = not any(each.path.startswith("/etc/") for each in found)
        return [each for each in found if not (is_alone and each == Change("/etc", "changed"))]

    # Of a container that does not run, Podman returns an empty answer to these two.
    def stats(self, container: str) -> Stats | None:
        return None if self._is_stopped(container) else super().stats(container)

    @validated
    def _measured(self, container: str) -> Any:
        # Podman gives the processor's times before for a stream only.
        before = super()._measured(container)
        time.sleep(_STATS_SECONDS)
        return {**super()._measured(container), "precpu_stats": before["cpu_stats"]}

    def processes(self, container: str) -> list[str]:
        if self._is_stopped(container):
            raise ConflictError(f"The container {container} is not running")
        return super().processes(container)

    def _is_stopped(self, container: str) -> bool:
        found = self._listed(container)
        return found is not None and not found.is_running

    def _listed(self, container: str) -> Container | None:
        """Return what Podman's list says of a container, given by its name or ID, in its words."""
        found = super().containers(names=(container,)) or [
            each for each in super().containers() if each.id == container
        ]
        return found[0] if found else None

    def history(self, image: str) -> list[Layer]:
        # The message of a commit is not in Podman's history, but in the image, and what is built on
        # the image inherits it.
        layers = super().history(image)
        if layers:
            message, parent = self._message_and_parent(image)
            if message and parent and message != self._message_and_parent(parent)[0]:
                layers[0] = replace(layers[0], comment=message)
        return layers

    @validated
    def _message_and_parent(self, image: str) -> tuple[str, str]:
        found = self._inspected_image(image)
        return string(found.get("Comment") or ""), string(found.get("Parent") or "")

    def image_size(self, image: Image) -> int:
        # Podman's own number includes what it notes about the image.
        return sum(layer.size for layer in super().history(image.id))

    @validated
    def shared_sizes(self) -> Mapping[str, int]:
        said = {full_id(each): size for each, size in super().shared_sizes().items()}
        listed = self._images({"all": "1"})
        return without_steps({full_id(each["Id"]): image_in_tree(each) for each in listed}, said)


def without_shm_size(body: dict[str, Any]) -> dict[str, Any]:
    """Leave out the size of /dev/shm where that is the host's: Podman 5 refuses it."""
    host = body["HostConfig"]
    return body if host["IpcMode"] != "host" else {**body, "HostConfig": {**host, "ShmSize": 0}}


def rootless_body(body: dict[str, Any]) -> dict[str, Any]:
    """Adapt a ContainerCreate body to an engine that runs as an ordinary user.

    By default that user is root inside, and every other UID a subordinate one (subuid(5)), so
    files under /workspace would belong to an unknown UID. `keep-id` maps the account inside to
    the user instead (podman-run(1), "--userns", Podman 4.3). The engine cannot raise limits, so
    `memlock` stays at the user's own limit.
    """
    host = {**body["HostConfig"]}
    host["Ulimits"] = [each for each in host["Ulimits"] if each["Name"] != "memlock"]
    uid, _, gid = body["User"].partition(":")
    if uid.isdigit() and gid.isdigit() and int(uid):
        host["UsernsMode"] = f"keep-id:uid={uid},gid={gid}"
    return {**body, "HostConfig": host}


def familiar(reference: str) -> str:
    """Return an image's name without a prefix that Podman added."""
    for prefix in _ADDED_PREFIXES:
        if reference.startswith(prefix):
            return reference[len(prefix) :]
    return reference


def configuration_changes(like: Image, labels: Mapping[str, str]) -> list[str]:
    """Return Dockerfile instructions that copy the configuration of `like` and add labels."""
    variables = (each.partition("=")[::2] for each in like.environment if "=" in each)
    return [
        f"CMD {json.dumps(list(like.command))}",
        f"ENTRYPOINT {json.dumps(list(like.entrypoint))}",
        f"USER {like.user or 'root'}",
        f"WORKDIR {like.working_directory or '/'}",
        *(f"VOLUME {json.dumps([path])}" for path in like.volumes),
        *(f"ENV {name}={json.dumps(value)}" for name, value in variables),
        *(
            f"LABEL {json.dumps(name)}={json.dumps(value)}"
            for name, value in {**like.labels, **labels}.items()
        ),
    ]


def _matches(reference: str, patterns: Iterable[str]) -> bool:
    """Whether a name, with or without its tag, matches a pattern by Docker's rules."""
    bare = reference.rpartition(":")[0]
    return any(
        len(parts) == pattern.count("/") + 1 and all(map(fnmatchcase, parts, pattern.split("/")))
        for pattern in patterns
        for parts in (reference.split("/"), bare.split("/"))
    )


def _with_familiar_names(image: Image) -> Image:
    return replace(image, references=tuple(familiar(each) for each in image.references))

"""Podman by its Docker-compatible API (podman-system-service(1)): what it answers otherwise.

Tested on Podman 4.3; what is the same is `docker_engine`'s.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from fnmatch import fnmatchcase
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from ..errors import ConflictError
from .docker import DockerEngine
from .interface import PODMAN, Container, Image, Stats

if TYPE_CHECKING:
    from .specification import ContainerSpecification

_PREFIXES = ("localhost/", "docker.io/library/", "docker.io/")
"""What Podman puts before a name that was given without a registry."""
_DIGEST = "sha256:"


class PodmanEngine(DockerEngine):
    """Podman, with names and ids as Docker has them."""

    product = PODMAN

    @cached_property
    def _is_rootless(self) -> bool:
        return self.info().is_rootless

    def _body(self, specification: ContainerSpecification) -> dict[str, Any]:
        body = super()._body(specification)
        return rootless_body(body) if self._is_rootless else body

    def image(self, reference: str) -> Image | None:
        """See Engine."""
        found = super().image(reference)
        return None if found is None else _familiar_image(found)

    def import_image(self, archive: Iterable[bytes], repository: str, tag: str) -> str:
        """See Engine. Podman leaves a tag that is not in the name out of account."""
        return super().import_image(archive, f"{repository}:{tag}", "")

    def find_images(
        self, *, names: Iterable[str] = (), labels: Iterable[str] = (), nameless: bool = False
    ) -> list[Image]:
        """See Engine."""
        patterns = list(names)
        images = super().find_images(labels=labels, nameless=nameless)
        found = [_familiar_image(each) for each in images]
        if not patterns:
            return found
        # Several patterns are to Podman what all have to fit, and each needs the registry.
        fitting = [
            replace(each, references=tuple(r for r in each.references if _fits(r, patterns)))
            for each in found
        ]
        return [each for each in fitting if each.references]

    def containers(
        self,
        *,
        names: Iterable[str] = (),
        labels: Iterable[str] = (),
        image: str | None = None,
        sizes: bool = False,
    ) -> list[Container]:
        """See Engine."""
        found = super().containers(names=names, labels=labels, sizes=sizes)
        if image is not None:
            # Podman knows only those made from the very image by the very name.
            base = self.image(image)
            found = [each for each in found if base and self._stands_on(each.image_id, base)]
        return [
            replace(
                each,
                image=familiar(each.image),
                state="exited" if each.state == "stopped" else each.state,
            )
            for each in found
        ]

    def _stands_on(self, image_id: str, base: Image) -> bool:
        image = self.image(image_id)
        return image is not None and image.layers[: len(base.layers)] == base.layers

    def stop(self, container: str, seconds: int = 10) -> None:
        """See Engine; Podman stops no container that is paused."""
        with contextlib.suppress(ConflictError):  # it is not
            self._ask("POST", f"/containers/{quote(container)}/unpause")
        super().stop(container, seconds)

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
        """See Engine."""
        # The configuration of the request's body is not looked at; instructions are.
        with self._sdk(unhurried=True) as client:
            answer = client.commit(
                container,
                repository,
                tag,
                message=message or None,
                changes=configuration(like, labels),
            )
        return _whole(str(answer["Id"]))

    def stats(self, container: str) -> Stats | None:
        """See Engine; of a container that has ended Podman's answer is empty."""
        found = self.containers(names=(container,)) or [
            each for each in self.containers() if each.id == container
        ]
        return super().stats(container) if any(each.is_running for each in found) else None

    def shared_sizes(self) -> Mapping[str, int]:
        """See Engine."""
        return {_whole(each): size for each, size in super().shared_sizes().items()}


def rootless_body(body: dict[str, Any]) -> dict[str, Any]:
    """Return the request of a container as an engine that is a user's own can carry it out.

    Podman's user is root inside, and every other UID one of that user's subordinate ones
    (subuid(5)): files under /workspace would be nobody's. `keep-id` maps the account inside to
    the user instead (podman-run(1), "--userns", Podman 4.3). Such an engine may not raise
    limits, so memory is locked as far as the user's own limit goes.

    Args:
        body: of ContainerCreate.
    """
    host = {**body["HostConfig"]}
    host["Ulimits"] = [each for each in host["Ulimits"] if each["Name"] != "memlock"]
    uid, _, gid = body["User"].partition(":")
    if uid.isdigit() and gid.isdigit() and int(uid):
        host["UsernsMode"] = f"keep-id:uid={uid},gid={gid}"
    return {**body, "HostConfig": host}


def familiar(reference: str) -> str:
    """Return an image's name as it is typed, without the registry that goes without saying."""
    for prefix in _PREFIXES:
        if reference.startswith(prefix):
            return reference[len(prefix) :]
    return reference


def configuration(like: Image, labels: Mapping[str, str]) -> list[str]:
    """Return the instructions of a Dockerfile that give an image the configuration of another.

    Args:
        like: the other.
        labels: labels for it besides.
    """
    return [
        f"CMD {json.dumps(list(like.command))}",
        f"ENTRYPOINT {json.dumps(list(like.entrypoint))}",
        f"USER {like.user or 'root'}",
        f"WORKDIR {like.working_directory or '/'}",
        *(f"ENV {name}={json.dumps(value)}" for name, value in map(_parts, like.environment)),
        *(
            f"LABEL {json.dumps(name)}={json.dumps(value)}"
            for name, value in {**like.labels, **labels}.items()
        ),
    ]


def _parts(variable: str) -> tuple[str, str]:
    name, _, value = variable.partition("=")
    return name, value


def _fits(reference: str, patterns: Iterable[str]) -> bool:
    """Whether a name fits one of the patterns, as Docker has it: with its tag, or without."""
    bare = reference.rpartition(":")[0]
    return any(
        len(parts) == pattern.count("/") + 1 and all(map(fnmatchcase, parts, pattern.split("/")))
        for pattern in patterns
        for parts in (reference.split("/"), bare.split("/"))
    )


def _familiar_image(image: Image) -> Image:
    return replace(image, references=tuple(familiar(each) for each in image.references))


def _whole(image_id: str) -> str:
    """Return an image's id with the digest's kind, as the engine's other answers have it."""
    return image_id if image_id.startswith(_DIGEST) else f"{_DIGEST}{image_id}"

"""The real Docker Engine, by its API (Docker Engine API 1.41 to 1.45)."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from ..errors import (
    ConflictError,
    EngineError,
    EngineUnreachableError,
    ImageNotFoundError,
    NotFoundError,
)
from ..json_text import parsed
from ..names.images import parse_reference
from .answers import (
    container_of,
    image_of,
    info_of,
    inspected_container_of,
    listed_image_of,
    mounts_and_devices_of,
    stats_of,
    transfer_progress,
)
from .connection import ANSWER_SECONDS, CHUNK, REFUSED, EngineConnection
from .docker_files import file_size, read_file
from .interface import Change, Container, Engine, EngineInfo, Image, Layer, MountsAndDevices, Stats
from .socket import Answer

if TYPE_CHECKING:
    from .address import EngineAddress
    from .cluster import Cluster
    from .registry import Registry
    from .specification import ContainerSpecification

_CHANGES = ("changed", "added", "deleted")  # Docker Engine API, "ContainerChanges"
_MAYBE_ID = re.compile(r"[0-9a-f]{1,64}")


class DockerEngine(Engine):
    """An engine reached by its API."""

    def __init__(
        self,
        address: EngineAddress | None = None,
        *,
        connection: EngineConnection | None = None,
    ) -> None:
        """Connect.

        Args:
            address: where the engine is; by the process's environment when not given.
            connection: one that there is already, in place of the address.

        Raises:
            EngineUnreachableError: no engine answers, or the user may not talk to it.
            UsageError: the environment names a context that there is not.
        """
        self._connection = EngineConnection(address) if connection is None else connection
        self._ask = self._connection.ask
        self._sdk = self._connection.sdk

    def image(self, reference: str) -> Image | None:
        """See Engine."""
        try:
            return image_of(_json(self._ask("GET", f"/images/{_quoted(reference)}/json")))
        except ImageNotFoundError:
            return None

    def find_images(
        self, *, names: Iterable[str] = (), labels: Iterable[str] = (), nameless: bool = False
    ) -> list[Image]:
        """See Engine."""
        filters: dict[str, list[str]] = {"dangling": ["true" if nameless else "false"]}
        for key, wanted in (("reference", list(names)), ("label", list(labels))):
            if wanted:  # Podman refuses a filter that filters nothing
                filters[key] = wanted
        answer = self._ask("GET", "/images/json", {"filters": json.dumps(filters)})
        return [listed_image_of(found) for found in _json(answer)]

    def pull(self, reference: str, progress: Callable[[str], None]) -> None:
        """See Engine."""
        name = parse_reference(reference)
        layers: dict[str, tuple[int, int]] = {}
        try:
            with self._sdk(unhurried=True) as client:
                for event in client.pull(
                    name.repository,
                    tag=name.digest or name.tag or "latest",
                    stream=True,
                    decode=True,
                ):
                    if "error" in event:
                        raise EngineError(event["error"])
                    progress(transfer_progress(event, layers))
        except EngineUnreachableError:
            raise
        except (EngineError, NotFoundError) as error:
            why = str(error).removeprefix(REFUSED)
            raise ImageNotFoundError(f"Pulling {reference} failed: {why}") from error

    def tag_image(self, image_id: str, repository: str, tag: str) -> None:
        """See Engine."""
        self._ask("POST", f"/images/{_quoted(image_id)}/tag", {"repo": repository, "tag": tag})

    def remove_image(self, reference: str) -> None:
        """See Engine."""
        with contextlib.suppress(ImageNotFoundError):
            self._ask("DELETE", f"/images/{_quoted(reference)}", seconds=None)

    def create_container(self, specification: ContainerSpecification) -> str:
        """See Engine."""
        query = {"name": specification.name}
        answer = self._ask("POST", "/containers/create", query, self._body(specification))
        return str(_json(answer)["Id"])

    def _body(self, specification: ContainerSpecification) -> dict[str, Any]:
        from .specification import container_body

        return container_body(specification)

    def containers(
        self,
        *,
        names: Iterable[str] = (),
        labels: Iterable[str] = (),
        image: str | None = None,
        sizes: bool = False,
    ) -> list[Container]:
        """See Engine."""
        names = tuple(names)
        filters: dict[str, list[str]] = {"label": list(labels)}
        if names:
            filters["name"] = [f"^/?{re.escape(name)}$" for name in names]
        if image:
            filters["ancestor"] = [image]
        query = {"all": "1", "size": str(int(sizes)), "filters": json.dumps(filters)}
        answer = self._ask(
            "GET", "/containers/json", query, seconds=None if sizes else ANSWER_SECONDS
        )
        return [container_of(found) for found in _json(answer)]

    def container(self, name: str) -> Container | None:
        """See Engine."""
        if _MAYBE_ID.fullmatch(name):
            # The engine would take it for the beginning of an id where there is no such name.
            return next(iter(self.containers(names=(name,))), None)
        try:
            answer = self._ask("GET", f"/containers/{_quoted(name)}/json")
        except NotFoundError:
            return None
        return inspected_container_of(_json(answer))

    def start(self, container: str) -> None:
        """See Engine."""
        self._ask("POST", f"/containers/{_quoted(container)}/start")

    def stop(self, container: str, seconds: int = 10) -> None:
        """See Engine.

        An interactive bash, which is the first process here, ignores the SIGTERM that a
        plain stop begins with; hung up, it ends at once instead of after the grace period.
        """
        path = f"/containers/{_quoted(container)}"
        with contextlib.suppress(ConflictError):
            self._ask("POST", f"{path}/kill", {"signal": "SIGHUP"})
        patience = ANSWER_SECONDS + seconds
        self._ask("POST", f"{path}/stop", {"t": str(seconds)}, seconds=patience)

    def wait(self, container: str) -> int:
        """See Engine."""
        answer = self._ask("POST", f"/containers/{_quoted(container)}/wait", seconds=None)
        return int(_json(answer)["StatusCode"])

    def logs(self, container: str, follow: bool = False) -> Iterator[str]:
        """See Engine."""
        with self._sdk(unhurried=True) as client:
            rest = b""
            for chunk in client.logs(container, stream=True, follow=follow):
                *lines, rest = (rest + chunk).split(b"\n")
                yield from (line.decode(errors="replace").rstrip() for line in lines)
            if rest:
                yield rest.decode(errors="replace").rstrip()

    def remove_container(self, container: str, force: bool = False) -> None:
        """See Engine."""
        query = {"v": "1", "force": str(int(force))}
        path = f"/containers/{_quoted(container)}"
        with contextlib.suppress(NotFoundError):
            try:
                self._ask("DELETE", path, query)
            except ConflictError as error:
                if "already in progress" not in str(error):
                    raise
                # An interrupted command asked for it before, and the engine is still at it.
                self._ask("POST", f"{path}/wait", {"condition": "removed"})

    def rename_container(self, container: str, name: str) -> None:
        """See Engine."""
        with contextlib.suppress(NotFoundError):
            self._ask("POST", f"/containers/{_quoted(container)}/rename", {"name": name})

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
        configuration = {
            "Cmd": list(like.command),
            # Not None: the engine would then take the set-up container's own.
            "Entrypoint": list(like.entrypoint),
            "User": like.user or "root",
            "WorkingDir": like.working_directory,
            "Env": list(like.environment),
            "Labels": {**like.labels, **labels},
        }
        with self._sdk(unhurried=True) as client:
            answer = client.commit(
                container, repository, tag, message=message or None, conf=configuration
            )
        return str(answer["Id"])

    def build(
        self,
        dockerfile: str,
        reference: str,
        *,
        labels: Mapping[str, str],
        progress: Callable[[str], None],
    ) -> str:
        """See Engine."""
        from .docker_build import build

        return build(self, self._connection, dockerfile, reference, labels, progress)

    def changes(self, container: str) -> list[Change]:
        """See Engine."""
        with self._sdk(unhurried=True) as client:
            answer = client.diff(container) or []
        found = [Change(each["Path"], _CHANGES[each["Kind"]]) for each in answer]
        return sorted(found, key=lambda change: change.path)

    def read_file(self, container: str, path: str, limit: int = 4 * 1024**2) -> bytes | None:
        """See Engine."""
        return read_file(self._connection, container, path, limit)

    def processes(self, container: str) -> int:
        """See Engine."""
        answer = self._ask("GET", f"/containers/{_quoted(container)}/top")
        return len(_json(answer)["Processes"] or ())  # null of one that is just ending

    def exec_detached(self, container: str, command: Iterable[str], user: str) -> None:
        """See Engine."""
        with self._sdk() as client:
            created = client.exec_create(container, list(command), user=user)
            client.exec_start(created["Id"], detach=True)

    def exec_run(self, container: str, command: Iterable[str], user: str) -> tuple[int, str]:
        """See Engine."""
        with self._sdk(unhurried=True) as client:
            created = client.exec_create(container, list(command), user=user)
            output = client.exec_start(created["Id"])
            status = client.exec_inspect(created["Id"])["ExitCode"]
        return int(status), output.decode(errors="replace")

    def stats(self, container: str) -> Stats | None:
        """See Engine."""
        try:
            with self._sdk() as client:
                return stats_of(client.stats(container, stream=False))
        except (NotFoundError, ConflictError):
            return None

    def export(self, container: str) -> Iterator[bytes]:
        """See Engine."""
        with self._sdk(unhurried=True) as client:
            yield from client.export(container, chunk_size=CHUNK)

    def import_image(self, archive: Iterable[bytes], repository: str, tag: str) -> str:
        """See Engine."""
        with self._sdk(unhurried=True) as client:
            # An iterator: requests takes a list for the fields of a form.
            answer = client.import_image_from_stream(iter(archive), repository=repository, tag=tag)
        if match := re.search(r'"status"\s*:\s*"(sha256:[0-9a-f]{64})"', answer):
            return match.group(1)
        raise EngineError(f"The engine could not import the archive: {answer.strip()[-300:]}")

    def history(self, image: str) -> list[Layer]:
        """See Engine."""
        try:
            with self._sdk() as client:
                answer = client.history(image)
        except ImageNotFoundError:
            return []
        return [Layer(each.get("CreatedBy", ""), each.get("Size", 0)) for each in answer]

    def shared_sizes(self) -> Mapping[str, int]:
        """See Engine.

        Engines from API 1.42 on leave the rest of their disk usage out when asked to.
        """
        answer = self._ask("GET", "/system/df", {"type": "image"}, seconds=None)
        images = _json(answer).get("Images") or []
        return {each["Id"]: max(each.get("SharedSize", 0), 0) for each in images}

    def mounts_and_devices(self, container: str) -> MountsAndDevices:
        """See Engine."""
        return mounts_and_devices_of(
            _json(self._ask("GET", f"/containers/{_quoted(container)}/json"))
        )

    def file_size(self, container: str, path: str) -> int | None:
        """See Engine."""
        return file_size(self._connection, container, path)

    def ping(self) -> None:
        """See Engine."""
        self._ask("GET", "/_ping")

    def info(self) -> EngineInfo:
        """See Engine."""
        return info_of(_json(self._ask("GET", "/info")), is_local=self._connection.is_local)

    def registry(self) -> Registry:
        """See Engine."""
        from .docker_registry import EngineRegistry

        return EngineRegistry(self._connection)

    def cluster(self) -> Cluster:
        """See Engine."""
        from .swarm import SwarmCluster

        return SwarmCluster(self._connection)


def _quoted(name: str) -> str:
    return quote(name, safe="/:")


def _json(answer: Answer) -> Any:
    try:
        return parsed(answer.body)
    except ValueError as error:
        raise EngineError(f"The Docker Engine's answer is not understood: {error}") from error

"""Docker Engine through its API (versions 1.41 to 1.51)."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property

from ..errors import (
    ConflictError,
    EngineError,
    EngineUnreachableError,
    ImageNotFoundError,
    MlcError,
    NotFoundError,
)
from ..json_text import parsed
from ..lean import TYPE_CHECKING
from ..names.images import parse_reference
from ..names.projects import LATEST
from . import container_files as files
from .answers import (
    activity_of,
    command_ids_of,
    container_of,
    exit_status_of,
    id_of,
    image_of,
    info_of,
    inspected_container_of,
    listed_image_of,
    mounts_and_devices_of,
    running_command_of,
    stats_of,
    transfer_progress,
    validated,
)
from .connection import (
    ANSWER_SECONDS,
    CHUNK,
    LONGEST_SECONDS,
    EngineConnection,
    Query,
    ask_for_list,
)
from .containerd_store import remove_unused_steps, step_below
from .http import Answer, quoted
from .interface import (
    REFUSED,
    Container,
    Engine,
    Image,
)

if TYPE_CHECKING:
    from typing import Any

    from .address import EngineAddress
    from .build_context import BuildOptions
    from .cluster import Cluster
    from .observations import Activity, Change, EngineInfo, Layer, MountsAndDevices, Stats
    from .registry import Registry
    from .specification import ContainerSpecification

_CHANGES = ("changed", "added", "deleted")  # Docker Engine API, "ContainerChanges"
_ANSWER_LOST = "ttrpc: closed"
"""What Docker 28 sometimes says of a start, instead of whether it succeeded, if the container ended
at once; a running one is not started again."""
_MAYBE_ID = re.compile(r"[0-9a-f]{1,64}")


class DockerEngine(Engine):
    """Docker Engine, reached by an address or over an existing connection."""

    def __init__(
        self,
        address: EngineAddress | None = None,
        *,
        connection: EngineConnection | None = None,
    ) -> None:
        self._connection = EngineConnection(address) if connection is None else connection
        self._ask = self._connection.ask
        self._sdk = self._connection.sdk
        self._stream = self._connection.stream

    def __str__(self) -> str:
        return str(self._connection)

    def image(self, reference: str) -> Image | None:
        try:
            return image_of(self._inspected_image(reference))
        except NotFoundError:  # also while it is being removed
            return None

    def _inspected_image(self, reference: str) -> Any:
        """Return the answer of ImageInspect. Raises NotFoundError."""
        return _json(self._ask("GET", f"/images/{quoted(reference)}/json"))

    @validated
    def find_images(
        self, *, names: Iterable[str] = (), labels: Iterable[str] = (), nameless: bool = False
    ) -> list[Image]:
        filters: dict[str, list[str]] = {"dangling": ["true" if nameless else "false"]}
        for key, wanted in (("reference", list(names)), ("label", list(labels))):
            if wanted:  # Podman rejects an empty filter
                filters[key] = wanted
        return [listed_image_of(each) for each in self._images({"filters": json.dumps(filters)})]

    def _images(self, query: Mapping[str, Query]) -> Any:
        return _json(ask_for_list(self._ask, "/images/json", query))

    def pull(self, reference: str, progress: Callable[[str], None]) -> None:
        name = parse_reference(reference)
        layers: dict[str, tuple[int, int]] = {}
        try:
            for event in self._pull_events(name.repository, name.digest or name.tag or LATEST):
                progress(transfer_progress(event, layers))
        except EngineUnreachableError:
            raise
        except (EngineError, NotFoundError) as error:
            why = str(error).removeprefix(REFUSED)
            raise ImageNotFoundError(f"Pulling {reference} failed: {why}") from error

    def _pull_events(self, repository: str, tag: str) -> Iterator[Mapping[str, Any]]:
        if self._connection.may_log_in:
            with self._sdk(unhurried=True) as client:
                yield from client.pull(repository, tag=tag, stream=True, decode=True)
        else:
            from .output_stream import lines

            query = {"fromImage": repository, "tag": tag}
            for line in lines(self._stream("POST", "/images/create", query)):
                yield _parsed(line)

    def tag_image(self, image_id: str, repository: str, tag: str) -> None:
        self._ask("POST", f"/images/{quoted(image_id)}/tag", {"repo": repository, "tag": tag})

    def remove_image(self, reference: str) -> None:
        step = step_below(quoted(reference), self._ask) if self._has_containerd_store else ""
        with contextlib.suppress(ImageNotFoundError):
            self._ask("DELETE", f"/images/{quoted(reference)}", seconds=LONGEST_SECONDS)
        if step:
            remove_unused_steps(step, self._ask)

    def create_container(self, specification: ContainerSpecification) -> str:
        query = {"name": specification.name}
        answer = self._ask("POST", "/containers/create", query, self._body(specification))
        return id_of(_json(answer))

    def _body(self, specification: ContainerSpecification) -> dict[str, Any]:
        from .specification import container_body

        return container_body(specification)

    @validated
    def containers(
        self,
        *,
        names: Iterable[str] = (),
        pattern: str | None = None,
        labels: Iterable[str] = (),
        image: str | None = None,
        sizes: bool = False,
    ) -> list[Container]:
        names = tuple(names)
        filters: dict[str, list[str]] = {"label": list(labels)}
        if names:
            filters["name"] = [f"^/?{re.escape(name)}$" for name in names]
        if pattern:
            filters["name"] = [pattern]
        if image:
            filters["ancestor"] = [image]
        query = {"all": "1", "size": str(int(sizes)), "filters": json.dumps(filters)}
        seconds = LONGEST_SECONDS if sizes else ANSWER_SECONDS
        answer = ask_for_list(self._ask, "/containers/json", query, seconds=seconds)
        # The engine may go on listing a container that it has removed, then without a name.
        return [container_of(found) for found in _json(answer) if found.get("Names")]

    def container(self, name: str) -> Container | None:
        if _MAYBE_ID.fullmatch(name):
            # ContainerInspect would also match it as an abbreviated id.
            return next(iter(self.containers(names=(name,))), None)
        try:
            answer = self._ask("GET", f"/containers/{quoted(name)}/json")
        except NotFoundError:
            return None
        return inspected_container_of(_json(answer))

    def start(self, container: str) -> None:
        files.refuse_accounts_that_hang(self._ask, container)
        request = ("POST", f"/containers/{quoted(container)}/start")
        try:
            self._ask(*request)
        except EngineError as error:
            if _ANSWER_LOST not in str(error):
                raise
            self._ask(*request)

    def stop(self, container: str, seconds: int = 10, *, hang_up: bool = True) -> None:
        # An interactive bash ignores the SIGTERM of a plain stop; SIGHUP ends it at once instead of
        # after the grace period.
        path = f"/containers/{quoted(container)}"
        if hang_up:
            with contextlib.suppress(ConflictError):
                self._ask("POST", f"{path}/kill", {"signal": "SIGHUP"})
        patience = ANSWER_SECONDS + seconds
        self._ask("POST", f"{path}/stop", {"t": str(seconds)}, seconds=patience)

    def pause(self, container: str) -> None:
        self._ask("POST", f"/containers/{quoted(container)}/pause")

    def unpause(self, container: str) -> None:
        self._ask("POST", f"/containers/{quoted(container)}/unpause")

    @validated
    def wait(self, container: str) -> int:
        answer = self._ask("POST", f"/containers/{quoted(container)}/wait", seconds=LONGEST_SECONDS)
        return int(_json(answer)["StatusCode"])

    @validated
    def logs(self, container: str, follow: bool = False) -> Iterator[str]:
        from .output_stream import lines, payloads

        path = f"/containers/{quoted(container)}"
        has_terminal = _json(self._ask("GET", f"{path}/json"))["Config"].get("Tty", False)
        wanted = {"stdout": "1", "stderr": "1", "follow": "1" if follow else "0"}
        pieces = self._stream("GET", f"{path}/logs", wanted)
        return lines(pieces if has_terminal else payloads(pieces))

    def attach(self, container: str) -> Iterator[bytes]:
        from .output_stream import payloads

        wanted = {"stream": "1", "stdout": "1", "stderr": "1"}
        return payloads(self._stream("POST", f"/containers/{quoted(container)}/attach", wanted))

    def remove_container(
        self, container: str, force: bool = False, *, keep_volumes: bool = False
    ) -> None:
        query = {"v": str(int(not keep_volumes)), "force": str(int(force))}
        path = f"/containers/{quoted(container)}"
        with contextlib.suppress(NotFoundError):
            try:
                self._ask("DELETE", path, query)
            except ConflictError as error:
                if "already in progress" not in str(error):
                    raise
                # An interrupted command requested the removal, and the engine is still at it.
                self._ask("POST", f"{path}/wait", {"condition": "removed"})

    def remove_volume(self, name: str) -> None:
        with contextlib.suppress(NotFoundError):
            self._ask("DELETE", f"/volumes/{quoted(name)}", seconds=LONGEST_SECONDS)

    def rename_container(self, container: str, name: str) -> None:
        with contextlib.suppress(NotFoundError):
            self._ask("POST", f"/containers/{quoted(container)}/rename", {"name": name})

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
        more, body = self._commit_configuration(like, labels)
        query = {"container": container, "repo": repository, "tag": tag, "comment": message, **more}
        answer = self._ask("POST", "/commit", query, body, seconds=LONGEST_SECONDS)
        return full_id(id_of(_json(answer)))

    def _commit_configuration(
        self, like: Image, labels: Mapping[str, str]
    ) -> tuple[Mapping[str, Query], dict[str, Any]]:
        """Return the part of the request's query and its body."""
        return {}, {
            "Cmd": list(like.command),
            # Not None: the engine would then use the set-up container's own.
            "Entrypoint": list(like.entrypoint),
            "User": like.user or "root",
            "WorkingDir": like.working_directory,
            "Env": list(like.environment),
            "Labels": {**like.labels, **labels},
            "Volumes": {path: {} for path in like.volumes} or None,
        }

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
        from .build import build

        build(
            *(self._connection, dockerfile, reference, labels, progress, options), buildkit=buildkit
        )
        image = self.image(reference)
        if image is None:
            raise EngineError(f"The build succeeded, but there is no image {reference}.")
        return image.id

    @validated
    def changes(self, container: str) -> list[Change]:
        from .observations import Change

        answer = self._ask(
            "GET", f"/containers/{quoted(container)}/changes", seconds=LONGEST_SECONDS
        )
        found = [Change(each["Path"], _CHANGES[each["Kind"]]) for each in _json(answer) or ()]
        return sorted(found, key=lambda change: change.path)

    def read_file(self, container: str, path: str, limit: int = 4 * 1024**2) -> bytes | None:
        return files.content(self._ask, container, path, limit)

    def file_size(self, container: str, path: str) -> int | None:
        return files.size(self._ask, container, path)

    def real_path(self, container: str, path: str) -> str:
        return files.real_path(self._ask, container, path)

    def read_directory(self, container: str, path: str) -> Iterator[bytes]:
        with self._sdk(unhurried=True) as client:
            chunks, _ = client.get_archive(container, path, chunk_size=CHUNK)
            yield from chunks

    def write_directory(self, container: str, path: str, archive: Iterable[bytes]) -> None:
        with self._sdk(unhurried=True) as client:
            # An iterator, because requests would encode a list as form fields.
            client.put_archive(container, path, iter(archive))

    def files_below(
        self, container: str, path: str, limit: int = 4 * 1024**2
    ) -> dict[str, bytes] | None:
        return files.below(self._ask, container, path, limit)

    def stream_file(self, container: str, path: str) -> Iterator[bytes]:
        from .archive import content_in

        return content_in(self.read_directory(container, path), path)

    @validated
    def activity(self, container: str) -> Activity:
        found = _json(self._ask("GET", f"/containers/{quoted(container)}/json"))
        commands = []
        for each in command_ids_of(found):
            with contextlib.suppress(NotFoundError):  # it has just ended
                commands.append(running_command_of(_json(self._ask("GET", f"/exec/{each}/json"))))
        return activity_of(found, tuple(each for each in commands if each))

    @validated
    def processes(self, container: str) -> list[str]:
        answer = self._ask("GET", f"/containers/{quoted(container)}/top")
        # null for a container that is just ending
        return [str(row[-1]) for row in _json(answer)["Processes"] or ()]

    def exec_detached(self, container: str, command: Iterable[str], user: str) -> None:
        made = self._new_command(container, command, user)
        self._ask("POST", f"/exec/{made}/start", body={"Detach": True})

    def exec_run(self, container: str, command: Iterable[str], user: str) -> tuple[int, str]:
        from .output_stream import payloads

        made = self._new_command(container, command, user)
        output = b"".join(payloads(self._stream("POST", f"/exec/{made}/start", body={})))
        status = exit_status_of(_json(self._ask("GET", f"/exec/{made}/json")))
        return status, output.decode(errors="replace")

    def _new_command(self, container: str, command: Iterable[str], user: str) -> str:
        wanted = {"AttachStdout": True, "AttachStderr": True}
        body = {"Cmd": list(command), "User": user, **wanted}
        made = self._ask("POST", f"/containers/{quoted(container)}/exec", body=body)
        return id_of(_json(made))

    def stats(self, container: str) -> Stats | None:
        try:
            return stats_of(self._measured(container))
        except (NotFoundError, ConflictError):
            return None

    def _measured(self, container: str) -> Any:
        """Return an answer of ContainerStats, with the processor's times now and shortly before."""
        target = f"/containers/{quoted(container)}/stats"
        answer = self._ask("GET", target, {"stream": "false"})
        if not answer.body:  # Docker 20.10, if it is removed while the engine measures
            raise NotFoundError(f"The container {container} was removed.")
        return _json(answer)

    def export(self, container: str) -> Iterator[bytes]:
        with self._sdk(unhurried=True) as client:
            yield from client.export(container, chunk_size=CHUNK)

    def save_image(self, reference: str) -> Iterator[bytes]:
        with self._sdk(unhurried=True) as client:
            yield from client.get_image(reference, chunk_size=CHUNK)

    def import_image(
        self,
        archive: Iterable[bytes],
        repository: str,
        tag: str,
        *,
        labels: Mapping[str, str] | None = None,
    ) -> str:
        changes = [
            f"LABEL {json.dumps(key)}={json.dumps(each)}" for key, each in (labels or {}).items()
        ]
        name = f"{repository}:{tag}" if tag else repository
        before = self.image(name)
        try:
            with self._sdk(unhurried=True) as client:
                # An iterator, because requests would encode a list as form fields.
                answer = client.import_image_from_stream(
                    iter(archive), repository=repository, tag=tag, changes=changes or None
                )
            if match := re.search(r'"status"\s*:\s*"(sha256:[0-9a-f]{64})"', answer):
                return match.group(1)
            raise EngineError(f"The engine could not import the archive: {answer.strip()[-300:]}")
        except EngineError:
            # containerd's image store keeps, and tags, even what it could not unpack.
            with contextlib.suppress(MlcError):
                after = self.image(name)
                if after is not None and (before is None or before.id != after.id):
                    self.remove_image(name)
            raise

    @validated
    def history(self, image: str) -> list[Layer]:
        from .observations import Layer

        try:
            answer = self._ask("GET", f"/images/{quoted(image)}/history")
        except NotFoundError:
            return []
        return [
            Layer(each.get("CreatedBy", ""), each.get("Size", 0), each.get("Comment") or "")
            for each in _json(answer)
        ]

    def has_containerd_store(self) -> bool:
        return self._has_containerd_store

    def sends_contexts_to_buildkit(self) -> bool:
        return self._connection.is_docker_28 or not self._has_containerd_store

    @cached_property
    def _has_containerd_store(self) -> bool:
        # Older engines, and Podman, are not asked.
        return self._connection.may_use_containerd_store and self.info().containerd is not None

    def image_size(self, image: Image) -> int:
        # In containerd's image store the engine states the compressed layers' size for one image,
        # and compressed plus unpacked layers in lists. Only the history agrees with other stores.
        if self._has_containerd_store:
            return sum(layer.size for layer in self.history(image.id))
        return image.size

    @validated
    def shared_sizes(self) -> Mapping[str, int]:
        # With `type`, engines from API 1.42 on compute only this part of their disk usage.
        query = {"type": "image"}
        answer = ask_for_list(self._ask, "/system/df", query, seconds=LONGEST_SECONDS)
        images = _json(answer).get("Images") or []
        return {each["Id"]: max(each.get("SharedSize", 0), 0) for each in images}

    def mounts_and_devices(self, container: str) -> MountsAndDevices:
        return mounts_and_devices_of(
            _json(self._ask("GET", f"/containers/{quoted(container)}/json"))
        )

    def ping(self) -> None:
        self._ask("GET", "/_ping")

    def minimum_api(self) -> str:
        return self._connection.minimum_api

    def newest_api(self) -> str:
        return self._connection.newest_api

    def info(self) -> EngineInfo:
        is_local = self._connection.address.is_local
        return info_of(_json(self._ask("GET", "/info")), is_local=is_local)

    def has_network(self, name: str) -> bool:
        try:
            self._ask("GET", f"/networks/{quoted(name)}")
        except NotFoundError:
            return False
        return True

    def registry(self) -> Registry:
        from .docker_registry import EngineRegistry

        return EngineRegistry(self._connection)

    def cluster(self) -> Cluster:
        from .swarm import SwarmCluster

        return SwarmCluster(self._connection)


def full_id(image_id: str) -> str:
    """Return an image's id with the digest's algorithm, which some answers of Podman lack."""
    return image_id if image_id.startswith("sha256:") else f"sha256:{image_id}"


def _json(answer: Answer) -> Any:
    return _parsed(answer.body)


def _parsed(text: str | bytes) -> Any:
    try:
        return parsed(text)
    except ValueError as error:
        raise EngineError(f"Invalid answer from the Docker Engine: {error}") from error

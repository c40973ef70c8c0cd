"""A fake engine in memory, for tests of logic and faults. tests/contract checks that it behaves
like a real one."""

from __future__ import annotations

import contextlib
import io
import itertools
import json
import re
import tarfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from mlc_patched.engine.build_context import BuildOptions
from mlc_patched.engine.cluster import Cluster
from mlc_patched.engine.interface import VOLUME, Container, Engine, Image, Mount
from mlc_patched.engine.observations import (
    Activity,
    Change,
    EngineInfo,
    Layer,
    MountsAndDevices,
    Stats,
)
from mlc_patched.engine.registry import Registry
from mlc_patched.engine.specification import ContainerSpecification
from mlc_patched.errors import (
    ConflictError,
    EngineError,
    ImageNotFoundError,
    MountMissingError,
    NotFoundError,
)
from mlc_patched.names.images import is_image_id, parse_reference
from support.fakes import jobs
from support.fakes.cluster import FakeCluster, FakeRegistry

_LABEL = r'([^ ]+?)=("(?:\\.|[^"\\])*"|[^ ]*)'
ROOT_PASSWD = "root:x:0:0:root:/root:/bin/bash\n"


@dataclass
class FakeImage:
    """An image with its /etc/passwd and the id of its parent.

    `digests` are its names by digest, which keep it like others but are not in `references`.
    """

    image: Image
    passwd: str = ROOT_PASSWD
    parent: str = ""
    digests: tuple[str, ...] = ()
    directories: dict[str, dict[str, bytes]] = field(default_factory=dict)
    history: list[Layer] = field(default_factory=list)
    made_by: str = "made in memory"
    comment: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """All names that keep it."""
        return (*self.image.references, *self.digests)


@dataclass
class FakeContainer:
    """A container with its specification."""

    id: str
    specification: ContainerSpecification
    image_id: str
    passwd: str
    state: str = "created"
    exit_status: int = 0
    lines: list[str] = field(default_factory=list)
    commands: list[tuple[tuple[str, ...], str]] = field(default_factory=list)
    processes: list[str] = field(default_factory=lambda: ["bash"])
    changes: list[Change] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)
    activity: Activity = field(default_factory=Activity)
    created: float = field(default_factory=time.time)
    directories: dict[str, dict[str, bytes]] = field(default_factory=dict)
    """Files of directories, in the container itself, by name."""
    volumes: dict[str, str] = field(default_factory=dict)
    """Names of volumes, by path."""


class FakeEngine(Engine):
    """Images and containers in dictionaries; `calls` lists the called methods in order."""

    def __init__(self) -> None:
        self.images: dict[str, FakeImage] = {}
        self.made: dict[str, FakeContainer] = {}
        self.volumes: dict[str, dict[str, bytes]] = {}
        self.pullable: dict[str, str] = {}
        self.registries = FakeRegistry(self)
        self.swarm = FakeCluster()
        self.calls: list[str] = []
        self.setup_fails: int = 0
        self.setup_failure = "account set-up: it failed"
        self.early_ends: dict[str, tuple[int, list[str]]] = {}
        """By image ID: exit status and output of an ENTRYPOINT that ends at once."""
        self.networks = {"bridge", "host", "none"}
        self.oldest_api = "1.24"
        self.latest_api = ""  # as with Podman
        self.in_containerd = False
        self._ids = itertools.count(1)

    # For tests.

    def add_image(
        self,
        reference: str,
        labels: Mapping[str, str] | None = None,
        passwd: str = ROOT_PASSWD,
        **config: object,
    ) -> Image:
        """Add an image with a name and return it."""
        image = Image(
            id=self._new_id("sha256:"), references=(), labels=dict(labels or {}), **config
        )
        self.images[image.id] = FakeImage(image, passwd)
        name = parse_reference(reference)
        self.tag_image(image.id, name.repository, name.tag or "latest")
        self.calls.clear()
        return self.images[image.id].image

    # The interface.

    def image(self, reference: str) -> Image | None:
        self.calls.append("image")
        found = self._find_image(reference)
        return replace(found.image, parent=found.parent) if found else None

    def find_images(
        self, *, names: Iterable[str] = (), labels: Iterable[str] = (), nameless: bool = False
    ) -> list[Image]:
        self.calls.append("find_images")
        patterns, wanted = tuple(names), tuple(labels)
        if nameless:
            parents = {each.parent for each in self.images.values()}
            return [
                each.image
                for each in self.images.values()
                if not each.image.references
                and each.image.id not in parents
                and all(_has_label(each.image.labels, label) for label in wanted)
            ]
        found = []
        for each in self.images.values():
            matching = tuple(
                name
                for name in each.image.references
                if not patterns or any(_matches(name, pattern) for pattern in patterns)
            )
            is_found = matching or (each.digests and not patterns)
            if is_found and all(_has_label(each.image.labels, label) for label in wanted):
                found.append(
                    Image(
                        each.image.id,
                        matching,
                        each.image.labels,
                        each.image.size,
                        each.image.created,
                    )
                )
        return found

    def pull(self, reference: str, progress: Callable[[str], None]) -> None:
        self.calls.append("pull")
        if (pushed := self.registries.with_digest(reference)) is not None:
            here = self.images.setdefault(
                pushed.image.id, FakeImage(replace(pushed.image, references=()), pushed.passwd)
            )
            here.digests = tuple(dict.fromkeys((*here.digests, reference)))
            return
        if reference not in self.pullable:
            raise ImageNotFoundError(f"Pulling {reference} failed: no such image")
        progress("Pulling")
        here = self._find_image(reference)
        if here is not None and here.passwd == self.pullable[reference]:
            return  # it is the same image
        calls = list(self.calls)
        self.add_image(reference, passwd=self.pullable[reference])
        self.calls = calls

    def tag_image(self, image_id: str, repository: str, tag: str) -> None:
        self.calls.append("tag_image")
        target = self._find_image(image_id)
        if target is None:
            raise ImageNotFoundError(f"No such image: {image_id}")
        self._untag(f"{repository}:{tag}")
        names = (*target.image.references, f"{repository}:{tag}")
        target.image = replace(target.image, references=names)

    def remove_image(self, reference: str) -> None:
        self.calls.append("remove_image")
        found = self._find_image(reference)
        if found is None:
            return
        users = [each for each in self.made.values() if each.image_id == found.image.id]
        names = found.names
        if is_image_id(reference):
            if len(names) > 1 or users:
                raise ConflictError(f"unable to delete {reference}: it is in use")
        elif len(names) > 1:
            self._untag(_full(reference))
            self._drop_digests(found, parse_reference(reference).repository)
            if found.names or users:
                return
        elif users:
            raise ConflictError(f"unable to remove {reference}: container uses it")
        if any(other.parent == found.image.id for other in self.images.values()):
            if not names:
                raise ConflictError(f"unable to delete {reference}: it has dependent images")
            self._untag(names[0])
            return
        self._delete(found)

    def create_container(self, specification: ContainerSpecification) -> str:
        self.calls.append("create_container")
        image = self._find_image(specification.image)
        if image is None:
            raise ImageNotFoundError(f"No such image: {specification.image}")
        if any(each.specification.name == specification.name for each in self.made.values()):
            raise ConflictError(f"The name {specification.name} is in use")
        for bind in specification.binds:
            if bind.must_exist and not Path(bind.source).exists():
                raise MountMissingError(bind.source)
        identity = self._new_id("")
        made = FakeContainer(identity, specification, image.image.id, image.passwd)
        made.directories = {path: dict(files) for path, files in image.directories.items()}
        for path in image.image.volumes:
            if path not in specification.tmpfs:
                made.volumes[path] = self._new_id("")
                self.volumes[made.volumes[path]] = dict(made.directories.get(path, {}))
        self.made[identity] = made
        return identity

    def containers(
        self,
        *,
        names: Iterable[str] = (),
        pattern: str | None = None,
        labels: Iterable[str] = (),
        image: str | None = None,
        sizes: bool = False,
    ) -> list[Container]:
        self.calls.append("containers")
        names, wanted = tuple(names), tuple(labels)
        ancestors = self._find_image(image) if image else None
        found = []
        for each in self.made.values():
            all_labels = self._labels(each)
            if names and each.specification.name not in names:
                continue
            if pattern and not re.search(pattern, f"/{each.specification.name}"):
                continue
            if not all(_has_label(all_labels, label) for label in wanted):
                continue
            if image and (ancestors is None or ancestors.image.id not in self._ancestors(each)):
                continue
            found.append(self._container(each, all_labels, sizes))
        return found[::-1]  # newest first, as Docker has them

    def container(self, name: str) -> Container | None:
        self.calls.append("container")
        for each in self.made.values():
            if each.specification.name == name:
                found = self._container(each, self._labels(each), False)
                network = each.specification.network
                return replace(
                    found,
                    status=found.state,
                    created=0,
                    network=network,
                    limits=_limits(each.specification),
                )
        return None

    def start(self, container: str) -> None:
        self.calls.append("start")
        each = self._get(container)
        each.state = "running"
        each.activity = Activity(started=time.time())
        if each.image_id in self.early_ends and each.specification.entrypoint is None:
            each.state, (each.exit_status, each.lines) = "exited", self.early_ends[each.image_id]
        if each.specification.entrypoint and each.specification.entrypoint[0] == "env":
            self._set_up(each)

    def stop(self, container: str, seconds: int = 10, *, hang_up: bool = True) -> None:
        self.calls.append("stop" if hang_up else "stop without hanging up")
        each = self._get(container)
        if each.state == "running":
            each.state, each.exit_status = "exited", 129
            each.activity = Activity(each.activity.started, time.time(), 129)

    def pause(self, container: str) -> None:
        self._freeze(container, "running", "paused")

    def unpause(self, container: str) -> None:
        self._freeze(container, "paused", "running")

    def _freeze(self, container: str, state: str, after: str) -> None:
        each = self._get(container)
        if each.state != state:
            raise ConflictError(f"{container} is not {state}")
        each.state = after

    def wait(self, container: str) -> int:
        self.calls.append("wait")
        return self._get(container).exit_status

    def logs(self, container: str, follow: bool = False) -> Iterator[str]:
        self.calls.append("logs")
        yield from self._get(container).lines

    def attach(self, container: str) -> Iterator[bytes]:
        self.calls.append("attach")
        self._get(container)
        return iter([f"{line}\n".encode() for line in self.made[container].lines])

    def remove_container(
        self, container: str, force: bool = False, *, keep_volumes: bool = False
    ) -> None:
        self.calls.append("remove_container")
        try:
            each = self._get(container)
        except NotFoundError:
            return
        if each.state == "running" and not force:
            raise ConflictError(f"You cannot remove a running container {container}")
        del self.made[each.id]
        for name in () if keep_volumes else each.volumes.values():
            self.volumes.pop(name, None)

    def remove_volume(self, name: str) -> None:
        self.calls.append("remove_volume")
        if any(name in each.volumes.values() for each in self.made.values()):
            raise ConflictError(f"volume {name} is in use")
        self.volumes.pop(name, None)

    def rename_container(self, container: str, name: str) -> None:
        self.calls.append("rename_container")
        if any(each.specification.name == name for each in self.made.values()):
            raise ConflictError(f"The name {name} is in use")
        with contextlib.suppress(NotFoundError):
            each = self._get(container)
            each.specification = replace(each.specification, name=name)

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
        self.calls.append("commit")
        each = self._get(container)
        image = replace(
            like,
            id=self._new_id("sha256:"),
            references=(),
            # The engine adds the container's own labels.
            labels={**self._labels(each), **like.labels, **labels},
            volumes=tuple(sorted({*like.volumes, *self.images[each.image_id].image.volumes})),
        )
        directories = {path: dict(files) for path, files in each.directories.items()}
        self.images[image.id] = FakeImage(
            image,
            each.passwd,
            parent=each.image_id,
            directories=directories,
            made_by=" ".join((*(each.specification.entrypoint or ()), *each.specification.command)),
            comment=message,
        )
        self.tag_image(image.id, repository, tag)
        self.calls.pop()
        return image.id

    def read_file(self, container: str, path: str, limit: int = 4 * 1024**2) -> bytes | None:
        self.calls.append("read_file")
        each = self._get(container)
        found = {"/etc/passwd": each.passwd.encode(), **each.files}.get(path)
        return found if found is not None and len(found) <= limit else None

    def real_path(self, container: str, path: str) -> str:
        self.calls.append("real_path")
        each = self._get(container)
        binds = [bind.target for bind in each.specification.binds]
        if path in each.volumes or path in each.directories or path in binds:
            return path
        raise NotFoundError(f"Could not find {path}")

    def read_directory(self, container: str, path: str) -> Iterator[bytes]:
        self.calls.append("read_directory")
        each, name = self._get(container), PurePosixPath(path).name
        if path not in each.volumes and path not in each.directories:
            raise NotFoundError(f"Could not find {path}")
        volume = each.volumes.get(path)
        files = each.directories[path] if volume is None else self.volumes[volume]
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as tar:
            directory = tarfile.TarInfo(name)
            directory.type = tarfile.DIRTYPE
            tar.addfile(directory)
            for file, content in sorted(files.items()):
                member = tarfile.TarInfo(f"{name}/{file}")
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
        yield buffer.getvalue()

    def write_directory(self, container: str, path: str, archive: Iterable[bytes]) -> None:
        self.calls.append("write_directory")
        each = self._get(container)
        with tarfile.open(fileobj=io.BytesIO(b"".join(archive))) as tar:
            for member in tar:
                target = PurePosixPath(path, member.name)
                if str(target) in each.volumes:
                    raise AssertionError(f"a volume is mounted at {target}")
                if member.isdir():
                    each.directories.setdefault(str(target), {})
                elif str(target) in each.directories:
                    del each.directories[str(target)]  # a file replaces a directory
                elif str(target.parent) in each.directories:
                    content = tar.extractfile(member).read()
                    each.directories[str(target.parent)][target.name] = content
                each.changes.append(Change(str(target), "changed"))

    def files_below(
        self, container: str, path: str, limit: int = 4 * 1024**2
    ) -> dict[str, bytes] | None:
        self.calls.append("files_below")
        found = {
            name.removeprefix(f"{path}/"): content
            for name, content in self._get(container).files.items()
            if name.startswith(f"{path}/")
        }
        return found or None

    def stream_file(self, container: str, path: str) -> Iterator[bytes]:
        self.calls.append("stream_file")
        files = {"/etc/passwd": self._get(container).passwd.encode(), **self._get(container).files}
        if path not in files:
            raise NotFoundError(f"Could not find the file {path} in container {container}")
        yield files[path]

    def activity(self, container: str) -> Activity:
        self.calls.append("activity")
        return self._get(container).activity

    def processes(self, container: str) -> list[str]:
        self.calls.append("processes")
        each = self._get(container)
        if each.state != "running":
            raise ConflictError(f"Container {container} is not running")
        return each.processes

    def exec_detached(self, container: str, command: Iterable[str], user: str) -> None:
        self.calls.append("exec_detached")
        each = self._get(container)
        if each.state != "running":
            raise ConflictError(f"Container {container} is not running")
        command = tuple(command)
        each.commands.append((command, user))
        if jobs.act(command, each.files) is not None:
            running = (*each.activity.commands, command)
            each.activity = replace(each.activity, commands=running)

    def exec_run(self, container: str, command: Iterable[str], user: str) -> tuple[int, str]:
        self.calls.append("exec_run")
        each = self._get(container)
        if each.state != "running":
            raise ConflictError(f"Container {container} is not running")
        command = tuple(command)
        each.commands.append((command, user))
        return 0, jobs.act(command, each.files) or ""

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
        self.calls.append("build")
        base = self._find_image(dockerfile.split()[1])
        progress("Step 1")
        if base is None or self.setup_fails:
            raise EngineError(self.setup_failure)
        passwd = base.passwd
        words = re.findall(r"(DS01_\w+)=([^ ;]+);", dockerfile)
        if words:
            passwd = _with_account(base.passwd, dict(words))
        steps = [line for line in dockerfile.splitlines() if line.startswith("LABEL ")]
        pairs = [pair for line in steps for pair in re.findall(_LABEL, line)]
        written = {
            key: re.sub(r"\\(.)", r"\1", value.strip('"'))
            for key, value in pairs
            if not re.search(r"(?<!\\)\$", value)
        }
        image = replace(
            base.image,
            id=self._new_id("sha256:"),
            references=(),
            labels={**base.image.labels, **written, **labels},
        )
        self.images[image.id] = FakeImage(image, passwd, parent=base.image.id)
        name = parse_reference(reference)
        self.tag_image(image.id, name.repository, name.tag or "latest")
        self.calls.pop()
        return image.id

    def changes(self, container: str) -> list[Change]:
        self.calls.append("changes")
        return list(self._get(container).changes)

    def stats(self, container: str) -> Stats | None:
        self.calls.append("stats")
        each = self.made.get(container)
        return Stats(50.0, 1000, 4000, 1) if each and each.state == "running" else None

    def export(self, container: str) -> Iterator[bytes]:
        self.calls.append("export")
        content = self._get(container).passwd.encode()
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as tar:
            member = tarfile.TarInfo("etc/passwd")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
        yield buffer.getvalue()

    def save_image(self, reference: str) -> Iterator[bytes]:
        self.calls.append("save_image")
        if self._find_image(reference) is None:
            raise ImageNotFoundError(f"No such image: {reference}")
        content = json.dumps([{"RepoTags": [_full(reference)]}]).encode()
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as tar:
            member = tarfile.TarInfo("manifest.json")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
        yield buffer.getvalue()

    def import_image(
        self,
        archive: Iterable[bytes],
        repository: str,
        tag: str,
        *,
        labels: Mapping[str, str] | None = None,
    ) -> str:
        self.calls.append("import_image")
        try:
            with tarfile.open(fileobj=io.BytesIO(b"".join(archive))) as tar:
                has_accounts = "etc/passwd" in tar.getnames()
                passwd = tar.extractfile("etc/passwd").read().decode() if has_accounts else ""
        except tarfile.TarError as error:
            raise EngineError(f"The engine could not import the archive: {error}") from error
        image = Image(id=self._new_id("sha256:"), labels=dict(labels or {}))
        self.images[image.id] = FakeImage(image, passwd)
        self.tag_image(image.id, repository, tag)
        self.calls.pop()
        return image.id

    def history(self, image: str) -> list[Layer]:
        self.calls.append("history")
        found = self._find_image(image)
        if found is None:
            return []
        return found.history or [Layer(found.made_by, found.image.size, found.comment)]

    def has_containerd_store(self) -> bool:
        return self.in_containerd

    def image_size(self, image: Image) -> int:
        self.calls.append("image_size")
        return image.size

    def shared_sizes(self) -> Mapping[str, int]:
        self.calls.append("shared_sizes")
        parents = {each.parent for each in self.images.values()}
        return {
            each.image.id: each.image.size if each.image.id in parents else 0
            for each in self.images.values()
        }

    def mounts_and_devices(self, container: str) -> MountsAndDevices:
        self.calls.append("mounts_and_devices")
        specification = self._get(container).specification
        return MountsAndDevices(
            specification.devices,
            tuple(bind.source for bind in specification.binds),
            {bind.source: bind.target for bind in specification.binds},
            is_privileged=specification.privileged,
        )

    def file_size(self, container: str, path: str) -> int | None:
        self.calls.append("file_size")
        each = self._get(container)
        found = {"/etc/passwd": each.passwd.encode(), **each.files}.get(path)
        return None if found is None else len(found)

    def ping(self) -> None:
        self.calls.append("ping")

    def minimum_api(self) -> str:
        return self.oldest_api

    def newest_api(self) -> str:
        return self.latest_api

    def has_network(self, name: str) -> bool:
        self.calls.append("has_network")
        return name in self.networks

    def info(self) -> EngineInfo:
        self.calls.append("info")
        return EngineInfo("99.0", "/", ("runc",), machine="aarch64")

    # Implementation.

    def _set_up(self, each: FakeContainer) -> None:
        """Do what the account script does to /etc/passwd."""
        variables = dict(part.split("=", 1) for part in each.specification.entrypoint[1:])
        each.state, each.exit_status = "exited", self.setup_fails
        if self.setup_fails:
            each.lines.append(self.setup_failure)
            return
        each.passwd = _with_account(each.passwd, variables)
        each.lines.append(f"account set-up: uid={variables['DS01_USER_ID']}")

    def _new_id(self, prefix: str) -> str:
        # Unique in the first digits, like real ids: builders print only those.
        return f"{prefix}{next(self._ids):012x}".ljust(len(prefix) + 64, "0")

    def _get(self, container: str) -> FakeContainer:
        for each in self.made.values():
            if container in (each.id, each.id[:12], each.specification.name):
                return each
        raise NotFoundError(f"No such container: {container}")

    def registry(self) -> Registry:
        return self.registries

    def cluster(self) -> Cluster:
        return self.swarm

    def _find_image(self, reference: str) -> FakeImage | None:
        if reference in self.images:
            return self.images[reference]
        for each in self.images.values():
            if _full(reference) in each.names:
                return each
            if reference == each.image.id.removeprefix("sha256:")[:12]:
                return each
        return None

    def _untag(self, reference: str) -> None:
        for each in self.images.values():
            names = tuple(name for name in each.image.references if name != reference)
            each.image = replace(each.image, references=names)
            each.digests = tuple(name for name in each.digests if name != reference)

    @staticmethod
    def _drop_digests(each: FakeImage, repository: str) -> None:
        """Remove an image's names by digest in a repository where it has no tag any more
        (moby, daemon/images/image_delete.go)."""
        if any(parse_reference(name).repository == repository for name in each.image.references):
            return
        each.digests = tuple(
            name for name in each.digests if parse_reference(name).repository != repository
        )

    def _delete(self, each: FakeImage) -> None:
        del self.images[each.image.id]
        parent = self.images.get(each.parent)
        used = parent and any(made.image_id == parent.image.id for made in self.made.values())
        has_others = any(other.parent == each.parent for other in self.images.values())
        if parent and not parent.names and not used and not has_others:
            self._delete(parent)

    def _labels(self, each: FakeContainer) -> dict[str, str]:
        image = self.images.get(each.image_id)
        return {**(image.image.labels if image else {}), **each.specification.labels}

    def _ancestors(self, each: FakeContainer) -> list[str]:
        """Return the ids of the container's image and its ancestors."""
        line, image_id = [], each.image_id
        while image_id in self.images:
            line.append(image_id)
            image_id = self.images[image_id].parent
        return line

    def _container(self, each: FakeContainer, labels: dict[str, str], sizes: bool) -> Container:
        status = {"created": "Created", "running": "Up 1 second"}.get(
            each.state, f"Exited ({each.exit_status}) 2 hours ago"
        )
        return Container(
            id=each.id,
            name=each.specification.name,
            image=each.specification.image,
            image_id=each.image_id,
            labels=labels,
            state=each.state,
            status=status,
            created=int(each.created),
            size=0 if sizes else None,
            mounts=(
                *(
                    Mount("bind", bind.target, source=bind.source)
                    for bind in each.specification.binds
                ),
                *(Mount(VOLUME, path, name) for path, name in each.volumes.items()),
            ),
        )


def _limits(specification: ContainerSpecification) -> dict[str, int]:
    shm_size = None if specification.ipc == "host" else specification.shm_size
    limits = {**vars(specification.resources), "shm_size": shm_size}
    return {name: value for name, value in limits.items() if value}


def _with_account(passwd: str, variables: Mapping[str, str]) -> str:
    name, uid = variables["DS01_USERNAME"], variables["DS01_USER_ID"]
    others = [
        row
        for row in passwd.splitlines(keepends=True)
        if row.split(":")[0] != name and row.split(":")[2] != uid
    ]
    row = f"{name}:x:{uid}:{variables['DS01_GROUP_ID']}::/home/{name}:/bin/bash\n"
    return "".join(others) + row


def _full(reference: str) -> str:
    name = parse_reference(reference)
    if name.digest:
        return f"{name.repository}@{name.digest}"
    return f"{name.repository}:{name.tag or 'latest'}"


def _matches(name: str, pattern: str) -> bool:
    """Match like the engine: a pattern without a tag matches every tag."""
    names = (name, name.rpartition(":")[0])
    return any(PurePosixPath(f"/{each}").match(f"/{pattern}") for each in names)


def _has_label(labels: Mapping[str, str], wanted: str) -> bool:
    key, equals, value = wanted.partition("=")
    return key in labels and (not equals or labels[key] == value)

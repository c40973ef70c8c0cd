"""The contract of an engine: one suite for the fake and the real ones."""

from __future__ import annotations

import io
import tarfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from support.base_images import BASE
from support.contract_fixtures import LABEL, PODMAN_S_OWN, EngineFixtures
from support.remote_engine import open_place

from mlc_patched.engine.interface import BIND, PODMAN
from mlc_patched.engine.observations import Activity
from mlc_patched.engine.specification import Bind, Resources
from mlc_patched.errors import (
    ConflictError,
    EngineError,
    ImageNotFoundError,
    MountMissingError,
    NotFoundError,
)
from mlc_patched.names.containers import PATTERN_OF_NOBODY, pattern_of_own


def test_an_image_is_found_by_name_and_by_id(fixtures: EngineFixtures) -> None:
    assert fixtures.engine.image(BASE) == fixtures.engine.image(fixtures.image.id) == fixtures.image
    assert BASE in fixtures.image.references
    assert fixtures.image.id.startswith("sha256:")


def test_a_missing_image_is_none(fixtures: EngineFixtures) -> None:
    assert fixtures.engine.image(fixtures.name()) is None
    assert fixtures.engine.image("sha256:" + "0" * 64) is None


def test_pulling_an_image_that_no_registry_has_fails(fixtures: EngineFixtures) -> None:
    with pytest.raises(ImageNotFoundError, match=fixtures.name()):
        fixtures.engine.pull(f"localhost:1/{fixtures.name()}:x", lambda text: None)


def test_a_container_is_created_but_not_started(fixtures: EngineFixtures) -> None:
    identity = fixtures.create()
    (container,) = fixtures.own()
    assert (container.id, container.name) == (identity, fixtures.name())
    assert (container.state, container.is_running) == ("created", False)
    assert container.image_id == fixtures.image.id
    assert container.labels[LABEL] == fixtures.token
    assert container.size is None


def test_a_container_is_found_by_its_exact_name(fixtures: EngineFixtures) -> None:
    fixtures.create("ab")
    (listed,) = fixtures.own()
    found = fixtures.engine.container(fixtures.name("ab"))
    only_here = {"image": found.image, "network": "host", "limits": found.limits}
    assert found == replace(listed, created=0, status="created", **only_here)
    fixtures.engine.start(found.id)
    assert fixtures.engine.container(fixtures.name("ab")).is_running
    for other in (fixtures.name("a"), fixtures.name("abc")):
        assert fixtures.engine.container(other) is None


def test_the_limits_of_a_container_are_those_that_were_asked_for(fixtures: EngineFixtures) -> None:
    limits = Resources(nano_cpus=500_000_000, memory=2**28, pids=50)
    fixtures.create("ab", resources=limits, ipc="private", shm_size=2**25)
    fixtures.create("host", ipc="host")
    found = fixtures.engine.container(fixtures.name("ab"))
    assert found.limits == {**vars(limits), "shm_size": 2**25}
    assert fixtures.engine.container(fixtures.name("host")).limits == {}


def test_an_abbreviated_id_is_not_a_name(fixtures: EngineFixtures) -> None:
    identity = fixtures.create()
    for part in (identity, identity[:12], identity[:1]):
        assert fixtures.engine.container(part) is None


def test_a_name_is_used_only_once(fixtures: EngineFixtures) -> None:
    first = fixtures.create()
    with pytest.raises(ConflictError):
        fixtures.create()
    assert [each.id for each in fixtures.own()] == [first]


def test_a_container_is_renamed_to_a_free_name(fixtures: EngineFixtures) -> None:
    identity = fixtures.create("a")
    fixtures.create("b")
    with pytest.raises(ConflictError):
        fixtures.engine.rename_container(identity, fixtures.name("b"))
    fixtures.engine.rename_container(identity[:12], fixtures.name("c"))
    assert {each.name: each.id for each in fixtures.own()}[fixtures.name("c")] == identity
    assert fixtures.engine.container(fixtures.name("a")) is None
    fixtures.engine.rename_container("f" * 64, fixtures.name("d"))  # missing: not an error
    assert fixtures.engine.container(fixtures.name("d")) is None


def test_creating_from_a_missing_image_fails(fixtures: EngineFixtures) -> None:
    with pytest.raises(ImageNotFoundError):
        fixtures.create(image=f"{fixtures.name()}:none")
    assert fixtures.own() == []


@pytest.fixture
def world_writable() -> Iterator[Path]:
    """A directory that every engine can use, whichever user it runs as."""
    with open_place() as place:
        place.chmod(0o777)
        yield place


def test_a_missing_mount_that_must_exist_is_an_error(
    fixtures: EngineFixtures, world_writable: Path
) -> None:
    there, missing = world_writable / "there", world_writable / "missing"
    there.mkdir()
    bind = Bind(str(missing), "/data", must_exist=True)
    if fixtures.engine.product == PODMAN:
        fixtures.create("b", binds=(bind,))  # its API has no such option, so create warns
        assert missing.is_dir()
    else:
        with pytest.raises(MountMissingError) as raised:
            fixtures.create(binds=(bind,))
        assert raised.value.path == str(missing)
        assert not missing.exists()
        assert fixtures.own() == []
    assert fixtures.create(binds=(Bind(str(there), "/data", must_exist=True),))


def test_names_are_looked_up_exactly(fixtures: EngineFixtures) -> None:
    for suffix in ("a", "ab", "a._.1001", "aX_.1001"):
        fixtures.create(suffix)
    found = fixtures.own(names=(fixtures.name("a"), fixtures.name("a._.1001")))
    assert {each.name for each in found} == {fixtures.name("a"), fixtures.name("a._.1001")}
    assert fixtures.own(names=(fixtures.name("A"),)) == []


def test_names_are_found_by_a_pattern(fixtures: EngineFixtures) -> None:
    for suffix in ("a", "a._.0", "b._.1001", "aX_.1001", "a._.11001"):
        fixtures.create(suffix)
    for pattern, found in (
        (pattern_of_own(1001), {"b._.1001"}),
        (PATTERN_OF_NOBODY, {"a", "a._.0"}),
    ):
        assert {each.name for each in fixtures.own(pattern=pattern)} == set(
            map(fixtures.name, found)
        )


def test_containers_are_found_by_all_of_several_labels(fixtures: EngineFixtures) -> None:
    fixtures.create(labels={LABEL: fixtures.token, "x": "1,2=3"})
    fixtures.create("b")
    mine = f"{LABEL}={fixtures.token}"
    assert len(fixtures.engine.containers(labels=(mine, "x"))) == 1
    assert len(fixtures.engine.containers(labels=(mine, "x=1,2=3"))) == 1
    assert fixtures.engine.containers(labels=(mine, "x=1")) == []


def test_containers_are_found_by_the_image_they_are_built_on(fixtures: EngineFixtures) -> None:
    fixtures.commit(fixtures.create(), "one")
    other = fixtures.create("b", image=f"{fixtures.name('image')}:one")
    found = fixtures.engine.containers(image=f"{fixtures.name('image')}:one")
    assert [each.id for each in found] == [other]
    below = {each.id for each in fixtures.own(image=fixtures.image.id)}
    assert other in below


def test_sizes_are_measured_on_request(fixtures: EngineFixtures) -> None:
    fixtures.create()
    (container,) = fixtures.own(sizes=True)
    # containerd's image store counts the directory that holds what the container writes.
    assert container.size in (0, 4096)
    assert fixtures.own()[0].size is None


def test_starting_and_stopping_twice_is_not_an_error(fixtures: EngineFixtures) -> None:
    identity = fixtures.create(command=("bash", "-c", "bash"), interactive=True)
    fixtures.engine.start(identity)
    fixtures.engine.start(identity)
    assert fixtures.own()[0].is_running
    assert len(fixtures.engine.processes(identity)) == 1
    fixtures.engine.stop(identity)
    fixtures.engine.stop(identity)
    assert not fixtures.own()[0].is_running


def test_removing_a_running_container_needs_force(fixtures: EngineFixtures) -> None:
    identity = fixtures.create()
    fixtures.engine.start(identity)
    with pytest.raises(ConflictError):
        fixtures.engine.remove_container(identity)
    fixtures.engine.remove_container(identity, force=True)
    fixtures.engine.remove_container(identity)
    assert fixtures.own() == []


def test_a_paused_container_goes_on(fixtures: EngineFixtures) -> None:
    identity = fixtures.create()
    with pytest.raises(EngineError):
        fixtures.engine.pause(identity)
    fixtures.engine.start(identity)
    fixtures.engine.pause(identity)
    assert fixtures.own()[0].state == "paused"
    fixtures.engine.unpause(identity)
    assert fixtures.own()[0].state == "running"
    with pytest.raises(EngineError):
        fixtures.engine.unpause(identity)


@pytest.mark.parametrize("method", ["start", "stop", "pause", "unpause", "wait", "processes"])
def test_operations_on_a_missing_container_raise_not_found(
    fixtures: EngineFixtures, method: str
) -> None:
    with pytest.raises(NotFoundError):
        getattr(fixtures.engine, method)(fixtures.name("none"))


def test_a_stopped_container_runs_no_commands(fixtures: EngineFixtures) -> None:
    identity = fixtures.create()
    with pytest.raises(ConflictError):
        fixtures.engine.exec_detached(identity, ("true",), "0:0")
    with pytest.raises(ConflictError):
        fixtures.engine.processes(identity)
    assert fixtures.engine.stats(identity) is None


def test_a_container_has_the_network_that_it_was_created_with(fixtures: EngineFixtures) -> None:
    for network in ("host", "none"):
        fixtures.create(network, network=network)
        found = fixtures.engine.container(fixtures.name(network))
        assert found is not None
        assert found.network == network


def test_a_running_container_has_stats(fixtures: EngineFixtures) -> None:
    identity = fixtures.create(script="while :; do :; done")
    fixtures.engine.start(identity)
    stats = fixtures.engine.stats(identity)
    assert stats is not None
    assert stats.cpu_percent > 1, "it is busy, however busy the machine is"
    assert 0 < stats.memory < stats.memory_limit
    assert 0 < stats.memory_percent < 100
    assert stats.processes >= 1


def test_logs_follow_until_the_container_exits(fixtures: EngineFixtures) -> None:
    entry = ("env", "DS01_USER_ID=1001", "DS01_GROUP_ID=2001", "DS01_USERNAME=alice")
    script = "echo account set-up: uid=1001; echo alice:x:1001:2001::/home/alice: >>/etc/passwd"
    identity = fixtures.create(entrypoint=entry, script=script)
    fixtures.engine.start(identity)
    assert list(fixtures.engine.logs(identity, follow=True))[-1].startswith("account set-up: uid")
    assert fixtures.engine.wait(identity) == 0
    assert b"alice:x:1001:2001:" in fixtures.engine.read_file(identity, "/etc/passwd")


def test_a_commit_keeps_the_configuration_of_the_base_and_adds_labels(
    fixtures: EngineFixtures,
) -> None:
    identity = fixtures.create(entrypoint=("sleep",), command=("0",), user="65534:65534")
    image_id = fixtures.commit(identity, "one", a="1")
    image = fixtures.engine.image(f"{fixtures.name('image')}:one")
    assert image.id == image_id
    assert image.labels["a"] == "1"
    assert image.labels[LABEL] == fixtures.token
    assert (image.command, image.entrypoint) == (fixtures.image.command, fixtures.image.entrypoint)
    own = tuple(each for each in image.environment if each not in PODMAN_S_OWN)
    assert own == fixtures.image.environment
    assert image.user in ("", "root")


def test_tagging_moves_a_tag_between_images(fixtures: EngineFixtures) -> None:
    identity = fixtures.create()
    first, second = fixtures.commit(identity, "one"), fixtures.commit(identity, "two")
    fixtures.engine.tag_image(second, fixtures.name("image"), "one")
    assert fixtures.engine.image(f"{fixtures.name('image')}:one").id == second
    assert fixtures.engine.image(first).references == ()
    nameless = {each.id for each in fixtures.engine.find_images(nameless=True)}
    assert first in nameless
    assert second not in nameless
    fixtures.engine.remove_image(first)
    assert fixtures.engine.image(first) is None


def test_an_image_with_two_tags_loses_one_at_a_time(fixtures: EngineFixtures) -> None:
    image_id = fixtures.commit(fixtures.create(), "one")
    fixtures.engine.tag_image(image_id, fixtures.name("image"), "two")
    with pytest.raises(ConflictError):
        fixtures.engine.remove_image(image_id)
    fixtures.engine.remove_image(f"{fixtures.name('image')}:one")
    assert fixtures.engine.image(image_id).references == (f"{fixtures.name('image')}:two",)
    fixtures.engine.remove_image(f"{fixtures.name('image')}:two")
    assert fixtures.engine.image(image_id) is None


def test_an_image_in_use_is_not_removed(fixtures: EngineFixtures) -> None:
    fixtures.commit(fixtures.create(), "one")
    user = fixtures.create("b", image=f"{fixtures.name('image')}:one")
    with pytest.raises(ConflictError):
        fixtures.engine.remove_image(f"{fixtures.name('image')}:one")
    assert fixtures.engine.image(f"{fixtures.name('image')}:one") is not None
    fixtures.engine.remove_container(user)
    fixtures.engine.remove_image(f"{fixtures.name('image')}:one")
    fixtures.engine.remove_image(f"{fixtures.name('image')}:one")


def test_files_are_read_from_a_container_that_never_ran(fixtures: EngineFixtures) -> None:
    identity = fixtures.create()
    passwd = fixtures.engine.read_file(identity, "/etc/passwd")
    assert passwd is not None
    assert passwd.startswith(b"root:x:0:0:")
    assert fixtures.engine.read_file(identity, "/etc/passwd", limit=10) is None
    assert fixtures.engine.read_file(identity, "/no/such/file") is None


def test_files_of_any_size_are_streamed(fixtures: EngineFixtures) -> None:
    identity = fixtures.create()
    passwd = fixtures.engine.read_file(identity, "/etc/passwd")
    assert b"".join(fixtures.engine.stream_file(identity, "/etc/passwd")) == passwd
    for missing in ("/no/such/file", "/etc"):
        with pytest.raises(NotFoundError):
            list(fixtures.engine.stream_file(identity, missing))


def test_a_missing_directory_is_none(fixtures: EngineFixtures) -> None:
    assert fixtures.engine.files_below(fixtures.create(), "/no/such/directory") is None


def test_activity_is_when_a_container_ran_and_what_was_started_in_it(
    fixtures: EngineFixtures,
) -> None:
    identity = fixtures.create()
    assert fixtures.engine.activity(identity) == Activity()
    before = time.time()
    fixtures.engine.start(identity)
    running = fixtures.engine.activity(identity)
    assert int(before) <= running.started <= time.time()
    assert (running.ended, running.commands) == (None, ())
    fixtures.engine.stop(identity, 0)
    stopped = fixtures.engine.activity(identity)
    assert stopped.started == running.started
    assert stopped.started <= stopped.ended + 1
    assert stopped.exit_status in (129, 137)
    with pytest.raises(NotFoundError):
        fixtures.engine.activity(fixtures.name("none"))


def test_an_exported_file_system_can_be_imported(fixtures: EngineFixtures) -> None:
    identity = fixtures.create()
    image_id = fixtures.engine.import_image(
        fixtures.engine.export(identity), fixtures.name("in"), "one"
    )
    try:
        assert fixtures.engine.image(f"{fixtures.name('in')}:one").id == image_id
        copy = fixtures.create("b", image=image_id)
        assert fixtures.engine.read_file(copy, "/etc/passwd") == fixtures.engine.read_file(
            identity, "/etc/passwd"
        )
        fixtures.engine.remove_container(copy)
    finally:
        fixtures.engine.remove_image(f"{fixtures.name('in')}:one")


def test_importing_an_invalid_archive_fails(fixtures: EngineFixtures) -> None:
    with pytest.raises(EngineError):
        fixtures.engine.import_image(
            iter([b"this is not a tar archive" * 100]), fixtures.name("in"), "two"
        )
    assert fixtures.engine.image(f"{fixtures.name('in')}:two") is None


def test_a_directory_is_not_read_as_a_file(fixtures: EngineFixtures) -> None:
    assert fixtures.engine.read_file(fixtures.create(), "/etc") is None


def test_a_container_that_changed_nothing_has_no_changes(fixtures: EngineFixtures) -> None:
    container = fixtures.create(script="true")
    fixtures.engine.start(container)
    fixtures.engine.stop(container)
    assert fixtures.engine.changes(container) == []


def test_a_container_in_the_hosts_ipc_namespace_starts_with_any_shm_size(
    fixtures: EngineFixtures,
) -> None:
    container = fixtures.create(ipc="host", shm_size=8 * 1024**3)
    fixtures.engine.start(container)
    assert [each.is_running for each in fixtures.own()] == [True]


def test_an_export_is_a_tar_archive(fixtures: EngineFixtures) -> None:
    archive = io.BytesIO(b"".join(fixtures.engine.export(fixtures.create())))
    with tarfile.open(fileobj=archive) as tar:
        assert "etc/passwd" in tar.getnames()


def _build(fixtures: EngineFixtures, dockerfile: str) -> str:
    lines: list[str] = []
    made = fixtures.engine.build(
        dockerfile,
        f"{fixtures.name('image')}:one",
        labels={"a": "1", LABEL: fixtures.token},
        progress=lines.append,
    )
    assert lines
    return made


def test_a_build_can_start_from_an_image_id(fixtures: EngineFixtures) -> None:
    built = fixtures.engine.image(_build(fixtures, f"FROM {fixtures.image.id}\nRUN true\n"))
    assert built.references == (f"{fixtures.name('image')}:one",)
    labels = {key: value for key, value in built.labels.items() if key != "io.buildah.version"}
    assert labels == {**fixtures.image.labels, "a": "1", LABEL: fixtures.token}
    assert built.command == fixtures.image.command
    container = fixtures.create(image=built.id)
    assert [each.id for each in fixtures.own(image=fixtures.image.id)] == [container]
    fixtures.engine.remove_container(container)


def test_buildkit_adds_a_label_to_a_named_image(fixtures: EngineFixtures) -> None:
    """Podman's own builder ignores the request for BuildKit."""
    made = fixtures.engine.build(
        f'FROM {BASE}\nLABEL a="1" b="\\"x\\$"\n',
        f"{fixtures.name('image')}:one",
        labels={LABEL: fixtures.token},
        progress=lambda line: None,
        buildkit=fixtures.engine.sends_contexts_to_buildkit(),
    )
    image = fixtures.engine.image(made)
    labels = {key: value for key, value in image.labels.items() if key != "io.buildah.version"}
    assert labels == {**fixtures.image.labels, "a": "1", "b": '"x$', LABEL: fixtures.token}
    assert (image.layers, image.command) == (fixtures.image.layers, fixtures.image.command)


def test_a_build_from_a_missing_image_fails(fixtures: EngineFixtures) -> None:
    with pytest.raises(EngineError):
        _build(fixtures, f"FROM sha256:{'0' * 64}\nRUN true\n")
    assert fixtures.engine.image(f"{fixtures.name('image')}:one") is None


def test_history_has_the_layers_of_an_image(fixtures: EngineFixtures) -> None:
    layers = fixtures.engine.history(BASE)
    assert layers
    size = fixtures.engine.image_size(fixtures.image)
    # Podman also counts the image's configuration.
    assert 0 <= size - sum(layer.size for layer in layers) < 100_000


def test_an_image_has_one_size_however_it_was_found(fixtures: EngineFixtures) -> None:
    (listed,) = fixtures.engine.find_images(names=(BASE,))
    size = fixtures.engine.image_size(fixtures.image)
    assert fixtures.engine.image_size(listed) == size
    image_id = fixtures.commit(fixtures.create(script="head -c 300000 /dev/urandom >/big"), "one")
    copy = fixtures.engine.image(image_id)
    copied = fixtures.engine.image_size(copy)
    assert 0 <= copied - size < 100_000, "it was committed unstarted"
    assert copied == sum(layer.size for layer in fixtures.engine.history(image_id))


def test_removing_an_image_removes_what_the_classic_builder_left_of_its_steps(
    fixtures: EngineFixtures,
) -> None:
    def nameless() -> set[str]:
        return {each.id for each in fixtures.engine.find_images(nameless=True)}

    before = nameless()
    steps = "RUN touch /one\nENV A=1\nRUN touch /two\nRUN touch /three\n"
    _build(fixtures, f"FROM {fixtures.image.id}\n{steps}")
    fixtures.engine.remove_image(f"{fixtures.name('image')}:one")
    assert nameless() == before
    assert fixtures.engine.image(fixtures.image.id) is not None, "the base has a name"


def test_removing_an_image_keeps_steps_that_another_image_is_built_on(
    fixtures: EngineFixtures,
) -> None:
    first = fixtures.commit(fixtures.create(), "one")
    child = fixtures.create("b", image=first)
    fixtures.engine.commit(child, fixtures.name("image"), "two", fixtures.image, {})
    fixtures.engine.remove_container(child)
    fixtures.engine.tag_image(fixtures.image.id, fixtures.name("image"), "one")
    fixtures.engine.remove_image(f"{fixtures.name('image')}:one")
    assert fixtures.engine.image(f"{fixtures.name('image')}:two") is not None
    assert fixtures.engine.image(fixtures.image.id) is not None


def test_an_image_that_another_is_built_on_loses_its_last_name_only(
    fixtures: EngineFixtures,
) -> None:
    first = _build(fixtures, f"FROM {fixtures.image.id}\nRUN touch /one\n")
    fixtures.engine.build(
        f"FROM {first}\nLABEL two=2\n",
        f"{fixtures.name('image')}:two",
        labels={},
        progress=lambda line: None,
    )
    user = fixtures.create("b", image=first)
    with pytest.raises(ConflictError):
        fixtures.engine.remove_image(f"{fixtures.name('image')}:one")
    fixtures.engine.remove_container(user)
    fixtures.engine.remove_image(f"{fixtures.name('image')}:one")
    assert fixtures.engine.image(f"{fixtures.name('image')}:one") is None
    assert fixtures.engine.image(first).references == ()
    fixtures.engine.remove_image(f"{fixtures.name('image')}:two")
    assert fixtures.engine.image(first) is None


def test_the_message_of_a_commit_is_in_its_history_and_no_later_image_has_it(
    fixtures: EngineFixtures,
) -> None:
    engine, repository = fixtures.engine, fixtures.name("image")
    first = engine.commit(
        fixtures.create(), repository, "one", fixtures.image, {}, message="mlc said this"
    )
    later = fixtures.commit(fixtures.create("b", image=first), "two")
    assert engine.history(first)[0].comment == "mlc said this"
    assert engine.history(later)[0].comment != "mlc said this"


def test_a_missing_image_has_no_history(fixtures: EngineFixtures) -> None:
    assert fixtures.engine.history("mlc-test/there-is-no-such-image:1") == []


def test_shared_sizes_do_not_exceed_the_sizes_of_images(fixtures: EngineFixtures) -> None:
    sizes = fixtures.engine.shared_sizes()
    assert 0 <= sizes[fixtures.image.id] <= fixtures.engine.image_size(fixtures.image)


def test_an_image_shares_nothing_with_the_steps_it_was_built_from(
    fixtures: EngineFixtures,
) -> None:
    made = _build(
        fixtures, f"FROM {fixtures.image.id}\nRUN seq 300000 > /own; touch /one\nENV A=1\n"
    )
    engine = fixtures.engine
    own = sum(layer.size for layer in engine.history(made)) - engine.image_size(fixtures.image)
    assert engine.shared_sizes()[made] <= engine.image_size(fixtures.image) + own // 10


def test_mounts_and_devices_of_a_container(fixtures: EngineFixtures) -> None:
    container = fixtures.create(binds=(Bind("/tmp", "/data"),), devices=("/dev/null",))
    found = fixtures.engine.mounts_and_devices(container)
    assert (found.devices, found.mounts) == (("/dev/null",), ("/tmp",))
    assert (found.targets, found.process) == ({"/tmp": "/data"}, 0)
    listed = next(each for each in fixtures.engine.containers() if each.id == container)
    if listed.mounts:  # Podman's list does not have their sources
        assert [mount.source for mount in listed.mounts if mount.kind == BIND] == ["/tmp"]
    with pytest.raises(NotFoundError):
        fixtures.engine.mounts_and_devices(fixtures.name("none"))


def test_the_size_of_a_file_is_none_if_it_is_missing(fixtures: EngineFixtures) -> None:
    container = fixtures.create()
    passwd = fixtures.engine.read_file(container, "/etc/passwd")
    assert fixtures.engine.file_size(container, "/etc/passwd") == len(passwd)
    assert fixtures.engine.file_size(container, "/no/such/file") is None


def test_info_has_version_directory_and_runtimes(fixtures: EngineFixtures) -> None:
    info = fixtures.engine.info()
    assert info.version[0].isdigit()
    assert info.root_directory.startswith("/")
    assert "runc" in info.runtimes

"""What every engine does: one suite for the one in memory and the real one."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from support.contract_fixtures import LABEL, PODMAN_S_OWN, Bench, bench
from support.engine_state import BASE
from support.remote_engine import open_place

from mlc_patched.engine.interface import PODMAN
from mlc_patched.engine.specification import Bind
from mlc_patched.errors import (
    ConflictError,
    EngineError,
    ImageNotFoundError,
    MountMissingError,
    NotFoundError,
)


def test_an_image_is_found_by_name_and_by_id(bench: Bench) -> None:
    assert bench.engine.image(BASE) == bench.engine.image(bench.image.id) == bench.image
    assert BASE in bench.image.references
    assert bench.image.id.startswith("sha256:")


def test_an_image_that_is_not_there_is_none(bench: Bench) -> None:
    assert bench.engine.image(bench.name()) is None
    assert bench.engine.image("sha256:" + "0" * 64) is None


def test_pulling_what_no_registry_has_fails(bench: Bench) -> None:
    with pytest.raises(ImageNotFoundError, match=bench.name()):
        bench.engine.pull(f"localhost:1/{bench.name()}:x", lambda text: None)


def test_a_container_is_created_but_not_started(bench: Bench) -> None:
    identity = bench.create()
    (container,) = bench.own()
    assert (container.id, container.name) == (identity, bench.name())
    assert (container.state, container.is_running) == ("created", False)
    assert container.image_id == bench.image.id
    assert container.labels[LABEL] == bench.word
    assert container.size is None


def test_one_container_is_told_by_its_exact_name(bench: Bench) -> None:
    bench.create("ab")
    (listed,) = bench.own()
    found = bench.engine.container(bench.name("ab"))
    assert found == replace(listed, created=0, status="created", image=found.image)
    bench.engine.start(found.id)
    assert bench.engine.container(bench.name("ab")).is_running
    for other in (bench.name("a"), bench.name("abc")):
        assert bench.engine.container(other) is None


def test_the_beginning_of_an_id_is_no_name(bench: Bench) -> None:
    identity = bench.create()
    for part in (identity, identity[:12], identity[:1]):
        assert bench.engine.container(part) is None


def test_a_name_is_given_only_once(bench: Bench) -> None:
    first = bench.create()
    with pytest.raises(ConflictError):
        bench.create()
    assert [each.id for each in bench.own()] == [first]


def test_a_container_takes_another_name_that_is_free(bench: Bench) -> None:
    identity = bench.create("a")
    bench.create("b")
    with pytest.raises(ConflictError):
        bench.engine.rename_container(identity, bench.name("b"))
    bench.engine.rename_container(identity[:12], bench.name("c"))
    assert {each.name: each.id for each in bench.own()}[bench.name("c")] == identity
    assert bench.engine.container(bench.name("a")) is None
    bench.engine.rename_container("f" * 64, bench.name("d"))  # it is gone, which is no error
    assert bench.engine.container(bench.name("d")) is None


def test_creating_from_a_missing_image_fails(bench: Bench) -> None:
    with pytest.raises(ImageNotFoundError):
        bench.create(image=f"{bench.name()}:none")
    assert bench.own() == []


@pytest.fixture
def anybody_s() -> Iterator[Path]:
    """A directory in which every engine may work, whoever's it is."""
    with open_place() as place:
        place.chmod(0o777)
        yield place


def test_a_mount_that_must_exist_and_does_not_is_an_error(bench: Bench, anybody_s: Path) -> None:
    there, missing = anybody_s / "there", anybody_s / "missing"
    there.mkdir()
    bind = Bind(str(missing), "/data", must_exist=True)
    if bench.engine.product == PODMAN:
        bench.create("b", binds=(bind,))  # its API cannot be told otherwise, so create warns
        assert missing.is_dir()
    else:
        with pytest.raises(MountMissingError) as raised:
            bench.create(binds=(bind,))
        assert raised.value.path == str(missing)
        assert not missing.exists()
        assert bench.own() == []
    assert bench.create(binds=(Bind(str(there), "/data", must_exist=True),))


def test_names_are_looked_up_exactly(bench: Bench) -> None:
    for suffix in ("a", "ab", "a._.1001", "aX_.1001"):
        bench.create(suffix)
    found = bench.own(names=(bench.name("a"), bench.name("a._.1001")))
    assert {each.name for each in found} == {bench.name("a"), bench.name("a._.1001")}
    assert bench.own(names=(bench.name("A"),)) == []


def test_all_labels_asked_for_must_be_there(bench: Bench) -> None:
    bench.create(labels={LABEL: bench.word, "x": "1,2=3"})
    bench.create("b")
    mine = f"{LABEL}={bench.word}"
    assert len(bench.engine.containers(labels=(mine, "x"))) == 1
    assert len(bench.engine.containers(labels=(mine, "x=1,2=3"))) == 1
    assert bench.engine.containers(labels=(mine, "x=1")) == []


def test_containers_are_found_by_the_image_they_stand_on(bench: Bench) -> None:
    bench.commit(bench.create(), "one")
    other = bench.create("b", image=f"{bench.name('image')}:one")
    found = bench.engine.containers(image=f"{bench.name('image')}:one")
    assert [each.id for each in found] == [other]
    below = {each.id for each in bench.own(image=bench.image.id)}
    assert other in below


def test_sizes_are_measured_on_request(bench: Bench) -> None:
    bench.create()
    (container,) = bench.own(sizes=True)
    assert container.size == 0


def test_a_container_starts_once_and_stops(bench: Bench) -> None:
    identity = bench.create(command=("bash", "-c", "bash"), interactive=True)
    bench.engine.start(identity)
    bench.engine.start(identity)
    assert bench.own()[0].is_running
    assert bench.engine.processes(identity) == 1
    bench.engine.stop(identity)
    bench.engine.stop(identity)
    assert not bench.own()[0].is_running


def test_a_running_container_is_removed_only_by_force(bench: Bench) -> None:
    identity = bench.create()
    bench.engine.start(identity)
    with pytest.raises(ConflictError):
        bench.engine.remove_container(identity)
    bench.engine.remove_container(identity, force=True)
    bench.engine.remove_container(identity)
    assert bench.own() == []


@pytest.mark.parametrize("verb", ["start", "stop", "wait", "processes"])
def test_what_is_asked_of_a_missing_container_is_not_found(bench: Bench, verb: str) -> None:
    with pytest.raises(NotFoundError):
        getattr(bench.engine, verb)(bench.name("none"))


def test_nothing_is_executed_in_a_stopped_container(bench: Bench) -> None:
    identity = bench.create()
    with pytest.raises(ConflictError):
        bench.engine.exec_detached(identity, ("true",), "0:0")
    assert bench.engine.stats(identity) is None


def test_a_running_container_is_measured(bench: Bench) -> None:
    identity = bench.create()
    bench.engine.start(identity)
    usage = bench.engine.stats(identity)
    assert usage is not None
    assert 0 < usage.memory < usage.memory_limit
    assert 0 < usage.memory_percent < 100
    assert usage.processes >= 1


def test_the_account_script_s_end_is_waited_for(bench: Bench) -> None:
    entry = ("env", "DS01_USER_ID=1001", "DS01_GROUP_ID=2001", "DS01_USERNAME=alice")
    script = "echo account set-up: uid=1001; echo alice:x:1001:2001::/home/alice: >>/etc/passwd"
    identity = bench.create(entrypoint=entry, script=script)
    bench.engine.start(identity)
    assert list(bench.engine.logs(identity, follow=True))[-1].startswith("account set-up: uid")
    assert bench.engine.wait(identity) == 0
    assert b"alice:x:1001:2001:" in bench.engine.read_file(identity, "/etc/passwd")


def test_a_commit_keeps_the_base_s_configuration_and_adds_labels(bench: Bench) -> None:
    identity = bench.create(entrypoint=("sleep",), command=("0",), user="65534:65534")
    image_id = bench.commit(identity, "one", a="1")
    image = bench.engine.image(f"{bench.name('image')}:one")
    assert image.id == image_id
    assert image.labels["a"] == "1"
    assert image.labels[LABEL] == bench.word
    assert (image.command, image.entrypoint) == (bench.image.command, bench.image.entrypoint)
    own = tuple(each for each in image.environment if each not in PODMAN_S_OWN)
    assert own == bench.image.environment
    assert image.user in ("", "root")


def test_a_tag_moves_to_the_image_that_takes_it(bench: Bench) -> None:
    identity = bench.create()
    first, second = bench.commit(identity, "one"), bench.commit(identity, "two")
    bench.engine.tag_image(second, bench.name("image"), "one")
    assert bench.engine.image(f"{bench.name('image')}:one").id == second
    assert bench.engine.image(first).references == ()
    nameless = {each.id for each in bench.engine.find_images(nameless=True)}
    assert first in nameless
    assert second not in nameless
    bench.engine.remove_image(first)
    assert bench.engine.image(first) is None


def test_an_image_with_two_names_loses_one_at_a_time(bench: Bench) -> None:
    image_id = bench.commit(bench.create(), "one")
    bench.engine.tag_image(image_id, bench.name("image"), "two")
    with pytest.raises(ConflictError):
        bench.engine.remove_image(image_id)
    bench.engine.remove_image(f"{bench.name('image')}:one")
    assert bench.engine.image(image_id).references == (f"{bench.name('image')}:two",)
    bench.engine.remove_image(f"{bench.name('image')}:two")
    assert bench.engine.image(image_id) is None


def test_an_image_in_use_is_not_removed(bench: Bench) -> None:
    bench.commit(bench.create(), "one")
    user = bench.create("b", image=f"{bench.name('image')}:one")
    with pytest.raises(ConflictError):
        bench.engine.remove_image(f"{bench.name('image')}:one")
    assert bench.engine.image(f"{bench.name('image')}:one") is not None
    bench.engine.remove_container(user)
    bench.engine.remove_image(f"{bench.name('image')}:one")
    bench.engine.remove_image(f"{bench.name('image')}:one")


def test_files_are_read_from_a_container_that_never_ran(bench: Bench) -> None:
    identity = bench.create()
    passwd = bench.engine.read_file(identity, "/etc/passwd")
    assert passwd is not None
    assert passwd.startswith(b"root:x:0:0:")
    assert bench.engine.read_file(identity, "/etc/passwd", limit=10) is None
    assert bench.engine.read_file(identity, "/no/such/file") is None


def test_a_file_system_goes_out_and_comes_back(bench: Bench) -> None:
    identity = bench.create()
    image_id = bench.engine.import_image(bench.engine.export(identity), bench.name("in"), "one")
    try:
        assert bench.engine.image(f"{bench.name('in')}:one").id == image_id
        copy = bench.create("b", image=image_id)
        assert bench.engine.read_file(copy, "/etc/passwd") == bench.engine.read_file(
            identity, "/etc/passwd"
        )
        bench.engine.remove_container(copy)
    finally:
        bench.engine.remove_image(f"{bench.name('in')}:one")


def test_what_is_no_archive_is_not_imported(bench: Bench) -> None:
    with pytest.raises(EngineError):
        bench.engine.import_image(iter([b"this is no tar archive" * 100]), bench.name("in"), "two")
    assert bench.engine.image(f"{bench.name('in')}:two") is None


def test_an_archive_with_a_directory_for_passwd_is_no_file(bench: Bench) -> None:
    assert bench.engine.read_file(bench.create(), "/etc") is None


def test_the_tar_of_an_export_can_be_read(bench: Bench) -> None:
    archive = io.BytesIO(b"".join(bench.engine.export(bench.create())))
    with tarfile.open(fileobj=archive) as tar:
        assert "etc/passwd" in tar.getnames()


def _build(bench: Bench, dockerfile: str) -> str:
    said: list[str] = []
    made = bench.engine.build(
        dockerfile,
        f"{bench.name('image')}:one",
        labels={"a": "1", LABEL: bench.word},
        progress=said.append,
    )
    assert said
    return made


def test_an_image_is_built_on_another_one_s_id(bench: Bench) -> None:
    built = bench.engine.image(_build(bench, f"FROM {bench.image.id}\nRUN true\n"))
    assert built.references == (f"{bench.name('image')}:one",)
    labels = {key: value for key, value in built.labels.items() if key != "io.buildah.version"}
    assert labels == {**bench.image.labels, "a": "1", LABEL: bench.word}
    assert built.command == bench.image.command
    container = bench.create(image=built.id)
    assert [each.id for each in bench.own(image=bench.image.id)] == [container]
    bench.engine.remove_container(container)


def test_a_build_on_what_is_not_there_fails(bench: Bench) -> None:
    with pytest.raises(EngineError):
        _build(bench, f"FROM sha256:{'0' * 64}\nRUN true\n")
    assert bench.engine.image(f"{bench.name('image')}:one") is None


def test_history_has_the_layers_of_an_image(bench: Bench) -> None:
    layers = bench.engine.history(BASE)
    assert layers
    # Podman counts the image's own description, too.
    assert 0 <= bench.image.size - sum(layer.size for layer in layers) < 100_000


def test_an_image_that_is_not_there_has_no_history(bench: Bench) -> None:
    assert bench.engine.history("mlc-test/there-is-no-such-image:1") == []


def test_shared_sizes_are_within_the_sizes_of_images(bench: Bench) -> None:
    sizes = bench.engine.shared_sizes()
    assert 0 <= sizes[bench.image.id] <= bench.image.size


def test_what_a_container_needs_is_told(bench: Bench) -> None:
    container = bench.create(binds=(Bind("/tmp", "/data"),), devices=("/dev/null",))
    needs = bench.engine.mounts_and_devices(container)
    assert (needs.devices, needs.mounts) == (("/dev/null",), ("/tmp",))
    with pytest.raises(NotFoundError):
        bench.engine.mounts_and_devices(bench.name("none"))


def test_the_size_of_a_file_is_told_and_what_is_none_has_none(bench: Bench) -> None:
    container = bench.create()
    passwd = bench.engine.read_file(container, "/etc/passwd")
    assert bench.engine.file_size(container, "/etc/passwd") == len(passwd)
    assert bench.engine.file_size(container, "/no/such/file") is None


def test_the_engine_tells_its_version(bench: Bench) -> None:
    about = bench.engine.info()
    assert about.version[0].isdigit()
    assert about.root_directory.startswith("/")
    assert "runc" in about.runtimes

"""Harnesses for data from outside: answers of engines, output of builders, addresses, files of the
host, and arguments for other programs. See harnesses.py."""

from __future__ import annotations

import contextlib
import json
import tempfile
from pathlib import Path
from unicodedata import bidirectional, category

from support.fakes.engine import FakeEngine

from mlc_patched.cli.commands.create import label
from mlc_patched.cli.output import readable
from mlc_patched.engine.address import resolve
from mlc_patched.engine.registry import failure
from mlc_patched.engine.remote import ssh_command
from mlc_patched.engine.specification import ContainerSpecification
from mlc_patched.engine.swarm import node_of, service_of, task_of
from mlc_patched.errors import EngineError, MlcError, UsageError
from mlc_patched.host.account import HIGHEST_ID, Account, known_elsewhere
from mlc_patched.host.hardware import probe
from mlc_patched.images.build.derive import derive
from mlc_patched.images.build.environment import Builder, BuildSettings
from mlc_patched.images.build.failure import failing_line
from mlc_patched.images.build.steps import StepNames
from mlc_patched.images.editor import _words
from mlc_patched.names.images import check_registry
from mlc_patched.patch.store import read_manifest

_FAST = "/dev/shm" if Path("/dev/shm").is_dir() else None
_ALICE = Account("alice", 1001, 2001, "/home/alice")
_NAMES = ("mlc-step-1001-0123456789ab", "ds01-1001/demo:mlc-build-0123456789ab")
_DOCKERFILE = "FROM debian\nRUN one\nFROM debian AS two\nCOPY x y\nRUN three\n"


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def swarm_answer(data: bytes) -> None:
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        return
    for read in (node_of, service_of, task_of):
        with contextlib.suppress(EngineError):
            made = read(found)
            assert isinstance(made.id, str)


def builder_words(data: bytes) -> None:
    """Images and names that existed before a build stay, whatever the build prints."""
    engine = FakeEngine()
    base = engine.add_image("base:1")
    named = engine.create_container(ContainerSpecification(name="n", image=base.id))
    lost = engine.add_image("lost:1")
    engine.images[lost.id].image = engine.images[lost.id].image.__class__(lost.id)
    steps = StepNames(engine, *_NAMES)
    ids = {b"%BASE": base.id[7:19], b"%LOST": lost.id[7:19], b"%NAMED": named[:12]}
    for word, known in ids.items():
        data = data.replace(word, known.encode())
    for line in _text(data).split("\n"):
        steps.hear(line)
    steps.clear()
    assert engine.image("base:1") == base
    assert engine.image(lost.id) is not None
    assert [each.name for each in engine.containers()] == ["n"]


def failing_step(data: bytes) -> None:
    derived = derive(_DOCKERFILE, BuildSettings(), Builder.CLASSIC, "x:1")
    line = failing_line(_text(data).split("\n"), derived)
    assert line is None or 0 < line <= len(_DOCKERFILE.split("\n"))


def engine_address(data: bytes) -> None:
    text = _text(data)
    with tempfile.TemporaryDirectory(dir=_FAST) as place:
        for variable in ("DOCKER_HOST", "DOCKER_CONTEXT"):
            environ = {"DOCKER_CONFIG": place, "HOME": place}
            with contextlib.suppress(UsageError):
                url = resolve({**environ, variable: text}).url
                assert url.startswith(("unix:///", "ssh://", "tcp://"))
                if url.startswith("ssh://"):
                    with contextlib.suppress(MlcError):
                        _ssh(ssh_command("ssh", url))


def _ssh(argv: list[str]) -> None:
    """Check that the name of the remote host is not read as an option of ssh."""
    words = iter(argv[1:])
    for word in words:
        if word in ("-o", "-l", "-p"):
            next(words)
        elif word not in ("-T", "--"):
            assert not word.startswith("-"), argv
            return


def ids_elsewhere(data: bytes) -> None:
    with contextlib.suppress(UsageError):
        made = known_elsewhere(_ALICE, _text(data), is_local=False, is_login_of_root=False)
        assert 0 < made.uid <= HIGHEST_ID
        assert 0 <= made.gid <= HIGHEST_ID
        assert made.file_ids == (1001, 2001)


def own_label(data: bytes) -> None:
    text = _text(data)
    with contextlib.suppress(UsageError):
        key, value = label(text)
        assert key
        assert f"{key}={value}" == text


def registry_name(data: bytes) -> None:
    text = _text(data)
    with contextlib.suppress(UsageError):
        name = check_registry(text)
        assert name.isascii()
        assert name.isprintable()
        assert not set(name) & set(" @$'\"\\;")
        assert not name.startswith("-")
    assert str(failure("registry:5000/a", text))


def editor_words(data: bytes) -> None:
    with contextlib.suppress(MlcError):
        assert _words("EDITOR", _text(data))


def message(data: bytes) -> None:
    shown = readable(_text(data))
    # Control characters, halves of pairs, and what turns the direction of text.
    assert not [
        char
        for char in shown
        if (category(char) in ("Cc", "Cs") and char not in "\n\t")
        or bidirectional(char) in ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")
    ]
    # An escape is at most ten characters long: \U0001f600
    assert all(len(line) <= 10 * 2100 for line in shown.split("\n"))


def host_files(data: bytes) -> None:
    """Files of the host about its GPUs: the input replaces each of them."""
    with tempfile.TemporaryDirectory(dir=_FAST) as place:
        for name in (
            *("var/lib/dpkg/status", "usr/local/cuda/version.json"),
            *("opt/rocm/.info/version", "proc/driver/nvidia/version"),
        ):
            path = Path(place, name)
            path.parent.mkdir(parents=True)
            path.write_bytes(data)
            architecture = probe(Path(place)).architecture
            assert architecture is None or architecture.startswith(("CUDA_", "ROCM"))
            path.unlink()


def patch_manifest(data: bytes) -> None:
    with tempfile.TemporaryDirectory(dir=_FAST) as place:
        path = Path(place, ".mlc-patched/original/manifest.json")
        path.parent.mkdir(parents=True)
        path.write_bytes(data)
        found = read_manifest(Path(place))
        assert found is None or all(each.name for each in found.files)


OUTSIDE = (
    *(swarm_answer, builder_words, failing_step, engine_address, ids_elsewhere, own_label),
    *(registry_name, editor_words, message, host_files, patch_manifest),
)

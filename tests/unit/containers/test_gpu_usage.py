"""mlc gpus: who has which GPU."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest
from support.accounts import OWN, own_image
from support.fakes.engine import FakeEngine
from support.nvidia_smi import Gpu, Mig, NvidiaSmi, uuid
from support.settings import with_settings

import mlc_patched
from mlc_patched.cli.commands import gpus as command
from mlc_patched.cli.main import run
from mlc_patched.containers import gpu_usage
from mlc_patched.context import Context
from mlc_patched.engine.address import EngineAddress
from mlc_patched.host.hardware import Host

MIB = 1024**2


@pytest.fixture
def smi(
    context: Context, fake: FakeEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> NvidiaSmi:
    """A host with two GPUs, and MIG devices on a third one."""
    found = NvidiaSmi(tmp_path)
    found.set(
        Gpu(0, used="1551", utilisation="37", processes=[(44, "python3"), (45, "Xorg")]),
        Gpu(1),
        Gpu(2, mig=[Mig(5)], processes=[(46, "a, b", 5)]),
    )
    own_image(fake)
    context.environ = {**context.environ, "PATH": f"{found.place}:{context.environ['PATH']}"}
    monkeypatch.setattr(gpu_usage, "owner", lambda pid: "root" if pid == 45 else None)
    return found


def shown(context: Context, capsys: pytest.CaptureFixture[str], *flags: str) -> str:
    capsys.readouterr()
    assert run(["gpus", *flags], "mlc", context) == 0
    return capsys.readouterr().out


def test_each_gpu_with_its_containers_and_processes(
    context: Context,
    fake: FakeEngine,
    smi: NvidiaSmi,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = mlc_patched.create("train", image=OWN, gpus="2", context=context)
    mlc_patched.start("train", context=context)
    mlc_patched.create("stopped", image=OWN, gpus="all", context=context)
    monkeypatch.setattr(gpu_usage, "container_ids", lambda pid: (made.id,) if pid == 44 else ())
    found = json.loads(shown(context, capsys, "--json"))
    assert found["version"] == 1
    first, second, third, part = found["gpus"]
    assert [each["index"] for each in found["gpus"]] == ["0", "1", "2", "2:0"]
    assert (first["uuid"], first["name"], first["vendor"]) == (uuid(0), "NVIDIA H200", "nvidia")
    assert (first["memory_used"], first["memory_total"]) == (1551 * MIB, 143771 * MIB)
    assert first["utilisation"] == 37
    (holder,) = first["containers"]
    assert (holder["name"], holder["tag"], holder["user"]) == ("train", "train._.1001", "alice")
    assert (holder["state"], holder["is_assigned"]) == ("running", False)
    assert holder["since"].endswith("Z")
    assert first["processes"] == [
        {
            "pid": 44,
            "name": "python3",
            "memory": 1542 * MIB,
            "container": "train._.1001",
            "user": "alice",
        },
        {"pid": 45, "name": "Xorg", "memory": 1542 * MIB, "container": None, "user": "root"},
    ]
    assert [each["name"] for each in second["containers"]] == ["train"]
    assert (third["is_divided"], third["utilisation"], third["containers"]) == (True, None, [])
    assert (part["parent"], [each["pid"] for each in part["processes"]]) == (uuid(2), [46])
    lines = shown(context, capsys).splitlines()
    assert lines[1].split()[:4] == ["0", "GPU-d50ab500", "NVIDIA", "H200"]
    assert "[train] of alice, up " in lines[1]
    assert "in MIG mode" in lines[3]
    processes = lines[lines.index("") + 1 :]
    assert processes[1].split() == ["0", "44", "python3", "1.62GB", "train._.1001", "alice"]
    assert [line.split()[1] for line in processes[1:]] == ["44", "45", "46"]


def test_a_stopped_container_is_listed_if_its_gpu_was_chosen(
    context: Context, smi: NvidiaSmi, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    smi.set(Gpu(0))
    free = with_settings(context, "[gpus]\nassign = free\n", tmp_path)
    mlc_patched.create("train", image=OWN, gpus="1", context=free)
    (found,) = json.loads(shown(context, capsys, "--json"))["gpus"]
    (holder,) = found["containers"]
    assert (holder["is_assigned"], holder["state"], holder["since"]) == (True, "created", None)
    assert "[train] of alice, created" in shown(context, capsys)
    assert run(["container-list"], "mlc", context) == 0
    assert "GPU-d50ab500" in capsys.readouterr().out
    assert run(["container-list", "--json"], "mlc", context) == 0
    (listed,) = json.loads(capsys.readouterr().out)["containers"]
    assert (listed["gpus"], listed["devices"]) == ("1", [uuid(0)])


@pytest.mark.parametrize(
    ("request_", "cell"), [("all", "all"), ("2", "0, 1"), ("device=1", "1"), ("none", "none")]
)
def test_container_list_shows_devices_not_the_request(
    context: Context,
    smi: NvidiaSmi,
    capsys: pytest.CaptureFixture[str],
    request_: str,
    cell: str,
) -> None:
    mlc_patched.create("train", image=OWN, gpus=request_, context=context)
    before = smi.calls
    assert run(["container-list"], "mlc", context) == 0
    heading, row = capsys.readouterr().out.splitlines()[:2]
    assert row[heading.index("GPU") :].startswith(f"{cell}  ")
    assert smi.calls == before


def test_another_program_s_container_is_named_as_in_docker(
    context: Context,
    fake: FakeEngine,
    smi: NvidiaSmi,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from mlc_patched.engine.specification import ContainerSpecification

    other = fake.create_container(ContainerSpecification("compose-web-1", OWN))
    fake.start(other)
    monkeypatch.setattr(gpu_usage, "container_ids", lambda pid: ("0" * 64, other))
    found = json.loads(shown(context, capsys, "--json"))["gpus"][0]
    assert {each["container"] for each in found["processes"]} == {"compose-web-1"}
    assert found["containers"] == []


def test_a_host_without_gpus(
    context: Context, smi: NvidiaSmi, capsys: pytest.CaptureFixture[str]
) -> None:
    smi.program.unlink()
    context.__dict__["host"] = Host(None, False, frozenset())
    assert json.loads(shown(context, capsys, "--json"))["gpus"] == []
    assert run(["gpus"], "mlc", context) == 0
    assert "No GPU was found on this host" in capsys.readouterr().err


@pytest.mark.parametrize("flags", [(), ("--json",), ("--watch",)])
def test_what_cannot_be_seen_is_a_failure(
    context: Context, smi: NvidiaSmi, capsys: pytest.CaptureFixture[str], flags: tuple[str, ...]
) -> None:
    smi.fail()
    assert run(["gpus", *flags], "mlc", context) == 1
    assert "communicate with the NVIDIA driver" in "".join(capsys.readouterr())
    smi.program.unlink()
    assert run(["gpus", *flags], "mlc", context) == 1
    assert "neither nvidia-smi nor amd-smi" in "".join(capsys.readouterr())
    context.__dict__["address"] = EngineAddress("ssh://me@gpu2", "gpu2")
    assert run(["gpus", *flags], "mlc", context) == 1
    assert "remote engine (ssh://me@gpu2) cannot be seen from here" in "".join(capsys.readouterr())


def test_watch_shows_it_again_until_ctrl_c(
    context: Context,
    smi: NvidiaSmi,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    slept: list[int] = []

    def pause() -> None:
        slept.append(1)
        if len(slept) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(command, "_pause", pause)
    text = shown(context, capsys, "--watch")
    assert text.count("NVIDIA H200 MIG") == 2
    assert command._CLEAR not in text, "only a terminal is cleared"


def test_watch_clears_the_terminal_before_a_note(
    context: Context, smi: NvidiaSmi, monkeypatch: pytest.MonkeyPatch
) -> None:
    smi.program.unlink()
    context.__dict__["host"] = Host(None, False, frozenset())

    class Terminal(io.BytesIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()

    def pause() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "_pause", pause)
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(terminal, line_buffering=True))
    monkeypatch.setattr(sys, "stderr", io.TextIOWrapper(terminal, line_buffering=True))
    assert run(["gpus", "--watch"], "mlc", context) == 0
    text = terminal.getvalue().decode()
    assert text.index(command._CLEAR) < text.index("No GPU was found on this host")

"""A stand-in for nvidia-smi, which prints what the real one does.

The lines of GPUs and processes, the exit statuses and their messages were recorded on an H200 with
driver 580.159.04. Those of MIG are NVIDIA's documented forms (MIG User Guide; nvidia-smi's
nvsmi_device DTD), which no hardware was asked for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

DRIVER = "580.159.04"
_SCRIPT = """\
#!/bin/sh
echo "$*" >>'{place}/calls'
case "$*" in
{cases}*)
    echo "Field \\"${{*##*,}}\\" is not a valid field to query."
    exit 2 ;;
esac
"""
_CASE = """\
{wanted})
    cat <<'EOT'
{text}EOT
    exit {status} ;;
"""
_FORMAT = "--format=csv,noheader,nounits"
_FIELDS = "index,uuid,name,memory.used,memory.total,utilization.gpu,"
_APPS = "gpu_uuid,pid,process_name,used_memory"
NO_DRIVER = (
    "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. Make sure that "
    "the latest NVIDIA driver is installed and running."
)


def uuid(number: int, kind: str = "GPU") -> str:
    """Return the UUID of a GPU or MIG device in the tests."""
    return f"{kind}-d50ab5{number:02x}-d66f-579c-1946-0a04d6e4ab9f"


@dataclass
class Mig:
    """A MIG device, by its number among all those of the tests."""

    number: int
    profile: str = "3g.71gb"

    @property
    def uuid(self) -> str:
        """Its UUID."""
        return uuid(self.number, "MIG")


@dataclass
class Gpu:
    """A GPU; processes are pairs of a PID and a name, and of a MIG device's number if in one."""

    number: int
    name: str = "NVIDIA H200"
    used: str = "0"
    utilisation: str = "0"
    processes: list[tuple[int, str] | tuple[int, str, int]] = field(default_factory=list)
    mig: Sequence[Mig] | None = None

    @property
    def uuid(self) -> str:
        """Its UUID."""
        return uuid(self.number)


class NvidiaSmi:
    """The program in a directory for PATH; `set` says what it prints."""

    def __init__(self, place: Path) -> None:
        self.place = place / "nvidia-smi-stand-in"
        self.place.mkdir(mode=0o755)
        self.program = self.place / "nvidia-smi"
        (self.place / "calls").touch(0o666)
        (self.place / "calls").chmod(0o666)
        self.set()

    @property
    def calls(self) -> list[str]:
        """The arguments of each call."""
        return (self.place / "calls").read_text().splitlines()

    def fail(self, status: int = 9, text: str = NO_DRIVER) -> None:
        """Let every call fail."""
        self._write({"*": f"{text}\n"}, status)

    def set(self, *gpus: Gpu, knows_mig: bool = True, has_xml: bool = True) -> None:
        """Have these GPUs; a driver before 450 does not know of MIG."""
        rows = "".join(
            f"{gpu.number}, {gpu.uuid}, {gpu.name}, {gpu.used}, 143771, "
            f"{'[N/A]' if gpu.mig is not None else gpu.utilisation}"
            + (f", {'Disabled' if gpu.mig is None else 'Enabled'}" if knows_mig else "")
            + f", {DRIVER}\n"
            for gpu in gpus
        )
        fields = f"{_FIELDS}{'mig.mode.current,' if knows_mig else ''}driver_version"
        apps = "".join(
            f"{gpu.uuid}, {process[0]}, {process[1]}, 1542\n"
            for gpu in gpus
            for process in gpu.processes
        )
        answers = {
            f"--query-gpu={fields} {_FORMAT}": rows,
            f"--query-compute-apps={_APPS} {_FORMAT}": apps,
            "-L": "".join(map(_listed, gpus)),
            "-q -x": "<?xml version='1.0' ?>\n"
            "<!DOCTYPE nvidia_smi_log SYSTEM 'nvsmi_device_v13.dtd'>\n"
            f"<nvidia_smi_log>{''.join(map(_xml, gpus))}"
            "</nvidia_smi_log>\n",
        }
        if not has_xml:
            del answers["-q -x"]
        self._write({f"'{wanted}'": text for wanted, text in answers.items()})

    def _write(self, answers: Mapping[str, str], status: int = 0) -> None:
        cases = "".join(
            _CASE.format(wanted=wanted, text=text, status=status)
            for wanted, text in answers.items()
        )
        new = self.place / "new"
        new.write_text(_SCRIPT.format(place=self.place, cases=cases))
        new.chmod(0o755)
        new.replace(self.program)


def _listed(gpu: Gpu) -> str:
    own = "".join(
        f"  MIG {each.profile}     Device  {index}: (UUID: {each.uuid})\n"
        for index, each in enumerate(gpu.mig or ())
    )
    return f"GPU {gpu.number}: {gpu.name} (UUID: {gpu.uuid})\n{own}"


def _xml(gpu: Gpu) -> str:
    devices = "".join(
        f"<mig_device><index>{index}</index><gpu_instance_id>{each.number}</gpu_instance_id>"
        "<compute_instance_id>0</compute_instance_id><fb_memory_usage><total>71424 MiB</total>"
        "<used>18 MiB</used></fb_memory_usage></mig_device>"
        for index, each in enumerate(gpu.mig or ())
    )
    processes = "".join(
        f"<process_info><gpu_instance_id>{each[2] if len(each) > 2 else 'N/A'}</gpu_instance_id>"
        f"<compute_instance_id>{0 if len(each) > 2 else 'N/A'}</compute_instance_id>"
        f"<pid>{each[0]}</pid></process_info>"
        for each in gpu.processes
    )
    return (
        f"<gpu id='00000000:{gpu.number:02x}:00.0'><uuid>{gpu.uuid}</uuid>"
        f"<mig_devices>{devices or 'None'}</mig_devices><processes>{processes}</processes></gpu>"
    )

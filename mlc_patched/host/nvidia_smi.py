"""NVIDIA's GPUs and MIG devices, as nvidia-smi reports them (nvidia-smi(1)).

The forms were recorded from driver 580 on an H200; those of MIG are the documented ones.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from ..lean import replace
from .gpu_device import GpuDevice, GpuProcess, SmiError, find_program, number, said_by

PROGRAM = "nvidia-smi"
_MIG_FIELD = "mig.mode.current"
_FIELDS = f"index,uuid,name,memory.used,memory.total,utilization.gpu,{_MIG_FIELD},driver_version"
_UNKNOWN_FIELD = 2
"""nvidia-smi's exit status for a field that it does not know, as before driver 450."""
_APPS = "gpu_uuid,pid,process_name,used_memory"
_FORMAT = "--format=csv,noheader,nounits"
_MIB = 1024**2
_LISTED_GPU = re.compile(r"GPU \d+: .*\(UUID: ([^)]+)\)")
_LISTED_MIG = re.compile(r"\s+MIG (\S+)\s+Device\s+(\d+): \(UUID: ([^)]+)\)")


def find_nvidia_smi(environ: Mapping[str, str]) -> str | None:
    """Return the path of nvidia-smi, or None."""
    return find_program(PROGRAM, environ)


def nvidia_devices(program: str, environ: Mapping[str, str]) -> list[GpuDevice]:
    """Return the GPUs in nvidia-smi's order, each followed by its MIG devices.

    Raises SmiError if nvidia-smi fails.
    """
    try:
        text = said_by(program, (f"--query-gpu={_FIELDS}", _FORMAT), environ)
    except SmiError as error:
        if error.exit_status != _UNKNOWN_FIELD:
            raise
        fields = _FIELDS.replace(f",{_MIG_FIELD}", "")
        text = said_by(program, (f"--query-gpu={fields}", _FORMAT), environ)
        text = re.sub(r"(?m)(?=, [^,\n]*$)", ", [N/A]", text)
    gpus = [found for line in text.splitlines() if (found := _gpu(line))]
    apps = said_by(program, (f"--query-compute-apps={_APPS}", _FORMAT), environ)
    processes: dict[str, list[GpuProcess]] = {}
    for uuid, process in _processes(apps):
        processes.setdefault(uuid, []).append(process)
    gpus = [replace(each, processes=tuple(processes.get(each.uuid, ()))) for each in gpus]
    if not any(each.is_divided for each in gpus):
        return gpus
    listed = said_by(program, ("-L",), environ)
    try:
        xml = said_by(program, ("-q", "-x"), environ)
    except SmiError:
        xml = ""  # only memory and the place of processes are unknown then
    parts = _mig_devices(listed, xml, gpus)
    together = []
    for gpu in gpus:
        together.append(gpu)
        for part in parts:
            if part.parent == gpu.uuid:
                own = {each.pid: each for each in (*part.processes, *processes.get(part.uuid, ()))}
                together.append(replace(part, processes=tuple(own.values())))
    return together


def _gpu(line: str) -> GpuDevice | None:
    index, _, rest = line.partition(", ")
    uuid, _, rest = rest.partition(", ")
    name, *values = rest.rsplit(", ", 5)
    if len(values) != 5 or not index.strip().isdecimal():
        return None
    used, total, utilisation, mode, driver = values
    return GpuDevice(
        index=index.strip(),
        uuid=uuid,
        name=name,
        memory_used=_bytes(used),
        memory_total=_bytes(total),
        utilisation=number(utilisation),
        is_divided=mode.strip() == "Enabled",
        driver=driver.strip(),
    )


def _processes(text: str) -> Iterator[tuple[str, GpuProcess]]:
    for line in text.splitlines():
        uuid, _, rest = line.partition(", ")
        pid, _, rest = rest.partition(", ")
        name, _, memory = rest.rpartition(", ")  # a name may contain commas
        if (found := number(pid)) is not None:
            yield uuid, GpuProcess(found, name, _bytes(memory))


def _mig_devices(listed: str, xml: str, gpus: list[GpuDevice]) -> list[GpuDevice]:
    """Return MIG devices by `nvidia-smi -L`, with memory and processes by `-q -x`.

    Only the latter says in which MIG device a process is; a process of which it is unknown counts
    for all those of its GPU.
    """
    details, placed = _details(xml)
    by_uuid = {each.uuid: each for each in gpus}
    found: list[GpuDevice] = []
    gpu: GpuDevice | None = None
    for line in listed.splitlines():
        if match := _LISTED_GPU.match(line):
            gpu = by_uuid.get(match[1])
        elif gpu is not None and (match := _LISTED_MIG.match(line)):
            instance, used, total = details.get((gpu.uuid, match[2]), ("", None, None))
            found.append(
                GpuDevice(
                    index=f"{gpu.index}:{match[2]}",
                    uuid=match[3],
                    name=f"{gpu.name} MIG {match[1]}",
                    memory_used=used,
                    memory_total=total,
                    processes=tuple(
                        each
                        for each in gpu.processes
                        if placed.get((gpu.uuid, each.pid), {instance}) & {instance}
                    ),
                    parent=gpu.uuid,
                    driver=gpu.driver,
                )
            )
    return found


_Details = dict[tuple[str, str], tuple[str, "int | None", "int | None"]]


def _details(xml: str) -> tuple[_Details, dict[tuple[str, int], set[str]]]:
    """Return the instance and memory of MIG devices by GPU and index, and the instances that a
    process uses by GPU and PID. Both are empty if the XML cannot be read."""
    from xml.etree import ElementTree

    details: _Details = {}
    placed: dict[tuple[str, int], set[str]] = {}
    try:
        root = ElementTree.fromstring(xml)  # noqa: S314 - root's own program wrote it
    except ElementTree.ParseError:
        return details, placed
    for gpu in root.iter("gpu"):
        uuid = gpu.findtext("uuid", "")
        for device in gpu.iter("mig_device"):
            details[uuid, device.findtext("index", "")] = (
                _instance(device),
                _bytes(device.findtext("fb_memory_usage/used", "")),
                _bytes(device.findtext("fb_memory_usage/total", "")),
            )
        for process in gpu.iter("process_info"):
            pid, instance = number(process.findtext("pid", "")), _instance(process)
            if pid is not None and instance[:1].isdecimal():
                placed.setdefault((uuid, pid), set()).add(instance)
    return details, placed


def _instance(element: object) -> str:
    find = element.findtext  # type: ignore[attr-defined]
    return f"{find('gpu_instance_id', '')}/{find('compute_instance_id', '')}"


def _bytes(mebibytes: str) -> int | None:
    found = number(mebibytes)
    return None if found is None else found * _MIB

"""AMD's GPUs, as amd-smi or rocm-smi reports them in JSON.

The forms are those of AMD's documentation and of programs that read them; they were not seen on
hardware. rocm-smi does not say which GPU a process uses, so processes are amd-smi's alone.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from .gpu_device import AMD, GpuDevice, GpuProcess, SmiError, find_program, number, said_by

_PLACE = "/opt/rocm/bin"
_UNITS = {"B": 1, "KB": 1024, "MB": 1024**2, "GB": 1024**3}
_ROCM_FLAGS = ("--showproductname", "--showuniqueid", "--showuse", "--showmeminfo", "vram")


def amd_devices(environ: Mapping[str, str]) -> list[GpuDevice] | None:
    """Return AMD's GPUs, or None if neither program is there. Raises SmiError if it fails."""
    if program := find_program("amd-smi", environ, _PLACE):
        return _by_amd_smi(program, environ)
    if program := find_program("rocm-smi", environ, _PLACE):
        return _by_rocm_smi(program, environ)
    return None


def _by_amd_smi(program: str, environ: Mapping[str, str]) -> list[GpuDevice]:
    def ask(*arguments: str) -> dict[str, dict[str, Any]]:
        said = _read(program, (*arguments, "--json"), environ)
        rows = said.get("gpu_data", []) if isinstance(said, dict) else said
        return {str(row["gpu"]): row for row in rows if isinstance(row, dict) and "gpu" in row}

    named = ask("static", "--asic")
    measured = ask("metric", "--usage", "--mem-usage")
    used = ask("process")
    found = []
    for index, row in ask("list").items():
        memory = _below(measured, index, "mem_usage")
        found.append(
            GpuDevice(
                index=index,
                uuid=str(row.get("uuid") or row.get("bdf") or index),
                name=str(_below(named, index, "asic").get("market_name") or "AMD GPU"),
                vendor=AMD,
                memory_used=_size(memory.get("used_vram")),
                memory_total=_size(memory.get("total_vram")),
                utilisation=_value(_below(measured, index, "usage").get("gfx_activity")),
                processes=tuple(_processes(used.get(index, {}))),
            )
        )
    return found


def _processes(row: Mapping[str, Any]) -> Iterator[GpuProcess]:
    for each in row.get("process_list") or ():
        about = each.get("process_info") if isinstance(each, dict) else None
        # Without processes it is a sentence.
        if isinstance(about, dict) and (pid := number(about.get("pid"))) is not None:
            usage = about.get("memory_usage")
            memory = usage.get("vram_mem") if isinstance(usage, dict) else about.get("mem_usage")
            yield GpuProcess(pid, str(about.get("name", "")), _size(memory))


def _by_rocm_smi(program: str, environ: Mapping[str, str]) -> list[GpuDevice]:
    said = _read(program, (*_ROCM_FLAGS, "--json"), environ)
    found = []
    for card, values in said.items() if isinstance(said, dict) else ():
        index = card.removeprefix("card")
        if not index.isdecimal() or not isinstance(values, dict):
            continue  # such as `system`
        row = {key.lower(): value for key, value in values.items()}  # releases differ in case
        found.append(
            GpuDevice(
                index=index,
                uuid=str(row.get("unique id") or card),
                name=str(row.get("card series") or row.get("card model") or "AMD GPU"),
                vendor=AMD,
                memory_used=number(row.get("vram total used memory (b)")),
                memory_total=number(row.get("vram total memory (b)")),
                utilisation=number(row.get("gpu use (%)")),
            )
        )
    return sorted(found, key=lambda each: int(each.index))


def _read(program: str, arguments: tuple[str, ...], environ: Mapping[str, str]) -> Any:
    text = said_by(program, arguments, environ)
    start = min((at for at in map(text.find, "[{") if at >= 0), default=0)  # after warnings
    try:
        return json.JSONDecoder().raw_decode(text, start)[0]
    except ValueError as error:
        raise SmiError(f"{program} printed no JSON: {text.strip()[:200]}", None) from error


def _below(rows: Mapping[str, dict[str, Any]], index: str, key: str) -> dict[str, Any]:
    found = rows.get(index, {}).get(key)
    return found if isinstance(found, dict) else {}


def _value(given: Any) -> int | None:
    return number(given.get("value") if isinstance(given, dict) else given)


def _size(given: Any) -> int | None:
    value = _value(given)
    unit = given.get("unit", "B") if isinstance(given, dict) else "B"
    return None if value is None else value * _UNITS.get(str(unit).upper(), 1)

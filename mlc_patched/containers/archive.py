"""The file that export writes and import reads.

A tar archive: first a member `mlc-manifest.json`, then the container's whole file system as
the engine exports it. Both directions are streams. Any tar shows what is in it, and
`docker import` takes it as it is.
"""

from __future__ import annotations

import json
import re
import tarfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

from ..errors import MlcError, shown

MANIFEST = "mlc-manifest.json"
FORMAT = "mlc-container"
VERSION = 1
CHUNK = 2 * 1024**2
_LARGEST_MANIFEST = 1024**2
_ACCOUNT_NAME = re.compile(r"[a-z_][a-z0-9_-]{0,31}")
_BLOCK = tarfile.BLOCKSIZE


@dataclass(frozen=True)
class Manifest:
    """What an archive holds besides files.

    `labels` are the container's own; `account` is the name of its user's account inside;
    the rest is the configuration of the image it was made from.
    """

    name: str
    account: str
    labels: Mapping[str, str]
    environment: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    entrypoint: tuple[str, ...] = ()
    working_directory: str = ""


def head(manifest: Manifest) -> bytes:
    """Return the beginning of an archive, to which a file system is appended."""
    content = json.dumps(
        {
            "format": FORMAT,
            "version": VERSION,
            "name": manifest.name,
            "account": manifest.account,
            "labels": dict(manifest.labels),
            "environment": manifest.environment,
            "command": manifest.command,
            "entrypoint": manifest.entrypoint,
            "working_directory": manifest.working_directory,
        },
        indent=2,
    ).encode()
    member = tarfile.TarInfo(MANIFEST)
    member.size, member.mtime, member.mode = len(content), int(time.time()), 0o644
    padding = b"\0" * (-len(content) % _BLOCK)
    return member.tobuf(tarfile.USTAR_FORMAT) + content + padding


def read_head(file: BinaryIO, name: str) -> Manifest:
    """Read an archive's manifest; the file then stands at the file system.

    Args:
        file: the archive, at its beginning.
        name: what to call it in a message.

    Raises:
        MlcError: this is no archive of ours, or one of a later version.
    """
    try:
        member = tarfile.TarInfo.frombuf(file.read(_BLOCK), "utf-8", "strict")
        if member.name != MANIFEST or not 0 < member.size <= _LARGEST_MANIFEST:
            raise ValueError("it does not begin with a manifest")
        content = json.loads(file.read(member.size))
        file.read(-member.size % _BLOCK)
        if content["format"] != FORMAT:
            raise ValueError(f"its format is {shown(content['format'])}")
        if content["version"] != VERSION:
            raise MlcError(
                f"{name} was written by a later mlc (archive version {shown(content['version'])}); "
                "this one cannot read it."
            )
        return _manifest(content)
    except (tarfile.TarError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise MlcError(f"{name} is not an archive made by mlc export: {error}") from error


def rest(file: BinaryIO) -> Iterator[bytes]:
    """Yield what follows the manifest."""
    while chunk := file.read(CHUNK):
        yield chunk


def _manifest(content: dict[str, Any]) -> Manifest:
    account = content["account"]
    if not _ACCOUNT_NAME.fullmatch(account):
        raise ValueError(f"its account is {shown(account)}")
    return Manifest(
        name=_text(content["name"]),
        account=account,
        labels=_pairs(content["labels"]),
        environment=_texts(content["environment"]),
        command=_texts(content["command"]),
        entrypoint=_texts(content["entrypoint"]),
        working_directory=_text(content["working_directory"]),
    )


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{shown(value)} is no text")
    return value


def _pairs(values: object) -> dict[str, str]:
    if not isinstance(values, dict):
        raise TypeError(f"{shown(values)} is no mapping")
    return {_text(key): _text(value) for key, value in values.items()}


def _texts(values: object) -> tuple[str, ...]:
    if not isinstance(values, list):
        raise TypeError(f"{shown(values)} is no list")
    return tuple(_text(value) for value in values)

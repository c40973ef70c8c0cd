"""Parse the text of a settings file.

It is an INI file with sections, `key = value` lines, and comment lines that begin with `#` or `;`.
The standard library's parser is not used, as it does not report the line of a value.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..errors import MlcError, UsageError
from ..lean import TYPE_CHECKING, dataclass, replace
from ..names.labels import OWNED
from .model import Settings
from .schema import BY_NAME, LABELS, RENAMED, SECTIONS, SETTINGS

if TYPE_CHECKING:
    from typing import Any

_SECTIONS = ", ".join(f"[{name}]" for name in SECTIONS)


@dataclass(frozen=True)
class Entry:
    """A line of the file with a setting. `former_key` is the key as written, if it was renamed."""

    line: int
    section: str
    key: str
    value: str
    former_key: str = ""

    @property
    def name(self) -> str:
        """The setting's name, `section.key`."""
        return f"{self.section}.{self.key}"


def parse(text: str, name: str) -> Settings:
    """Return the settings in a file's text; for a wrong one, raise MlcError with name and line."""
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    texts: dict[str, str] = {}
    labels: dict[str, str] = {}
    notes: list[str] = []
    for entry in entries(text, name):
        origins[entry.name] = f"{name}, line {entry.line}"
        texts[entry.name] = entry.value
        if entry.former_key:
            notes.append(
                f"{origins[entry.name]}: {entry.former_key} is now called {entry.key}. "
                "The old name is still read; please rename it."
            )
        if entry.section == LABELS and entry.name not in BY_NAME:
            labels[entry.key] = entry.value
        else:
            values[BY_NAME[entry.name].field] = value_of(entry, name)
    if values.get("cgroup_parent") and values.get("slice_group"):
        where = origins["container.slice_group"]
        raise MlcError(f"{where}: set either cgroup_parent or slice_group, not both.")
    return Settings(**values, labels=labels, origins=origins, texts=texts, notes=tuple(notes))


def entries(text: str, name: str) -> Iterator[Entry]:
    """Yield the settings in the text of a file.

    Raises MlcError if a line is not understood, names an unknown setting, or repeats one.
    """
    section = ""
    first: dict[str, int] = {}
    for line, content in enumerate(text.splitlines(), 1):
        stripped = content.strip()
        if not stripped or stripped[0] in "#;":
            continue
        where = f"{name}, line {line}"
        if stripped[0] == "[" and stripped[-1] == "]":
            section = stripped[1:-1].strip().lower()
            if section not in SECTIONS:
                raise MlcError(f"{where}: unknown section [{section}]. Allowed: {_SECTIONS}")
            continue
        key, equals, value = (part.strip() for part in stripped.partition("="))
        if not equals or not key:
            raise MlcError(f"{where}: {stripped!r} is not understood. Write: key = value")
        key = key if section == LABELS else key.lower()
        entry = Entry(line, section, key, value)
        if entry.name in RENAMED:
            entry = replace(entry, key=RENAMED[entry.name], former_key=key)
        _check_key(entry, where)
        if entry.name in first:
            raise MlcError(f"{where}: {key} is already set on line {first[entry.name]}.")
        first[entry.name] = line
        yield entry


def value_of(entry: Entry, name: str) -> object:
    """Return the value of an entry as the field of Settings stores it.

    Raises MlcError, with the line and the allowed values, if it is none of them.
    """
    setting = BY_NAME[entry.name]
    try:
        return setting.read(entry.value)
    except (ValueError, UsageError):
        raise MlcError(
            f"{name}, line {entry.line}: {entry.key} in [{entry.section}] cannot be "
            f"{entry.value!r}. Allowed: {setting.allowed}"
        ) from None


def _check_key(entry: Entry, where: str) -> None:
    if not entry.section:
        raise MlcError(f"{where}: {entry.key} comes before any section. Sections: {_SECTIONS}")
    if entry.section == LABELS:
        if entry.key in OWNED:
            raise MlcError(f"{where}: the label {entry.key} is reserved for mlc and cannot be set.")
    elif entry.name not in BY_NAME:
        keys = [setting.key for setting in SETTINGS if setting.section == entry.section]
        raise MlcError(
            f"{where}: unknown setting {entry.key!r} in [{entry.section}]. "
            f"Allowed: {', '.join(keys)}"
        )

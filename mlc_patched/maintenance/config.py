"""config: the settings in force, and the origin of each."""

from __future__ import annotations

from typing import Any

from ..context import Context
from ..lean import dataclass
from ..plan.limits import default_gpus, least_gpus
from ..settings.model import BUILT_IN
from ..settings.schema import LABELS, SETTINGS, Setting


@dataclass(frozen=True)
class InForce:
    """A setting, its value as the file would have it, and its origin."""

    setting: str
    value: str
    origin: str

    def as_json(self) -> dict[str, Any]:
        """Return the setting for `--json`."""
        return {"setting": self.setting, "value": self.value, "from": self.origin}


def config(context: Context) -> list[InForce]:
    """Return every setting in force; MlcError if one is invalid."""
    settings = context.settings
    for note in settings.notes:
        context.report.warn(note)
    found = [_in_force(setting, context) for setting in SETTINGS]
    found += [
        InForce(f"{LABELS}.{label}", value, settings.origins[f"{LABELS}.{label}"])
        for label, value in settings.labels.items()
    ]
    return found


def _in_force(setting: Setting, context: Context) -> InForce:
    settings = context.settings
    said = context.environ.get(setting.variable) if setting.variable else None
    if said:
        return InForce(setting.name, said, f"environment, {setting.variable}")
    value = settings.texts.get(setting.name, setting.default)
    origin = settings.origins.get(setting.name, BUILT_IN)
    if setting.name in ("gpus.default", "gpus.wrapper"):
        allowed = default_gpus(settings, by_wrapper=setting.name == "gpus.wrapper")
        if allowed != value:
            return InForce(setting.name, allowed, settings.origins[least_gpus(settings)])
    if setting.name == "images.catalog" and not value:
        return InForce(setting.name, str(context.catalog_file), "found")
    return InForce(setting.name, value, origin)

"""The engine that doctor's checks examine in tests, and what they find."""

from __future__ import annotations

from mlc_patched.engine.observations import EngineInfo
from mlc_patched.maintenance.checks import Finding, Health

# No directory of this host.
INFO = EngineInfo("20.10.24", "/nonexistent/docker", ("runc",))


def assert_finding(found: object, health: str, words: str) -> None:
    """Assert that a check returned one finding, with a remedy if something is wrong."""
    finding = found if isinstance(found, Finding) else found[0]  # type: ignore[index]
    assert finding.health is Health(health)
    assert words in finding.text
    assert bool(finding.remedy) == (health != "ok"), "a problem comes with the command to fix it"

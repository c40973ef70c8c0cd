"""What a test of the contract suites works with: a fake or real engine, and unique names."""

from __future__ import annotations

from dataclasses import dataclass

from mlc_patched.engine.interface import Container, Engine, Image
from mlc_patched.engine.specification import ContainerSpecification

LABEL = "mlc-test.contract"
PODMAN_S_OWN = ("TERM=xterm", "container=podman")
"""Variables that Podman adds to every container, and so to an image committed from one."""


@dataclass
class EngineFixtures:
    """An engine, an image in it, and unique names."""

    engine: Engine
    image: Image
    token: str

    def name(self, suffix: str = "a") -> str:
        return f"mlc-contract-{self.token}-{suffix}"

    def create(self, suffix: str = "a", *, script: str = "sleep 60", **fields: object) -> str:
        defaults: dict[str, object] = {
            "name": self.name(suffix),
            "image": self.image.id,
            "command": ("sh", "-c", script),
            "labels": {LABEL: self.token},
            "network": "host",
        }
        return self.engine.create_container(ContainerSpecification(**{**defaults, **fields}))

    def own(self, **filters: object) -> list[Container]:
        return self.engine.containers(labels=(f"{LABEL}={self.token}",), **filters)

    def commit(self, container: str, tag: str, **labels: str) -> str:
        return self.engine.commit(container, self.name("image"), tag, self.image, labels)

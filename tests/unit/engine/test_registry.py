"""Registries: the fake one, and errors of real ones."""

from __future__ import annotations

import pytest
from support.cluster_contract import registry_holds
from support.fakes.engine import FakeEngine

from mlc_patched.engine.registry import failure
from mlc_patched.version import documentation

PUSHED = "registry:5000/ds01-1001/thesis"


def test_the_fake_registry_meets_the_contract(fake: FakeEngine) -> None:
    image = fake.add_image("here:1")
    registry_holds(fake, image.id, "registry:5000/contract/it")


@pytest.mark.parametrize(
    ("why", "advice"),
    [
        ("no basic auth credentials", "docker login registry:5000"),
        ("unauthorized: authentication required", "docker login registry:5000"),
        ("denied: requested access to the resource is denied", "docker login registry:5000"),
        (
            "x509: certificate signed by unknown authority",
            "/etc/docker/certs.d/registry:5000/ca.crt",
        ),
        ("http: server gave HTTP response to HTTPS client", documentation("cluster")),
        ("dial tcp: lookup registry: no such host", "cannot reach it"),
        ("something else", "something else"),
    ],
)
def test_errors_of_a_registry_come_with_advice(why: str, advice: str) -> None:
    assert advice in str(failure(f"{PUSHED}:latest", why))

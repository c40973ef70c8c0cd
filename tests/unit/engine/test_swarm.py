"""Swarm: the fake one, and an engine that manages none."""

from __future__ import annotations

import pytest
from support.cluster_contract import cluster_holds
from support.fakes.engine import FakeEngine

from mlc_patched.engine.cluster import NotManagerError
from mlc_patched.engine.swarm import SwarmCluster
from mlc_patched.errors import (
    EngineError,
    MlcError,
    NotFoundError,
)


def test_the_fake_cluster_meets_the_contract(fake: FakeEngine) -> None:
    fake.swarm.join("server-1", gpus=1)
    fake.swarm.join("server-2", gpus=1)
    cluster_holds(fake.swarm, "image:1")


class Refusing:
    """An engine's connection that answers every request with the same error."""

    def __init__(self, refusal: MlcError) -> None:
        self._refusal = refusal

    def ask(self, *question: object) -> None:
        raise self._refusal


@pytest.mark.parametrize(
    ("refusal", "error"),
    [
        (EngineError("The Docker Engine refused: This node is not a swarm manager. Use …"), True),
        (NotFoundError("Not Found"), True),  # Podman's engine, asked for /services
        (EngineError("The Docker Engine refused: rpc error: something else"), False),
    ],
)
def test_an_engine_that_manages_no_swarm(refusal: MlcError, error: bool) -> None:
    cluster = SwarmCluster(Refusing(refusal))  # type: ignore[arg-type]
    with pytest.raises(MlcError) as caught:
        cluster.services()
    assert isinstance(caught.value, NotManagerError) == error

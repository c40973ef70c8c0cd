"""The contract suites run on the fake engine and on the real one."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import pytest
from support.base_images import BASE
from support.contract_fixtures import EngineFixtures
from support.fakes.engine import FakeEngine


@pytest.fixture(params=["fake", pytest.param("real", marks=pytest.mark.real_engine)])
def fixtures(request: pytest.FixtureRequest) -> Iterator[EngineFixtures]:
    token = secrets.token_hex(4)
    if request.param == "fake":
        fake = FakeEngine()
        yield EngineFixtures(fake, fake.add_image(BASE), token)
        return
    engine = request.getfixturevalue("engine")
    image = engine.image(BASE)
    made = EngineFixtures(engine, image, token)
    yield made
    for container in made.own():
        engine.remove_container(container.id, force=True)
    for tag in ("one", "two"):
        engine.remove_image(f"{made.name('image')}:{tag}")

"""The commands on the real engine, held to the model of tests/support/command_model.py."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from support.base_images import BASE
from support.command_model import World, machine
from support.engine_requests import ask
from support.reliability import Counted, is_full, sized
from support.users import User, context_of

from mlc_patched.engine.interface import Engine

pytestmark = pytest.mark.real_engine


@pytest.mark.promise("model", "own-only")
def test_any_sequence_of_commands_does_what_the_model_says(
    alice: User, ldap_user: User, labelled, engine: Engine, counted: Counted
) -> None:
    users = (alice, ldap_user)
    images = {user.uid: labelled(user) for user in users}

    def clear() -> None:
        for container in engine.containers():
            if container.name.endswith(tuple(user.tag("") for user in users)):
                engine.remove_container(container.id, force=True)
        for image in engine.find_images(names=(*(f"ds01-{uid}/*" for uid in images), "mlc-test/*")):
            for name in image.references:
                own = name.endswith(tuple(user.tag("") for user in users))
                if own or (name.startswith("ds01-") and name not in images.values()):
                    ask("DELETE", "/images/{}", name)

    world = World(
        engine,
        (context_of(alice), context_of(ldap_user)),
        (images[alice.uid], images[ldap_user.uid]),
        BASE,
        clear,
        lambda: counted("operations of the state machine"),
    )
    run_state_machine_as_test(
        machine(world),
        settings=settings(
            max_examples=sized(3, 8),
            stateful_step_count=sized(10, 25),
            phases=(Phase.generate,),  # a failing sequence is short enough as it is
            derandomize=not is_full(),
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )

"""The commands on the fake engine, held to the model for many steps."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test
from support.accounts import AccountOfThisProcess
from support.base_images import BASE
from support.command_model import World, machine
from support.fakes.engine import ROOT_PASSWD, FakeEngine
from support.reliability import Counted, sized

from mlc_patched.context import Context
from mlc_patched.host.hardware import Host
from mlc_patched.images import save
from mlc_patched.images.verify import Findings
from mlc_patched.names.labels import Claim, claim_labels

STEPS = 40


@pytest.mark.promise("model", "own-only")
def test_any_sequence_of_commands_does_what_the_model_says(
    monkeypatch: pytest.MonkeyPatch, counted: Counted
) -> None:
    # Nothing runs in a container of the fake engine.
    monkeypatch.setattr(save, "examine", lambda *arguments: Findings())
    with tempfile.TemporaryDirectory() as place:
        world = fake_world(Path(place), counted)
        run_state_machine_as_test(
            machine(world),
            settings=settings(
                max_examples=sized(25, 100),
                stateful_step_count=STEPS,
                deadline=None,
                database=None,
                suppress_health_check=list(HealthCheck),
            ),
        )


def fake_world(place: Path, counted: Counted) -> World:
    """Return two users on one fake engine, and a container of neither."""
    engine = FakeEngine()
    engine.add_image(BASE)
    contexts, images = [], []
    for login, uid, gid in (("alice", 1001, 2001), ("bob", 1002, 2002)):
        home = place / login
        (home / "workspace").mkdir(parents=True)
        context = Context(environ={"HOME": str(home)}, make_engine=lambda: engine)
        context.__dict__["account"] = AccountOfThisProcess(login, uid, gid, str(home))
        context.__dict__["host"] = Host("CUDA_ADA", True, frozenset())
        passwd = f"{ROOT_PASSWD}{login}:x:{uid}:{gid}::/home/{login}:/bin/bash\n"
        name = f"ds01-{uid}/project:latest"
        engine.add_image(name, claim_labels(Claim(uid, gid, login)), passwd)
        contexts.append(context)
        images.append(name)
    known = set(engine.images)

    def clear() -> None:
        engine.made.clear()
        for added in set(engine.images) - known:
            del engine.images[added]

    return World(
        engine,
        (contexts[0], contexts[1]),
        (images[0], images[1]),
        BASE,
        clear,
        lambda: counted("operations of the state machine"),
    )

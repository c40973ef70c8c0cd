"""A model of users' containers and images, and a state machine that compares commands with it:
hypothesis chooses the commands, and after each one the engine and the model must agree.

`machine(world)` gives the state machine of an engine; the commands run in this process.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from mlc_patched.context import Context
from mlc_patched.engine.interface import Engine
from support.run_command import Outcome, call

CREATED, RUNNING, EXITED = "created", "running", "exited"
USERS = (0, 1)
NAMES = ("a", "b-2", "B")
TAGS = ("v1", "v2")


@dataclass
class Model:
    """States of containers by user and name, the containers that have a committed image, and each
    user's saved images, as `project:tag`."""

    containers: dict[tuple[int, str], str] = field(default_factory=dict)
    committed: set[tuple[int, str]] = field(default_factory=set)
    saved: set[tuple[int, str]] = field(default_factory=set)


@dataclass
class World:
    """An engine and two users on it.

    `labelled` has for each the name of an image with the account in it, `bare` is one without
    any; `clear` removes what an example left.
    """

    engine: Engine
    contexts: tuple[Context, Context]
    labelled: tuple[str, str]
    bare: str
    clear: Callable[[], object]
    done: Callable[[], object]


def machine(world: World) -> type[RuleBasedStateMachine]:
    """Return the state machine of an engine."""
    users, names = st.sampled_from(USERS), st.sampled_from(NAMES)

    class Machine(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            self.model = Model()
            self.bystanders = _bystanders(world)

        def said(self, user: int, *argv: str) -> Outcome:
            world.done()
            outcome = call([*argv], world.contexts[user])
            assert "Unexpected" not in outcome.err, outcome
            return outcome

        def there(self, user: int, name: str, outcome: Outcome) -> bool:
            """Check that only an existing container is found; return whether this one exists."""
            if (user, name) in self.model.containers:
                return True
            assert outcome.code == 1, outcome
            assert f"You have no container {name!r}" in outcome.err
            return False

        def make(self, user: int, name: str, outcome: Outcome, state: str) -> bool:
            if (user, name) in self.model.containers:
                assert outcome.code == 1, outcome
                assert f"You have a container {name!r} already" in outcome.err
                return False
            assert outcome.code == 0, outcome
            self.model.containers[user, name] = state
            return True

        @rule(user=users, name=names)
        def create(self, user: int, name: str) -> None:
            argv = ("mlc", "create", name, "--image", world.labelled[user], "-s")
            self.make(user, name, self.said(user, *argv), CREATED)

        @rule(user=users, name=names)
        def create_by_the_legacy_flow(self, user: int, name: str) -> None:
            argv = ("mlc", "create", name, "--image", world.bare, "-s")
            if self.make(user, name, self.said(user, *argv), CREATED):
                self.model.committed.add((user, name))

        @rule(user=users, name=names)
        def deploy(self, user: int, name: str) -> None:
            image = ("--image", world.labelled[user])
            argv = ("container-deploy", name, *image, "--background", "-y")
            self.make(user, name, self.said(user, *argv), RUNNING)

        @rule(user=users, name=names)
        def start(self, user: int, name: str) -> None:
            outcome = self.said(user, "mlc", "start", name, "-s")
            if self.there(user, name, outcome):
                assert outcome.code == 0, outcome
                self.model.containers[user, name] = RUNNING

        @rule(user=users, name=names)
        def stop(self, user: int, name: str) -> None:
            outcome = self.said(user, "mlc", "stop", name, "-f")
            if self.there(user, name, outcome):
                assert outcome.code == 0, outcome
                if self.model.containers[user, name] == RUNNING:
                    self.model.containers[user, name] = EXITED

        @rule(user=users, name=names)
        def remove(self, user: int, name: str) -> None:
            outcome = self.said(user, "mlc", "remove", name, "-f")
            if not self.there(user, name, outcome):
                return
            if self.model.containers[user, name] == RUNNING:
                assert outcome.code == 1, outcome
                assert f"Stop it first with: mlc stop {name}" in outcome.err
                return
            assert outcome.code == 0, outcome
            self.gone(user, name)

        @rule(user=users, name=names)
        def retire(self, user: int, name: str) -> None:
            outcome = self.said(user, "container-retire", name, "-y")
            if self.there(user, name, outcome):
                assert outcome.code == 0, outcome
                self.gone(user, name)

        @rule(user=users, name=names, tag=st.sampled_from(TAGS))
        def save_and_retire(self, user: int, name: str, tag: str) -> None:
            outcome = self.said(user, "container-retire", name, "--save", tag, "-y")
            if not self.there(user, name, outcome):
                return
            assert outcome.code == 0, outcome
            project = "project" if (user, name) not in self.model.committed else name.lower()
            self.model.saved.add((user, f"{project}:{tag}"))
            self.gone(user, name)

        @rule(user=users, name=names)
        def reach_for_anothers(self, user: int, name: str) -> None:
            """No name selects the other user's container: nothing in the model changes."""
            other = world.contexts[1 - user].account.uid
            for argv in (
                ("mlc", "remove", f"{name}._.{other}", "-f"),
                ("mlc", "stop", f"{name}._.{other}", "-f"),
                ("container-retire", f"{name}._.{other}", "-y"),
            ):
                # As AIME's mlc, ours exits with 1 for an invalid name.
                assert self.said(user, *argv).code == (1 if argv[0] == "mlc" else 2)

        def gone(self, user: int, name: str) -> None:
            del self.model.containers[user, name]
            self.model.committed.discard((user, name))

        @invariant()
        def the_engine_is_what_the_model_says(self) -> None:
            uids = [each.account.uid for each in world.contexts]
            expected = {
                f"{name}._.{uids[user]}": state
                for (user, name), state in self.model.containers.items()
            }
            assert _containers(world) == expected
            images = {
                f"{world.bare.partition(':')[0]}:{name}._.{uids[user]}"
                for user, name in self.model.committed
            } | {f"ds01-{uids[user]}/{saved}" for user, saved in self.model.saved}
            # A saved image keeps the committed image it is made from, which then has no name.
            assert _images(world) == images
            assert _bystanders(world) == self.bystanders

        def teardown(self) -> None:
            world.clear()

    return Machine


def _tags(world: World) -> tuple[str, ...]:
    return tuple(f"._.{each.account.uid}" for each in world.contexts)


def _containers(world: World) -> dict[str, str]:
    own = _tags(world)
    found = world.engine.containers()
    return {each.name: each.state for each in found if each.name.endswith(own)}


def _images(world: World) -> set[str]:
    own = _tags(world)
    projects = tuple(f"ds01-{each.account.uid}/" for each in world.contexts)
    names = {name for image in world.engine.find_images() for name in image.references}
    return {name for name in names if name.endswith(own) or name.startswith(projects)} - set(
        world.labelled
    )


def _bystanders(world: World) -> set[str]:
    """Return all other containers, which must never change."""
    own = _tags(world)
    found = world.engine.containers()
    return {f"{each.id} {each.state}" for each in found if not each.name.endswith(own)}

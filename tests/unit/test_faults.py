"""Every command with a fault at every call it makes, and then again: nothing is left, nothing of
the user's is lost, and the second run succeeds or says why not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from desk import BASE, CLAIM, OWN, PASSWD, Desk, State, new_desk
from faulty_engine import Fault, Mode
from reliability import Counted, is_full

from mlc_patched.specification import ContainerSpecification


@dataclass(frozen=True)
class Command:
    """A command, and those that make what it works on.

    `goes_on` says that it has steps which the next run goes on from instead of taking them back,
    as a stop has. `never_late` leaves out an engine that acts after it was given up: names that it
    exchanges then cannot be told from a user's own choice.
    """

    argv: str
    before: tuple[str, ...] = ()
    images: tuple[str, ...] = ()
    settings: str = ""
    registry: bool = False
    aime: bool = False
    never_late: bool = False
    goes_on: bool = False

    def prepare(self, desk: Desk) -> None:
        """Have what the command works on."""
        desk.set(self.settings)
        if self.registry:
            desk.fake.remove_image(BASE)
            desk.fake.pullable[BASE] = "root:x:0:0::/root:/bin/sh\n"
        if self.aime:
            image = desk.fake.add_image("mlc-test/base:n._.1001", None, PASSWD)
            own = {"aime.mlc": "alice"}
            desk.fake.create_container(
                ContainerSpecification(name="n._.1001", image=image.id, labels=own)
            )
        for image in self.images:
            desk.fake.add_image(image, CLAIM, PASSWD)
        for line in self.before:
            done = desk.run(*line.split())
            assert done.status == 0, f"{line}: {done.said}"


FAST = "create n --image ds01-1001/p:latest -s"
SLOW = "create n Pytorch 2.8.0 -s"
DEMO = f"image-create demo --base {BASE} -y"
UPDATE = "image-update demo --add six -y"
OWNED = {"images": (OWN,)}
COMMANDS = [
    Command(FAST, **OWNED),
    Command(SLOW),
    Command(SLOW, images=("mlc-test/base:n._.1001",)),
    Command(SLOW, registry=True),
    Command(SLOW, settings="[images]\nold_flow = build\n"),
    Command(SLOW, settings="[images]\nold_flow = build\n", before=("create m Pytorch 2.8.0 -s",)),
    Command("list -a", before=(FAST,), **OWNED),
    Command("stats", before=(FAST, "start n"), **OWNED),
    Command("open n", before=(FAST,), **OWNED, goes_on=True),
    Command("start n", before=(FAST,), **OWNED, goes_on=True),
    Command("start n true", before=(FAST,), **OWNED, goes_on=True),
    Command("stop n -f", before=(FAST, "start n"), **OWNED, goes_on=True),
    Command("remove n -f", before=(FAST,), **OWNED, goes_on=True),
    Command("remove n -f", before=(SLOW,), goes_on=True),
    Command("export n", before=(FAST,), **OWNED),
    Command("export n -f", before=(FAST, "export n"), **OWNED),
    Command("import n.mlc.tar copy -s", before=(FAST, "export n"), **OWNED),
    Command("adopt n -s", aime=True),
    Command("prune -y", before=(SLOW,), images=("mlc-test/base:gone._.1001",), goes_on=True),
    Command("container-deploy n --image ds01-1001/p:latest -y", **OWNED),
    Command(f"container-deploy n --image {BASE} -y"),
    Command("container-create n --image ds01-1001/p:latest -y", **OWNED),
    Command("container-list", before=(FAST,), **OWNED),
    Command("container-retire n -y", before=(FAST, "start n"), **OWNED, goes_on=True),
    Command("container-retire n -y", before=(SLOW,), goes_on=True),
    Command("container-retire n --save kept -y", before=(FAST,), **OWNED, goes_on=True),
    Command("container-retire n --save kept -y", before=(SLOW, "start n"), goes_on=True),
    Command("container-retire n --save latest -y -f", before=(FAST,), **OWNED, goes_on=True),
    Command(DEMO),
    Command(DEMO, registry=True),
    Command(f"{DEMO} --force -p six", before=(DEMO,)),
    Command(UPDATE, before=(DEMO,)),
    Command(UPDATE, before=(DEMO, "image-update demo --add colorama -y")),
    Command("image-update demo --rollback", before=(DEMO, UPDATE), never_late=True),
    Command("image-list", before=(DEMO,)),
    Command("image-retire demo -y", before=(DEMO, UPDATE), goes_on=True),
    Command("image-retire demo --with-dockerfile -y", before=(DEMO,), goes_on=True),
    Command("image-retire --orphans -y", images=("mlc-test/base:gone._.1001",), goes_on=True),
]
SMALL = (Mode.REFUSED, Mode.LOST, Mode.GONE, Mode.TERM_AFTER)
CASES = [
    pytest.param(command, mode, id=f"{command.argv} - {mode.name.lower()}")
    for command in COMMANDS
    for mode in (Mode if is_full() else SMALL)
    if not (command.never_late and mode is Mode.LATE)
]


@dataclass
class Faultless:
    """A command without a fault: how many calls it makes, and what there is after it."""

    calls: list[str]
    after: State
    again: State


@dataclass
class Trial:
    """One command with one fault, and what was wrong with it."""

    command: Command
    fault: Fault
    desk: Desk

    def wrongs(self, known: Faultless) -> Iterator[str]:
        """Run the command with the fault and again without; yield what should not be."""
        argv = self.command.argv.split()
        before = self.desk.state()
        first = self.desk.run(*argv, fault=self.fault)
        between = self.desk.state()
        yield from self._first(first.status, first.said, before, between, known)
        second = self.desk.run(*argv)
        if "Unexpected" in second.said or second.status not in (0, 1):
            yield f"again: exit {second.status}: {second.said}"
        if second.status == 1 and len(second.said.strip().splitlines()[-1]) < 20:
            yield f"again: refused without a reason: {second.said}"
        after = self.desk.state()
        targets = (known.after, known.again)
        if self.fault.mode.can_be_taken_back:
            is_right = after.plain() in targets
        else:  # what could not be taken back may have stayed as it was, to be started or removed
            new = without_those_of(after, before)
            is_right = any(
                names(each) - {()} <= names(after.plain()) and names(new.plain()) <= names(each)
                for each in targets
            )
        if not is_right:
            yield f"after the second run: {differences(known.after, after.plain())}: {second.said}"
        if not self.fault.mode.can_be_taken_back:
            self.desk.run("prune", "-y", "--older-than", "0")
            after = self.desk.state().plain()
            if names(after) not in (names(known.after), names(known.again)):
                yield f"after prune: {differences(known.after, after)}"

    def _first(
        self, status: int, said: str, before: State, between: State, known: Faultless
    ) -> Iterator[str]:
        mode = self.fault.mode
        if "Unexpected" in said:
            yield said
        if mode.signal and status not in (0, 128 + mode.signal):
            yield f"exit {status} after signal {mode.signal}: {said}"
        if not mode.signal and status not in (0, 1):
            yield f"exit {status}: {said}"
        if not mode.can_be_taken_back or status == 0:
            return
        between = without_whole(between, before)
        if between != before and not self.command.goes_on:
            yield f"left: {differences(before, between)}: {said}"
        if between != before and self.command.goes_on:
            start, now = names(before.plain()), names(between.plain())
            if strange := now - start - names(known.after):
                yield f"has in between: {strange}: {said}"
            if lost := (start & names(known.after)) - now:
                yield f"lost in between: {lost}: {said}"
            is_gone = "--save" in self.command.argv and ("n._.1001",) not in now
            if is_gone and (lacking := names(known.after) - now):
                yield f"the container is gone and {lacking} is not there: {said}"


def names(state: State) -> set[tuple[str, ...]]:
    """Return what there is by its names alone."""
    return {each[:1] for each in state.containers} | {*state.images, *state.files}


def without_those_of(state: State, before: State) -> State:
    """Return a state without the containers and images that another one has, under any name."""
    known = {row[0] for row in (*before.containers, *before.images)}
    return replace(
        state,
        containers=tuple(row for row in state.containers if row[0] not in known),
        images=tuple(row for row in state.images if row[0] not in known),
    )


def without_whole(state: State, before: State) -> State:
    """Return a state without images that are whole by themselves and serve the next run: one
    that was pulled, and the one that `old_flow = build` makes once for all containers."""
    new = set(state.images) - set(before.images)
    whole = {each for each in new if each[1:] == (BASE,) or "mlc-account-" in "".join(each)}
    return replace(state, images=tuple(each for each in state.images if each not in whole))


def differences(wanted: State, found: State) -> str:
    """Return what differs in words."""
    words = []
    for name in ("containers", "images", "files"):
        one, other = set(getattr(wanted, name)), set(getattr(found, name))
        words += [f"lacks {each}" for each in one - other]
        words += [f"has {each}" for each in other - one]
    return "; ".join(words)


@pytest.mark.promise(
    "engine-call",
    "again",
    "signal",
    "create-atomic",
    "build-atomic",
    "save-atomic",
    "archive-atomic",
)
@pytest.mark.parametrize(("command", "mode"), CASES)
def test_a_fault_at_every_call(
    command: Command, mode: Mode, tmp_path: Path, counted: Counted
) -> None:
    known = faultless(command, tmp_path)
    wrong = []
    for at in range(len(known.calls)):
        with pytest.MonkeyPatch.context() as patch:
            desk = new_desk(place(tmp_path, f"{at}"), patch)
            command.prepare(desk)
            trial = Trial(command, Fault(at, mode), desk)
            wrong += [f"{at} {known.calls[at]}: {each}" for each in trial.wrongs(known)]
    counted("signals sent" if mode.signal else "faults injected", len(known.calls))
    assert not wrong, "\n".join(wrong)


def faultless(command: Command, tmp_path: Path) -> Faultless:
    """Run a command twice without a fault."""
    with pytest.MonkeyPatch.context() as patch:
        desk = new_desk(place(tmp_path, "faultless"), patch)
        command.prepare(desk)
        done = desk.run(*command.argv.split())
        assert done.status == 0, done.said
        calls, after = desk.engine.calls, desk.state().plain()
        desk.run(*command.argv.split())
        assert calls
        return Faultless(calls, after, desk.state().plain())


def place(tmp_path: Path, name: str) -> Path:
    """Return an empty directory."""
    made = tmp_path / name
    made.mkdir()
    return made

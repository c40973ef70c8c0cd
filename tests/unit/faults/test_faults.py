"""Every command with a fault at every call it makes, and then again: nothing is left, nothing of
the user's is lost, and the second run succeeds or says why not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from support.accounts import OWN
from support.fakes.faults import Fault, Mode
from support.fault_cases import COMMANDS, SMALL, Command
from support.reliability import Counted, is_full, sized
from support.sandbox import BASE, NODE, Sandbox, new_sandbox
from support.sandbox_state import State, differences, names, without_those_of

CASES = [
    pytest.param(command, mode, id=f"{number} {command.argv} - {mode.name.lower()}")
    for number, command in enumerate(COMMANDS)
    for mode in (Mode if is_full() else SMALL)
    if not (command.never_late and mode is Mode.LATE)
]
PRUNE = "prune -y --older-than 0"


@dataclass
class Faultless:
    """A command without a fault: how it ends, which calls it makes, and what there is after it."""

    status: int
    calls: list[str]
    after: State
    again: State


@dataclass
class Trial:
    """One command with one fault, and what was wrong with it."""

    command: Command
    fault: Fault
    sandbox: Sandbox

    def problems(self, known: Faultless) -> Iterator[str]:
        """Run the command with the fault and again without; yield what should not be."""
        argv = self.command.argv.split()
        before = self.sandbox.state()
        first = self.sandbox.run(*argv, fault=self.fault)
        between = self.sandbox.state()
        yield from self.sandbox.problems()
        yield from self._first(first.status, first.output, before, between, known)
        second = self.sandbox.run(*argv)
        if "Unexpected" in second.output or second.status not in (0, 1):
            yield f"again: exit {second.status}: {second.output}"
        if second.status == 1 and len(second.output.strip().splitlines()[-1]) < 20:
            yield f"again: refused without a reason: {second.output}"
        if second.status == 1 and self.command.rest:
            self.sandbox.run(*self.command.rest.split())
        after = self.sandbox.state()
        targets = (known.after, known.again)
        if self.fault.mode.can_be_rolled_back:
            is_right = after.plain() in targets
        else:  # what could not be rolled back may remain as it was
            new = without_those_of(after, before)
            is_right = any(
                self._names(each) <= self._names(after.plain())
                and self._names(new.plain()) <= self._names(each)
                for each in targets
            )
        if not is_right:
            wrong = differences(known.after, after.plain())
            yield f"after the second run: {wrong}: {second.output}"
        if not self.fault.mode.can_be_rolled_back:
            for line in (PRUNE, *([f"{PRUNE} --context {NODE}"] if self.command.cluster else [])):
                self.sandbox.run(*line.split())
            after = self.sandbox.state().plain()
            if self._names(after) not in map(self._names, targets):
                yield f"after prune: {differences(known.after, after)}"

    def _names(self, state: State) -> set[tuple[str, ...]]:
        """Return the names that count where an engine was gone."""
        return names(state, digests=False) - {(each,) for each in self.command.stays}

    def _first(
        self, status: int, said: str, before: State, between: State, known: Faultless
    ) -> Iterator[str]:
        mode = self.fault.mode
        if "Unexpected" in said:
            yield said
        if mode.signal and status not in (known.status, 128 + mode.signal):
            yield f"exit {status} after signal {mode.signal}: {said}"
        if not mode.signal and status not in (0, 1):
            yield f"exit {status}: {said}"
        if not mode.can_be_rolled_back or status == 0:
            return
        between = without_whole(between, before, (BASE, OWN) if self.command.pushed else (BASE,))
        kept = {row for row in between.files if row[1] in self.command.keeps} - {*before.files}
        between = replace(between, files=tuple(row for row in between.files if row not in kept))
        if between != before and not self.command.goes_on:
            yield f"left: {differences(before, between)}: {said}"
        if between != before and self.command.goes_on:
            start, now = names(before.plain()), names(between.plain())
            tells = self.command.tells
            if tells and not any(words in said for words in tells):
                yield f"has {differences(before, between)} and does not tell it: {said}"
            allowed = names(known.after) | {(each,) for each in self.command.keeps}
            if strange := now - start - allowed:
                yield f"has in between: {strange}: {said}"
            if lost := (start & names(known.after)) - now:
                yield f"lost in between: {lost}: {said}"
            if "--save" in self.command.argv:
                yield from self._not_saved(before, between, known, said)

    def _not_saved(
        self, before: State, between: State, known: Faultless, said: str
    ) -> Iterator[str]:
        """Yield which containers are gone without an image of theirs."""
        now, own = names(between.plain()), {("n._.1001",), ("m._.1001",), ("n-1001",)}
        gone = (names(before.plain()) & own) - now
        if not self.command.rest:
            if gone and (lacking := names(known.after) - now):
                yield f"the container is gone and {lacking} is not there: {said}"
        elif len(gone) > len(between.images) - len(before.images):
            yield f"{gone} are gone, and not as many are saved: {said}"


def without_whole(state: State, before: State, pulled: tuple[str, ...]) -> State:
    """Return a state without images that are whole by themselves and serve the next run: one
    that was pulled, and the one that `legacy_flow = build` makes once for all containers."""
    new = set(state.images) - set(before.images)
    whole = {
        each
        for each in new
        if each[1:] in [(name,) for name in pulled] or "mlc-account-" in "".join(each)
    }
    return replace(state, images=tuple(each for each in state.images if each not in whole))


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
    """Not at full size, every third call has a fault, others in other modes."""
    known = faultless(command, tmp_path)
    wrong = []
    tried = range(0 if is_full() else [*SMALL].index(mode) % 3, len(known.calls), sized(3, 1))
    for at in tried:
        with pytest.MonkeyPatch.context() as patch:
            sandbox = new_sandbox(place(tmp_path, f"{at}"), patch)
            command.prepare(sandbox)
            trial = Trial(command, Fault(at, mode), sandbox)
            wrong += [f"{at} {known.calls[at]}: {each}" for each in trial.problems(known)]
    counted("signals sent" if mode.signal else "faults injected", len(tried))
    assert not wrong, "\n".join(wrong)


_KNOWN: dict[Command, Faultless] = {}


def faultless(command: Command, tmp_path: Path) -> Faultless:
    """Run a command twice without a fault, once for all modes."""
    if command not in _KNOWN:
        _KNOWN[command] = _faultless(command, tmp_path)
    return _KNOWN[command]


def _faultless(command: Command, tmp_path: Path) -> Faultless:
    with pytest.MonkeyPatch.context() as patch:
        sandbox = new_sandbox(place(tmp_path, "faultless"), patch)
        command.prepare(sandbox)
        done = sandbox.run(*command.argv.split())
        assert done.status == 0 or command.fails, done.output
        calls, after = sandbox.faults.calls, sandbox.state().plain()
        sandbox.run(*command.argv.split())
        assert calls
        return Faultless(done.status, calls, after, sandbox.state().plain())


def place(tmp_path: Path, name: str) -> Path:
    """Return an empty directory."""
    made = tmp_path / name
    made.mkdir()
    return made

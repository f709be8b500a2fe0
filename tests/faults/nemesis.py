"""The nemesis: a seeded mix of faults under load, and one round of it: everybody at work, healed, quiet and judged.

Knows the schedule and the people; not how a fault is done, nor what a finding is.
"""

import contextlib
import json
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

from tests.eventually import eventually
from tests.faults import nemesis_schedule as schedule
from tests.faults.checker.finding import Finding
from tests.faults.drill import Drill
from tests.faults.nemesis_faults import PROXIED, Fired, block
from tests.faults.nemesis_operator import Operator
from tests.faults.nemesis_schedule import KINDS, Kind, Planned
from tests.faults.verbs.signals import NotStruck

__all__ = ["PROXIED", "Nemesis", "Struck", "play"]
BACK_WITHIN = 180.0  # seconds from the last healing to the PAS being master and everything quiet
A_SAVE = 1.0  # and so many more for each save of a clerk, which is replayed
Tell = Callable[[str], object]


@dataclass(frozen=True, slots=True)
class Struck:
    """One fault as it went: when it began (seconds since 1970), how often it struck, or why it could not."""

    planned: Planned
    began: float
    fired: int
    missed: str = ""


class Nemesis:
    """Strikes and heals by the seed's schedule; what comes late moves everything behind it, so the order is kept."""

    def __init__(self, drill: Drill, seed: int, *, seconds: float, kinds: Sequence[Kind] = KINDS) -> None:
        self._drill = drill
        self.planned = schedule.draw(seed, seconds, kinds)
        self.struck: list[Struck] = []
        (drill.folder / "schedule.json").write_text(schedule.as_json(seed, seconds, self.planned))

    def run(self, tell: Tell = lambda _: None) -> None:
        """Do the whole schedule; everything is healed at its end, however it ends. For the main thread."""
        pause = threading.Event()
        began = time.monotonic()
        going: dict[int, tuple[contextlib.ExitStack, Fired, float]] = {}
        try:
            for at, begins, planned in schedule.steps(self.planned):
                late = time.monotonic() - began - at
                if late < 0:
                    pause.wait(-late)
                else:
                    began += late
                if begins:
                    self._strike(planned, going, tell)
                elif planned.number in going:
                    self._heal(planned, going, tell)
        finally:
            for stack, _, _ in going.values():
                stack.close()

    def fired(self) -> int:
        """How many of the faults have struck, each counted once."""
        return sum(each.fired > 0 for each in self.struck)

    def _strike(
        self, planned: Planned, going: dict[int, tuple[contextlib.ExitStack, Fired, float]], tell: Tell
    ) -> None:
        stack, now = contextlib.ExitStack(), time.time()
        try:
            fired = stack.enter_context(block(self._drill, planned))
        except NotStruck as missed:
            self._note(Struck(planned, now, 0, str(missed)))
            tell(f"{planned.at:6.1f} s  missed: {planned.variant}: {missed}")
            return
        going[planned.number] = (stack, fired, now)
        tell(f"{planned.at:6.1f} s  {planned.variant}, for {planned.lasts} s")

    def _heal(self, planned: Planned, going: dict[int, tuple[contextlib.ExitStack, Fired, float]], tell: Tell) -> None:
        stack, fired, began = going.pop(planned.number)
        with stack:
            times = fired()
        self._note(Struck(planned, began, times))
        tell(f"{planned.ends:6.1f} s  healed: {planned.variant}, struck {times} times")

    def _note(self, struck: Struck) -> None:
        self.struck.append(struck)
        with (self._drill.folder / "struck.jsonl").open("a") as lines:
            lines.write(json.dumps(asdict(struck)) + "\n")


@dataclass(frozen=True, slots=True)
class Round:
    """What became of one round."""

    struck: tuple[Struck, ...]
    operated: dict[str, int]
    findings: list[Finding]


def play(
    drill: Drill,
    *,
    seconds: float,
    least: int,
    kinds: Sequence[Kind] = KINDS,
    clerks: int = 4,
    tell: Tell = lambda _: None,
) -> Round:
    """One round on a drill with every proxy: load and faults, then healed, brought back, quiet, and judged.

    Where clerks have saved less than `least` by then, one more outage lasts until they have: a round proves something.
    Raises AssertionError where the PAS is not master and all quiet in time (`BACK_WITHIN`, `A_SAVE`).
    """
    operator = Operator(drill)
    nemesis = Nemesis(drill, drill.seed, seconds=seconds, kinds=kinds)
    desk, at_work = drill.desk(pace=0.4), drill.clerks(n=clerks, pace=0.2)
    operator.start()
    try:
        nemesis.run(tell)
        drill.heal()
        if at_work.saved() < least:
            tell(f"only {at_work.saved()} saved: one more outage")
            drill.kill_pas()
            eventually(lambda: at_work.saved() >= least, within=BACK_WITHIN, every=0.5, why=f"{least} are saved")
            drill.start_pas()
        at_work.stop()
        desk.stop()
    finally:
        operator.stop()
    tell("healed; on the way back")
    try:
        within = BACK_WITHIN + A_SAVE * at_work.saved()
        eventually(operator.brought_back, within=within, every=0.5, why="the PAS is master")
        drill.quiet(within=BACK_WITHIN)
    except AssertionError as late:
        raise AssertionError(f"{late}; {_stands(drill)}") from late
    tell("quiet; judging")
    return Round(tuple(nemesis.struck), dict(operator.done()), drill.findings())


def _stands(drill: Drill) -> str:
    """How it stands, for the sentence of a round that did not end."""
    with contextlib.suppress(Exception):
        return f"mode {drill.mode()}, {drill.busy() or 'nothing waits'}"
    return "nothing answers"

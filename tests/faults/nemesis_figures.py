"""The figures of rounds: counted from a drill's tables, logs and faults, and added up; judges nothing."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.faults.checker import reading
from tests.faults.checker.history import WRITES
from tests.faults.drill import Drill
from tests.faults.nemesis import Round, Struck

KILLERS = ("pas killed", "pas frozen")


@dataclass
class Figures:
    """Counts of one round or of many; times in seconds."""

    rounds: int = 0
    incidents: Counter[str] = field(default_factory=Counter)  # by how they were closed
    presses: Counter[str] = field(default_factory=Counter)  # of clerks, by end
    at_the_pas: Counter[str] = field(default_factory=Counter)  # acts of the PAS's users, by end
    changes: Counter[str] = field(default_factory=Counter)  # by source
    messages: Counter[str] = field(default_factory=Counter)  # by destination, those that were tried
    attempts: Counter[str] = field(default_factory=Counter)
    repeats: Counter[str] = field(default_factory=Counter)
    struck: Counter[str] = field(default_factory=Counter)  # faults by kind
    fired: Counter[str] = field(default_factory=Counter)  # how often, by kind
    idle: Counter[str] = field(default_factory=Counter)  # faults that met nobody, by kind
    operated: Counter[str] = field(default_factory=Counter)
    findings: Counter[str] = field(default_factory=Counter)
    to_mirror: float = 0.0  # the longest from the death of the PAS to mirror mode
    lag: float = 0.0  # the longest from a clerk's save to a receiver's answer

    def add(self, other: "Figures") -> None:
        """Add another's counts to ours; of times, the longest stays."""
        for name, ours in vars(self).items():
            theirs = getattr(other, name)
            if isinstance(ours, Counter):
                ours.update(theirs)
            else:
                setattr(self, name, ours + theirs if name == "rounds" else max(ours, theirs))

    def lines(self) -> list[str]:
        """The figures for a person."""
        kinds = [f"  {kind}: {n} ({self.fired[kind]} times)" for kind, n in sorted(self.struck.items())]
        return [
            f"Rounds {self.rounds}, incidents {_said(self.incidents)}",
            f"Clerks' presses: {_said(self.presses)}; acts in the PAS: {_said(self.at_the_pas)}",
            f"Changes: {_said(self.changes)}",
            f"Messages: {_said(self.messages)}; attempts: {_said(self.attempts)}; repeats: {_said(self.repeats)}",
            f"Operators: {_said(self.operated)}",
            "Faults that struck:",
            *kinds,
            f"Faults that met nobody: {_said(self.idle)}",
            f"The longest: death of the PAS to mirror mode {self.to_mirror:.1f} s; save to receiver {self.lag:.1f} s",
            f"Findings: {_said(self.findings)}",
        ]


def _said(counted: Counter[str]) -> str:
    if not counted:
        return "none"
    return f"{sum(counted.values())} ({', '.join(f'{name} {n}' for name, n in sorted(counted.items()))})"


def count(drill: Drill, played: Round) -> Figures:
    """The figures of a round that was played to its end."""
    figures = Figures(rounds=1)
    for op in reading.read_ops(drill.logs):
        if op.what in WRITES:
            (figures.at_the_pas if op.who == "pas" else figures.presses)[op.end] += 1
    for closing, times in drill.ask("SELECT coalesce(closing, 'open'), count(*) FROM failover_incident GROUP BY 1"):
        figures.incidents[str(closing)] += times
    for source, times in drill.ask("SELECT source, count(*) FROM patients_change GROUP BY 1"):
        figures.changes[str(source)] += times
    for code, messages, attempts in drill.ask(_SENT):
        figures.messages[code] += messages
        figures.attempts[code] += int(attempts)
        figures.repeats[code] += int(attempts) - messages
    for one in played.struck:
        (figures.struck if one.fired else figures.idle)[one.planned.kind] += 1
        figures.fired[one.planned.kind] += one.fired
    figures.operated.update(played.operated)
    figures.findings.update(str(each.kind) for each in played.findings)
    figures.lag = float(drill.ask(_LAG)[0][0] or 0.0)
    figures.to_mirror = longest_to_mirror(played.struck, _moves(drill))
    return figures


def longest_to_mirror(struck: Sequence[Struck], moves: Sequence[tuple[float, str]]) -> float:
    """The longest from the PAS's death, it being master, to the mirror mode that this death led to, if it did."""
    longest = 0.0
    for one in struck:
        if one.planned.variant not in KILLERS:
            continue
        before = [mode for at, mode in moves if at <= one.began]
        opened = next((at for at, mode in moves if at > one.began and mode == "mirror"), None)
        if opened is not None and before[-1:] in ([], ["normal"]) and opened <= one.began + one.planned.lasts:
            longest = max(longest, opened - one.began)
    return longest


def _moves(drill: Drill) -> list[tuple[float, str]]:
    rows = drill.ask("SELECT extract(epoch FROM at)::float, after FROM failover_modemove ORDER BY id")
    return [(float(at), str(mode)) for at, mode in rows if mode not in ("held", "open")]


_SENT = """
SELECT d.code, count(*), sum(o.attempts) FROM messaging_outbound o JOIN messaging_destination d ON d.id = o.lane_id
WHERE o.attempts > 0 GROUP BY 1
"""
_LAG = """
SELECT max(extract(epoch FROM o.settled_at - c.recorded_at)) FROM messaging_outbound o
JOIN patients_change c ON c.id = o.change JOIN messaging_destination d ON d.id = o.lane_id
WHERE NOT d.is_pas AND o.leg = 'accepted' AND c.source = 'clerk'
"""

"""How the PAS seems, put together from every observer's last word; pure: knows no probe, no clock and no mode.

TCP, MLLP and HTTP of one observer are one kind of evidence ("reach:<observer>"): one firewall change fails all three.
Silence of the feed is another kind, weak alone; a person's attestation is a third.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

FEED, PERSON = "feed", "person"
STRENGTH = ("mllp", "http", "tcp")  # which way of looking says most, best first
ATTESTED_FOR = 900.0  # seconds for which a person's word counts


class Verdict(StrEnum):
    """What one way of looking found."""

    UP = "up"  # answered in time
    SLOW = "slow"  # answered late
    HALF = "half"  # answers, with an error on everything
    DOWN = "down"  # refused, or never answered
    UNKNOWN = "unknown"  # the observer does not trust itself


class Health(StrEnum):
    """How the PAS seems, all words together."""

    UP = "up"
    SLOW = "slow"  # up, and late: never a reason to flip
    DEGRADED = "degraded"  # it answers with errors, or only in part: neither up nor down
    MISSED = "missed"  # a probe or two failed
    SUSPECT = "suspect"  # failing, not yet long enough
    DOWN = "down"  # failing unbroken for as long as the rules ask
    UNREACHABLE = "unreachable"  # we cannot reach it, and others still can: an alarm, never a flip
    UNKNOWN = "unknown"  # nobody knows


WELL = frozenset({Health.UP, Health.SLOW})
AILING = frozenset({Health.MISSED, Health.SUSPECT, Health.DOWN, Health.UNREACHABLE})


class How(StrEnum):
    """Who decides."""

    AUTOMATIC = "automatic"
    CONFIRM = "confirm"
    MANUAL = "manual"


@dataclass(frozen=True, slots=True)
class Rules:
    """The switching policy; times in seconds."""

    capture: How = How.AUTOMATIC
    emission: How = How.CONFIRM
    emission_kinds: int = 2
    probe_every: float = 2.0
    probe_timeout: float = 1.5
    suspect_after: int = 3
    down_after: float = 60.0
    well_after: float = 60.0
    feed_silent_after: float = 900.0
    automatic_every: float = 3600.0

    @property
    def late_after(self) -> float:
        """Seconds after which a beat is late, and a word no longer counts: three beats, each at its slowest."""
        return 3 * (self.probe_every + self.probe_timeout)

    @property
    def tilt_rest(self) -> float:
        """Seconds the monitor must have been well to leave TILT: 30, or fewer where the profile is faster."""
        return min(30.0, self.well_after)

    @property
    def patience(self) -> float:
        """Seconds a probe is given to answer late (slow) before it counts as never answered."""
        return max(self.probe_timeout, min(10 * self.probe_timeout, self.down_after / 2))


@dataclass(frozen=True, slots=True)
class Word:
    """The last word of one observer on one way of looking; `since` when the verdict began, `fails` in a row."""

    observer: str
    way: str
    verdict: Verdict
    at: datetime
    since: datetime
    fails: int = 0
    detail: str = ""

    @property
    def kind(self) -> str:
        """Give the kind of evidence: words of one kind do not add up."""
        return self.way if self.way in (FEED, PERSON) else f"reach:{self.observer}"


@dataclass(frozen=True, slots=True)
class Picture:
    """How the PAS seems, since when it fails (None unless it does), and which kinds of evidence say down."""

    health: Health
    failing_since: datetime | None = None
    kinds: tuple[str, ...] = ()
    feed_silent: bool = False


def look(words: Iterable[Word], rules: Rules, now: datetime, spoke_at: datetime | None = None) -> Picture:
    """Put the words together; `spoke_at` is when the PAS made the newest message that has come, by our clock."""
    stands = _stands(words, rules, now)
    feed = stands.pop(FEED, None)
    silent = feed is not None and feed.verdict == Verdict.DOWN
    failing = [word for word in stands.values() if word.verdict == Verdict.DOWN]
    verdicts = {word.verdict for word in stands.values()}
    if not failing:
        return Picture(_answering(verdicts), feed_silent=silent)
    since = min(word.since for word in failing)
    settled = [word for word in failing if _settled(word, rules, now)]
    if not settled:
        suspect = any(word.fails >= rules.suspect_after for word in failing)
        return Picture(Health.SUSPECT if suspect else Health.MISSED, since, feed_silent=silent)
    # What arrives late was made before; and what it made within half of `down_after` may have been its last.
    still_speaks = spoke_at is not None and spoke_at > since + timedelta(seconds=rules.down_after / 2) and not silent
    if still_speaks or _contradicted(stands.values(), since=min(word.since for word in settled)):
        return Picture(Health.UNREACHABLE, since, feed_silent=silent)
    kinds = sorted({word.kind for word in settled}, reverse=True) + ([FEED] if silent else [])
    return Picture(Health.DOWN, since, tuple(kinds), feed_silent=silent)


def span(since: datetime, now: datetime) -> float:
    """Give the seconds from `since` to `now`."""
    return (now - since).total_seconds()


def _stands(words: Iterable[Word], rules: Rules, now: datetime) -> dict[str, Word]:
    """Give what each kind says: the word of its strongest way; HALF where another way fails beside it."""
    kinds: dict[str, list[Word]] = {}
    for word in words:
        limit = ATTESTED_FOR if word.way == PERSON else rules.late_after
        if word.verdict != Verdict.UNKNOWN and span(word.at, now) <= limit:
            kinds.setdefault(word.kind, []).append(word)
    return {kind: _one(said, rules, now) for kind, said in kinds.items()}


def _one(said: list[Word], rules: Rules, now: datetime) -> Word:
    """Give what one kind says out of the words of its ways."""
    if said[0].way in (FEED, PERSON):
        return max(said, key=lambda word: word.at)  # the newest attestation stands
    best, *others = sorted(said, key=lambda word: STRENGTH.index(word.way))
    fails = [w for w in others if w.verdict == Verdict.HALF or (w.verdict == Verdict.DOWN and _settled(w, rules, now))]
    return replace(best, verdict=Verdict.HALF) if fails and best.verdict in (Verdict.UP, Verdict.SLOW) else best


def _contradicted(stands: Iterable[Word], *, since: datetime) -> bool:
    """Say whether somebody still gets through; a person's word counts if given since the failure began."""
    return any(
        word.verdict in (Verdict.UP, Verdict.SLOW, Verdict.HALF) and (word.way != PERSON or word.at >= since)
        for word in stands
    )


def _answering(verdicts: set[Verdict]) -> Health:
    if Verdict.HALF in verdicts:
        return Health.DEGRADED
    if Verdict.SLOW in verdicts:
        return Health.SLOW
    return Health.UP if Verdict.UP in verdicts else Health.UNKNOWN


def _settled(word: Word, rules: Rules, now: datetime) -> bool:
    """Say whether a failure counts: a person's word at once, a probe's after enough fails and seconds."""
    if word.way == PERSON:
        return True
    return word.fails >= rules.suspect_after and span(word.since, now) >= rules.down_after

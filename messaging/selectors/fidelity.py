"""Reads how well we say what the PAS says, by destination, event and field, and whether that is enough to speak."""

from dataclasses import dataclass
from datetime import date, timedelta
from math import floor

from django.db.models import Sum

from messaging.fidelity import ORDER, WHOLE, Verdict
from messaging.hl7.named import field_name
from messaging.models import Destination, FidelityAcceptance, FidelityExample, FidelityPoint
from pasmirror.lib import clock
from patients.states import CLERKS_EVENTS

WINDOW = 14  # days that count, today included


@dataclass(frozen=True, slots=True)
class Difference:
    """One way in which a field differs: how often among `of` comparisons of that field, and who accepts it.

    `field`: "PID-11", "order" or, of a whole message that cannot be said, ""; `parts`: the components that differ.
    """

    point: int
    event: str
    field: str
    name: str
    verdict: Verdict
    parts: str
    count: int
    of: int
    acceptance: FidelityAcceptance | None = None


@dataclass(frozen=True, slots=True)
class EventFigure:
    """One event: how many messages and fields were compared, how many fields were the same, how many are accepted.

    `told`: a clerk can cause it and the destination wants it, so it counts for opening emission. `unsaid`: messages
    that could not be said at all.
    """

    event: str
    messages: int
    compared: int
    same: int
    accepted: int
    unsaid: int
    told: bool

    @property
    def percent(self) -> float:
        """The share that is the same or accepted, in percent, rounded down to a tenth."""
        return floor(1000 * (self.same + self.accepted) / self.compared) / 10 if self.compared else 0.0

    def reaches(self, least: float) -> bool:
        """Say whether it is at least `least` percent."""
        return (self.same + self.accepted) * 100 >= least * self.compared


def peers() -> list[Destination]:
    """Give every declared destination that we speak to for the PAS, by code."""
    return list(Destination.objects.filter(declared=True, is_pas=False).order_by("code"))


def peer(code: str) -> Destination | None:
    """Give one of them; None if there is none."""
    return Destination.objects.filter(declared=True, is_pas=False, code=code).first()


def window_began() -> date:
    """Give the first day that counts."""
    return clock.now().astimezone(clock.SITE).date() - timedelta(days=WINDOW - 1)


def events(to: Destination) -> list[EventFigure]:
    """Give the figures of every event compared for a destination: those we would tell first, the worst before all."""
    sums: dict[str, dict[str, int]] = {}
    accepted = _accepted(to)
    for event, field, verdict, parts, count in _counts(to):
        at = sums.setdefault(event, dict.fromkeys(("messages", "compared", "same", "accepted", "unsaid"), 0))
        at["compared"] += count
        at["same"] += count if verdict == Verdict.SAME else 0
        at["accepted"] += count if _key(event, field, verdict, parts) in accepted else 0
        if field == ORDER:
            at["messages"] += count
            at["unsaid"] += count if verdict in WHOLE else 0
    figures = [EventFigure(event, **at, told=_told(to, event)) for event, at in sums.items()]
    return sorted(figures, key=lambda one: (not one.told, one.percent, one.event))


def differences(to: Destination) -> list[Difference]:
    """Give every difference counted or accepted, by event and field, the frequent first within a field."""
    accepted, counts = _accepted(to), _counts(to)
    of: dict[tuple[str, str], int] = {}
    for event, field, _, _, count in counts:
        of[event, field] = of.get((event, field), 0) + count
    keys = {_key(*row[:4]): row[4] for row in counts if _differs(row[1], row[2])}
    keys |= dict.fromkeys(accepted.keys() - keys.keys(), 0)
    ids = {
        _key(point.event, point.field, point.verdict, point.parts): point.pk
        for point in FidelityPoint.objects.filter(destination=to)
        if _differs(point.field, point.verdict)
    }
    found = []
    for (event, field, verdict, parts), count in keys.items():
        name = field_name(field) if field else ""
        total = of.get((event, field or ORDER), 0)
        acceptance = accepted.get((event, field, verdict, parts))
        point = ids[event, field, verdict, parts]
        found.append(Difference(point, event, field, name, Verdict(verdict), parts, count, total, acceptance))
    return sorted(found, key=lambda one: (not _told(to, one.event), one.event, _place(one.field), -one.count))


def difference(point: int) -> tuple[Destination, Difference] | None:
    """Give one difference and its destination; None if it is not counted any more, or was none."""
    found = FidelityPoint.objects.select_related("destination").filter(pk=point).first()
    if found is None:
        return None
    same = [one for one in differences(found.destination) if one.point == point]
    return (found.destination, same[0]) if same else None


def examples(point: int) -> list[FidelityExample]:
    """Give the messages kept as examples of a difference."""
    return list(FidelityExample.objects.filter(point=point).order_by("pk"))


def failing() -> dict[str, str]:
    """Say by destination's code why we do not say well enough to it; those that ask for no proof are never there."""
    asking = Destination.objects.filter(declared=True, is_pas=False, shadow=False, fidelity_least__gt=0)
    return {to.code: why for to in asking.order_by("code") if (why := _why_failing(to))}


def why_not_open() -> str | None:
    """Say why emission may not open: who is not told well enough, and what; None if all is as agreed."""
    whys = failing().values()
    return f"{' '.join(whys)} Mend or accept what differs, on the fidelity pages." if whys else None


def _why_failing(to: Destination) -> str | None:
    told = [one for one in events(to) if one.told]
    if not told:
        return f"{to.name}: nothing has been compared yet, and {to.fidelity_least:g} % is agreed."
    short = [f"{_words(one.event)} {one.percent:g} %" for one in told if not one.reaches(to.fidelity_least)]
    return f"{to.name}: {', '.join(short)}, and {to.fidelity_least:g} % is agreed." if short else None


def _told(to: Destination, event: str) -> bool:
    return event in CLERKS_EVENTS and (not to.events or event in to.events)


def _counts(to: Destination) -> list[tuple[str, str, str, str, int]]:
    """Give (event, field, verdict, parts, how often) within the window."""
    points = FidelityPoint.objects.filter(destination=to, days__day__gte=window_began())
    return list(points.annotate(n=Sum("days__count")).values_list("event", "field", "verdict", "parts", "n"))


def _accepted(to: Destination) -> dict[tuple[str, str, str, str], FidelityAcceptance]:
    standing = FidelityAcceptance.objects.filter(point__destination=to, ended_at=None).select_related("point")
    return {_key(a.point.event, a.point.field, a.point.verdict, a.point.parts): a for a in standing}


def _key(event: str, field: str, verdict: str, parts: str) -> tuple[str, str, str, str]:
    """Name a difference; one of a whole message is the same whichever field is looked at."""
    return (event, "", verdict, "") if verdict in WHOLE else (event, field, verdict, parts)


def _differs(field: str, verdict: str) -> bool:
    """Say whether a row stands for a difference; of a message that cannot be said only one of its rows does."""
    return verdict != Verdict.SAME and (verdict not in WHOLE or field == ORDER)


def _place(field: str) -> tuple[str, int]:
    name, _, number = field.partition("-")
    return name, int(number or 0)


def _words(event: str) -> str:
    return event.replace("_", " ")

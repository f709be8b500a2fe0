"""Reads destinations for the pages: how each lane stands, what waits on it, and one message's life; never its bytes.

Everything here is asked for every few seconds, so nothing counts the whole outbox: what is open or set aside is found
by partial indexes, what else has ended among a lane's newest numbers. Ids and codes only: nothing here names a patient.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection
from django.db.models import QuerySet, TextChoices

from messaging.models import Attempt, Destination, Lane, Outbound
from messaging.services import emission
from messaging.states import OPEN_LEGS, Holds, Leg, why_not_send
from pasmirror.lib.models import AuditRow
from patients import cui
from patients.models import Change
from patients.selectors import gate

MOST = 100_000  # open messages of a lane that are counted; there may be more
REACH = 100_000  # of a lane's newest numbers, looked through for what has ended
RECENT = 500  # accepted messages that the last answer and the rate are taken from
PAGE = 50


class State(TextChoices):
    """How a destination stands; the first that fits."""

    UNDECLARED = "undeclared", "Not declared"
    PAUSED = "paused", "Paused"
    PAUSED_BY_FILE = "paused_by_file", "Paused by the site file"
    SHADOW = "shadow", "Rehearsing"
    CLOSED = "closed", "Not open"
    RESTING = "resting", "Resting"
    STOPPED = "stopped", "Stopped"
    SENDING = "sending", "Sending"
    WAITING = "waiting", "Waiting"
    QUIET = "quiet", "Nothing waits"


@dataclass(frozen=True, slots=True)
class Standing:
    """One destination and its lane. `more`: `MOST` are open and there may be others.

    `oldest_at`: since when the oldest open message waits. `last_ack_at`, `per_minute`: of the newest accepted numbers.
    `filtered`: changes that its filter ever kept from it.
    """

    to: Destination
    lane: Lane
    state: State
    says: str
    unreleased: int
    queued: int
    in_doubt: int
    held: int
    set_aside: int
    more: bool
    oldest_at: datetime | None
    last_ack_at: datetime | None
    per_minute: int

    @property
    def depth(self) -> int:
        """How many have not ended."""
        return self.unreleased + self.queued + self.in_doubt + self.held


def standings() -> list[Standing]:
    """Give every destination, the declared ones first, by code."""
    return _standings(Destination.objects.all())


def standing(code: str) -> Standing | None:
    """Give one of them; None if there is none."""
    return next(iter(_standings(Destination.objects.filter(code=code))), None)


# Of each lane. `resting`, `claimed`: by the database's clock.
_FIGURES = """
SELECT l.destination_id AS lane, coalesce(l.rest_until > clock_timestamp(), false) AS resting,
       coalesce(l.until > clock_timestamp(), false) AS claimed, w.*, a.*, s.*
FROM messaging_lane l
CROSS JOIN LATERAL (
  SELECT count(*) AS depth, count(*) FILTER (WHERE o.leg = 'unreleased') AS unreleased,
         count(*) FILTER (WHERE o.leg = 'queued') AS queued, count(*) FILTER (WHERE o.leg = 'sending') AS in_doubt,
         count(*) FILTER (WHERE o.leg = 'held') AS held,
         min(o.queued_at) FILTER (WHERE o.leg <> 'unreleased') AS oldest_at
  FROM (SELECT leg, queued_at FROM messaging_outbound
        WHERE lane_id = l.destination_id AND leg IN ('unreleased', 'queued', 'sending', 'held')
        ORDER BY seq LIMIT %(most)s) o) w
CROSS JOIN LATERAL (
  SELECT max(o.settled_at) AS last_ack_at, count(*) FILTER (WHERE o.settled_at > now() - interval '1 minute') AS lately,
         count(*) AS recent, extract(epoch FROM now() - min(o.settled_at))::float AS over
  FROM (SELECT settled_at FROM messaging_outbound
        WHERE lane_id = l.destination_id AND leg = 'accepted' AND seq > l.head - %(reach)s
        ORDER BY seq DESC LIMIT %(recent)s) o) a
CROSS JOIN LATERAL (
  SELECT count(*) AS set_aside
  FROM (SELECT FROM messaging_outbound
        WHERE lane_id = l.destination_id AND leg = 'set_aside' LIMIT %(most)s) o) s
WHERE l.destination_id = ANY(%(lanes)s)
"""


def _standings(wanted: QuerySet[Destination]) -> list[Standing]:
    stand, valve = gate.now(), emission.now().valve
    found = []
    destinations = list(wanted.filter(lane__isnull=False).select_related("lane").order_by("-declared", "code"))
    figures = _figures([to.pk for to in destinations])
    for to in destinations:
        closed = why_not_send(
            to_pas=to.is_pas, mode=stand.mode, valve=valve, attempted=False, epoch=stand.epoch, fenced=stand.fenced
        )
        found.append(_standing(to, figures[to.pk], closed))
    return found


def _figures(lanes: list[int]) -> dict[int, dict[str, Any]]:
    with connection.cursor() as cursor:
        cursor.execute(_FIGURES, {"lanes": lanes, "most": MOST, "reach": REACH, "recent": RECENT})
        names = [column[0] for column in cursor.description]
        rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    return {row["lane"]: row for row in rows}


def _standing(to: Destination, seen: dict[str, Any], why_closed: str | None) -> Standing:
    state, says = state_of(to, to.lane, seen, why_closed=why_closed)
    return Standing(
        to=to,
        lane=to.lane,
        state=state,
        says=says,
        unreleased=seen["unreleased"],
        queued=seen["queued"],
        in_doubt=seen["in_doubt"],
        held=seen["held"],
        set_aside=seen["set_aside"],
        more=seen["depth"] == MOST,
        oldest_at=seen["oldest_at"],
        last_ack_at=seen["last_ack_at"],
        per_minute=_per_minute(seen),
    )


def _per_minute(seen: dict[str, Any]) -> int:
    """Give the accepted of the last minute; where all that are looked at are of it, what they come to in a minute."""
    if seen["recent"] == RECENT == seen["lately"]:
        return round(60 * RECENT / max(float(seen["over"]), 0.001))
    return int(seen["lately"])


def state_of(to: Destination, lane: Lane, seen: dict[str, Any], *, why_closed: str | None) -> tuple[State, str]:
    """Say how a destination stands, and a sentence about it; `seen`: its lane's figures."""
    if not to.declared:
        return State.UNDECLARED, "The site file does not name it any more: nothing is sent to it"
    if lane.paused_since is not None:
        by = lane.paused_by.get("subject", "a person")
        return State.PAUSED, f"Since {cui.moment(lane.paused_since)}, by {by}: {lane.paused_reason}"
    if to.paused:
        return State.PAUSED_BY_FILE, "It stays so until the site file says otherwise"
    if to.shadow:
        return State.SHADOW, "Its messages are written and kept, and nothing is sent"
    if why_closed:
        return State.CLOSED, why_closed[:1].upper() + why_closed[1:]
    if seen["resting"]:
        return (
            State.RESTING,
            f"Until {cui.clock_time(lane.rest_until)}, after {_tries(lane.failures)} without an answer",
        )
    if seen["held"] and to.holds == Holds.LANE:
        return State.STOPPED, "The whole lane waits behind a message that needs a person"
    return _of_queue(seen)


def _of_queue(seen: dict[str, Any]) -> tuple[State, str]:
    waits = seen["queued"] + seen["in_doubt"] > 0
    if seen["claimed"] and waits:
        return State.SENDING, "A sender is at it"
    if waits:
        return State.WAITING, "No sender is at it just now"
    if seen["held"]:
        return State.WAITING, "What is left needs a person"
    return State.QUIET, "All that there was to send has ended"


def _tries(count: int) -> str:
    return "one try" if count == 1 else f"{count} tries"


@dataclass(frozen=True, slots=True)
class Listing:
    """Some messages of a lane; `last`: the number the next page begins behind, None where there is no next."""

    rows: list[Outbound]
    last: int | None


def waiting(lane: int, *, past: int | None = None) -> Listing:
    """Give what has not ended, in order; `past`: the number the last page ended with."""
    rows = _bare(lane).filter(leg__in=OPEN_LEGS).order_by("seq")
    return _listing(rows if past is None else rows.filter(seq__gt=past))


def for_a_person(lane: int, *, past: int | None = None) -> Listing:
    """Give what is held or was set aside among the newest numbers, the newest first."""
    head = Lane.objects.values_list("head", flat=True).get(pk=lane)
    rows = _bare(lane).filter(leg__in=(Leg.HELD, Leg.SET_ASIDE), seq__gt=head - REACH).order_by("-seq")
    return _listing(rows if past is None else rows.filter(seq__lt=past))


def newest(lane: int, *, past: int | None = None) -> Listing:
    """Give the newest numbers, whatever became of them."""
    rows = _bare(lane).order_by("-seq")
    return _listing(rows if past is None else rows.filter(seq__lt=past))


LISTS = {"waiting": waiting, "person": for_a_person, "newest": newest}


def _bare(lane: int) -> QuerySet[Outbound]:
    return Outbound.objects.filter(lane=lane).defer("body")


def _listing(rows: QuerySet[Outbound]) -> Listing:
    found = list(rows[: PAGE + 1])
    return Listing(found[:PAGE], found[PAGE - 1].seq if len(found) > PAGE else None)


def named(code: str, wanted: str) -> int | None:
    """Give the key of the message with that number on the lane, or with that control id on any; None if none has."""
    rows = Outbound.objects.all()
    if wanted.isdecimal():
        found = rows.filter(lane__destination__code=code, seq=int(wanted)) if len(wanted) <= 18 else rows.none()
    else:
        found = rows.filter(control_id=wanted.upper())
    return found.values_list("pk", flat=True).first()


@dataclass(frozen=True, slots=True)
class Life:
    """One message from the change that made it to the last answer; `written`: it has bytes."""

    row: Outbound
    to: Destination
    written: bool
    change: Change | None
    tries: list[Attempt]
    ahead: int | None  # an open message of the same patient that goes first
    behind: int  # open messages of the same patient behind it; at most PAGE are counted
    elsewhere: list[Outbound]  # the same change at other destinations
    resends: list[Outbound]  # what was sent again for it by order
    decisions: list[AuditRow]


def life(message: int) -> Life | None:
    """Give one message's life; None if there is no such message."""
    row = Outbound.objects.select_related("lane__destination").defer("body").filter(pk=message).first()
    if row is None:
        return None
    of_patient = Outbound.objects.filter(lane=row.lane_id, patient=row.patient, leg__in=OPEN_LEGS)
    before = of_patient.filter(seq__lt=row.seq, epoch__gt=gate.now().fenced).order_by("seq")
    ahead = before.values_list("pk", flat=True).first() if row.leg in OPEN_LEGS else None
    others = Outbound.objects.filter(change=row.change, order=None).exclude(lane=row.lane_id)
    others = others.select_related("lane__destination")
    return Life(
        row=row,
        to=row.lane.destination,
        written=Outbound.objects.filter(pk=row.pk, body__isnull=False).exists(),
        change=Change.objects.defer("before", "after", "facts").filter(pk=row.change).first(),
        tries=list(row.tries.defer("answer").order_by("-pk")[:PAGE]),
        ahead=ahead,
        behind=len(of_patient.filter(seq__gt=row.seq).values_list("pk")[:PAGE]),
        elsewhere=list(others.defer("body").order_by("lane__destination__code")),
        resends=list(Outbound.objects.filter(again=row.pk).defer("body").order_by("seq")[:PAGE]),
        decisions=list(AuditRow.objects.filter(subject=f"outbound:{row.pk}", action__startswith="outbound_")),
    )


def held_bytes(message: int) -> tuple[bytes | None, list[tuple[Attempt, bytes]]]:
    """Give a message's bytes, None where it has none, and the answers kept, newest first: a patient's particulars."""
    body = Outbound.objects.values_list("body", flat=True).get(pk=message)
    answered = Attempt.objects.filter(outbound=message, answer__isnull=False).order_by("-pk")[:PAGE]
    return (None if body is None else bytes(body)), [(row, bytes(row.answer or b"")) for row in answered]

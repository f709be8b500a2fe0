"""Chooses how a file is taken, by what it is and what the person asked for; knows no row and no message."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Self

from messaging.extracts import cells
from messaging.extracts.cells import CellFault
from messaging.extracts.columns import OF_PLACES, Extract
from messaging.extracts.files import FileFault, Source
from messaging.extracts.rows import Taking
from messaging.extracts.sheets import Sheet
from messaging.hl7.habits import FeedPolicy
from messaging.selectors import channels
from messaging.services.load_messages import Messages
from messaging.services.load_rows import Rows
from messaging.services.loading import Taker
from pasmirror.lib import clock
from pasmirror.lib.actor import Actor
from patients.facts import Kind
from patients.identifiers import FILLER, PLACER, VISIT
from patients.services import numbers

BOOKING_TYPES = {"placer": PLACER, "filler": FILLER}  # SCH-1, SCH-2


@dataclass(frozen=True, slots=True)
class Wishes:
    """What cannot be seen from a file, as asked for at the command."""

    extract: str = ""
    as_of: str = ""
    authority: str = ""
    visits: str = ""
    bookings: str = ""
    booking_type: str = ""
    channel: str = ""
    ignored: tuple[str, ...] = ()

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> Self:
        """Read them from the command's options."""
        return cls(
            extract=options["extract"] or "",
            as_of=options["as_of"] or "",
            authority=options["authority"],
            visits=options["visit_authority"],
            bookings=options["appointment_authority"],
            booking_type=BOOKING_TYPES.get(options["appointment_type"], ""),
            channel=options["channel"],
            ignored=tuple(options["ignore"]),
        )


def taker(source: Source, wishes: Wishes, *, by: Actor) -> Taker:
    """Give what loads this file. Raises FileFault where something is missing for it."""
    policy = _policy(source, wishes.channel)
    if source.kind == "hl7":
        return Messages(source, policy, by)
    sheet = Sheet(source, extract=Extract(wishes.extract) if wishes.extract else None, ignored=wishes.ignored)
    if sheet.extract in OF_PLACES:
        return Rows(sheet, None, by)
    authority = wishes.authority or policy.habits.default_authority
    if not authority:
        raise FileFault("Whose numbers are these? No site file is applied: name the assigning authority (--authority).")
    taking = Taking(_as_of(source, wishes.as_of, policy), authority, policy.habits.clock())
    if sheet.extract == Extract.STAYS:
        taking = replace(taking, visits=wishes.visits or _authority(Kind.STAY, VISIT, "visit"))
    if sheet.extract == Extract.APPOINTMENTS:
        as_fillers = numbers.authorities(Kind.APPOINTMENT, FILLER) and not numbers.authorities(Kind.APPOINTMENT, PLACER)
        type_ = wishes.booking_type or (FILLER if as_fillers else PLACER)
        bookings = wishes.bookings or _authority(Kind.APPOINTMENT, type_, "appointment")
        taking = replace(taking, bookings=bookings, booking_type=type_)
    return Rows(sheet, taking, by)


def _authority(kind: Kind, type_: str, word: str) -> str:
    """Give whose numbers the record has by the feed; "" if it has none."""
    known = numbers.authorities(kind, type_)
    if len(known) > 1:
        raise FileFault(
            f"Whose {word} numbers are these? The record has those of {', '.join(known)}: --{word}-authority names one."
        )
    return known[0] if known else ""


def _as_of(source: Source, text: str, policy: FeedPolicy) -> datetime:
    name = source.path.name
    if not text:
        raise FileFault(
            f"When was {name} taken out of the PAS? --as-of says it, for example --as-of 2026-03-01T06:00: "
            f"what the feed has told since then stays."
        )
    try:
        at = cells.moment(text, "", policy.habits.clock())
    except CellFault:
        raise FileFault(f"--as-of {text}: this is no date and time, such as 2026-03-01T06:00.") from None
    if at > clock.now():
        raise FileFault(f"--as-of {text}: this is still to come.")
    return at


def _policy(source: Source, channel: str) -> FeedPolicy:
    declared = channels.declared()
    if channel:
        if channel not in declared:
            raise FileFault(f"There is no feed {channel!r}: the site file declares {', '.join(declared) or 'none'}.")
        return declared[channel]
    if len(declared) > 1 and source.kind == "hl7":
        raise FileFault(f"Which feed is {source.path.name} like? --channel names one of {', '.join(declared)}.")
    return next(iter(declared.values()), FeedPolicy())

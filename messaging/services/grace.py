"""Lets an appointment of a patient not yet known wait a while for the channel that tells of patients.

Where there is one channel only, nobody waits: its order is the order of events. What waits stays stored, and only later
appointment messages that name the same person or appointment wait behind it; everything else passes.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeGuard

from messaging.hl7.habits import FeedPolicy
from messaging.models import Channel, Inbound
from pasmirror.lib import clock
from patients.facts import Kind, Named
from patients.identifiers import Identifier
from patients.models import Patient
from patients.services.naming import Names
from patients.services.taken import Aside, Entry, Taken
from patients.states import APPOINTMENT_EVENTS

MOST = 2000  # messages that wait at once; what comes then is taken as if there were no grace


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a stored message stands: its channel, when it came, whether it waits already."""

    channel: int
    came: datetime
    waits: bool = False


def several() -> bool:
    """Say whether there is another channel to wait for."""
    return Channel.objects.filter(declared=True).count() > 1


def waits(
    reads: Sequence[tuple[Standing, Entry | Aside | Taken]], policies: dict[int, FeedPolicy], *, now: datetime
) -> list[bool]:
    """Say of each message, in order, whether it has to wait.

    None is taken too early because the applier lags: while another channel has an older one, the person may be in it.
    """
    heads = dict[int, datetime]()
    for standing, _ in reads:
        if not standing.waits:
            heads.setdefault(standing.channel, standing.came)
    asked = [read.news.named for _, read in reads if _is_booking(read)]
    known = _known(asked)
    count = sum(standing.waits for standing, _ in reads)
    behind = set[tuple[int, object]]()  # what is named by those that wait, by channel
    found = []
    for standing, read in reads:
        if not _is_booking(read):
            known |= {key for one in _people(read) for key in _keys(one)}  # it will be known by then
            found.append(False)
            continue
        names = {(standing.channel, key) for key in (*_keys(read.news.named), *read.news.appointment_ids)}
        late = now - standing.came >= timedelta(seconds=policies[standing.channel].grace) and not any(
            came < standing.came for channel, came in heads.items() if channel != standing.channel
        )
        strange = not known & set(_keys(read.news.named)) and (standing.waits or count < MOST)
        found.append(bool(names & behind) or (strange and not late))
        if found[-1]:
            behind |= names
            count += not standing.waits
    return found


def note(messages: Iterable[int]) -> None:
    """Note that these wait."""
    Inbound.objects.filter(pk__in=list(messages), waiting_since=None).update(waiting_since=clock.now())


def _is_booking(read: Entry | Aside | Taken) -> TypeGuard[Entry]:
    return isinstance(read, Entry) and read.news.event in APPOINTMENT_EVENTS


def _people(read: Entry | Aside | Taken) -> list[Named]:
    return [part.named for part in read.news.parts] if isinstance(read, Entry) else []


def _keys(named: Named) -> list[Identifier | str]:
    return list(named.patient_ids) or ([named.nhs_number] if named.nhs_number else [])


def _known(asked: Sequence[Named]) -> set[Identifier | str]:
    """Give the numbers among these that name somebody."""
    if not asked:
        return set()
    names = Names([], asked)
    found: set[Identifier | str] = {
        i for one in asked for i in one.patient_ids if names.of(Kind.PATIENT, i) is not None
    }
    alone = [one.nhs_number for one in asked if not one.patient_ids]
    return found | set(
        Patient.objects.filter(nhs_number__in=alone).exclude(nhs_number="").values_list("nhs_number", flat=True)
    )

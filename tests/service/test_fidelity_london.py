"""Published messages of five London and Essex feeds, heard in NORMAL and said again: every difference has its reason.

Each message comes after an earlier one about the same person, stay or booking, with another address, as it does in a
running hospital. What is not the same is in `EXPLAINED`, and nothing else may be.
"""

import sys
from collections import Counter
from pathlib import Path

import pytest
from django.db import transaction

from messaging.hl7.read import Message
from messaging.models import FidelitySample, Inbound
from messaging.selectors import fidelity as reading
from tests.factories.fidelity import destination, hear, hear_and_compare, listening

SAMPLES = Path(__file__).resolve().parents[3] / "shared" / "samples" / "airslie-renalware-core"
BEFORE = {  # by which trigger the same thing was heard of before
    **dict.fromkeys(("A01", "A02", "A03", "A08"), "A01"),
    **dict.fromkeys(("A05", "A38"), "A05"),
    **dict.fromkeys(("A28", "A31"), "A28"),
    **dict.fromkeys(("S12", "S13", "S14", "S15", "S26"), "S12"),
    "A04": "A04",
}
NO_NEWS = {"MFN^M02"}  # a master file: wards and clinicians are the site file's
EXPLAINED: dict[str, set[str]] = {
    "MSH-9.3 is the structure: the profile asks for it, these senders leave it out": {"MSH-9 more 3"},
    "the country is said (IHE, ITK), and is GBR": {"MSH-17 extra"},
    "one sender still calls itself 2.3; the dialect is 2.4": {"MSH-12 other 1"},
    "EVN-6 is when it happened; these senders say so by EVN-2 alone": {"EVN-6 extra"},
    "EVN-6 is when it was planned; these senders of bookings put there when it is planned for": {"EVN-6 other 1"},
    "a second admission of somebody who is in is taken of the person alone": {
        "PID-18 missing",
        "PV1-36 not_deleted",
        "PV1-37 not_deleted",
        "PV1-39 missing",
    },
    "EVN-3 is when it is planned for; these senders say so by PV2-8 alone": {"EVN-3 extra"},
    "EVN-4 is a code of the sender's own for why; no fact of ours": {"EVN-4 missing"},
    "the first of its kind is numbered 1; two senders leave that out": {"PID-1 extra", "PV1-1 extra"},
    "a changed address is said to be the home address": {"PID-11 more 7"},
    "an address that changed does not keep the other codes of the old one": {"PID-11 less 6,8"},
    "PV1-6, where the patient was, is said of a transfer only, and as we knew it": {
        "PV1-6 missing",
        "PV1-6 not_deleted",
        "PV1-6 other 1,6,7",
    },
    "a message about a person says nothing of a visit, and PV1-2 that there is none": {
        "PV1-2 other 1",
        *(f"PV1-{number} missing" for number in (3, 4, 7, 8, 9, 10, 14, 17, 18, 19, 40, 44)),
    },
}
OF_BOOKINGS: dict[str, set[str]] = {  # an SIU is written from the booking alone, and nothing of an SIU is kept
    "who and what else is booked (AIG), is no fact of ours": {"AIG-1 missing", "AIG-3 missing"},
    "the practice and the GP are told by ADT": {"PD1-3 missing", "PD1-4 missing"},
    "the visit of a booking, and its account, are told by ADT": {
        "PID-18 missing",
        *(f"PV1-{number} missing" for number in (7, 8, 10, 18, 19, 39)),
        *(f"PV1-{number} not_deleted" for number in (4, 14, 36, 37)),
    },
    "of a clinic we know the code, not its building": {"AIL-3 other 4,6,7", "PV1-3 other 2,4,6,7"},
    "a booking's number is said with its authority, and as placer and filler": {"SCH-1 more 2", "SCH-2 extra"},
    "the length of a booking is said in SCH-11 alone": {"SCH-9 missing", "SCH-10 missing"},
    "why it is booked is text, so it stands in the second component": {"SCH-7 other 1,2"},
    "why it was moved or cancelled is a clerk's word; from the feed it is not kept": {"SCH-6 missing"},
    "a missed one is called so; this sender calls it cancelled": {"SCH-25 other 1"},
}


def earlier(raw: bytes, trigger: str) -> bytes:
    """The same told by `trigger` years before, with another address; a booking was for a year later."""
    lines = [segment.line.split("|") for segment in Message.of(raw).segments]
    for line in lines:
        if line[0] == "MSH":
            line[6], line[8], line[9] = "2010" + line[6][4:], line[8][:4] + trigger, f"{trigger}{line[9]}"
        elif line[0] == "EVN":
            line[1:3] = trigger, "2010" + line[2][4:]
            line[6:7] = ["2010" + line[6][4:]] if line[6:] and line[6] else []
        elif line[0] == "PID":
            line[11] = "Elsewhere^^^^AA1 1AA"
        elif line[0] == "SCH":
            line[11] = line[11].replace("2024", "2025")
    return "\r".join("|".join(line) for line in lines).encode()


def registered(raw: bytes) -> bytes:
    """The person of a booking, as an A28 told of them before."""
    booked = [line for line in earlier(raw, "A28").decode().split("\r") if line[:3] in ("MSH", "PID", "PD1")]
    return "\r".join([booked[0].replace("SIU^", "ADT^"), "EVN|A28|20100101", *booked[1:]]).encode()


def heard() -> dict[str, bytes]:
    found = {file.name: file.read_bytes() for file in sorted(SAMPLES.glob("*.hl7"))}
    assert len(found) == 31, "the samples are missing"
    return found


@pytest.mark.django_db
def test_every_difference_has_its_reason(capsys: pytest.CaptureFixture[str]) -> None:
    seen: Counter[str] = Counter()
    unexplained, lines = [], []
    for name, raw in heard().items():
        message = Message.of(raw)
        booking = message.trigger.startswith("SIU")
        if message.trigger in NO_NEWS:
            continue
        with transaction.atomic():
            app, facility = message.sender.split("|")
            listening(sending_app=app, sending_facility=facility)
            to = destination()
            hear(*([registered(raw)] if booking else []), earlier(raw, BEFORE[message.trigger[-3:]]))
            FidelitySample.objects.all().delete()
            (number,) = hear_and_compare(raw)
            assert Inbound.objects.get(pk=number).outcome == "applied", name
            (figure,) = reading.events(to)
            assert (figure.messages, figure.unsaid) == (1, 0), name
            explained = set[str]().union(*EXPLAINED.values(), *(OF_BOOKINGS.values() if booking else ()))
            for one in reading.differences(to):
                said = f"{one.field} {one.verdict} {one.parts}".strip()
                seen[said] += one.count
                if said not in explained:
                    unexplained.append(f"{name}: {said}")
            lines.append(f"{message.trigger:9}{message.sender:18}{figure.same:4} of {figure.compared:3} fields")
            transaction.set_rollback(True)
    with capsys.disabled():
        sys.stdout.write("\n" + "\n".join(lines) + "\n")
    assert not unexplained, "\n".join(unexplained)
    idle = [why for why, fields in {**EXPLAINED, **OF_BOOKINGS}.items() if not fields & seen.keys()]
    assert idle == [], "a reason that explains nothing"

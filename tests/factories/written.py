"""Single messages as the renderer writes them, and what the PAS had sent before: facts by hand, one thing at a time."""

from datetime import UTC, datetime
from typing import Any

from messaging.hl7 import dialects
from messaging.hl7.habits import FeedPolicy, Habits
from messaging.hl7.news import news
from messaging.hl7.read import Message
from messaging.hl7.write import ChangeFacts, Mark, write
from patients import facts
from patients.facts import Kind, News
from tests.factories import changes
from tests.factories.changes import BOOKING, NOW, WA, WHO

POLICY = FeedPolicy(sending_app="DEMOPAS", sending_facility="RXX", habits=Habits(default_authority="RXX"))
DIALECT = dialects.get("uk24", POLICY)
EARLIER = datetime(2026, 7, 1, 9, 30, tzinfo=UTC)
PATIENT = {**changes.PATIENT, "name": {**changes.PATIENT["name"], "family": "O'BRIEN"}}
STAY = {
    **WA,
    **WHO,
    "times": {"status": "in", "admitted_at": "2026-07-01T09:30:00+00:00", "discharged_at": ""},
    "discharge": {"discharge_method": "", "discharge_destination": ""},
}
APPOINTMENT = {**BOOKING, "status": {"status": "booked"}}
LAST = (
    "PID|1||P1^^^RXX^MR~9990000018^^^NHS^NH||O'BRIEN^Zoë^Ann^^Mrs^^CURRENT||195203|F||A1|"
    "1 High St^^York^^YO1 1AA^GBR^HOME|E01|"
    "01632 960001^PRN^PH~07700 900001^PRN^CP~^NET^Internet^z@example.org||en|M||ACC1||||A||||||||N",
    "PD1|||Riverside^^F84|G123^BOOMLA^Sita^^^Dr^NATGP|||N",
    "NK1|1|O'BRIEN^Pat|SPO",
    "PV1|1|I|WB^B^B2^RXX^^BED|21||WC^A^1|C1^SMITH^Ann^^^Dr|||100||||19|R||||V1^^^RXX^VN|" + "|" * 24 + "20260701103000",
    "PV2|||reason",
    "AL1|1|DA|^Penicillin",
    "IN1|1|plan",
    "ZPI|1|LETTERS^Y|EN",
)


def change(event: str, *, before: Any = None, patient: Any = None, stay: Any = None, **more: Any) -> ChangeFacts:
    """Give a change of everything there is; `patient` and `stay` are groups to say otherwise."""
    held = {
        "patient": {**PATIENT, **(patient or {})},
        "patient_ids": [["MR", "PASMIRROR", "M1"], ["MR", "RXX", "P1"]],
        "stay": {**STAY, **(stay or {})},
        "stay_ids": [["VN", "RXX", "V1"]],
        "appointment": APPOINTMENT,
        "appointment_ids": [["PLAC", "RXX", "A9"]],
        "prior_place": {"ward": "WB", "bay": "B", "bed": "B2", "site": "RXX"},
        **more,
    }
    return ChangeFacts(7, event, held, EARLIER, NOW, before or {})


def written(event: str = "update", *, last: Any = (), mark: Mark | None = None, **more: Any) -> Message:
    """Write a change in the UK dialect and read the message."""
    body = write(change(event, **more), dialect=DIALECT, control_id="M01-1-1", now=NOW, last_segments=last, mark=mark)
    return Message.of(body)


def heard(message: Message) -> News:
    """Give what our reader takes from it."""
    said = news(message, habits=POLICY.habits)
    assert isinstance(said, News), said
    return said


def known(kind: Kind, said: Any) -> Any:
    """Give every group of `kind`, with what was said."""
    return facts.overlaid(facts.blank(kind), said)


def field(message: Message, name: str, number: int) -> str:
    """Give a field as it is written."""
    segment = message.first(name)
    assert segment is not None
    return segment.raw(number)

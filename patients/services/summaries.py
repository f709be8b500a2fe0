"""Writes a discharge summary as a document of the patient; knows nothing of how others are told of it."""

from datetime import datetime

from pasmirror.lib import clock
from pasmirror.lib.actor import Actor
from pasmirror.lib.idempotency import Key
from patients import facts
from patients.facts import Kind, News, Value
from patients.models import Change, Document, Gate
from patients.refusals import Refused
from patients.services.numbers import valid
from patients.services.rows import Written, reserve
from patients.services.saving import Saved, enter, locked_stay, once
from patients.states import Event, StayStatus

SUMMARY = "DS"  # HL7 table 0270
AUTHENTICATED = "AU"  # HL7 table 0271
AUTHORITY = "PASMIRROR"
LONGEST = 1_000_000  # characters of text
_BEGUN = (StayStatus.IN, StayStatus.ATTENDING, StayStatus.OUT)
_STARTED: dict[str, Value] = {"replaces": "", "kind": SUMMARY, "status": AUTHENTICATED, "form": "text"}


def write(
    *, stay_id: int, seen: int, title: str, author: str, text: str, written_at: datetime, by: Actor, key: Key
) -> Saved:
    """Keep a discharge summary; `author` as `SMITH, Ann (Dr)`, `seen` the version of the stay it was written on."""
    for field, value, needed in (
        ("title", title, "Enter a title"),
        ("author", author, "Enter who wrote it"),
        ("text", text, "Enter the summary"),
    ):
        if not value.strip():
            raise Refused(needed, field)
    if len(title) > 200 or len(author) > 200 or len(text) > LONGEST:
        raise Refused("That is longer than a summary can be", "text" if len(text) > LONGEST else "title")
    if written_at > clock.now():
        raise Refused("The time is in the future", "written_at")
    said: dict[str, Value] = {
        **_STARTED,
        "title": title.strip(),
        "author": author.strip(),
        "text": text,
        "written_at": clock.iso(written_at),
        "withdrawn": False,
    }
    asked = ["summary", stay_id, {name: value for name, value in said.items() if name != "written_at"}]
    return once(key, by, "summary", asked, lambda stands: _write(stay_id, seen, said, written_at, by, stands))


def _write(stay_id: int, seen: int, said: dict[str, Value], written_at: datetime, by: Actor, stands: Gate) -> Saved:
    patient, stay = locked_stay(stay_id, seen)
    if stay.status not in _BEGUN:
        raise Refused("The stay has not begun, or was withdrawn")
    written = Written(by=by, epoch=stands.epoch, change_ids=reserve({Change: 1})[Change])
    change = next(written.change_ids)
    document = {**said, "number": f"D{change:08d}^{AUTHORITY}"}
    Document.objects.create(patient=patient, **{**document, "written_at": written_at})
    full = {
        "patient": facts.of(Kind.PATIENT, patient),
        "patient_ids": [number.as_json() for number in valid(Kind.PATIENT, patient.pk)],
        "stay": facts.of(Kind.STAY, stay),
        "stay_ids": [number.as_json() for number in valid(Kind.STAY, stay.pk)],
        "document": document,
    }
    news = News(event=Event.DOCUMENT, occurred_at=written.at.replace(microsecond=0))
    objects = {Kind.PATIENT: patient.pk, Kind.STAY: stay.pk}
    enter(written, change, news, "summary", known={}, full=full, objects=objects)
    return Saved(change, patient.pk, stay.pk)

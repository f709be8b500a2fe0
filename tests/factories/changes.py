"""Changes as the record journals them: each a short story taken through the pure step, so that no fact is made up."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from messaging.hl7.write import ChangeFacts
from patients import facts, step
from patients.facts import Groups, Kind, News
from patients.states import APPOINTMENT_EVENTS, Event
from patients.step import Known, Step

BEGAN = datetime(2026, 7, 1, 8, 0, tzinfo=UTC)
NOW = datetime(2026, 7, 1, 11, 0, tzinfo=UTC)
PATIENT: Groups = {
    "name": {"family": "O'BRIEN & SØN", "given": "Zoë", "middle": "Ann", "title": "Mrs"},
    "birth": {"born": "1952-03"},
    "sex": {"sex": "F"},
    "nhs": {"nhs_number": "9990000018", "nhs_status": "02"},
    "address": {"line1": "1 High St", "line2": "", "town": "York", "county": "", "postcode": "YO1 1AA",
                "gp": "BOOMLA, Sita (Dr) [G123]", "practice": "Riverside [F84]"},
    "phones": {"phone": "01632 960001", "mobile": "07700 900001", "email": "z@example.org"},
    "death": {"dead": False, "died_at": ""},
    "background": {"ethnic": "A", "marital": "M", "religion": "", "language": "en"},
}  # fmt: skip
WA: Groups = {"place": {"ward": "WA", "bay": "A", "bed": "A1", "site": "RXX"}}
WB: Groups = {"place": {"ward": "WB", "bay": "B", "bed": "B2", "site": "RXX"}}
WHO: Groups = {
    "consultant": {"consultant": "C1", "consultant_name": "SMITH, Ann (Dr)", "specialty": "100"},
    "admission": {"patient_class": "I", "admission_method": "21", "admission_source": "19"},
}
OTHER: Groups = {"consultant": {"consultant": "C2", "consultant_name": "JONES, Kim (Mr)", "specialty": "300"}}
BED: Groups = {"pending": {"pending_ward": "WC", "pending_bay": "C", "pending_bed": "C3"}}
AT = "2026-07-02T09:00:00+00:00"
BOOKING: Groups = {
    "booking": {"clinic": "CARD", "starts_at": "2026-07-15T08:00:00+00:00", "minutes": 30,
                "appointment_type": "FUP", "reason": "Review"},
}  # fmt: skip
LATER: Groups = {"booking": {"starts_at": "2026-07-16T09:30:00+00:00", "minutes": 20}}

Told = tuple[str, Groups]
EXPECTED: Told = ("preadmit", {**WHO, **BED, "expected": {"admission_expected_at": AT}})
BED_PLANNED: Told = ("plan_admit", EXPECTED[1])
ADMITTED: Told = ("admit", {**WB, **WHO})
ATTENDS: Told = ("attend", {**WB, **WHO, "admission": {**WHO["admission"], "patient_class": "E"}})
LEFT: Told = ("discharge", {"discharge": {"discharge_method": "1", "discharge_destination": "19"}})
PLANNED: Told = ("plan_transfer", {"pending": {**BED["pending"], "pending_at": AT}})
GOING: Told = ("plan_discharge", {"expected": {"discharge_expected_at": AT}})
AWAY: Told = ("leave", {"away": {"away": "leave", "away_to": "HOME", "away_since": "", "back_expected_at": AT}})
IMAGING: Told = ("depart", {"away": {"away": "temporary", "away_to": "XRAY", "away_since": ""}})
BOOKED: Told = ("book", BOOKING)

STORIES: dict[str, Sequence[Told]] = {
    "preadmit": [EXPECTED],
    "plan_admit": [BED_PLANNED],
    "attend": [ATTENDS],
    "admit": [EXPECTED, ADMITTED],
    "transfer": [ADMITTED, ("transfer", WA)],
    "to_inpatient": [ATTENDS, ("to_inpatient", {**WA, "admission": WHO["admission"]})],
    "to_outpatient": [ADMITTED, ("to_outpatient", {"admission": {"patient_class": "O"}})],
    "update_stay": [ADMITTED, ("update_stay", OTHER)],
    "discharge": [ADMITTED, PLANNED, LEFT],
    "plan_transfer": [ADMITTED, PLANNED],
    "plan_discharge": [ADMITTED, GOING],
    "leave": [ADMITTED, AWAY],
    "return": [ADMITTED, AWAY, ("return", {})],
    "depart": [ADMITTED, IMAGING],
    "arrive": [ADMITTED, IMAGING, ("arrive", {})],
    "change_doctor": [ADMITTED, ("change_doctor", OTHER)],
    "cancel_admit": [ADMITTED, ("cancel_admit", {})],
    "cancel_transfer": [ADMITTED, ("transfer", WA), ("cancel_transfer", {})],
    "cancel_discharge": [ADMITTED, LEFT, ("cancel_discharge", {})],
    "cancel_preadmit": [EXPECTED, ("cancel_preadmit", {})],
    "cancel_plan_admit": [BED_PLANNED, ("cancel_plan_admit", {})],
    "cancel_plan_transfer": [ADMITTED, PLANNED, ("cancel_plan_transfer", {})],
    "cancel_plan_discharge": [ADMITTED, GOING, ("cancel_plan_discharge", {})],
    "cancel_leave": [ADMITTED, AWAY, ("cancel_leave", {})],
    "cancel_return": [ADMITTED, AWAY, ("return", {}), ("cancel_return", {})],
    "cancel_depart": [ADMITTED, IMAGING, ("cancel_depart", {})],
    "cancel_arrive": [ADMITTED, IMAGING, ("arrive", {}), ("cancel_arrive", {})],
    "cancel_change_doctor": [ADMITTED, ("change_doctor", OTHER), ("cancel_change_doctor", {})],
    "delete_stay": [ADMITTED, ("delete_stay", {})],
    "book": [BOOKED],
    "reschedule": [BOOKED, ("reschedule", LATER)],
    "modify_appointment": [BOOKED, ("modify_appointment", {"status": {"status": "arrived"}})],
    "cancel_appointment": [BOOKED, ("cancel_appointment", {})],
    "discontinue_appointment": [BOOKED, ("discontinue_appointment", {})],
    "delete_appointment": [BOOKED, ("delete_appointment", {})],
    "miss_appointment": [BOOKED, ("miss_appointment", {})],
}
DOCUMENT = {
    "number": "D00000007^PASMIRROR",
    "replaces": "",
    "kind": "DS",
    "title": "Discharge summary",
    "author": "SMITH, Ann (Dr) [C1]",
    "written_at": "2026-07-01T10:00:00+00:00",
    "status": "AU",
    "form": "text",
    "text": "Diagnosis: a|b^c~d\\e & f\n\nPlan: rest, café 😀",
    "withdrawn": False,
}
OTHERS: dict[str, dict[str, Any]] = {  # what their changes hold beside the patient
    "register": {},
    "update": {},
    "remove": {},
    "merge": {"merged": 9, "prior_ids": [["MR", "RXX", "P9"]]},
    "renumber": {"prior_ids": [["MR", "PASMIRROR", "M9"]]},
    "renumber_stay": {"prior_stay_ids": [["VN", "PASMIRROR", "T9"]]},
    "link": {"link": "linked", "other_ids": [["MR", "RXX", "P9"]], "other_patient": {"name": {"family": "BRIEN"}}},
    "unlink": {"link": "linked", "other_ids": [["MR", "RXX", "P9"]], "other_patient": {"name": {"family": "BRIEN"}}},
    "document": {"document": DOCUMENT},
}
EVENTS = (*STORIES, *OTHERS)
IDS = {
    "patient_ids": [["MR", "PASMIRROR", "M1"], ["MR", "RXX", "P1"]],
    "stay_ids": [["VN", "RXX", "V1"]],
    "appointment_ids": [["PLAC", "RXX", "A9"]],
}


@dataclass
class Scene:
    """A change, and what was known before and after it."""

    change: ChangeFacts
    before: Known = field(default_factory=dict)
    after: Known = field(default_factory=dict)
    steps: Sequence[Any] = ()
    kind: Kind = Kind.PATIENT

    def heard(self, news: News) -> Known:
        """Give what is known after `news` instead, heard by whoever knew what was known before."""
        outcome = step.told(self.before, news, steps=self.steps)
        assert isinstance(outcome, Step), outcome
        return outcome.after


def scene(event: str, *, patient: Groups | None = None, **more: Any) -> Scene:
    """Tell the story that ends with `event`; `more` goes into the change's facts, above all else."""
    who = facts.overlaid(PATIENT, patient or {})
    if event in OTHERS:
        held: dict[str, Any] = {"patient": who, **IDS, **OTHERS[event]}
        if event in ("document", "renumber_stay"):
            held["stay"] = scene("transfer").change.facts["stay"]
        else:
            del held["stay_ids"]
        return Scene(ChangeFacts(7, event, {**held, **more}, BEGAN, NOW))
    kind = Kind.APPOINTMENT if event in APPOINTMENT_EVENTS else Kind.STAY
    known: Known = {Kind.PATIENT: who, kind: facts.blank(kind)}
    steps: Sequence[Any] = ()
    times: dict[str, datetime] = {}
    for number, (name, said) in enumerate(STORIES[event]):
        undone = next((times[each] for each in step.CANCELS.get(Event(name), ()) if each in times), None)
        times[name] = at = undone or BEGAN + timedelta(minutes=30 * number)
        sent = BEGAN + timedelta(minutes=30 * number)
        news = News(event=name, occurred_at=at, sent_at=sent, **{kind.value: _dated(said, at)})  # type: ignore[arg-type]
        outcome = step.told(known, news, steps=steps)
        assert isinstance(outcome, Step), outcome
        done = Scene(ChangeFacts(7, name, {}, at, NOW), known, outcome.after, steps, kind)
        known, steps = outcome.after, outcome.steps
    ids = {f"{each.value}_ids": IDS[f"{each.value}_ids"] for each in (Kind.PATIENT, kind)}
    held = {each.value: done.after[each] for each in (Kind.PATIENT, kind)} | ids
    if kind is Kind.STAY:
        held["prior_place"] = done.before[kind]["place"]
    pairs = facts.changed(done.before[kind], done.after[kind])
    before = {kind.value: {group: pair[0] for group, pair in pairs.items()}}
    done.change = ChangeFacts(7, event, {**held, **more}, done.change.occurred_at, NOW, before)
    return done


def _dated(said: Groups, at: datetime) -> Groups:
    """Let who goes away be away from when it happened."""
    if "away" not in said:
        return said
    return {**said, "away": {**said["away"], "away_since": at.isoformat()}}

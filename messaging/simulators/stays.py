"""The PAS's own rules for stays: who may be expected, admitted, moved, on leave, and what is undone; no message."""

from __future__ import annotations

import json
from collections.abc import Mapping

from messaging.simulators.changes import Changes, Refused
from messaging.simulators.record import PLANS, Patient, Record, Stay

PLACE = ("ward", "bay", "bed")
DOCTOR = ("consultant", "consultant_family", "consultant_given", "specialty")
STAY_DETAILS = (*PLACE, *DOCTOR, "method", "source")
NEXT = ("next_ward", "next_bay", "next_bed", "next_at")
AWAY = ("away_to", "away_since", "back_at")
ENDS = ("discharged_at", "discharge_method", "destination")
_COLUMNS = (*STAY_DETAILS, "class", "admitted_at", *ENDS, "cancelled", "plans")
_ALLOWED = {  # where a stay must stand for a step, and why not
    "A01": (("expected", "attending"), "205", "already admitted"),
    "A02": (("in",), "204", "no open stay"),
    "A03": (("in", "attending"), "204", "no open stay"),
    "A04": (("expected",), "205", "visit number already used"),
    "A06": (("attending",), "204", "no attendance"),
    "A07": (("in",), "204", "no open stay"),
    "A08": (("expected", "attending", "in", "out"), "204", "no such stay"),
    "A15": (("in",), "204", "no open stay"),
    "A16": (("in",), "204", "no open stay"),
    "A21": (("in",), "204", "no open stay"),
    "A22": (("in",), "204", "no open stay"),
    "A54": (("in", "attending"), "204", "no open stay"),
}
UNDOES: dict[str, tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]] = {
    # which steps a cancel takes back, and the columns and plans that are then as before
    "A11": (("A01", "A04", "A06", "A07"), (), ()),
    "A12": (("A02",), PLACE, (*NEXT, *AWAY)),
    "A13": (("A03",), ENDS, (*NEXT, *AWAY)),
    "A25": (("A16",), (), ("leaves_at",)),
    "A26": (("A15",), (), NEXT),
    "A38": (("A05",), (), ()),
    "A52": (("A21",), (), AWAY),
    "A53": (("A22",), (), AWAY),
    "A55": (("A54",), DOCTOR, ()),
}
_WHOLE = ("A11", "A38")  # with the beginning goes all that came after it
_PLANNED = ("A25", "A26")  # a plan told again is the plan that holds: none is left


class Stays:
    """Writes of stays; each must run inside `store.writing()`, and raises Refused without having written."""

    def __init__(self, record: Record, changes: Changes) -> None:
        self.record = record
        self.store = record.store
        self._changes = changes

    def begin(self, trigger: str, patient: Patient, visit: str, at: str, said: Mapping[str, str]) -> Stay:
        """A01, A04 or A05: begin a stay, or let one that is expected (for A01: attended) be as told.

        An empty visit number takes one of our own. `said`: details, class and plans by name.
        """
        known = self.record.stay(visit) if visit else None
        if trigger == "A01" and self.record.open_stay(patient.id):
            raise Refused("205", "already admitted")
        if known:
            if known.patient != patient.id or known.cancelled or known.state == "out" or trigger == "A05":
                raise Refused("205", "visit number already used")
            return self.step(trigger, patient, visit, at, said)
        if trigger == "A01":
            self._bed_free(said, None)
        visit = visit or self._changes.own("visit", "V", 200001, "SELECT 1 FROM stay WHERE visit = ?")
        columns = dict.fromkeys((*STAY_DETAILS, *ENDS, "admitted_at"), "") | {
            "visit": visit, "patient": patient.id, "class": said.get("class") or "I", "cancelled": 0,
        }  # fmt: skip
        row = self.store.write(
            f"INSERT INTO stay ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})",  # noqa: S608
            *columns.values(),
        )
        self._remember(row, trigger, at, None)
        self._set(row, _after(trigger, self._stay(visit), at, said))
        return self._stay(visit)

    def step(self, trigger: str, patient: Patient, visit: str, at: str, said: Mapping[str, str]) -> Stay:
        """Any other step of a stay, or a beginning of one that is there already."""
        stay = self._meant(trigger, patient, visit)
        if trigger == "A21" and stay.plan("away_since"):
            raise Refused("205", "on leave already")
        if trigger == "A22" and not stay.plan("away_since"):
            raise Refused("204", "not on leave")
        if trigger in ("A01", "A02", "A06"):
            self._bed_free(said, stay)
        self._remember(stay.id, trigger, at, stay)
        self._set(stay.id, _after(trigger, stay, at, said))
        return self._stay(stay.visit)

    def cancel(self, trigger: str, visit: str, said: Mapping[str, str] | None = None) -> Stay:
        """Take back the last step that `trigger` undoes; `said`: where the patient is then, if it says so."""
        stay = self._stay(visit)
        if stay.cancelled:
            raise Refused("204", "already cancelled")
        steps = self.store.rows("SELECT * FROM step WHERE stay = ? ORDER BY id DESC", stay.id)
        last = next((row for row in steps if row["trigger"] in UNDOES[trigger][0]), None)
        if last is None and trigger != "A11":  # of a stay older than its steps the beginning is known
            raise Refused("204", "nothing to take back")
        was = json.loads(last["was"]) if last else None
        after: dict[str, object] = self._before(trigger, stay, was, said or {}) if was else {"cancelled": 1}
        if after.get("bed") and not after.get("discharged_at"):
            self._bed_free({name: str(after[name]) for name in PLACE}, stay)
        self._set(stay.id, after)
        first = last["id"] if last else 0
        self.store.write("DELETE FROM step WHERE stay = ? AND (id = ? OR (? AND id > ?))", stay.id, first,
                         trigger in _WHOLE, first)  # fmt: skip
        return self._stay(visit)

    @staticmethod
    def _before(trigger: str, stay: Stay, was: Mapping[str, str], said: Mapping[str, str]) -> dict[str, object]:
        """The columns of a stay without its last step, which it had as `was` before that."""
        if trigger in _WHOLE:
            return {**was}
        _, columns, names = UNDOES[trigger]
        plans = {name: value for name, value in json.loads(stay.plans).items() if name not in names}
        if trigger not in _PLANNED:
            plans |= {name: value for name, value in json.loads(was["plans"]).items() if name in names}
        back: dict[str, object] = {"plans": json.dumps(plans)}
        back |= {name: was[name] for name in (*columns, *(PLACE if trigger == "A13" else ()))}
        if trigger in ("A12", "A13") and said.get("ward"):
            back |= {name: said.get(name, "") for name in PLACE}
        return back

    def renumber(self, patient: Patient, visit: str, ended: str) -> Stay:
        """Call a stay by another visit number."""
        stay = self.record.stay(ended)
        if stay is None or stay.patient != patient.id:
            raise Refused("204", "unknown visit")
        if not visit or (self.record.stay(visit) and visit != ended):
            raise Refused("205", "visit number already used")
        self.store.write("UPDATE stay SET visit = ? WHERE id = ?", visit, stay.id)
        return self._stay(visit)

    def _meant(self, trigger: str, patient: Patient, visit: str) -> Stay:
        states, err, text = _ALLOWED[trigger]
        known = self.record.stays(patient.id)
        fits = [stay for stay in known if stay.state in states]
        if not fits:
            raise Refused(err, text)
        stay = next((each for each in fits if each.visit == visit), None) if visit else fits[0]
        if stay is None:
            raise Refused("204", "the open stay is another visit")
        return stay

    def _stay(self, visit: str) -> Stay:
        stay = self.record.stay(visit)
        if stay is None:
            raise Refused("204", "unknown visit")
        return stay

    def _bed_free(self, details: Mapping[str, str], mine: Stay | None) -> None:
        place = (details.get("ward", ""), details.get("bay", ""), details.get("bed", ""))
        other = self.record.in_bed(place) if place[2] else None
        if other and (mine is None or other.id != mine.id):
            raise Refused("205", "bed taken")

    def _remember(self, stay: int, trigger: str, at: str, was: Stay | None) -> None:
        """Write a step down with the stay as it was before it: nothing, where it begins it."""
        row = self.store.row("SELECT * FROM stay WHERE id = ?", was.id) if was else None
        before = {name: row[name] for name in _COLUMNS} if row else None
        self.store.write(
            "INSERT INTO step (stay, trigger, at, was) VALUES (?, ?, ?, ?)", stay, trigger, at, json.dumps(before)
        )

    def _set(self, stay: int, columns: Mapping[str, object]) -> None:
        for name, value in columns.items():
            self.store.write(f"UPDATE stay SET {name} = ? WHERE id = ?", value, stay)  # noqa: S608


def _after(trigger: str, stay: Stay, at: str, said: Mapping[str, str]) -> dict[str, object]:
    """The columns that a step changes."""
    plans = {name: value for name, value in _plans_after(trigger, stay, at, said).items() if value}
    columns: dict[str, object] = {"plans": json.dumps(plans)}
    if trigger == "A03":
        return columns | {"discharged_at": at} | {name: said.get(name, "") for name in ENDS[1:]}
    columns |= {name: said[name] for name in STAY_DETAILS if name in said and name not in PLACE}
    if said.get("class"):
        columns["class"] = said["class"]
    if trigger in ("A01", "A02", "A04", "A06", "A07") and said.get("ward"):
        columns |= {name: said.get(name, "") for name in PLACE}
    if trigger in ("A01", "A04"):
        columns["admitted_at"] = stay.admitted_at or at
    return columns


def _plans_after(trigger: str, stay: Stay, at: str, said: Mapping[str, str]) -> dict[str, str]:
    """What is planned after a step, and where the patient is meanwhile."""
    plans = {name: stay.plan(name) for name in PLANS}
    if trigger in ("A01", "A04"):
        plans["expected_at"] = ""
    if trigger in ("A01", "A02", "A03"):
        plans |= dict.fromkeys((*NEXT, *AWAY), "")
    told = {"A05": ("expected_at", *NEXT[:3]), "A15": NEXT, "A16": ("leaves_at",), "A22": AWAY}.get(trigger, ())
    plans |= {name: said.get(name, "") if trigger != "A22" else "" for name in told}
    if trigger == "A08":
        plans |= {name: said[name] for name in ("expected_at", "leaves_at") if name in said}
    if trigger == "A21":
        plans |= {"away_to": said.get("away_to", ""), "away_since": at, "back_at": said.get("back_at", "")}
    return plans

"""Which event a message speaks of, the same whoever spoke it; knows no socket and no store."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from messaging.simulators.messages import Message, minute, second

PERSON = frozenset({"A28", "A31", "A40", "A47"})  # by any number of the patient, and but for A28 by the time


@dataclass(frozen=True)
class Effect:
    """One thing a receiver did because of a message."""

    key: str
    trigger: str
    control_id: str
    speaker: str
    patient_ids: tuple[str, ...]
    at: str


def event_key(message: Message) -> str:
    """Trigger and what names the event: visit and time, appointment and start, or the person's numbers."""
    trigger = message.trigger
    occurred = minute(message.field("EVN", 6) or message.field("EVN", 2))
    ids = ",".join(sorted(set(message.patient_ids)))
    if message.kind == "SIU":
        number = message.component("SCH", 1) or message.component("SCH", 2)
        stands = f"|{message.component('SCH', 25)}" if trigger == "S14" else ""  # arrived, and not arrived after all
        return f"{trigger}|{number}|{minute(message.component('SCH', 11, 4))}{stands}"
    if trigger == "A28":
        return f"A28|{ids}"
    if trigger in PERSON:
        return f"{trigger}|{ids}|{second(message.field('EVN', 6) or message.field('EVN', 2))}"
    if message.kind == "MDM":
        return f"{trigger}|{message.field('TXA', 12)}"
    visit = message.component("PV1", 19)
    if trigger == "A02":  # two moves of one stay may fall into one minute
        place = "^".join(message.component("PV1", 3, part) for part in (1, 2, 3))
        return f"A02|{visit}|{occurred}|{place}"
    return f"{trigger}|{visit or ids}|{occurred}"


def events(effects: Iterable[Effect]) -> dict[str, list[Effect]]:
    """Effects by event: persons are one when they share a number (and a time, but for A28), others by their key."""
    found: dict[str, list[Effect]] = {}
    named: dict[tuple[str, str, str], str] = {}
    for effect in effects:
        if effect.trigger not in PERSON:
            found.setdefault(effect.key, []).append(effect)
            continue
        labels = _labels(effect)
        same = list(dict.fromkeys(named[label] for label in labels if label in named)) or [effect.key]
        members = [member for key in same for member in found.pop(key, [])] + [effect]
        found[same[0]] = members
        named.update((label, same[0]) for member in members for label in _labels(member))
    return found


def _labels(effect: Effect) -> list[tuple[str, str, str]]:
    when = effect.key.rsplit("|", 1)[1] if effect.trigger != "A28" else ""
    return [(effect.trigger, when, number) for number in effect.patient_ids]

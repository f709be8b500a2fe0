"""Finds messages that came, and reads one with all that is known of it: its answer, and what it changed."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.db.models import Max, Q

from messaging.hl7 import named
from messaging.hl7.named import Named
from messaging.hl7.read import Message, Unreadable
from messaging.models import Channel, Hold, Inbound, MessageKey, NumberNamed
from pasmirror.lib.models import AuditRow
from patients.identifiers import nhs_digits
from patients.models import Change, Patient, PatientIdentifier

PAGE = 50
REACH = 200_000  # messages looked through where nothing asked for has an index
_BODIES = ("raw", "answer")


@dataclass(frozen=True, slots=True)
class Sought:
    """What to find messages by; "" and None ask nothing. `number`: a patient's; `since` <= received < `until`."""

    control_id: str = ""
    number: str = ""
    trigger: str = ""
    channel: str = ""
    outcome: str = ""
    since: datetime | None = None
    until: datetime | None = None

    @property
    def narrow(self) -> bool:
        """Say whether an index finds them: by control id, by patient, or from a moment on."""
        return bool(self.control_id or self.number or self.since)


@dataclass(frozen=True, slots=True)
class Altered:
    """One value a message changed: of what, which field, before and after ("" for empty)."""

    kind: str
    field: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Content:
    """What a message holds: its bytes as text, and its segments where it can be read (else why not)."""

    raw: str
    segments: list[Named]
    unreadable: str = ""


def channel_codes() -> list[str]:
    """Give the codes of all channels there ever were."""
    return list(Channel.objects.order_by("code").values_list("code", flat=True))


def find(sought: Sought, *, before: int | None = None, limit: int = PAGE, reach: int = REACH) -> list[Inbound]:
    """Give the newest messages, without their bodies; `before`: the id the last page ended with.

    By trigger, channel or outcome alone only the newest `reach` are looked through.
    """
    wanted = Q() if before is None else Q(pk__lt=before)
    if sought.number:
        wanted &= of_number(sought.number)
    if not sought.narrow:
        newest = before or Inbound.objects.aggregate(newest=Max("pk"))["newest"] or 0
        wanted &= Q(pk__gt=newest - reach)
    asked = {
        "control_id": sought.control_id,
        "trigger__iexact": sought.trigger,
        "channel__code": sought.channel,
        "outcome": sought.outcome,
        "received_at__gte": sought.since,
        "received_at__lt": sought.until,
    }
    wanted &= Q(**{name: value for name, value in asked.items() if value})
    return list(Inbound.objects.filter(wanted).select_related("channel").defer(*_BODIES).order_by("-pk")[:limit])


def of_number(number: str) -> Q:
    """Give the condition "about whoever has or had this hospital or NHS number, or naming it while nobody has it".

    The messages about records that were merged into theirs are meant as well. Letters as typed, or all in one case.
    """
    typed = "".join(number.split())
    spelt = {typed, typed.upper(), typed.lower()}
    numbered = Q(value__in=spelt, until=None) | Q(value__in=spelt, until__isnull=False)  # one index for each
    patients = set(PatientIdentifier.objects.filter(numbered).values_list("patient", flat=True))
    patients |= set(Patient.objects.filter(nhs_number=nhs_digits(number)).values_list("pk", flat=True))
    patients |= _merged_into(patients)
    held = Hold.objects.filter(Q(patient__in=patients) | Q(patient=None, value__in=spelt))
    named = NumberNamed.objects.filter(value__in=spelt)
    return Q(patient__in=patients) | Q(
        pk__in={*held.values_list("message", flat=True), *named.values_list("message", flat=True)}
    )


def _merged_into(patients: Collection[int]) -> set[int]:
    """Give the records that were merged into these, or into one that was."""
    found: set[int] = set()
    fresh = set(patients)
    while fresh:
        merged = Patient.objects.filter(merged_into__in=fresh).values_list("pk", flat=True)
        fresh = set(merged) - found - fresh
        found |= fresh
    return found


def one(message: int) -> Inbound | None:
    """Give one message, without its bodies; None if there is none."""
    return Inbound.objects.select_related("channel").defer(*_BODIES).filter(pk=message).first()


def content(message: int) -> Content:
    """Give what the message holds."""
    return content_of(bytes(Inbound.objects.values_list("raw", flat=True).get(pk=message)))


def answer(message: int) -> Content:
    """Give what we answered."""
    return content_of(bytes(Inbound.objects.values_list("answer", flat=True).get(pk=message)))


def content_of(raw: bytes) -> Content:
    """Give what some bytes hold."""
    try:
        read = Message.of(raw)
        return Content(read.text.replace("\r", "\n").strip(), named.told(read))
    except Unreadable as fault:
        return Content(raw.decode("latin-1").replace("\r", "\n").strip(), [], fault.reason)


def repeats(message: int) -> int:
    """Give how often the very same message came again."""
    return sum(MessageKey.objects.filter(message=message).values_list("repeats", flat=True))


def changes(found: Inbound) -> list[Change]:
    """Give the changes of the record that this message made, oldest first."""
    return list(Change.objects.filter(made_by(found.pk)).order_by("pk"))


def made_by(message: int) -> Q:
    """Give the condition "made by this message"; both halves of it, so that the index is used."""
    return Q(origin=f"feed:{message}", origin__startswith="feed:")


def altered(change: Change) -> list[Altered]:
    """Give what a change altered, field by field."""
    kinds = dict.fromkeys([*change.before, *change.after])
    lines: list[Altered] = []
    for kind in kinds:
        before, after = (_flat(side.get(kind)) for side in (change.before, change.after))
        for name in dict.fromkeys([*before, *after]):
            line = Altered(kind, name, before.get(name, ""), after.get(name, ""))
            lines += [line] if line.before != line.after else []
    return [replace(line, field=line.field.replace("_", " ")) for line in lines]


def _flat(groups: Any) -> dict[str, str]:
    if not isinstance(groups, dict):
        return {} if groups in (None, "", []) else {"value": str(groups)}
    flat: dict[str, str] = {}
    for name, value in groups.items():
        if isinstance(value, dict):
            flat |= {key: "" if said in (None, False) else str(said) for key, said in value.items()}
        else:
            flat[name] = "" if value is None else str(value)
    return flat


def decisions(message: int) -> list[AuditRow]:
    """Give what people decided about a message, newest first."""
    rows = AuditRow.objects.filter(subject=f"inbound:{message}", action__startswith="feed.")
    return list(rows.order_by("-pk"))

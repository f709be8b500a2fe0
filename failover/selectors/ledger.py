"""The ledger of an incident: what was captured, and how each change ended at the PAS. It must balance."""

from dataclasses import asdict, dataclass
from typing import Any

from django.db.models import Count, Max

from failover.models import Discrepancy, Incident, Replay, Signature
from patients.models import Change, JournalTail

SIGNATURES = 2  # different people, for each change held open at hand-back


@dataclass(frozen=True, slots=True)
class Ledger:
    """Counts of changes. `waiting` and `sent` have not ended; `held` needs a person, `signed` of those two people."""

    captured: int
    confirmed: int
    already: int
    superseded: int
    voided: int
    held: int
    signed: int
    waiting: int
    sent: int
    tail: int

    @property
    def balanced(self) -> bool:
        """Say whether captured = confirmed + already + superseded + voided + held (signed), with an empty tail."""
        ended = self.confirmed + self.already + self.superseded + self.voided + self.signed
        return self.captured == ended and self.tail == 0

    @property
    def sentence(self) -> str:
        """Say it in one line."""
        state = "balanced" if self.balanced else "not balanced"
        return (
            f"captured {self.captured} = confirmed {self.confirmed} + already there {self.already} + superseded "
            f"{self.superseded} + voided {self.voided} + held {self.held} (signed {self.signed}) "
            f"[waiting {self.waiting}, sent {self.sent}, tail {self.tail}]: {state}"
        )

    def as_json(self) -> dict[str, Any]:
        """Give the counts and the verdict."""
        return {**asdict(self), "balanced": self.balanced}


def captured(incident: Incident) -> Any:
    """Give the clerks' changes of an incident, in order, as a query."""
    changes = Change.objects.filter(source="clerk", epoch__gte=incident.first_epoch)
    last = incident.report.get("last_epoch")
    return (changes.filter(epoch__lte=last) if last else changes).order_by("pk")


def ledger(incident: Incident) -> Ledger:
    """Count an incident's ledger as it stands; of a closed one as it stood when it was signed."""
    if incident.closed_at is not None and "ledger" in incident.report:
        return Ledger(**{name: incident.report["ledger"][name] for name in Ledger.__dataclass_fields__})
    ends = dict(Replay.objects.filter(incident=incident).values_list("end").annotate(n=Count("id")))
    total = captured(incident).count()
    known = sum(ends.values())
    return Ledger(
        captured=total,
        confirmed=ends.get(Replay.End.CONFIRMED, 0),
        already=ends.get(Replay.End.ALREADY, 0),
        superseded=ends.get(Replay.End.SUPERSEDED, 0),
        voided=ends.get(Replay.End.VOIDED, 0),
        held=ends.get(Replay.End.HELD, 0),
        signed=len(signed_holds(incident)),
        waiting=ends.get(Replay.End.WAITING, 0) + total - known,
        sent=ends.get(Replay.End.SENT, 0),
        tail=JournalTail.objects.count() if incident.closed_at is None else 0,
    )


def as_json(incident: Incident) -> dict[str, Any]:
    """Give an incident's ledger as counts and the verdict."""
    return ledger(incident).as_json()


def signed_holds(incident: Incident) -> list[int]:
    """Give the held changes that two different people have signed for, since the difference was raised as it is."""
    raised = dict(Discrepancy.objects.filter(incident=incident).values_list("change").annotate(at=Max("raised_at")))
    signers: dict[int, set[str]] = {}
    for subject, by, at in Signature.objects.filter(incident=incident, purpose="hold").values_list(
        "subject", "by", "at"
    ):
        change = int(subject.partition(":")[2])
        if change not in raised or at >= raised[change]:
            signers.setdefault(change, set()).add(str(by.get("subject")))
    held = Replay.objects.filter(incident=incident, end=Replay.End.HELD).order_by("change")
    return [c for c in held.values_list("change", flat=True) if len(signers.get(c, ())) >= SIGNATURES]


def holds(incident: Incident) -> list[Replay]:
    """Give what is held, in order."""
    return list(Replay.objects.filter(incident=incident, end=Replay.End.HELD).order_by("change"))

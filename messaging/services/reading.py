"""A look at a message is audited like a write: who, which message, why; and that its patient was looked at."""

from pasmirror.lib import audit
from pasmirror.lib.actor import Actor
from patients.refusals import Refused
from patients.services import looking


def looked(*, message: int, patient: int | None, by: Actor, page: str, reason: str, which: str = "inbound") -> None:
    """Write that `by` read a message on `page`, and why. Refused without a reason. `which`: inbound, outbound."""
    if not reason.strip():
        raise Refused("Enter why you look at this message", "reason")
    audit.record(action=f"looked:{page}", by=by.because(reason), subject=f"{which}:{message}")
    if patient is not None:
        looking.looked(patient_id=patient, by=by, page=page)


def searched(*, by: Actor, page: str, fields: list[str], hits: int) -> None:
    """Write that `by` looked for messages, by which fields, with how many hits; never what was typed."""
    audit.record(action=f"searched:{page}", by=by, detail={"fields": fields, "hits": hits})

"""Registers a person in an outage, and changes a person's details."""

from pasmirror.lib import clock
from pasmirror.lib.actor import Actor
from pasmirror.lib.idempotency import Key
from patients.facts import Groups, News
from patients.identifiers import NOT_VERIFIED, VERIFIED, nhs_digits, why_not_nhs_number
from patients.refusals import Refused
from patients.services.saving import Order, Saved, save
from patients.states import Event


def register(*, patient: Groups, by: Actor, key: Key) -> Saved:
    """Make a new record with a number from the pool reserved for downtime.

    A family name is needed (the CUI word for an unknown one is "UNKNOWN"); an NHS number is never taken as verified.
    """
    said = _checked(patient)
    if not str(said.get("name", {}).get("family", "")).strip():
        raise Refused("Enter a family name, or UNKNOWN", "family")
    return save(
        Order(news=News(event=Event.REGISTER, occurred_at=clock.now(), patient=said), by=by, key=key, screen="register")
    )


def update(*, patient_id: int, seen: int, patient: Groups, by: Actor, key: Key) -> Saved:
    """Change a person's details; `seen` is the version the form was opened on (Stale if it has moved on)."""
    return save(
        Order(
            news=News(event=Event.UPDATE, occurred_at=clock.now(), patient=_checked(patient)),
            by=by,
            key=key,
            screen="details",
            patient_id=patient_id,
            seen=seen,
        )
    )


def _checked(patient: Groups) -> Groups:
    nhs = dict(patient.get("nhs", {}))
    if "nhs_number" not in nhs:
        return patient
    if why := why_not_nhs_number(str(nhs["nhs_number"])):
        raise Refused(why, "nhs_number")
    nhs["nhs_number"] = nhs_digits(str(nhs["nhs_number"]))
    if nhs["nhs_number"] and nhs.get("nhs_status", VERIFIED) in ("", VERIFIED):
        nhs["nhs_status"] = NOT_VERIFIED
    return {**patient, "nhs": nhs}

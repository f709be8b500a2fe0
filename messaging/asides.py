"""Why messages are set aside, in plain words, and what a person can do about each; pure, knows no message."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Why:
    """What is wrong with such a message, in a few words, and what helps."""

    words: str
    helps: str


_NUMBERS = "Find out from the PAS whose number it is; mend the record, or have the PAS send it again, then apply again."
_PERSON = f"{_NUMBERS} If it is the same person after all, say so."
_SENDER = "Ask whoever runs the PAS's interface to send it again as it should be, and skip this one."
_MAPPING = "If the site file reads this field in the wrong place, mend it and apply again; else skip this one."

WHY: dict[str, Why] = {
    "ambiguous-number": Why("The numbers name more than one patient", _NUMBERS),
    "apply-failed": Why("It could not be applied: a fault of PAS Mirror", "Tell whoever supports PAS Mirror."),
    "identity-mismatch": Why("The number is known, and the person seems to be another", _PERSON),
    "link-to-itself": Why("A record is to be linked to itself", _SENDER),
    "merge-into-itself": Why("A record is to be merged into itself", _SENDER),
    "merge-loop": Why("The merge would close a circle of merges", _NUMBERS),
    "merged-before": Why("The record was merged into another one before", _NUMBERS),
    "no-appointment-number": Why("The appointment has no number", _MAPPING),
    "no-event": Why("It does not say which event it tells", _SENDER),
    "no-identity": Why("No usable number of the patient", _MAPPING),
    "no-mrg": Why("It merges or moves, and does not say what", _SENDER),
    "no-pid": Why("It names no patient", _SENDER),
    "no-prior-number": Why("The number merged or moved from is missing", _SENDER),
    "no-pv1": Why("It is about a visit, and says nothing of it", _SENDER),
    "no-second-pid": Why("The second patient is missing", _SENDER),
    "no-time": Why("No time of the event can be read", _MAPPING),
    "no-visit-number": Why("No visit number says which stay is meant", _MAPPING),
    "not-two-patients": Why("It should be about two patients, and is not", _SENDER),
    "number-of-another": Why("A number belongs to somebody else", _NUMBERS),
    "retired-number": Why("The number was merged away, and the person is another", _PERSON),
    "two-patients": Why("Its numbers are those of two patients", _NUMBERS),
    "two-pids": Why("It is about more than one patient", _SENDER),
    "unknown-patient": Why("The patient is not known here", "Have the PAS send the patient first, then apply again."),
    "unreadable": Why("It cannot be read at all", _SENDER),
    "value-too-long": Why("A value is too long to be kept whole", _MAPPING),
    "waits": Why("Waits behind an earlier message of the same patient", "Settle the earlier one: this one follows."),
}


def why(code: str) -> Why:
    """Give the words for a code; one that is not listed is shown as it is."""
    return WHY.get(code, Why(code.replace("-", " ").capitalize() or "Not said", ""))

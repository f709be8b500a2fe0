"""How long each fact and number may be in the record (a test holds this table to the columns); pure."""

from collections.abc import Iterable, Mapping

from patients.facts import Groups, Kind
from patients.identifiers import Identifier

LONGEST_TYPE, LONGEST_AUTHORITY, LONGEST_NUMBER = 10, 50, 50
LONGEST: Mapping[Kind, Mapping[str, int]] = {
    Kind.PATIENT: {
        **dict.fromkeys(("family", "given", "middle", "town", "county", "phone", "mobile"), 100),
        **dict.fromkeys(("line1", "line2", "gp", "practice", "email"), 200),
        **dict.fromkeys(("sex", "nhs_status", "born"), 10),
        **dict.fromkeys(("nhs_number", "postcode", "ethnic", "marital", "language"), 20),
        "title": 35,
        "religion": 50,
        "died_at": 32,
    },
    Kind.STAY: {
        **dict.fromkeys(("ward", "bay", "bed", "site", "consultant_name"), 100),
        **dict.fromkeys(("consultant", "specialty", "admission_source", "discharge_destination"), 50),
        **dict.fromkeys(("admission_method", "discharge_method"), 20),
        "patient_class": 10,
    },
    Kind.APPOINTMENT: {"clinic": 100, "appointment_type": 100, "reason": 200},
}


def too_long(kind: Kind, groups: Groups) -> str | None:
    """Name the first fact that is longer than the record can hold; None if all fit."""
    limits = LONGEST[kind]
    said = ((name, value) for values in groups.values() for name, value in values.items())
    return next((name for name, value in said if len(str(value)) > limits.get(name, 1000)), None)


def number_too_long(numbers: Iterable[Identifier]) -> bool:
    """Whether a number, its authority or its type is longer than the record can hold."""
    return any(
        len(n.type) > LONGEST_TYPE or len(n.authority) > LONGEST_AUTHORITY or len(n.value) > LONGEST_NUMBER
        for n in numbers
    )

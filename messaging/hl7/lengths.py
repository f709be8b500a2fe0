"""How long each fact and number may be in the record (a test holds this table to the columns); pure.

Too long a name, place or number is a person's to look at; any other fact is left out with a warning, for it may not
hold up where the patient is.
"""

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
        **dict.fromkeys(("pending_ward", "pending_bay", "pending_bed", "away_to"), 100),
        **dict.fromkeys(("consultant", "specialty", "admission_source", "discharge_destination"), 50),
        **dict.fromkeys(("admission_method", "discharge_method"), 20),
        **dict.fromkeys(("patient_class", "away"), 10),
    },
    Kind.APPOINTMENT: {"clinic": 100, "appointment_type": 100, "reason": 200, "status_words": 50},
}


WHO_AND_WHERE: Mapping[Kind, frozenset[str]] = {  # facts that may not be left out
    Kind.PATIENT: frozenset({"family", "given", "middle", "born", "sex", "nhs_number", "died_at"}),
    Kind.STAY: frozenset({"ward", "bay", "bed", "site"}),
    Kind.APPOINTMENT: frozenset({"clinic"}),
}


def too_long(kind: Kind, groups: Groups) -> str | None:
    """Name the first fact of who and where that is longer than the record can hold; None if all fit."""
    return next((name for _, name in _over(kind, groups) if name in WHO_AND_WHERE[kind]), None)


def fitting(kind: Kind, groups: Groups) -> tuple[Groups, tuple[str, ...]]:
    """Give the facts without those others that are too long, and a warning for each."""
    over = [(group, name) for group, name in _over(kind, groups) if name not in WHO_AND_WHERE[kind]]
    if not over:
        return groups, ()
    kept = {g: {n: value for n, value in values.items() if (g, n) not in over} for g, values in groups.items()}
    warnings = tuple(f"the {kind} fact {name} is longer than the record can hold: not taken" for _, name in over)
    return {group: values for group, values in kept.items() if values}, warnings


def _over(kind: Kind, groups: Groups) -> list[tuple[str, str]]:
    said = ((group, name, value) for group, values in groups.items() for name, value in values.items())
    return [(group, name) for group, name, value in said if len(str(value)) > LONGEST[kind].get(name, 1000)]


def number_too_long(numbers: Iterable[Identifier]) -> bool:
    """Whether a number, its authority or its type is longer than the record can hold."""
    return any(
        len(n.type) > LONGEST_TYPE or len(n.authority) > LONGEST_AUTHORITY or len(n.value) > LONGEST_NUMBER
        for n in numbers
    )

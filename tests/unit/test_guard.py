"""The identity guard: what can be the same person and what cannot, for a number that is good and for a retired one."""

import pytest

from patients import facts
from patients.facts import Kind
from patients.guard import doubt

OURS = facts.overlaid(
    facts.blank(Kind.PATIENT),
    {
        "name": {"family": "SMITH", "given": "Ann"},
        "birth": {"born": "1952-03-01"},
        "sex": {"sex": "F"},
        "nhs": {"nhs_number": "9990000018"},
    },
)
MARRIED = {"name": {"family": "JONES", "given": "Ann"}, "birth": {"born": "1952-03-01"}}
BORN_ELSE = {"name": {"family": "SMITH", "given": "Ann"}, "birth": {"born": "1953-03-01"}}
TWIN = {"name": {"family": "SMITH", "given": "Amy"}, "birth": {"born": "1952-03-01"}}
BROTHER = {"name": {"family": "Smith"}, "birth": {"born": "1952-03-01"}, "sex": {"sex": "M"}}
OTHER_NHS = {"birth": {"born": "1952-03-01"}, "nhs": {"nhs_number": "9990000026"}}
STRANGER = {"name": {"family": "JONES"}, "birth": {"born": "1990-01-01"}}
STRANGER_BY_NHS = {"nhs": {"nhs_number": "9990000026"}, "birth": {"born": "1990-01-01"}}
VAGUE = {"name": {"family": "JONES"}, "birth": {"born": "1952"}}


@pytest.mark.parametrize(
    ("said", "good", "retired"),
    [
        ({}, None, None),
        (MARRIED, None, None),
        (VAGUE, None, None),
        (BORN_ELSE, None, "retired-number"),
        (TWIN, None, "retired-number"),
        (BROTHER, None, "retired-number"),
        (OTHER_NHS, None, "retired-number"),
        (STRANGER, "identity-mismatch", "identity-mismatch"),
        (STRANGER_BY_NHS, "identity-mismatch", "identity-mismatch"),
    ],
)
def test_one_difference_is_enough_only_for_a_retired_number(said, good, retired):
    for expected, is_retired in ((good, False), (retired, True)):
        found = doubt(OURS, said, retired=is_retired)
        assert (found[0] if found else None) == expected


def test_what_we_do_not_know_disagrees_with_nothing():
    for said in (STRANGER, TWIN, OTHER_NHS):
        assert doubt(facts.blank(Kind.PATIENT), said, retired=True) is None

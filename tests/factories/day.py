"""A day at the desk: acts of clerks one after another, each to people and in beds of its own."""

from itertools import count

import pytest

from patients.identifiers import Identifier
from patients.models import Bed, Ward
from patients.services.saving import Saved
from tests.factories import clerk, lanes
from tests.factories.clerk import ACTS

NUMBERED = {"renumber": "MR", "link_stay_number": "VN"}  # acts that give a number, which must be nobody's yet


class Day:
    """Does acts by name; the patients of each bear the family name it is given, and are in beds nobody else is in."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch
        self._number = count(1)
        self._register = lanes.register

    def do(self, name: str, *, family: str = "SMITH") -> Saved:
        """Make what the act is done to, and do it."""
        number = next(self._number)
        for place, kept in ((clerk.A1, "A"), (clerk.A2, "B"), (clerk.B1, "C")):
            bed = f"{kept}{number}"
            Bed.objects.create(ward=Ward.objects.get(code=place["ward"]), bay=place["bay"], bed=bed)
            self._monkeypatch.setitem(place, "bed", bed)
        self._monkeypatch.setattr(lanes, "register", lambda _family="": self._register(family))
        kind = NUMBERED.get(name)
        more = {"number": Identifier(kind, "RXX", f"77{number:05}")} if kind else {}
        return ACTS[name].do(ACTS[name].ready(), **more)

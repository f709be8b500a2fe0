"""The simulated PAS's morning, heard in NORMAL and said again: what we have heard before comes back whole."""

import sys
from pathlib import Path

import pytest

from messaging.models import Inbound
from messaging.selectors import fidelity as reading
from messaging.simulators.pas import Pas
from tests.factories.fidelity import destination, hear_and_compare, listening

EXPLAINED: dict[str, set[str]] = {
    "the first word of somebody brings what is no fact of ours, and is kept from then on": {
        f"register {field} missing"
        for field in ("NK1-1", "NK1-2", "NK1-3", "AL1-1", "AL1-2", "AL1-3", "ZPI-1", "ZPI-2", "ZPI-3")
    },
    "this PAS calls the structure by its name in HL7 2.4, HL7 UK A.3 by another": {
        f"{event} MSH-9 other 3" for event in ("register", "update", "discharge", "transfer")
    },
    "by the structure an A02 or A03 has no next of kin and no allergy, though this PAS sends them": {
        f"{event} {segment}-{number} missing"
        for event in ("transfer", "discharge")
        for segment in ("NK1", "AL1")
        for number in (1, 2, 3)
    },
}
WHOLE = {"admit", "book", "cancel_appointment"}  # heard of before, and said as the PAS says it, to the last field


@pytest.mark.django_db
def test_the_demo_s_morning_comes_back(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    listening(sending_app="DEMOPAS", sending_facility="RXX")
    to = destination()
    pas = Pas(store=tmp_path / "pas.db", lanes={"feed": ("127.0.0.1", 1)})
    try:
        pas.day.morning(patients=60, seed=3)
        told = [bytes(row["raw"]) for row in pas.store.rows("SELECT raw FROM outbox ORDER BY id")]
    finally:
        pas.store.close()
    hear_and_compare(*told)
    assert set(Inbound.objects.values_list("outcome", flat=True)) == {"applied"}
    figures = {one.event: one for one in reading.events(to)}
    with capsys.disabled():
        lines = [f"{event:20}{one.messages:4} messages {one.percent:6} %" for event, one in sorted(figures.items())]
        sys.stdout.write("\n" + "\n".join(lines) + "\n")
    assert sum(one.messages for one in figures.values()) == len(told)
    explained = set[str]().union(*EXPLAINED.values())
    said = {f"{one.event} {one.field} {one.verdict} {one.parts}".strip() for one in reading.differences(to)}
    assert said <= explained, said - explained
    assert figures.keys() >= WHOLE
    assert {event for event in WHOLE if figures[event].percent < 100} == set()

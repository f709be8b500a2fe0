"""Which destinations want a change is asked in one place: by the sequencer, and where fidelity is counted."""

import pytest

from messaging.models import Destination, Outbound
from messaging.selectors import filters
from messaging.services import sequencer
from patients.models import Change, JournalTail
from tests.factories import lanes as make
from tests.factories.fidelity import hear, listening
from tests.factories.identity import hl7, pid, pv1

FILTERS = (
    {}, {"events": ["register"]}, {"events": ["transfer"]}, {"wards": ["WA"]}, {"wards": ["WB"]}, {"wards": ["WC"]},
    {"sites": ["RXX"]}, {"sites": ["RYY"]}, {"clinics": ["CARD"]}, {"clinics": ["ORTH"], "wards": ["WA"]},
)  # fmt: skip


@pytest.mark.django_db
def test_who_wants_a_change_is_who_gets_a_number_for_it() -> None:
    listening(0.0)
    booking = "SCH|A1^RXX||||||^Review|FUP|||^^30^20260715090000|||||||||||||||Booked"
    hear(
        hl7("A28", pid("A")),
        hl7("A01", pid("A"), pv1("V1"), at="20260302080000"),
        hl7("A02", pid("A"), pv1("V1", "WB"), at="20260303080000"),
        hl7("S12", booking, pid("A"), "AIL|1||CARD"),
    )
    for number, chosen in enumerate(FILTERS):
        make.destination(f"d{number}", port=number + 1, **chosen)
    make.destination("gone", port=99, declared=False)
    changes = list(Change.objects.order_by("pk"))
    assert [change.event for change in changes] == ["register", "admit", "transfer", "book"]
    JournalTail.objects.bulk_create([JournalTail(change_id=change.pk, at=change.recorded_at) for change in changes])
    assert sequencer.run_once() == len(changes)
    numbered = set(Outbound.objects.values_list("lane_id", "change"))
    assert {(to, change.pk) for change in changes for to in filters.wanting(change.pk)} == numbered
    assert 0 < len(numbered) < len(FILTERS) * len(changes)
    assert Destination.objects.get(code="gone").pk not in {to for to, _ in numbered}

"""What a person does with messages that were set aside, and how those behind follow: in order, by themselves."""

from datetime import timedelta

import pytest

from messaging.models import Hold, Inbound, Ruling
from messaging.selectors import exceptions
from messaging.selectors.exceptions import OfPatient, Sought
from messaging.services import apply, parking
from pasmirror.lib import clock
from pasmirror.lib.actor import Actor
from pasmirror.lib.models import AuditRow
from patients.models import Patient, Stay
from patients.refusals import Refused
from tests.factories.identity import JONES, SMITH, apply_all, became, hear, hl7, mrg, patient, pid, pv1, store

pytestmark = pytest.mark.django_db
BY = Actor("data-quality", "data_quality", "password")
WRONG = "SMITT^Ann||19910301|F"


def address(number, line, day, person=SMITH):
    return hl7("A31", pid(number, person, "", "", line), at=f"202603{day:02}080000")


def given_one_parked():
    """A doubtful message of A, two behind it, and B who is not concerned; gives the three."""
    hear(hl7("A28", pid("A")), hl7("A28", pid("B", JONES)))
    made = store(address("A", "0 Doubt St", 2, WRONG), address("A", "1 High St", 3), address("A", "2 High St", 4))
    apply_all()
    assert [became(row) for row in made] == [("parked", "identity-mismatch"), ("parked", "waits"), ("parked", "waits")]
    return made


def test_released_after_the_record_is_mended_those_behind_follow_in_order():
    head, *behind = given_one_parked()
    Patient.objects.filter(pk=patient("A").pk).update(family="SMITT", born="1991-03-01")
    assert parking.release(message=head.pk, by=BY, reason="The record was wrong") == 2
    apply_all()
    assert [became(row)[1] for row in (head, *behind)] == ["", "identity-mismatch", "waits"], "the next is doubted now"
    Patient.objects.filter(pk=patient("A").pk).update(family="SMITH", born="1952-03-01")
    parking.release(message=behind[0].pk, by=BY, reason="And mended")
    apply_all()
    assert [became(row) for row in behind] == [("applied", "")] * 2
    assert patient("A").line1 == "2 High St"
    assert not Hold.objects.exists()
    row = AuditRow.objects.filter(action="feed.release").earliest("pk")
    assert (row.subject, row.actor["reason"]) == (f"inbound:{head.pk}", "The record was wrong")


def test_released_too_early_it_is_parked_again_and_still_holds_the_others():
    head, *behind = given_one_parked()
    parking.release(message=head.pk, by=BY, reason="Try again")
    later = store(address("A", "3 High St", 5))
    apply_all()
    assert [became(row)[1] for row in (head, *behind, *later)] == ["identity-mismatch", "waits", "waits", "waits"]


def test_skipped_it_is_never_applied_and_those_behind_follow():
    head, *behind = given_one_parked()
    assert parking.skip(message=head.pk, by=BY, reason="Sent for the wrong patient, the ward confirmed") == 2
    apply_all()
    assert became(head) == ("filed", "identity-mismatch")
    assert [became(row)[0] for row in behind] == ["applied"] * 2
    assert patient("A").line1 == "2 High St"
    assert AuditRow.objects.get(action="feed.skip").detail == {"code": "identity-mismatch", "following": 2}


def test_only_later_messages_wait_and_behind_two_the_first_settled_frees_those_between():
    hear(hl7("A28", pid("A")), hl7("A01", pid("A"), pv1("V1")))
    first, between, second, last = store(
        address("A", "x", 2, WRONG), address("A", "1 High St", 3), hl7("A02", pid("A"), "PV1|1|I|WB"),
        address("A", "2 High St", 4),
    )  # fmt: skip
    apply_all()
    parking.skip(message=first.pk, by=BY, reason="wrong")
    apply_all()
    assert [became(row)[1] for row in (between, second, last)] == ["", "no-visit-number", "waits"]
    assert patient("A").line1 == "1 High St"
    parking.skip(message=second.pk, by=BY, reason="told again since")
    apply_all()
    assert patient("A").line1 == "2 High St"


def test_what_waits_behind_one_that_waits_follows_too():
    """A merge of A into B waits behind A's doubtful message, and B's news waits behind the merge."""
    hear(hl7("A28", pid("A")), hl7("A28", pid("B")))
    head, merge, of_b = store(
        address("A", "x", 2, WRONG), hl7("A40", pid("B"), mrg("A"), at="20260303080000"), address("B", "5 High St", 4)
    )
    apply_all()
    assert [became(row)[1] for row in (merge, of_b)] == ["waits", "waits"]
    assert parking.skip(message=head.pk, by=BY, reason="wrong") == 2
    apply_all()
    assert [became(row) for row in (merge, of_b)] == [("applied", "")] * 2
    assert patient("A").line1 == "5 High St"


def test_a_number_that_is_nobodys_is_held_until_its_message_is_settled():
    head, behind, other = store(hl7("A47", pid("N")), hl7("A28", pid("N")), hl7("A28", pid("M", JONES)))
    apply_all()
    assert [became(row) for row in (head, behind, other)] == [
        ("parked", "no-mrg"),
        ("parked", "waits"),
        ("applied", ""),
    ]
    assert Inbound.objects.get(pk=head.pk).patient is None
    assert parking.skip(message=head.pk, by=BY, reason="registered anew") == 1
    apply_all()
    assert became(behind) == ("applied", "")


def test_a_rule_files_those_there_are_and_those_to_come_until_its_day():
    hear(hl7("A28", pid("A")), hl7("A28", pid("B", JONES)))
    parked, behind, elsewhere = store(hl7("A34", pid("A")), address("A", "1 High St", 3), hl7("A36", pid("B", JONES)))
    apply_all()
    ruling = parking.rule(
        sender="DEMOPAS|RXX", trigger="ADT^A34", code="no-mrg", until=clock.now() + timedelta(days=30), by=BY,
        reason="The PAS supplier is mending it",
    )  # fmt: skip
    apply_all()
    assert [became(row) for row in (parked, behind)] == [("filed", "no-mrg"), ("applied", "")]
    assert became(elsewhere) == ("parked", "no-mrg"), "another trigger is not meant"
    assert hear(hl7("A34", pid("A")), address("A", "2 High St", 4)) == [("filed", "no-mrg"), ("applied", "")]
    assert AuditRow.objects.get(action="feed.rule").actor["reason"] == "The PAS supplier is mending it"
    assert [row.pk for row in exceptions.rulings()] == [ruling.pk]
    Ruling.objects.update(made_at=clock.now() - timedelta(days=2), until=clock.now() - timedelta(days=1))
    assert exceptions.rulings() == []
    assert hear(hl7("A34", pid("A"))) == [("parked", "no-mrg")]


def test_a_rule_may_be_ended_before_its_day_and_made_again():
    hear(hl7("A28", pid("A")))
    asked = {"sender": "DEMOPAS|RXX", "trigger": "ADT^A34", "code": "no-mrg", "by": BY, "reason": "known"}
    made = parking.rule(**asked, until=clock.now() + timedelta(days=1))
    with pytest.raises(Refused, match="such a rule already"):
        parking.rule(**asked, until=clock.now() + timedelta(days=2))
    parking.end_rule(ruling=made.pk, by=BY, reason="mended")
    assert hear(hl7("A34", pid("A"))) == [("parked", "no-mrg")]
    with pytest.raises(Refused, match="ended already"):
        parking.end_rule(ruling=made.pk, by=BY, reason="again")
    parking.rule(**asked, until=clock.now() + timedelta(days=1))


def test_what_is_refused_is_said_plainly_and_changes_nothing():
    head, behind, _ = given_one_parked()
    for act in (parking.release, parking.skip):
        with pytest.raises(Refused, match="Enter the reason"):
            act(message=head.pk, by=BY, reason=" ")
        with pytest.raises(Refused, match="waits behind an earlier one"):
            act(message=behind.pk, by=BY, reason="x")
        with pytest.raises(Refused, match="not set aside any more"):
            act(message=Inbound.objects.first().pk, by=BY, reason="x")
    asked = {"sender": "S", "trigger": "ADT^A34", "by": BY, "reason": "x"}
    with pytest.raises(Refused, match="settle the first one"):
        parking.rule(**asked, code="waits", until=clock.now() + timedelta(days=1))
    with pytest.raises(Refused, match="to come"):
        parking.rule(**asked, code="no-mrg", until=clock.now())
    assert became(head) == ("parked", "identity-mismatch")
    assert not AuditRow.objects.filter(action__startswith="feed.").exists()


def test_a_patients_banner_and_the_list_are_told_what_needs_a_person():
    head, *_ = given_one_parked()
    of_a = exceptions.of_patient(patient("A").pk)
    (told,) = of_a.heads
    assert (told.message, told.code, told.trigger, of_a.waiting) == (head.pk, "identity-mismatch", "ADT^A31", 2)
    assert exceptions.of_patient(patient("B").pk) == OfPatient([], 0)
    hear(hl7("A34", pid("B", JONES)))
    listed = exceptions.find(Sought())
    assert [(each.code, each.waiting) for each in listed] == [("no-mrg", 0), ("identity-mismatch", 2)]
    assert [each.code for each in exceptions.find(Sought(), before=listed[0].message)] == ["identity-mismatch"]
    reasons = " ".join(Inbound.objects.values_list("reason", flat=True))
    assert not any(value in reasons for value in ("SMITT", "SMITH", "1991", "A31"))


def test_a_swap_of_beds_is_taken_whole_or_not_at_all():
    hear(hl7("A28", pid("A")), hl7("A28", pid("B", JONES)))
    hear(hl7("A01", pid("A"), pv1("V1", "WA")), hl7("A01", pid("B", JONES), pv1("V2", "WB")))
    doubtful = hl7("A17", pid("A"), pv1("V1", "WB"), pid("B", WRONG), pv1("V2", "WA"), at="20260302080000")
    good = doubtful.replace(WRONG, JONES)
    assert hear(doubtful, address("A", "1 High St", 3)) == [("parked", "identity-mismatch"), ("parked", "waits")]
    assert Stay.objects.get(patient=patient("A")).ward == "WA", "nothing of it was kept"
    parking.skip(message=Inbound.objects.get(trigger="ADT^A17").pk, by=BY, reason="sent again")
    apply_all()
    assert hear(good) == [("applied", "")]
    assert Stay.objects.get(patient=patient("A")).ward == "WB"
    assert Stay.objects.get(patient=patient("B")).ward == "WA"
    assert apply.run_once() == 0


def test_what_waits_behind_a_retired_number_follows_and_so_does_what_waits_for_its_present_owner():
    hear(hl7("A28", pid("A", "SMITH^Amy||19520301|F")), hl7("A28", pid("B")), hl7("A40", pid("B"), mrg("A")))
    doubt, under_a = store(
        hl7("A31", pid("A", "SMITH^Amy||19520301|F"), at="20260302080000"), address("A", "1 High St", 3)
    )
    apply_all()
    assert [became(row)[1] for row in (doubt, under_a)] == ["retired-number", "waits"]
    assert [each.message for each in exceptions.of_patient(patient("B").pk).heads] == [doubt.pk]
    head, also_under_a, of_b = store(
        address("B", "x", 4, WRONG), address("A", "2 High St", 5), address("B", "3 High St", 6)
    )
    apply_all()
    assert [became(row)[1] for row in (head, also_under_a, of_b)] == ["identity-mismatch", "waits", "waits"]
    assert parking.skip(message=head.pk, by=BY, reason="wrong") == 2
    apply_all()
    assert [became(row)[1] for row in (also_under_a, of_b)] == ["waits", ""], "A is still in doubt, B is not"
    assert parking.skip(message=doubt.pk, by=BY, reason="unmerged by hand") == 2
    apply_all()
    assert {became(row)[0] for row in (under_a, also_under_a)} == {"already"}, "older than B's news since"
    assert patient("B").line1 == "3 High St"
    assert not Hold.objects.exists()

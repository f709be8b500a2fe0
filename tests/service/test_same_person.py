"""A person's word that a doubted message is of the same person: once, for that message, with the reason, audited."""

import re

import pytest
from django.urls import reverse

from messaging.models import Inbound
from messaging.services import parking
from pasmirror.lib.actor import Actor
from pasmirror.lib.models import AuditRow
from patients.models import Stay
from patients.refusals import Refused
from tests.factories.desk import Fields, signed_in
from tests.factories.identity import JONES, apply_all, became, hear, hl7, mrg, patient, pid, pv1, store
from tests.factories.lanes import mirror_mode

pytestmark = pytest.mark.django_db
BY = Actor("data-quality", "data_quality", "password")
UNKNOWN, KNOWN = "UNKNOWN^MALE||19000101|M", "BROWN^Bob||19700101|M"
D2, D3, D4 = (f"202603{day:02}080000" for day in (2, 3, 4))


def given_an_unknown_man_who_is_known_now():
    """Somebody unknown in the ED, then who he is and his discharge; gives the latter two."""
    hear(hl7("A04", pid("A", UNKNOWN), pv1("V1", "ED")))
    made = store(hl7("A31", pid("A", KNOWN), at=D2), hl7("A03", pid("A", KNOWN), pv1("V1", "ED"), at=D3))
    apply_all()
    assert [became(row)[1] for row in made] == ["identity-mismatch", "waits"]
    return made


def test_said_to_be_the_same_person_it_is_applied_and_what_waits_follows():
    head, behind = given_an_unknown_man_who_is_known_now()
    parking.release(message=head.pk, by=BY, reason="try")
    apply_all()
    assert became(head) == ("parked", "identity-mismatch"), "applying again does not help"
    assert parking.same_person(message=head.pk, by=BY, reason="His wife told the ward") == 1
    apply_all()
    assert [became(row) for row in (head, behind)] == [("applied", "")] * 2
    assert (patient("A").family, patient("A").born, Stay.objects.get().status) == ("BROWN", "1970-01-01", "out")
    assert "a person has said that it is the same person: the identity guard was not asked" in head.warnings
    row = AuditRow.objects.get(action="feed.same-person")
    assert (row.subject, row.actor["reason"]) == (f"inbound:{head.pk}", "His wife told the ward")
    assert row.detail == {"code": "identity-mismatch", "following": 1}


def test_it_holds_for_that_message_alone():
    head, _ = given_an_unknown_man_who_is_known_now()
    parking.same_person(message=head.pk, by=BY, reason="known")
    apply_all()
    assert hear(hl7("A31", pid("A", JONES), at=D4)) == [("parked", "identity-mismatch")]
    assert patient("A").family == "BROWN"


def test_a_retired_numbers_news_may_be_said_to_be_of_who_has_it_now():
    hear(hl7("A28", pid("A")), hl7("A28", pid("B")), hl7("A40", pid("A"), mrg("B")))
    (doubt,) = store(hl7("A31", pid("B", "SMITH^Anne||19520301|F"), at=D2))
    apply_all()
    assert became(doubt) == ("parked", "retired-number")
    parking.same_person(message=doubt.pk, by=BY, reason="a slip of spelling")
    apply_all()
    assert became(doubt) == ("applied", "")
    assert patient("A").given == "Anne"


def test_a_merge_may_be_said_to_be_of_the_same_person():
    hear(hl7("A28", pid("A")), hl7("A28", pid("B")))
    (merge,) = store(hl7("A40", pid("A", KNOWN), mrg("B"), at=D2))
    apply_all()
    assert became(merge) == ("parked", "identity-mismatch")
    parking.same_person(message=merge.pk, by=BY, reason="known")
    apply_all()
    assert became(merge) == ("applied", "")
    assert patient("A") == patient("B")


def test_what_is_set_aside_for_something_else_cannot_be_let_through_that_way():
    hear(hl7("A28", pid("A")), hl7("A28", pid("B")), hl7("A40", pid("A"), mrg("B")))
    hear(hl7("A34", pid("A")), hl7("A29", pid("B"), at=D2))
    for row in Inbound.objects.filter(outcome="parked").exclude(code="waits"):
        assert not parking.is_doubted(row)
        with pytest.raises(Refused, match="no doubt about the person"):
            parking.same_person(message=row.pk, by=BY, reason="x")
    head = given_an_unknown_man_elsewhere()
    with pytest.raises(Refused, match="Enter the reason"):
        parking.same_person(message=head.pk, by=BY, reason=" ")
    assert not AuditRow.objects.filter(action="feed.same-person").exists()


def given_an_unknown_man_elsewhere():
    hear(hl7("A04", pid("U", UNKNOWN), pv1("V9", "ED")))
    (head,) = store(hl7("A31", pid("U", KNOWN), at=D2))
    apply_all()
    return head


def text_of(answer):
    return " ".join(answer.content.decode().split())


def test_the_screen_offers_it_where_the_person_is_in_doubt_and_only_there():
    mirror_mode()
    quality = signed_in("data_quality")
    head, behind = given_an_unknown_man_who_is_known_now()
    hear(hl7("A28", pid("B", JONES)), hl7("A34", pid("B", JONES)))
    other = Inbound.objects.get(trigger="ADT^A34")
    assert 'id="do-same-person"' in text_of(quality.get(reverse("exception", args=[head.pk])))
    assert 'id="do-same-person"' not in text_of(quality.get(reverse("exception", args=[other.pk])))
    keys = re.findall(r'data-key="(\w)"', text_of(quality.get(reverse("exception", args=[head.pk]))))
    assert len(keys) == len(set(keys))
    address = reverse("exception-act", args=[head.pk, "same-person"])
    asked = text_of(quality.get(address))
    assert "It is the same person" in asked
    said = {"key": Fields(asked).values["key"], "reason": "His wife told the ward"}
    for _ in range(2):
        assert quality.post(address, said)["Location"] == reverse("exception", args=[head.pk])
    apply_all()
    assert [became(row)[0] for row in (head, behind)] == ["applied"] * 2
    assert AuditRow.objects.filter(action="feed.same-person").count() == 1
    told = text_of(quality.get(reverse("exception", args=[head.pk])))
    assert re.search(r'id="decisions">.*it is the same person\. His wife told the ward', told)

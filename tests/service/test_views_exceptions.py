"""The exception screen: what is set aside, field by field, and the decisions: audited, once, and one of two people."""

import re
from datetime import timedelta

import pytest
from django.urls import reverse

from messaging.models import Inbound, Ruling
from messaging.services import apply
from pasmirror.lib import clock
from pasmirror.lib.models import AuditRow
from patients import cui
from patients.models import Patient
from tests.factories.desk import PASSWORD, Fields, signed_in
from tests.factories.identity import JONES, SMITH, apply_all, became, hear, hl7, patient, pid, store
from tests.factories.lanes import mirror_mode

pytestmark = pytest.mark.django_db
WRONG = "SMITT^Ann||19910301|F"


@pytest.fixture
def quality():
    mirror_mode()
    return signed_in("data_quality")


def text_of(answer):
    return " ".join(answer.content.decode().split())


def address(number, line, day, who=SMITH):
    return hl7("A31", pid(number, who, "", "", line), at=f"202603{day:02}080000")


def given_one_parked():
    """A doubtful message of A, one behind it, and B's merge that says nothing: two need a person."""
    hear(hl7("A28", pid("A")), hl7("A28", pid("B", JONES)))
    made = store(address("A", "0 Doubt St", 2, WRONG), address("A", "1 High St", 3), hl7("A34", pid("B", JONES)))
    apply_all()
    assert [became(row)[1] for row in made] == ["identity-mismatch", "waits", "no-mrg"]
    return made


def act(client, message, verb, **said):
    address = reverse("exception-act", args=[message.pk, verb])
    return client.post(address, {"key": Fields(text_of(client.get(address))).values["key"], **said})


def test_the_list_says_what_needs_a_person_and_can_be_narrowed(quality):
    head, behind, merge = given_one_parked()
    listed = text_of(quality.get(reverse("exceptions")))
    assert f'id="exception-{head.pk}"' in listed
    assert f'id="exception-{merge.pk}"' in listed
    assert f'id="exception-{behind.pk}"' not in listed, "it only waits"
    assert "the person seems to be another" in listed
    for asked, found in (
        ({"code": "no-mrg"}, [merge]), ({"trigger": "ADT^A31"}, [head]), ({"state": "waits"}, [behind]),
        ({"number": "A"}, [head]), ({"number": "a", "code": "no-mrg"}, []), ({"sender": "OTHER|X"}, []),
        ({"channel": "pas", "sender": "DEMOPAS|RXX"}, [merge, head]), ({"before": str(merge.pk)}, [head]),
    ):  # fmt: skip
        part = quality.post(reverse("exceptions"), asked, headers={"HX-Request": "true", "HX-Target": "found"})
        assert re.findall(r'id="exception-(\d+)"', text_of(part)) == [str(row.pk) for row in found], asked
        assert "<html" not in text_of(part)
    rows = AuditRow.objects.filter(action="searched:exceptions").order_by("pk")
    assert rows[3].detail == {"fields": ["number"], "hits": 1}


def test_one_is_told_field_by_field_with_the_reason_and_what_waits(quality):
    head, behind, _ = given_one_parked()
    text = text_of(quality.get(reverse("exception", args=[head.pk])))
    assert re.search(r"PID-5</span> Patient name</dt>.*?Family name</span>.*?SMITT", text)
    assert re.search(r"PID-7</span> Date/?[ t]time of birth", text)
    assert "name or NHS number and birth date disagree" in text
    assert "PID|1||A^^^RXX^MR||SMITT^Ann" in text
    assert 'id="patient-banner"' in text
    assert "SMITH, Ann" in text
    assert re.search(rf'id="behind">.*?href="/exceptions/{behind.pk}"', text)
    waits = text_of(quality.get(reverse("exception", args=[behind.pk])))
    assert f'It waits behind <a href="/exceptions/{head.pk}"' in waits
    assert 'id="do-skip"' not in waits
    looked = AuditRow.objects.filter(action="looked:exception", subject=f"inbound:{head.pk}")
    assert looked.get().actor["subject"] == "data_quality"
    assert AuditRow.objects.filter(action="looked:exception", subject=f"patient:{patient('A').pk}").exists()


def test_the_title_and_the_address_name_nobody(quality):
    head, *_ = given_one_parked()
    answer = quality.get(reverse("exception", args=[head.pk]))
    title = re.search(r"<title>(.*?)</title>", text_of(answer))
    assert title
    assert title[1].startswith("Message set aside")


def test_released_after_mending_it_is_applied_and_what_waited_follows(quality):
    hear(hl7("A28", pid("A")))
    head, behind = store(address("A", "0 Doubt St", 2, WRONG), address("A", "1 High St", 3, WRONG))
    apply_all()
    assert became(behind) == ("parked", "waits")
    Patient.objects.filter(pk=patient("A").pk).update(born="1991-03-01", version=2)
    assert "Enter the reason" in text_of(act(quality, head, "release", reason=" "))
    done = act(quality, head, "release", reason="Birth date mended after a call to the ward")
    assert done["Location"] == reverse("exception", args=[head.pk])
    assert "1 that waited behind it follows" in text_of(quality.get(done["Location"]))
    apply_all()
    assert [became(row)[0] for row in (head, behind)] == ["applied", "applied"]
    row = AuditRow.objects.get(action="feed.release")
    assert (row.subject, row.actor["subject"]) == (f"inbound:{head.pk}", "data_quality")
    assert row.actor["reason"] == "Birth date mended after a call to the ward"


def test_a_form_sent_twice_decides_once_and_says_the_same(quality):
    head, behind, _ = given_one_parked()
    address = reverse("exception-act", args=[head.pk, "skip"])
    said = {"key": Fields(text_of(quality.get(address))).values["key"], "reason": "sent for the wrong patient"}
    for _ in range(2):
        done = quality.post(address, said)
        assert done.status_code == 302
        assert f"Message {head.pk} is skipped; 1 that waited behind it follows." in text_of(
            quality.get(done["Location"])
        )
    assert AuditRow.objects.filter(action="feed.skip").count() == 1
    assert apply.run_once()
    assert [became(row)[0] for row in (head, behind)] == ["filed", "applied"]


def test_of_two_people_at_once_the_second_is_told(quality):
    head, *_ = given_one_parked()
    other = signed_in("integration")
    address = reverse("exception-act", args=[head.pk, "release"])
    opened = Fields(text_of(other.get(address))).values["key"]
    act(quality, head, "skip", reason="wrong patient")
    late = other.post(address, {"key": opened, "reason": "mended"})
    assert "This message is not set aside any more" in text_of(late)
    assert not AuditRow.objects.filter(action="feed.release").exists()
    assert became(head)[0] == "filed"


def test_what_is_settled_shows_the_decision_and_no_content(quality):
    head, *_ = given_one_parked()
    act(quality, head, "skip", reason="wrong patient")
    text = text_of(quality.get(reverse("exception", args=[head.pk])))
    assert "wrong patient" in text
    assert "SMITT" not in text
    applied = Inbound.objects.filter(outcome="applied").first()
    assert "SMITH" not in text_of(quality.get(reverse("exception", args=[applied.pk])))
    settled = text_of(quality.post(reverse("exceptions"), {"state": "settled"}))
    assert re.findall(r'id="exception-(\d+)"', settled) == [str(head.pk)]


def test_a_rule_wants_the_password_and_files_such_messages_until_it_is_ended(quality):
    *_, merge = given_one_parked()
    address = reverse("make-rule", args=[merge.pk])
    first = Fields(text_of(quality.get(address))).values
    assert first["until"] == cui.day(clock.now() + timedelta(days=30))
    said = {"key": first["key"], "until": first["until"], "reason": "the supplier is mending it"}
    wrong = quality.post(address, said | {"password": "no"})
    assert "The password is wrong" in text_of(wrong)
    assert "Enter the rule" in text_of(quality.post(address, said | {"until": "", "password": PASSWORD}))
    assert "day to come" in text_of(quality.post(address, said | {"until": "1/1/2020", "password": PASSWORD}))
    assert not Ruling.objects.exists()
    assert AuditRow.objects.filter(action="confirmation_refused", subject="ruling").count() == 1
    for _ in range(2):
        assert quality.post(address, said | {"password": PASSWORD})["Location"] == reverse("exceptions")
    ruling = Ruling.objects.get()
    assert (ruling.sender, ruling.trigger, ruling.code) == ("DEMOPAS|RXX", "ADT^A34", "no-mrg")
    assert became(merge) == ("filed", "no-mrg")
    assert f'id="end-rule-{ruling.pk}"' in text_of(quality.get(reverse("exceptions")))
    end = reverse("end-rule", args=[ruling.pk])
    key = Fields(text_of(quality.get(end))).values["key"]
    for _ in range(2):
        assert quality.post(end, {"key": key, "reason": "mended"}).status_code == 302
    assert Ruling.objects.get().ended_by["reason"] == "mended"
    assert hear(hl7("A34", pid("B", JONES))) == [("parked", "no-mrg")]


def test_a_patients_banner_says_that_messages_are_set_aside(quality):
    given_one_parked()
    clerk = signed_in("clerk")
    of_a, of_b = (text_of(clerk.get(reverse("record", args=[patient(n).pk]))) for n in "AB")
    assert re.search(r'id="set-aside">.*?1 message of the PAS about this patient is set aside', of_a)
    assert "and 1 waits behind" in of_a
    assert "and 1 waits behind" not in of_b
    assert "/exceptions/" not in of_a, "a clerk is not led where they may not go"
    assert "The PAS last told us of this patient" in of_a
    hear(hl7("A28", pid("C", "GREY^Zoe||19700101|F")))
    assert 'id="set-aside"' not in text_of(clerk.get(reverse("record", args=[patient("C").pk])))


def test_every_control_has_a_label(quality):
    *_, merge = given_one_parked()
    for where in (
        reverse("exceptions"), reverse("exception-act", args=[merge.pk, "skip"]), reverse("make-rule", args=[merge.pk]),
    ):  # fmt: skip
        fields = Fields(quality.get(where).content.decode())
        assert fields.controls
        assert fields.controls <= fields.labels


def test_what_is_not_there_is_not_found(quality):
    *_, merge = given_one_parked()
    applied = Inbound.objects.filter(outcome="applied").first()
    for where in (
        f"/exceptions/{merge.pk}/explode", "/exceptions/987654", "/exceptions/987654/rule",
        f"/exceptions/{applied.pk}/rule",
    ):  # fmt: skip
        assert quality.get(where).status_code == 404

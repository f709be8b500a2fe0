"""The message browser: found by what one knows of it, read only with a reason; who read what and why is kept."""

import re
from datetime import timedelta

import pytest
from django.urls import reverse

from messaging.models import Inbound
from messaging.selectors import messages
from pasmirror.lib import clock
from pasmirror.lib.models import AuditRow
from patients import cui
from tests.factories.desk import Fields, signed_in
from tests.factories.identity import JONES, apply_all, hear, hl7, mrg, patient, pid, store
from tests.factories.lanes import mirror_mode

pytestmark = pytest.mark.django_db


@pytest.fixture
def engineer():
    mirror_mode()
    return signed_in("integration")


def text_of(answer):
    return " ".join(answer.content.decode().split())


def found(client, **asked):
    part = client.post(reverse("messages"), asked, headers={"HX-Request": "true", "HX-Target": "found"})
    return [int(pk) for pk in re.findall(r'id="message-(\d+)"', text_of(part))]


def read(client, message, reason="the ward asks why"):
    address = reverse("message", args=[message.pk])
    key = Fields(text_of(client.get(address))).values["key"]
    return client.post(address, {"key": key, "reason": reason})


def given_some():
    """A registered, moved house, and B registered; the second has been there for two days."""
    made = store(
        hl7("A28", pid("A")), hl7("A31", pid("A", "SMITH^Ann||19520301|F", "", "", "1 High St")),
        hl7("A28", pid("B", JONES)),
    )  # fmt: skip
    apply_all()
    for number, row in enumerate(made):
        Inbound.objects.filter(pk=row.pk).update(control_id=f"C{number}", answer=b"MSH|^~\\&|X\rMSA|AA|C\r")
    Inbound.objects.filter(pk=made[1].pk).update(received_at=clock.now() - timedelta(days=2))
    return made


def test_found_by_what_one_knows_of_it(engineer):
    first, moved, other = given_some()
    everything = [other.pk, moved.pk, first.pk]
    days_ago, yesterday = (cui.day(clock.now() - timedelta(days=days)) for days in (2, 1))
    for asked, rows in (
        ({}, everything), ({"control_id": "C1"}, [moved.pk]), ({"number": "A"}, [moved.pk, first.pk]),
        ({"number": "nobody"}, []), ({"trigger": "ADT^A28"}, [other.pk, first.pk]), ({"channel": "pas"}, everything),
        ({"channel": "siu"}, []), ({"outcome": "applied"}, everything), ({"outcome": "parked"}, []),
        ({"on": days_ago, "to_on": yesterday}, [moved.pk]), ({"on": yesterday}, [other.pk, first.pk]),
        ({"to_on": yesterday, "to_at": "00:00"}, [moved.pk]),
        ({"before": str(moved.pk)}, [first.pk]),
    ):  # fmt: skip
        assert found(engineer, **asked) == rows, asked
    row = AuditRow.objects.filter(action="searched:messages").order_by("pk")[1]
    assert row.detail == {"fields": ["number"], "hits": 2}
    assert "Enter the day as well" in text_of(engineer.post(reverse("messages"), {"at": "10:00"}))
    assert "24-hour clock" in text_of(engineer.post(reverse("messages"), {"on": "today", "at": "25:99"}))


def test_older_ones_follow_page_by_page_and_a_wide_search_is_bounded(engineer):
    rows = store(*(hl7("A28", pid("A")) for _ in range(messages.PAGE + 3)))
    first = text_of(engineer.get(reverse("messages")))
    older = re.search(r'name="before" value="(\d+)"', first)
    assert older
    assert int(older[1]) == rows[3].pk
    assert found(engineer, before=older[1]) == [row.pk for row in rows[2::-1]]
    wide = messages.Sought(trigger="ADT^A28")
    assert [row.pk for row in messages.find(wide, reach=2)] == [rows[-1].pk, rows[-2].pk]
    narrow = messages.Sought(trigger="ADT^A28", since=clock.now() - timedelta(days=1))
    assert len(messages.find(narrow, reach=2)) == messages.PAGE
    assert "newest 200,000 messages" in text_of(engineer.post(reverse("messages"), {"trigger": "ADT^A28"}))


def test_a_search_is_never_in_an_address(engineer):
    given_some()
    page = text_of(engineer.get(reverse("messages") + "?number=A&control_id=C1"))
    assert len(re.findall(r'id="message-\d+"', page)) == 3
    assert re.search(r'<form method="post" action="/messages/"', page)


def test_nothing_is_shown_without_a_reason(engineer):
    _, moved, _ = given_some()
    page = text_of(engineer.get(reverse("message", args=[moved.pk])))
    assert "High St" not in page
    assert "SMITH" not in page
    assert "Enter the reason" in text_of(read(engineer, moved, reason="  "))
    assert not AuditRow.objects.filter(action="looked:message").exists()


def test_read_with_a_reason_it_shows_all_there_is_and_that_is_kept(engineer):
    _, moved, _ = given_some()
    page = text_of(read(engineer, moved))
    assert re.search(r"PID-11</span> Patient address</dt>.*?1 High St", page)
    assert "PID|1||A^^^RXX^MR||SMITH^Ann" in page
    assert re.search(r"Line1</th><td[^>]*>Empty</td><td[^>]*>1 High St</td>", page)
    assert re.search(r'id="answer">.*?MSA\|AA\|C', page)
    by_message = AuditRow.objects.get(action="looked:message", subject=f"inbound:{moved.pk}")
    assert (by_message.actor["subject"], by_message.actor["reason"]) == ("integration", "the ward asks why")
    assert AuditRow.objects.filter(action="looked:message", subject=f"patient:{patient('A').pk}").count() == 1
    assert re.search(r"<title>Message - PAS Mirror</title>", page)


def test_a_merge_shows_what_it_did_to_the_record_that_ended(engineer):
    hear(hl7("A28", pid("A")), hl7("A28", pid("B")))
    (merge,) = store(hl7("A40", pid("B"), mrg("A"), at="20260303080000"))
    apply_all()
    merge.refresh_from_db()
    assert merge.outcome == "applied"
    made = messages.changes(merge)
    assert {change.event for change in made} == {"merge"}
    assert patient("B").pk in {change.patient_id for change in made}
    page = text_of(read(engineer, merge))
    assert "MRG-1</span> Prior patient identifier list" in page
    assert "Nothing in the record" not in page
    records = {int(pk) for pk in re.findall(r": record (\d+)</caption>", page)}
    assert records == {change.patient_id for change in made}
    assert len(records) == 2


def test_one_that_cannot_be_read_is_shown_as_it_came(engineer):
    row = store("no|message|at|all|||||")[0]
    apply_all()
    page = text_of(read(engineer, row))
    assert "It cannot be read" in page
    assert "no|message|at|all" in page


def test_what_a_message_holds_is_never_markup(engineer):
    row = store(hl7("A28", pid("A", "<script>x</script>^Ann||19520301|F")))[0]
    apply_all()
    page = text_of(read(engineer, row))
    assert "<script>x" not in page
    assert "&lt;script&gt;x" in page


@pytest.mark.parametrize("role", ["clerk", "operator", "data_quality", "auditor"])
def test_only_the_integration_engineer_reads_any_message(role):
    hear(hl7("A28", pid("A")))
    where = reverse("message", args=[Inbound.objects.get().pk])
    assert signed_in(role).post(where, {"reason": "curious"}).status_code == 403


def test_every_control_has_a_label(engineer):
    row = given_some()[0]
    for where in (reverse("messages"), reverse("message", args=[row.pk])):
        fields = Fields(engineer.get(where).content.decode())
        assert fields.controls
        assert fields.controls <= fields.labels

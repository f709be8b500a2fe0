"""The exception screen where many are set aside alike: counted, applied again together, ruled on only where one may."""

import re

import pytest
from django.urls import reverse

from messaging.models import Inbound
from messaging.selectors import messages
from pasmirror.lib.models import AuditRow
from tests.factories.desk import Fields, signed_in
from tests.factories.identity import JONES, SMITH, apply_all, became, hear, hl7, patient, pid, store
from tests.factories.lanes import mirror_mode

pytestmark = pytest.mark.django_db


@pytest.fixture
def quality():
    mirror_mode()
    return signed_in("data_quality")


def text_of(answer):
    return " ".join(answer.content.decode().split())


def page(client, row):
    return text_of(client.get(reverse("exception", args=[row.pk])))


def given(*numbers):
    """A merge without its MRG for each of these patients."""
    hear(*(hl7("A28", pid(number)) for number in numbers))
    made = store(*(hl7("A34", pid(number)) for number in numbers))
    apply_all()
    assert {became(row) for row in made} == {("parked", "no-mrg")}
    return made


def test_all_alike_are_counted_and_applied_again_with_one_reason(quality):
    first, second, third = given("A", "B", "C")
    address = reverse("exception-act", args=[second.pk, "release-alike"])
    assert address in page(quality, second)
    asked = text_of(quality.get(address))
    assert 'id="alike">Set aside in this way now: <strong>3 messages</strong>' in asked
    said = {"key": Fields(asked).values["key"], "reason": "the mapping is mended"}
    done = quality.post(address, said)
    shown = text_of(quality.get(done["Location"]))
    assert f"Message {second.pk} and all that were set aside as it was are being applied again" in shown
    assert "apply all such again. the mapping is mended" in shown
    assert {became(row)[0] for row in (first, second, third)} == {"stored"}
    assert AuditRow.objects.get(action="feed.release-alike").detail["released"] == 3


def test_one_of_its_kind_offers_no_others(quality):
    (only,) = given("A")
    shown = page(quality, only)
    assert 'id="do-release"' in shown
    assert 'id="do-release-alike"' not in shown


def test_a_rule_says_how_many_it_settles(quality):
    _, second = given("A", "B")
    asked = text_of(quality.get(reverse("make-rule", args=[second.pk])))
    assert 'id="alike">2 messages</strong>' in asked


@pytest.mark.parametrize("changed", [{"code": "apply-failed"}, {"code": "unreadable", "sender": "", "trigger": ""}])
def test_no_rule_is_offered_where_none_may_be_made(quality, changed):
    (row,) = given("A")
    assert 'id="do-rule"' in page(quality, row)
    Inbound.objects.filter(pk=row.pk).update(**changed)
    assert 'id="do-rule"' not in page(quality, row)


def test_each_segment_stands_beside_its_fields_as_it_came(quality):
    (row,) = given("A")
    shown = page(quality, row)
    beside = re.findall(r'<pre class="app-raw app-segment__line"[^>]*>(.*?)</pre>', shown)
    assert [line[:5] for line in beside] == ["MSH|^", "EVN|A", "PID|1"]
    assert f"{beside[2]}" == f"PID|1||A^^^RXX^MR||{SMITH}"


def test_a_banner_counts_what_waits_behind_two_once():
    hear(hl7("A28", pid("A")), hl7("A28", pid("B", JONES)))
    head, other, behind = store(*(hl7(trigger, pid("A"), at=f"2026030{day}080000") for trigger, day in
                                  (("A34", 2), ("A36", 3), ("A31", 4))))  # fmt: skip
    apply_all()
    Inbound.objects.filter(pk=other.pk).update(code="no-mrg")  # two of one batch need a person
    assert became(behind) == ("parked", "waits")
    mirror_mode()
    shown = text_of(signed_in("clerk").get(reverse("record", args=[patient("A").pk])))
    assert "2 messages of the PAS about this patient are set aside" in shown
    assert "and 1 waits behind" in shown
    assert head.pk < other.pk


def test_how_far_back_was_looked_for_what_is_settled_is_said(quality):
    given("A")
    settled = text_of(quality.post(reverse("exceptions"), {"state": "settled"}))
    assert f"newest {messages.REACH:,} messages of the feed were looked through" in settled
    assert 'id="reach"' not in text_of(quality.post(reverse("exceptions"), {"state": ""}))

"""Very many messages set aside: the pages ask little, a rule and "apply again" take all of them at once."""

import re
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from messaging.models import Channel, Hold, Inbound
from messaging.selectors import exceptions, holds
from messaging.selectors.feed import feed_status
from messaging.services import parking
from pasmirror.lib import clock
from pasmirror.lib.actor import Actor
from pasmirror.lib.models import AuditRow
from patients.refusals import Refused
from tests.factories.identity import JONES, apply_all, became, hear, hl7, patient, pid, store

pytestmark = pytest.mark.django_db
BY = Actor("data-quality", "data_quality", "password")
MANY = 66_000  # more than a statement may have parameters
_FLOOD = """
WITH made AS (
    INSERT INTO messaging_inbound (channel_id, number, received_at, peer, raw, sender, control_id, trigger, answer,
        outcome, code, reason, warnings, patient)
    SELECT %s, 1000 + n, now(), '', '', 'DEMOPAS|RXX', '', 'ADT^A34', '', 'parked', 'no-mrg', 'No MRG', '[]', 500000 + n
    FROM generate_series(1, %s) n RETURNING id, patient)
INSERT INTO messaging_hold (message, patient, type, authority, value) SELECT id, patient, '', '', '' FROM made
"""
ASKED = {"sender": "DEMOPAS|RXX", "trigger": "ADT^A34", "code": "no-mrg", "by": BY, "reason": "known"}


def later(number, day):
    return hl7("A31", pid(number), at=f"202603{day:02}080000")


def given_heads(count, first="P"):
    """As many heads, each of a patient of its own, with one behind each; gives both."""
    hear(*(hl7("A28", pid(f"{first}{n}")) for n in range(count)))
    heads = store(*(hl7("A34", pid(f"{first}{n}")) for n in range(count)))
    behind = store(*(later(f"{first}{n}", 2) for n in range(count)))
    apply_all()
    assert [{became(row)[1] for row in rows} for rows in (heads, behind)] == [{"no-mrg"}, {"waits"}]
    return heads, behind


def flood():
    """A great many parked messages of as many patients."""
    channel, _ = Channel.objects.get_or_create(code="pas")
    with connection.cursor() as cursor:
        cursor.execute(_FLOOD, [channel.pk, MANY])


def questions(work):
    with CaptureQueriesContext(connection) as asked:
        work()
    return len(asked)


def test_the_list_and_what_is_ahead_ask_as_much_for_many_as_for_few():
    heads, behind = given_heads(1)
    few = [
        questions(lambda: exceptions.find(exceptions.Sought())),
        questions(lambda: exceptions.ahead_of(behind[0].pk)),
    ]
    heads, behind = given_heads(20, "Q")
    assert [row.waiting for row in exceptions.find(exceptions.Sought())] == [1] * 21
    assert exceptions.ahead_of(behind[7].pk) == [heads[7].pk]
    many = [
        questions(lambda: exceptions.find(exceptions.Sought())),
        questions(lambda: exceptions.ahead_of(behind[7].pk)),
    ]
    assert many == few
    assert max(many) <= 2


def test_two_heads_of_a_patient_are_both_ahead_and_what_waits_is_told_once():
    hear(hl7("A28", pid("A")), hl7("A28", pid("B", JONES)))
    first, second, waiting, last = store(
        hl7("A34", pid("A")), hl7("A28", pid("A", "SMITT^Ann||19910301|F")), later("A", 4), hl7("A34", pid("B", JONES))
    )
    apply_all()
    Inbound.objects.filter(pk=second.pk).update(code="identity-mismatch")  # as where both came in one batch
    assert exceptions.ahead_of(waiting.pk) == [first.pk, second.pk]
    assert holds.counts([first.pk, second.pk, last.pk]) == {first.pk: 1, second.pk: 1, last.pk: 0}
    told = exceptions.of_patient(patient("A").pk)
    assert [row.message for row in told.heads] == [first.pk, second.pk]
    assert told.waiting == 1


def test_a_number_that_is_nobodys_is_ahead_too():
    head, middle, other = store(hl7("A47", pid("N")), hl7("A28", pid("N")), hl7("A47", pid("M")))
    apply_all()
    assert exceptions.ahead_of(middle.pk) == [head.pk]
    assert holds.counts([head.pk, other.pk]) == {head.pk: 1, other.pk: 0}


def test_a_rule_settles_more_than_a_statement_has_room_for():
    heads, behind = given_heads(1)
    flood()
    assert exceptions.alike(heads[0]) == MANY + 1
    parking.rule(**ASKED, until=clock.now() + timedelta(days=1))
    assert AuditRow.objects.get(action="feed.rule").detail["filed"] == MANY + 1
    assert Inbound.objects.filter(outcome="filed", reason__startswith="Set aside by rule").count() == MANY + 1
    assert not Hold.objects.exists()
    apply_all()
    assert became(behind[0])[0] == "already"


def test_all_alike_are_applied_again_at_once_after_mending():
    heads, behind = given_heads(3)
    (other,) = store(hl7("A36", pid("P0")))
    apply_all()
    Inbound.objects.filter(pk=other.pk).update(outcome="parked", code="no-mrg")
    assert parking.release_alike(message=heads[1].pk, by=BY, reason="The mapping is mended") == 3
    assert {became(row)[0] for row in (*heads, *behind)} == {"stored"}
    assert became(other) == ("parked", "no-mrg"), "another trigger is not meant"
    row = AuditRow.objects.get(action="feed.release-alike")
    assert (row.subject, row.detail) == (
        f"inbound:{heads[1].pk}",
        {"sender": "DEMOPAS|RXX", "trigger": "ADT^A34", "code": "no-mrg", "released": 3, "following": 3},
    )
    with pytest.raises(Refused, match="not set aside any more"):
        parking.release_alike(message=heads[1].pk, by=BY, reason="again")


def test_the_feeds_state_is_told_without_looking_at_every_message():
    given_heads(2)
    hear(hl7("A28", pid("Z")))
    store(hl7("A28", pid("Y")))
    status = feed_status()
    assert {name: status[name] for name in ("received", "applied", "exceptions", "refused", "waiting")} == {
        "received": 8, "applied": 3, "exceptions": 4, "refused": 0, "waiting": 1,
    }  # fmt: skip
    with CaptureQueriesContext(connection) as asked:
        feed_status()
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("EXPLAIN " + asked[0]["sql"])
        plan = "\n".join(row for (row,) in cursor.fetchall())
    scans = set(re.findall(r"(?:using|Index Scan on) (\w+) ?.*$", plan, re.MULTILINE))
    assert scans <= {"inbound_parked", "inbound_refused", "inbound_to_apply", "inbound_waiting"}, plan
    assert "Seq Scan on messaging_inbound" not in plan, plan


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"code": "apply-failed"}, "fault of PAS Mirror"),
        ({"code": "unreadable", "sender": "", "trigger": ""}, "every such message of every feed"),
        ({"sender": "|"}, "every such message of every feed"),
        ({"trigger": ""}, "every such message of every feed"),
    ],
)
def test_a_rule_never_silences_our_own_faults_or_messages_of_nobody_in_particular(changed, said):
    hear(hl7("A28", pid("A")))
    (row,) = store("no|message|at|all|||||")
    apply_all()
    with pytest.raises(Refused, match=said):
        parking.rule(**{**ASKED, **changed}, until=clock.now() + timedelta(days=1))
    assert became(row) == ("parked", "unreadable")

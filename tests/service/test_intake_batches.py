"""Batches at intake: each message a row of its own, the envelope kept, all in one transaction, repeats recognised."""

import hl7
import pytest
from django.db import connection

from messaging.hl7.habits import FeedPolicy
from messaging.models import Channel, Inbound, MessageKey
from messaging.selectors.feed import feed_status
from messaging.services import apply, reception
from messaging.services.intake import Frame, store

POLICY = FeedPolicy()
BHS = b"BHS|^~\\&|DEMOPAS|RXX|ROUTE||20260301120000||nightly||B1\r"


def message(control_id, *, processing="P", event="A28"):
    return (
        f"MSH|^~\\&|DEMOPAS|RXX|ROUTE||20260301120000||ADT^{event}|{control_id}|{processing}|2.4\r"
        f"EVN|{event}|20260301120000\rPID|1||P{control_id}^^^RXX^MR||SMITH^John||19520301|M\r"
    ).encode()


def batch(*messages, head=BHS, count=None):
    return head + b"".join(messages) + b"BTS|%d\r" % (len(messages) if count is None else count)


def taken(*raws, policy=POLICY):
    return store("pas", [Frame("127.0.0.1", raw) for raw in raws], policy=policy)


def codes(answer):
    (read,) = hl7.parse_file(answer.decode())
    return [(str(each.segment("MSA")[1]), str(each.segment("MSA")[2])) for each in read]


def rows():
    return list(Inbound.objects.order_by("number").values_list("number", "control_id", "outcome", "code"))


@pytest.fixture
def channel(db):
    return Channel.objects.create(code="pas", policy=POLICY.as_json())


def test_each_message_is_stored_answered_and_applied_in_its_order(channel):
    (answer,) = taken(batch(message("M1"), message("M2"), message("M3")))
    assert codes(answer) == [("AA", "M1"), ("AA", "M2"), ("AA", "M3")]
    assert rows() == [
        (1, "M1", "stored", ""),
        (2, "M2", "stored", ""),
        (3, "M3", "stored", ""),
        (4, "B1", "filed", "batch"),
    ]
    kept = [bytes(row.raw) for row in Inbound.objects.order_by("number")]
    assert kept == [message("M1"), message("M2"), message("M3"), BHS + b"BTS|3\r"], "every byte is kept"
    assert apply.run_once() == 3
    assert [row[2] for row in rows()] == ["applied"] * 3 + ["filed"]
    assert feed_status()["waiting"] == 0


def test_a_batch_and_single_messages_in_one_commit_keep_their_places(channel):
    answers = taken(message("S1"), batch(message("M1"), message("M2")), message("S2"))
    assert [b"BHS" in answer for answer in answers] == [False, True, False]
    assert [row[1] for row in rows()] == ["S1", "M1", "M2", "B1", "S2"]


def test_a_batch_sent_again_is_answered_alike_and_stored_once(channel):
    raw = batch(message("M1"), message("M2"))
    (first,) = taken(raw)
    assert taken(raw) == [first]
    assert len(rows()) == 3
    assert set(MessageKey.objects.values_list("repeats", flat=True)) == {1}


def test_the_same_envelope_around_other_messages_is_no_repeat(channel):
    taken(batch(message("M1")))
    (answer,) = taken(batch(message("M2"), message("M1")))
    assert codes(answer) == [("AA", "M2"), ("AA", "M1")]
    assert [row[1] for row in rows() if row[3] == ""] == ["M1", "M2"]


def test_one_message_refused_costs_no_other(channel):
    (answer,) = taken(batch(message("M1"), message("M2", processing="T"), b"MSH|^^^|\rPID|1\r", message("M4")))
    assert codes(answer) == [("AA", "M1"), ("AR", "M2"), ("AR", ""), ("AA", "M4")]
    assert [row[3] for row in rows()] == ["", "processing-id", "unreadable", "", "batch"]


def test_a_count_that_does_not_agree_is_noted_and_what_came_is_taken(channel):
    (answer,) = taken(batch(message("M1"), count=2))
    assert codes(answer) == [("AA", "M1")]
    assert "BTS-1 counts 2 messages, 1 were there" in Inbound.objects.get(code="batch").reason


def test_too_many_messages_in_one_batch_are_refused_together(channel):
    (answer,) = taken(batch(*(message(f"M{n}") for n in range(11))), policy=FeedPolicy(segment_limit=10))
    assert b"\rMSA|AR|" in answer
    assert [row[3] for row in rows()] == ["too-many-messages"]


def test_a_batch_is_stored_whole_or_not_at_all(channel):
    with connection.cursor() as cursor:  # a message that the database itself refuses
        cursor.execute(
            "CREATE FUNCTION trip() RETURNS trigger AS $$ BEGIN RAISE EXCEPTION 'tripped'; END $$ LANGUAGE plpgsql;"
            "CREATE TRIGGER trip BEFORE INSERT ON messaging_inbound FOR EACH ROW "
            "WHEN (NEW.control_id = 'BAD') EXECUTE FUNCTION trip()"
        )
    frames = [Frame("x", raw) for raw in (message("S1"), batch(message("M1"), message("BAD")), message("S2"))]
    first, second, third = reception.receive(POLICY, frames)
    assert first is not None
    assert second is None, "no answer, so it is sent again"
    assert third is not None
    assert [row[1] for row in rows()] == ["S1", "S2"]

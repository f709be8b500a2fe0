"""A file of HL7 into the record: what stands is what the feed would have left, message by message."""

import gzip
import random

import pytest

from messaging.extracts.messages import Stream
from messaging.hl7.habits import FeedPolicy
from messaging.hl7.news import news
from messaging.hl7.read import Message
from messaging.models import Channel, Inbound
from pasmirror.bench import extracts
from pasmirror.bench.messages import messages
from pasmirror.lib.actor import system
from patients.models import Change, LastSegments, Movement, PatientIdentifier, Trunk
from patients.services import feed
from tests.loads import Load, beside, load, record, spoken_at, written

pytestmark = pytest.mark.django_db


def by_the_feed(raws):
    habits = FeedPolicy().habits
    for number, raw in enumerate(raws, 1):
        (taken,) = feed.take([feed.Entry(number, news(Message.of(raw), habits=habits))], by=system("apply"))
        assert taken.outcome == "applied", taken


def test_a_batch_leaves_what_the_feed_leaves(tmp_path):
    extracts.batch(tmp_path / "day.hl7", 200, first=1)
    with (tmp_path / "day.hl7").open("rb") as file:
        raws = [framed.raw for framed in Stream(file)]
    by_the_feed(raws)
    fed = record()
    assert len(fed[0]) == 40
    LastSegments.objects.all().delete()
    emptied()
    (tmp_path / "day.hl7.gz").write_bytes(gzip.compress((tmp_path / "day.hl7").read_bytes()))
    done = Load.of(tmp_path / "day.hl7.gz")
    assert done.said == "day.hl7.gz: 200 read, 200 taken, 0 unchanged, 0 refused" + done.said[-len(tail(done)) :]
    assert record() == fed
    assert Inbound.objects.count() == 0
    assert Change.objects.filter(origin__contains="day.hl7.gz:").count() == 200


def tail(done):
    return done.said.split("0 refused", 1)[1]


def emptied():
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        for model in (Movement, Change, Trunk, PatientIdentifier, LastSegments):
            cursor.execute(f"DELETE FROM {model._meta.db_table}")
        for table in ("stayidentifier", "appointmentidentifier", "stay", "appointment", "patient"):
            cursor.execute(f"DELETE FROM patients_{table}")
        cursor.execute("SET LOCAL session_replication_role = origin")


def test_what_is_refused_is_a_batch_with_its_reasons_and_what_is_not_followed_is_counted(tmp_path):
    good = messages(1, first=1)[0]
    nobody = good.replace(b"B00000001", b"").replace(b"9000000017", b"")
    other = good.replace(b"ADT^A28^ADT_A05", b"ZZZ^Z99")
    test = good.replace(b"|P|2.4", b"|T|2.4")
    done = load(tmp_path, "day.hl7", b"BHS|^~\\&\r" + good + nobody + other + test + b"MSH|junk\rBTS|9\r")
    assert done.code == 1
    assert "5 read, 1 taken, 0 unchanged, 1 not followed, 3 refused" in done.said
    refused = beside(tmp_path / "day.refused.hl7").read_bytes()
    assert refused.count(b"BHS|") == 3
    assert b"MSH-11 is not P, which is what this feed carries" in refused
    assert b"Not readable as HL7" in refused
    assert written(tmp_path / "day.warnings.csv")[-1][1] == "line 27: BTS-1 counts 9 messages, 5 were there"
    assert "3 read, 0 taken, 0 unchanged, 3 refused" in Load.of(beside(tmp_path / "day.refused.hl7")).said


def test_a_second_run_changes_nothing_even_shuffled_among_others(tmp_path):
    day = [spoken_at(second, raw) for second, raw in enumerate(messages(150, first=1))]
    load(tmp_path, "day.hl7", b"".join(day))
    before = record()
    again = Load.of(tmp_path / "day.hl7", again=True)
    assert record() == before, again.said
    repeated = list(day)
    random.Random(5).shuffle(repeated)
    load(tmp_path, "shuffled.hl7", b"".join(repeated))
    assert record() == before


def test_the_habits_are_those_of_the_declared_feed(tmp_path):
    day = b"".join(messages(1, first=1))
    Channel.objects.create(code="adt", policy={"processing_id": "T"})
    assert "1 refused" in load(tmp_path, "day.hl7", day).said
    Channel.objects.create(code="siu", policy={"processing_id": "P"})
    assert "--channel names one of adt, siu" in Load.of(tmp_path / "day.hl7", again=True).error
    assert "1 taken" in Load.of(tmp_path / "day.hl7", again=True, channel="siu").said
    assert "There is no feed 'x'" in Load.of(tmp_path / "day.hl7", again=True, channel="x").error

"""Intake on the real database: stored once, numbered, answered; repeats, refusals, and two masters."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import hl7
import pytest
from django.db import connection

from messaging.hl7.habits import FeedPolicy
from messaging.hl7.times import stamp
from messaging.models import Channel, Emission, Inbound, MessageKey
from messaging.services import emission, intake, reception
from messaging.services.intake import Frame, store
from pasmirror.lib import clock
from pasmirror.lib.actor import system
from pasmirror.lib.models import Alarm, AuditRow

POLICY = FeedPolicy()
PEER = "127.0.0.1"


def message(control_id="PAS1", *, trigger="ADT^A28^ADT_A05", sent=None, processing="P", family="SMITH", app="DEMOPAS"):
    sent = stamp(sent or clock.now())
    return (
        f"MSH|^~\\&|{app}|RXX|ROUTE||{sent}||{trigger}|{control_id}|{processing}|2.4\r"
        f"EVN|A28|{sent}\rPID|1||P100001^^^RXX^MR||{family}^John||19520301|M\r"
    ).encode()


def taken(*raws, policy=POLICY):
    return store("pas", [Frame(PEER, raw) for raw in raws], policy=policy)


def code_and_id(answer):
    parsed = hl7.parse(answer.decode())
    return str(parsed.segment("MSA")[1]), str(parsed.segment("MSA")[2])


@pytest.fixture
def channel(db):
    return Channel.objects.create(code="pas", policy=POLICY.as_json())


def test_frames_are_numbered_in_order_and_answered(channel):
    answers = taken(*(message(f"PAS{n}") for n in range(5)))
    assert [code_and_id(a) for a in answers] == [("AA", f"PAS{n}") for n in range(5)]
    rows = list(Inbound.objects.order_by("number"))
    assert [(r.number, r.control_id, r.outcome) for r in rows] == [(n + 1, f"PAS{n}", "stored") for n in range(5)]
    assert bytes(rows[0].raw) == message("PAS0") or bytes(rows[0].raw).startswith(b"MSH|")
    assert [bytes(r.answer) for r in rows] == answers
    assert rows[0].trigger == "ADT^A28"
    assert rows[0].sender == "DEMOPAS|RXX"
    channel.refresh_from_db()
    assert channel.last == 5
    assert channel.received_at is not None


def test_numbers_go_on_where_they_ended(channel):
    taken(message("PAS1"))
    taken(message("PAS2"), message("PAS3"))
    assert list(Inbound.objects.order_by("number").values_list("number", flat=True)) == [1, 2, 3]


def test_a_repeat_is_given_the_stored_answer_and_has_no_effect(channel):
    raw = message("PAS1")
    (first,) = taken(raw)
    again = taken(raw, message("PAS2"), raw)
    assert again[0] == first == again[2]
    assert Inbound.objects.count() == 2
    assert MessageKey.objects.get(control_id="PAS1").repeats == 2
    assert list(Inbound.objects.order_by("number").values_list("number", flat=True)) == [1, 2]


def test_a_repeat_within_one_batch_is_stored_once(channel):
    raw = message("PAS1")
    first, second = taken(raw, raw)
    assert first == second
    assert Inbound.objects.count() == 1


def test_the_same_id_with_another_body_is_kept_too_with_an_alarm(channel):
    taken(message("PAS1"))
    assert not Alarm.objects.filter(code="same-id-other-body").exists()
    answers = taken(message("PAS1", family="JONES"))
    assert code_and_id(answers[0]) == ("AA", "PAS1")
    assert Inbound.objects.filter(outcome="stored").count() == 2
    alarm = Alarm.objects.get(code="same-id-other-body")
    assert alarm.subject == "DEMOPAS|RXX"
    assert "JONES" not in alarm.sentence


def test_the_same_id_with_another_body_in_one_batch_sounds_too(channel):
    taken(message("PAS1"), message("PAS1", family="JONES"))
    assert Inbound.objects.count() == 2
    assert Alarm.objects.filter(code="same-id-other-body").count() == 1


def test_the_same_id_of_two_senders_is_no_alarm(channel):
    taken(message("PAS1"), message("PAS1", app="OTHER"))
    assert Inbound.objects.count() == 2
    assert not Alarm.objects.exists()


def test_an_empty_control_id_is_answered_and_no_alarm(channel):
    answers = taken(message(""), message("", family="JONES"))
    assert all(b"\rMSA|AA\r" in answer for answer in answers)
    assert not Alarm.objects.exists()


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"not HL7 at all", "unreadable"),
        (b"", "unreadable"),
        (b"MSH", "unreadable"),
        (b"\xff\xfe\x00\x00" * 40, "unreadable"),
        (b"FHS|^~\\&|A\rBHS|^~\\&|A\r", "unreadable"),
        (message("PAS1") + message("PAS2"), "two-messages"),
        (message("PAS1", processing="T"), "processing-id"),
    ],
)
def test_what_cannot_be_taken_is_refused_with_the_reason_and_kept(channel, raw, code):
    (answer,) = taken(raw)
    parsed = hl7.parse(answer.decode())
    assert str(parsed.segment("MSA")[1]) == "AR"
    assert str(parsed.segment("MSA")[3])
    row = Inbound.objects.get()
    assert (row.outcome, row.code, bytes(row.raw)) == ("refused", code, raw)
    assert row.reason
    assert taken(raw) == [answer], "the same again gets the same answer"
    assert Inbound.objects.count() == 1


def test_one_refused_for_its_processing_id_is_taken_once_the_site_says_so(channel):
    raw = message("PAS1", processing="T")
    assert code_and_id(taken(raw)[0])[0] == "AR"
    assert code_and_id(taken(raw, policy=FeedPolicy(processing_id="T"))[0]) == ("AA", "PAS1")
    assert list(Inbound.objects.order_by("number").values_list("outcome", flat=True)) == ["refused", "stored"]


def test_a_refused_frame_does_not_count_as_the_pas_speaking(channel):
    taken(b"junk")
    channel.refresh_from_db()
    assert channel.received_at is None


@pytest.mark.parametrize("control_id", ["X" * 199, "a\\T\\b", "\0zero", "é"])
def test_odd_control_ids_are_stored_and_echoed_exactly(channel, control_id):
    (answer,) = taken(message(control_id))
    msa = next(line for line in answer.decode().split("\r") if line.startswith("MSA"))
    assert msa.split("|")[2] == control_id.replace("\0", "")


def test_the_answers_own_control_ids_are_short_and_differ(channel):
    answers = taken(*(message(f"PAS{n}") for n in range(30)))
    own = [str(hl7.parse(a.decode()).segment("MSH")[10]) for a in answers]
    assert len(set(own)) == 30
    assert max(map(len, own)) <= 20


def test_an_undeclared_channel_is_refused(db):
    with pytest.raises(intake.NoSuchChannel):
        taken(message())
    assert not MessageKey.objects.exists()


def open_valve(*, ago):
    emission.open(by=system("test"), reason="test")
    Emission.objects.update(since=clock.now() - ago)


def test_a_message_made_after_emission_opened_holds_it_in_the_same_transaction(channel):
    open_valve(ago=timedelta(minutes=5))
    answers = taken(message("PAS1", sent=clock.now()))
    assert code_and_id(answers[0]) == ("AA", "PAS1"), "stored and acknowledged all the same"
    assert emission.now().valve == "held"
    assert Alarm.objects.get(code="two-masters").subject == "pas"
    assert AuditRow.objects.filter(action="emission_held").exists()


def test_older_messages_are_backlog_and_leave_emission_open(channel):
    open_valve(ago=timedelta(minutes=5))
    taken(message("PAS1", sent=clock.now() - timedelta(minutes=6)))
    assert emission.now().valve == "open"
    assert not Alarm.objects.exists()


def test_the_learned_difference_of_clocks_is_allowed_for(channel):
    ahead = timedelta(minutes=10)
    for n in range(20):
        taken(message(f"LEARN{n}", sent=clock.now() + ahead))
    channel.refresh_from_db()
    assert 590 < channel.clock_ahead <= 600
    open_valve(ago=timedelta(minutes=5))
    taken(message("OLD", sent=clock.now() + ahead - timedelta(minutes=6)))
    assert emission.now().valve == "open", "six minutes old by its own clock, made before we spoke"
    taken(message("NEW", sent=clock.now() + ahead - timedelta(minutes=4)))
    assert emission.now().valve == "held"


def test_a_message_without_a_time_counts_as_made_now(channel):
    open_valve(ago=timedelta(minutes=5))
    taken(b"MSH|^~\\&|DEMOPAS|RXX|ROUTE||||ADT^A28|PAS1|P|2.4\rPID|1||P100001^^^RXX^MR\r")
    assert emission.now().valve == "held"


def test_a_repeat_is_not_the_pas_speaking_anew(channel):
    raw = message("PAS1", sent=clock.now())
    taken(raw)
    open_valve(ago=timedelta(seconds=-5))
    Emission.objects.update(since=clock.now() - timedelta(minutes=5))
    taken(raw)
    assert emission.now().valve == "open"


def came_before(channel, lates, *, every=10):
    """Messages of the last minutes, one `every` so many seconds, each so many seconds old when it came."""
    at = clock.now()
    for number, late in enumerate(lates, 1):
        received = at - timedelta(seconds=every * (len(lates) - number + 1))
        Inbound.objects.create(
            channel=channel,
            number=number,
            received_at=received,
            sent_at=received - timedelta(seconds=late),
            peer=PEER,
            raw=b"",
            answer=b"",
        )
    Channel.objects.update(last=len(lates), received_at=received)


def test_a_slow_clock_is_learned_once_it_stays_equally_slow(channel):
    came_before(channel, [600, 601, 605, 600, 640, 600, 600])
    taken(message(sent=clock.now() - timedelta(minutes=10)))
    channel.refresh_from_db()
    assert -602 < channel.clock_ahead < -598
    open_valve(ago=timedelta(minutes=5))
    taken(message("NEW", sent=clock.now() - timedelta(minutes=10)))
    assert emission.now().valve == "held", "made just now by a clock ten minutes slow"


@pytest.mark.parametrize("lates", [[3600 - 30 * n for n in range(60)], [0] * 20 + [3600] * 3, [600] * 4])
def test_a_backlog_that_runs_through_teaches_nothing(channel, lates):
    came_before(channel, lates)
    taken(message(sent=clock.now() - timedelta(seconds=lates[-1])))
    channel.refresh_from_db()
    assert abs(channel.clock_ahead) < 2


def test_a_wrong_difference_is_unlearned_from_what_is_live(channel):
    Channel.objects.update(clock_ahead=800)
    for round_ in range(7):
        taken(*(message(f"R{round_}-{n}") for n in range(100)))
    channel.refresh_from_db()
    assert abs(channel.clock_ahead) < 2
    open_valve(ago=timedelta(minutes=1))
    taken(message("LIVE"))
    assert emission.now().valve == "held"


def test_one_bad_frame_costs_no_other_its_answer(channel):
    with connection.cursor() as cursor:  # a frame that the database itself refuses
        cursor.execute(
            "CREATE FUNCTION trip() RETURNS trigger AS $$ BEGIN RAISE EXCEPTION 'tripped'; END $$ LANGUAGE plpgsql;"
            "CREATE TRIGGER trip BEFORE INSERT ON messaging_inbound FOR EACH ROW "
            "WHEN (NEW.control_id = 'BAD') EXECUTE FUNCTION trip()"
        )
    answers = reception.receive(POLICY, [Frame(PEER, message(c)) for c in ("PAS1", "BAD", "PAS2")])
    assert [a and code_and_id(a) for a in answers] == [("AA", "PAS1"), None, ("AA", "PAS2")]
    assert Alarm.objects.get(code="not-stored").subject == "pas"
    assert Inbound.objects.count() == 2


@pytest.mark.parametrize("sent", ["99991231235959", "00010101000000", "20249999", "x"])
def test_an_impossible_time_is_stored_and_counts_as_made_now(channel, sent):
    open_valve(ago=timedelta(minutes=5))
    now = stamp(clock.now())
    assert code_and_id(taken(message("PAS1").replace(f"||{now[:8]}".encode(), f"||{sent}x".encode(), 1))[0])[0] == "AA"
    assert emission.now().valve == "held"


@pytest.mark.usefixtures("transactional_db")
def test_two_listeners_of_one_channel_number_without_gaps_or_doubles():
    Channel.objects.create(code="pas", policy=POLICY.as_json())
    shared = message("SHARED")

    def listen(name):
        try:
            for n in range(20):
                taken(message(f"{name}{n}"), shared)
        finally:
            connection.close()

    with ThreadPoolExecutor() as pool:
        for listening in [pool.submit(listen, name) for name in "AB"]:
            listening.result(30)
    assert list(Inbound.objects.order_by("number").values_list("number", flat=True)) == list(range(1, 42))
    assert MessageKey.objects.get(control_id="SHARED").repeats == 39

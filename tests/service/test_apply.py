"""Stored frames onto the record: in order, many at once, and never stopped by one of them."""

import threading
from collections.abc import Iterator

import pytest
from django.db import OperationalError, connection, transaction

from messaging.management.commands import apply as command
from messaging.models import Channel, Inbound
from messaging.selectors.feed import feed_status
from messaging.services import apply
from messaging.services.tries import Tries
from pasmirror.lib import alarms, clock, locks
from pasmirror.lib.locks import Lock
from pasmirror.lib.models import ProcessBeat
from patients.models import Patient, PatientIdentifier, Stay
from tests.committed import Aside, aside, committed  # noqa: F401
from tests.eventually import eventually

POLICY = {"sending_app": "DEMOPAS", "sending_facility": "RXX", "default_authority": "RXX"}


def message(trigger: str, number: str, *, family: str = "SMITH", extra: str = "", born: str = "19520301") -> str:
    event = trigger[-3:]
    lines = [
        f"MSH|^~\\&|DEMOPAS|RXX|ROUTE||20260301080000||{trigger}|C{number}{event}|P|2.4",
        f"EVN|{event}|20260301080000||||20260301080000",
        f"PID|1||{number}^^^RXX^MR||{family}^Ann||{born}|F",
    ]
    return "\r".join([*lines, extra]).strip("\r") + "\r"


def visit(number: str, ward: str = "WA") -> str:
    return f"PV1|1|I|{ward}^A^1^RXX||||||||||||||||{number}^^^RXX^VN"


def store(*texts: str | bytes, channel: str = "pas") -> list[int]:
    feed, _ = Channel.objects.get_or_create(code=channel, defaults={"policy": POLICY})
    made = []
    for text in texts:
        feed.last += 1
        raw = text if isinstance(text, bytes) else text.encode()
        row = Inbound.objects.create(
            channel=feed, number=feed.last, received_at=clock.now(), peer="127.0.0.1", raw=raw, answer=b""
        )
        made.append(row.pk)
    feed.received_at = clock.now()
    feed.save()
    return made


NAMELESS = message("ADT^A31", "")


def outcomes() -> list[tuple[str, str]]:
    return list(Inbound.objects.order_by("pk").values_list("outcome", "code"))


def test_a_morning_is_applied_in_order(db: None) -> None:
    store(
        message("ADT^A28", "P1"),
        message("ADT^A01", "P1", extra=visit("V1")),
        message("ADT^A02", "P1", extra=visit("V1", "WB")),
        message("ADT^A28", "P2", family="JONES"),
    )
    assert apply.run_once() == 4
    assert outcomes() == [("applied", "")] * 4
    assert Stay.objects.get().ward == "WB"
    assert Patient.objects.count() == 2
    row = Inbound.objects.order_by("pk")[1]
    assert row.patient == PatientIdentifier.objects.get(value="P1").patient_id
    assert row.change
    assert row.applied_at
    assert apply.run_once() == 0
    status = feed_status()
    assert (status["received"], status["applied"], status["exceptions"], status["waiting"]) == (4, 4, 0, 0)
    assert status["last_received_at"]


def test_what_is_not_followed_is_filed_and_what_names_nobody_is_set_aside(db: None) -> None:
    store(
        message("ADT^A60", "P1"),
        "MSH|^~\\&|DEMOPAS|RXX|||20260301||ADT^A28|C9|P|2.4\rPID|1||||NOBODY\r",
        b"no HL7 at all",
    )
    apply.run_once()
    assert outcomes() == [("filed", "not-followed"), ("parked", "no-identity"), ("parked", "unreadable")]
    assert all(Inbound.objects.values_list("reason", flat=True))
    assert feed_status()["exceptions"] == 2


def test_behind_a_parked_message_only_that_patient_waits_in_this_batch_and_the_next(db: None) -> None:
    store(message("ADT^A28", "P1"), message("ADT^A28", "P2", family="JONES"))
    apply.run_once()
    store(message("ADT^A31", "P1", family="OTHER", born="19800101"), message("ADT^A31", "P1"))
    apply.run_once()
    store(message("ADT^A31", "P1", family="SMYTHE"), message("ADT^A31", "P2", family="JONES-SMITH"))
    apply.run_once()
    first, second, third, fourth = outcomes()[2:]
    assert first[0] == "parked"
    assert second == third == ("parked", "waits")
    assert fourth == ("applied", "")


def test_what_is_parked_before_it_is_news_holds_its_patient_too(db: None) -> None:
    """A transfer without a visit number, behind its patient's registration in one batch, and again in the next."""
    store(message("ADT^A28", "P1"), message("ADT^A28", "P2", family="JONES"))
    store(message("ADT^A01", "P1", extra="PV1|1|I|WA"))
    store(message("ADT^A02", "P1", extra=visit("V1")), message("ADT^A01", "P2", family="JONES", extra=visit("V2")))
    apply.run_once()
    assert outcomes()[2:] == [("parked", "no-visit-number"), ("parked", "waits"), ("applied", "")]
    patient = PatientIdentifier.objects.get(value="P1").patient_id
    assert list(Inbound.objects.filter(outcome="parked").values_list("patient", flat=True)) == [patient] * 2
    store(message("ADT^A31", "P1"), message("ADT^A31", "P2", family="JONES"))
    apply.run_once()
    assert outcomes()[-2:] == [("parked", "waits"), ("already", "already")]


@pytest.mark.parametrize(
    ("told", "code"),
    [
        (message("ADT^A31", "P1", extra="PID|1||P2^^^RXX^MR"), "two-pids"),
        (message("ADT^A31", "P1").replace("20260301080000", ""), "no-time"),
        (message("ADT^A31", "P1", family="X" * 500), "value-too-long"),
        (message("SIU^S12", "P1", extra="SCH|"), "no-appointment-number"),
        (message("SIU^S12", "P1"), "no-appointment-number"),
        (NAMELESS.replace("^^^RXX^MR", "9990000018^^^NHS^NH").replace("20260301080000", ""), "no-time"),
    ],
)
def test_every_reason_to_park_names_the_patient_if_a_number_does(db: None, told: str, code: str) -> None:
    store(message("ADT^A28", "P1").replace("P1^^^RXX^MR", "P1^^^RXX^MR~9990000018^^^NHS^NH"))
    store(told, message("ADT^A31", "P1"))
    apply.run_once()
    assert outcomes() == [("applied", ""), ("parked", code), ("parked", "waits")]


def test_a_patient_nobody_knows_yet_is_not_made_by_what_is_parked(db: None) -> None:
    store(message("ADT^A01", "P9", extra="PV1|1|I|WA"))
    apply.run_once()
    assert outcomes() == [("parked", "no-visit-number")]
    assert Inbound.objects.get().patient is None
    assert not Patient.objects.exists()


def test_a_doubt_about_a_patient_made_in_the_same_batch_holds_that_patient(db: None) -> None:
    store(message("ADT^A28", "P1"), message("ADT^A31", "P1", family="OTHER", born="19800101"), message("ADT^A31", "P1"))
    apply.run_once()
    assert [code for _, code in outcomes()] == ["", "identity-mismatch", "waits"]


def test_what_could_not_be_applied_holds_its_patient(db: None) -> None:
    store(message("ADT^A28", "P1"))
    apply.run_once()
    refuse("UPDATE")
    store(message("ADT^A31", "P1", family="JINX"))
    apply.run_once()
    store(message("ADT^A31", "P1", family="SMYTHE"))
    apply.run_once()
    assert outcomes()[1:] == [("parked", "apply-failed"), ("parked", "waits")]


def refuse(verb: str, how: str = "RAISE 'jinxed' USING ERRCODE = 'check_violation'") -> None:
    """A trigger of the test's own refuses one family name, as a constraint nobody thought of would."""
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE FUNCTION refuse_jinx() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
            f"IF NEW.family = 'JINX' THEN {how}; END IF; RETURN NEW; END $$; "
            f"CREATE TRIGGER jinx BEFORE {verb} ON patients_patient FOR EACH ROW EXECUTE FUNCTION refuse_jinx()"
        )


def test_a_message_that_breaks_the_database_is_set_aside_alone(db: None) -> None:
    refuse("INSERT")
    store(message("ADT^A28", "P1"), message("ADT^A28", "P2", family="JINX"), message("ADT^A28", "P3", family="JONES"))
    assert apply.run_once() == 3
    assert outcomes() == [("applied", ""), ("parked", "apply-failed"), ("applied", "")]
    reason = Inbound.objects.get(code="apply-failed").reason
    assert "IntegrityError" in reason
    assert "JINX" not in reason


def test_every_channel_gets_its_share(db: None) -> None:
    store(*(message("ADT^A28", f"P{n}") for n in range(10)))
    quiet = store(message("ADT^A28", "Q1", family="JONES"), channel="second")
    assert apply.run_once(limit=4) == 3
    assert Inbound.objects.get(pk=quiet[0]).outcome == "applied"
    assert [outcome for outcome, _ in outcomes()[:3]] == ["applied", "applied", "stored"]


@pytest.mark.usefixtures("committed")
def test_a_second_applier_does_nothing_meanwhile() -> None:
    store(message("ADT^A28", "P1"))
    with transaction.atomic():
        assert locks.try_take(Lock.APPLIER)
        assert aside(apply.run_once) == 0
    assert aside(apply.run_once) == 1


@pytest.mark.usefixtures("committed")
def test_a_lost_connection_changes_nothing_and_is_raised() -> None:
    store(message("ADT^A28", "P1"))
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE FUNCTION hang_up() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
            "PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NEW; END $$; "
            "CREATE TRIGGER hang_up BEFORE INSERT ON patients_patient FOR EACH ROW EXECUTE FUNCTION hang_up()"
        )
    try:
        with pytest.raises(OperationalError):
            aside(apply.run_once)
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP FUNCTION hang_up CASCADE")
    assert outcomes() == [("stored", "")]
    assert aside(apply.run_once) == 1
    assert outcomes() == [("applied", "")]


@pytest.fixture
def a_message_that_always_times_out(committed: None) -> Iterator[int]:  # noqa: F811
    """One of the second channel, with others before and behind it; the database hangs up on it."""
    refuse("INSERT", "PERFORM pg_terminate_backend(pg_backend_pid())")
    store(message("ADT^A28", "P1"), message("ADT^A28", "P2", family="JONES"))
    yield store(message("ADT^A28", "P3", family="JINX"), message("ADT^A31", "P3", family="JINX"), channel="second")[0]
    with connection.cursor() as cursor:
        cursor.execute("DROP FUNCTION IF EXISTS refuse_jinx CASCADE")


def test_a_message_stuck_for_ever_holds_its_channel_only_and_is_told_of(a_message_that_always_times_out: int) -> None:
    stuck = a_message_that_always_times_out
    tries = Tries()
    with pytest.raises(OperationalError):
        aside(apply.run_once)
    for attempt in range(1, 7):
        alone = aside(apply.singly)
        assert (len(alone.went), list(alone.refused.values())) == (int(attempt <= 2), [stuck]), "the other goes on"
        tries.note(alone.refused.values())
        assert [alarm.code for alarm in alarms.standing()] == ["apply-stuck"] * (attempt >= 5)
    (alarm,) = alarms.standing()
    assert alarm.subject == f"inbound:{stuck}"
    assert "JINX" not in alarm.sentence
    with connection.cursor() as cursor:
        cursor.execute("DROP FUNCTION refuse_jinx CASCADE")
    alone = aside(apply.singly)
    assert (len(alone.went), alone.refused) == (1, {})
    Tries().note(alone.refused.values())  # a process started since, which knows of no try
    assert alarms.standing() == []
    assert outcomes() == [("applied", "")] * 3 + [("stored", "")]


@pytest.mark.usefixtures("committed")
def test_the_command_applies_as_frames_come_outlives_its_connection_and_beats() -> None:
    ended = threading.Event()
    running = Aside(lambda: command.run(ended))
    try:
        store(message("ADT^A28", "P1"))
        eventually(lambda: outcomes() == [("applied", "")], within=5)
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
                "WHERE pid <> pg_backend_pid() AND datname = current_database()"
            )
            assert cursor.fetchone()[0] >= 1
        store(message("ADT^A31", "P1", family="SMYTHE"))
        eventually(lambda: Patient.objects.get().family == "SMYTHE", within=10)
        eventually(ProcessBeat.objects.filter(name="apply").exists, within=5)
    finally:
        ended.set()
    running.result()

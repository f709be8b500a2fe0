"""An extract beside a live feed: what a row says is told, and what it does not say is left as the feed has told it."""

import pytest

from messaging.models import Channel
from patients.models import Appointment, AppointmentIdentifier, Movement, NumberPool, Patient, Stay, StayIdentifier
from tests.factories.identity import hear, hl7, pid, pv1
from tests.loads import load, refusals

pytestmark = pytest.mark.django_db
PEOPLE = "LOCAL PATIENT IDENTIFIER,PERSON FAMILY NAME,PERSON BIRTH DATE,NHS NUMBER,NHS NUMBER STATUS INDICATOR CODE"
STAYS = (
    "LOCAL PATIENT IDENTIFIER,HOSPITAL PROVIDER SPELL IDENTIFIER,START DATE (HOSPITAL PROVIDER SPELL),"
    "DISCHARGE DATE (HOSPITAL PROVIDER SPELL),WARD CODE,PATIENT CLASSIFICATION CODE"
)
BOOKED = "LOCAL PATIENT IDENTIFIER,APPOINTMENT IDENTIFIER,APPOINTMENT DATE,CLINIC CODE,ATTENDED OR DID NOT ATTEND CODE"
OLD = {"at": "20260201080000"}


def siu(trigger, number, status="", at="20260201080000"):
    sch = f"SCH|{number}||||||||||^^^20260228090000||||||||||||||{status}".rstrip("|")
    return hl7(trigger, sch, pid("A"), "RGS|1", "AIL|1||CARD", at=at)


def stands():
    return list(Appointment.objects.order_by("pk").values_list("status", flat=True))


def nhs():
    return list(Patient.objects.order_by("pk").values_list("nhs_number", "nhs_status"))


def test_an_nhs_number_is_unverified_only_where_it_is_new(tmp_path):
    load(tmp_path, "p.csv", f"{PEOPLE}\nP1,SMITH,1952-03-01,9990000018,01\nP2,JONES,1960,9990000026,\n")
    assert nhs() == [("9990000018", "01"), ("9990000026", "02")]
    load(tmp_path, "again.csv", f"{PEOPLE}\nP1,SMITH,1952-03-01,999 000 0018,\nP2,JONES,1961,9990000026,\n")
    assert nhs() == [("9990000018", "01"), ("9990000026", "02")], "an empty cell says nothing"
    who = "LOCAL PATIENT IDENTIFIER,NHS NUMBER,HOSPITAL PROVIDER SPELL IDENTIFIER,START DATE (HOSPITAL PROVIDER SPELL)"
    load(tmp_path, "s.csv", f"{who}\nP1,9990000018,V1,2026-02-20 10:00\n")
    assert nhs()[0] == ("9990000018", "01"), "nor does a column that is not there"
    load(tmp_path, "other.csv", f"{PEOPLE}\nP1,SMITH,1952-03-01,9990000034,\n")
    assert nhs()[0] == ("9990000034", "02"), "another number is another matter"


@pytest.mark.parametrize(
    ("code", "stranger", "missed", "attended"),
    [
        ("0", "booked", "did_not_attend", "attended"),
        ("", "booked", "did_not_attend", "attended"),
        ("2", "cancelled", "cancelled", "cancelled"),
        ("3", "did_not_attend", "did_not_attend", "did_not_attend"),
        ("4", "cancelled", "cancelled", "cancelled"),
        ("5", "attended", "attended", "attended"),
        ("6", "attended", "attended", "attended"),
        ("7", "did_not_attend", "did_not_attend", "did_not_attend"),
    ],
)
def test_who_came_to_an_appointment(tmp_path, code, stranger, missed, attended):
    hear(hl7("A28", pid("A"), **OLD))
    hear(siu("S12", "A1"), siu("S26", "A1", at="20260228100000"))
    hear(siu("S12", "A2"), siu("S14", "A2", "ATTENDED", at="20260228100000"))
    rows = "".join(f"A,{number},2026-02-28 09:00,CARD,{code}\n" for number in ("A1", "A2", "A9"))
    done = load(tmp_path, "a.csv", f"{BOOKED}\n{rows}")
    assert (done.code, stands()) == (0, [missed, attended, stranger])
    assert not list(tmp_path.glob("a.*warnings.csv")) or "not heard" not in "".join(
        path.read_text() for path in tmp_path.glob("a.*warnings.csv")
    )


def test_what_the_feed_has_told_since_is_unchanged_and_not_refused(tmp_path):
    hear(hl7("A28", pid("A"), **OLD), hl7("A01", pid("A"), pv1("V1"), at="20260220100000"))
    hear(hl7("A03", pid("A"), pv1("V1"), at="20260301070000"), siu("S12", "A1"), siu("S13", "A1", at="20260301090000"))
    stays = load(tmp_path, "s.csv", f"{STAYS}\nA,V1,2026-02-20 10:00,,WA,1\n")
    assert (stays.code, "1 unchanged, 0 refused" in stays.said) == (0, True), stays.said
    booked = load(tmp_path, "a.csv", f"{BOOKED}\nA,A1,2026-02-27 09:00,CARD,0\n")
    assert (booked.code, "1 unchanged, 0 refused" in booked.said) == (0, True), booked.said
    assert Stay.objects.get().status == "out"


def test_what_the_feed_told_before_and_the_extract_denies_is_refused(tmp_path):
    """The PAS's own file says that somebody is in who by its feed has left: a message was lost, and a person looks."""
    hear(hl7("A28", pid("A"), **OLD), hl7("A01", pid("A"), pv1("V1"), at="20260220100000"))
    hear(hl7("A03", pid("A"), pv1("V1"), at="20260221070000"))
    done = load(tmp_path, "s.csv", f"{STAYS}\nA,V1,2026-02-20 10:00,,WA,1\n")
    assert (done.code, refusals(tmp_path, "s")) == (1, ["An admission of a stay that has ended"])


def test_a_preadmitted_stay_that_has_ended_is_admitted_first(tmp_path):
    hear(hl7("A28", pid("A"), **OLD), hl7("A05", pid("A"), pv1("V1"), at="20260210100000"))
    load(tmp_path, "s.csv", f"{STAYS}\nA,V1,2026-02-20 10:00,2026-02-22 10:00,WA,1\n")
    assert list(Movement.objects.order_by("pk").values_list("event", flat=True)) == ["preadmit", "admit", "discharge"]
    assert Stay.objects.get().admitted_at.isoformat() == "2026-02-20T10:00:00+00:00"


@pytest.mark.parametrize(
    ("code", "kept", "status", "event"),
    [
        ("1", "I", "in", "admit"),
        ("5", "I", "in", "admit"),
        ("i", "I", "in", "admit"),
        ("E", "E", "attending", "attend"),
        ("o", "O", "attending", "attend"),
        ("", "", "in", "admit"),
    ],
)
def test_the_class_of_a_stay_says_how_it_began(tmp_path, code, kept, status, event):
    hear(hl7("A28", pid("A"), **OLD))
    load(tmp_path, "s.csv", f"{STAYS}\nA,V1,2026-02-20 10:00,,ED,{code}\n")
    assert Stay.objects.values_list("status", "patient_class").get() == (status, kept)
    assert Movement.objects.get().event == event


def test_another_class_is_refused(tmp_path):
    hear(hl7("A28", pid("A"), **OLD))
    load(tmp_path, "s.csv", f"{STAYS}\nA,V1,2026-02-20 10:00,,ED,8\n")
    assert refusals(tmp_path, "s") == ["PATIENT CLASSIFICATION CODE must be one of 1, 2, 3, 4, 5, I, E, O"]


@pytest.fixture
def feed_numbers():
    """A feed whose visits and bookings bear authorities of their own."""
    visit = pv1("V1").replace("V1^^^RXX", "V1^^^PASV")
    hear(hl7("A28", pid("A"), **OLD), siu("S12", "A1^PASB"), hl7("A01", pid("A"), visit, at="20260220100000"))
    assert StayIdentifier.objects.get().authority == "PASV"


@pytest.mark.usefixtures("feed_numbers")
def test_visits_and_bookings_are_numbered_as_the_feed_numbers_them(tmp_path):
    NumberPool.objects.create(kind="stay", type="VN", authority="OURS", next=1, last=9)
    StayIdentifier.objects.create(stay=Stay.objects.get(), type="VN", authority="OURS", value="D1")  # in an outage
    load(tmp_path, "a.csv", f"{BOOKED}\nA,A1,2026-02-28 09:00,CARD,0\n")
    load(tmp_path, "s.csv", f"{STAYS}\nA,V1,2026-02-20 10:00,,WA,1\n")
    assert (Stay.objects.count(), Appointment.objects.count()) == (1, 1)


@pytest.mark.usefixtures("feed_numbers")
def test_whose_visits_and_bookings_may_be_said(tmp_path):
    words = {"visit_authority": "OLDPAS", "appointment_authority": "OLDPAS", "appointment_type": "filler"}
    load(tmp_path, "a.csv", f"{BOOKED}\nA,A1,2026-02-28 09:00,CARD,0\n", **words)
    load(tmp_path, "s.csv", f"{STAYS}\nA,V1,2026-02-20 10:00,,WA,1\n", **words)
    assert (Stay.objects.count(), Appointment.objects.count()) == (2, 2)
    assert AppointmentIdentifier.objects.filter(type="FILL", authority="OLDPAS", value="A1").exists()


@pytest.mark.usefixtures("feed_numbers")
def test_where_the_feed_numbers_them_in_two_ways_it_is_asked_for(tmp_path):
    hear(hl7("A01", pid("A"), pv1("V2"), at="20260221100000"))
    done = load(tmp_path, "s.csv", f"{STAYS}\nA,V1,2026-02-20 10:00,,WA,1\n")
    assert "Whose visit numbers are these? The record has those of PASV, RXX: --visit-authority names one" in done.error
    assert not Channel.objects.exclude(code="pas").exists()


def test_a_row_of_a_stay_that_has_begun_admits_nobody_again(tmp_path):
    """The extract has the ward of today and the minute of the admission: the history keeps its one admission."""
    moved = hl7("A02", pid("A"), pv1("V1", "WB"), at="20260221100000")
    hear(hl7("A28", pid("A"), **OLD), hl7("A01", pid("A"), pv1("V1"), at="20260220100017"), moved)
    hear(hl7("A04", pid("A"), pv1("V2", "ED").replace("|I|", "|E|"), at="20260222100000"))
    done = load(tmp_path, "s.csv", f"{STAYS}\nA,V1,2026-02-20 10:00,,WB,\nA,V2,2026-02-22,,ED,\n")
    assert "2 read, 0 taken, 2 unchanged, 0 refused.\n" in done.said, "without a warning"
    assert list(Movement.objects.order_by("pk").values_list("event", flat=True)) == ["admit", "transfer", "attend"]
    assert list(Stay.objects.order_by("pk").values_list("status", "ward")) == [("in", "WB"), ("attending", "ED")]
    load(tmp_path, "t.csv", f"{STAYS}\nA,V1,2026-02-20 10:00,,WC,\nA,V2,2026-02-22 12:00,,WD,I\n")
    assert list(Stay.objects.order_by("pk").values_list("status", "ward")) == [("in", "WC"), ("in", "WD")]
    assert Stay.objects.order_by("pk")[0].admitted_at.second == 17

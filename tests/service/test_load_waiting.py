"""Who waits in a load: rows of an extract stand by themselves, messages behind a refused one as the feed's would."""

import pytest

from messaging.services import loading
from pasmirror.lib import clock
from pasmirror.lib.actor import system
from patients.facts import News
from patients.identifiers import Identifier
from patients.models import Patient, Stay
from patients.services import bulk
from patients.services.taken import Entry
from tests.factories.identity import SMITH, hear, hl7, patient, pid, pv1
from tests.loads import Load, load, refusals

pytestmark = pytest.mark.django_db
PEOPLE = "LOCAL PATIENT IDENTIFIER,PERSON FAMILY NAME,PERSON GIVEN NAME,PERSON BIRTH DATE"
STAYS = (
    "LOCAL PATIENT IDENTIFIER,HOSPITAL PROVIDER SPELL IDENTIFIER,START DATE (HOSPITAL PROVIDER SPELL),"
    "DISCHARGE DATE (HOSPITAL PROVIDER SPELL),WARD CODE"
)
BEHIND = "Line 1 of this file, of the same patient, is refused"
WRONG = "SMITT^Ann||19910301|F"


@pytest.fixture(params=[1, 2, 2000])
def lot(request, monkeypatch):
    monkeypatch.setattr(loading, "LOT", request.param)


@pytest.mark.usefixtures("lot")
def test_a_refused_row_holds_up_no_other_row_of_the_same_person(tmp_path):
    load(tmp_path, "p.csv", f"{PEOPLE}\nP1,SMITH,Ann,1952-03-01\nP2,JONES,Bob,1960\n")
    load(tmp_path, "s0.csv", f"{STAYS}\nP2,V1,2026-02-20 10:00,,WA\n")
    rows = "P1,V1,2026-02-20 10:00,,WA\nP1,V2,2026-01-20 10:00,2026-01-21,WA\nP1,V3,2026-01-10 10:00,2026-01-11,WA\n"
    done = load(tmp_path, "s.csv", f"{STAYS}\n{rows}")
    assert "3 read, 2 taken, 0 unchanged, 1 refused" in done.said
    assert refusals(tmp_path, "s") == ["This stay number belongs to another patient"]
    assert Stay.objects.filter(status="out").count() == 2


@pytest.mark.usefixtures("lot")
def test_a_refused_message_holds_up_what_follows_of_the_same_person_alone(tmp_path):
    hear(hl7("A28", pid("A"), at="20260201080000"), hl7("A28", pid("B"), at="20260201080000"))
    later = [hl7("A31", pid(who, SMITH, "", "", "1 High St"), at="20260303080000") for who in ("A", "B", "A")]
    day = hl7("A31", pid("A", WRONG), at="20260302080000") + "".join(later)
    done = load(tmp_path, "day.hl7", day)
    assert "4 read, 1 taken, 0 unchanged, 3 refused" in done.said
    assert (patient("A").line1, patient("B").line1) == ("", "1 High St")
    refused = next(tmp_path.glob("day.*refused.hl7")).read_bytes().decode()
    assert refused.count(BEHIND) == 2
    assert "earlier message" not in refused


@pytest.mark.usefixtures("lot")
def test_a_stranger_is_waited_for_by_number(tmp_path):
    day = hl7("A34", pid("N"), at="20260302080000") + hl7("A01", pid("N"), pv1("V1"), at="20260303080000")
    load(tmp_path, "day.hl7", day)
    assert next(tmp_path.glob("day.*refused.hl7")).read_bytes().decode().count(BEHIND) == 1
    assert not Patient.objects.exists()


def test_what_waits_behind_a_message_of_the_feed_says_so(tmp_path):
    hear(hl7("A28", pid("A"), at="20260201080000"), hl7("A34", pid("A"), at="20260202080000"))
    load(tmp_path, "day.hl7", hl7("A31", pid("A", SMITH, "", "", "1 High St"), at="20260303080000"))
    assert b"Waits behind an earlier message of this patient" in next(tmp_path.glob("day.*refused.hl7")).read_bytes()


@pytest.mark.usefixtures("lot")
def test_a_number_said_twice_is_noticed_where_the_first_row_changed_nothing(tmp_path):
    load(tmp_path, "p.csv", f"{PEOPLE}\nP2,JONES,Bob,1960\n")
    twice = f"{PEOPLE}\nP2,JONES,Bob,1960\nP2,JONES,Rob,1960\n"
    done = load(tmp_path, "q.csv", twice)
    assert "2 read, 0 taken, 1 unchanged, 1 refused" in done.said
    assert refusals(tmp_path, "q") == ["Line 2 of this file says something else of the same number"]
    again = Load.of(tmp_path / "q.csv", again=True)
    assert "2 read, 0 taken, 1 unchanged, 1 refused" in again.said
    assert Patient.objects.get().given == "Bob"


def test_no_more_is_remembered_than_was_meant(monkeypatch):
    monkeypatch.setattr(bulk, "REMEMBERED", 3)
    at = clock.now()
    rows = [
        Entry(0, News("register", at, (Identifier("MR", "RXX", f"P{n}"),), sent_at=at), origin=f"load:x:f:{n}")
        for n in range(9)
    ]
    bulk.take(rows, by=system("load"), load="load:x:")
    unchanged: bulk.Told = {}
    for row in rows:
        bulk.take([row], by=system("load"), load="load:y:", unchanged=unchanged)
    assert list(unchanged.values()) == ["load:x:f:6", "load:x:f:7", "load:x:f:8"]

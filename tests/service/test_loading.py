"""A PAS's own CSV into the record: once, safely, with what is refused written down, and never over a clerk's change."""

import csv
from datetime import UTC, datetime

import pytest

from messaging.services.loading import LOADED
from pasmirror.lib import audit
from pasmirror.lib.models import AuditRow, User
from patients.facts import Kind
from patients.models import Appointment, Assignment, Bed, Change, Clinic, Movement, Patient, Stay, Trunk, Ward
from tests.loads import Load, beside, load, written

pytestmark = pytest.mark.django_db
PATIENTS = "LOCAL PATIENT IDENTIFIER,PERSON FAMILY NAME,PERSON GIVEN NAME,PERSON BIRTH DATE,NHS NUMBER"
STAYS = (
    "LOCAL PATIENT IDENTIFIER,HOSPITAL PROVIDER SPELL IDENTIFIER,START DATE (HOSPITAL PROVIDER SPELL),"
    "DISCHARGE DATE (HOSPITAL PROVIDER SPELL),WARD CODE,BED CODE"
)
BOOKED = "LOCAL PATIENT IDENTIFIER,APPOINTMENT IDENTIFIER,APPOINTMENT DATE,CLINIC CODE,ATTENDED OR DID NOT ATTEND CODE"
THREE = f"{PATIENTS}\nP1,SMITH,Ann,1952-03-01,9990000018\nP2,JONES,Bob,1960,\nP3,BROWN,Cat,,9990000019\n"


def digest():
    """The record without the moments of writing."""
    columns = ["family", "given", "born", "nhs_number", "version"]
    return (
        list(Patient.objects.order_by("pk").values_list(*columns)),
        list(
            Stay.objects.order_by("pk").values_list("status", "ward", "bed", "admitted_at", "discharged_at", "version")
        ),
        list(Appointment.objects.order_by("pk").values_list("clinic", "starts_at", "status", "version")),
        list(Trunk.objects.order_by("pk").values_list("kind", "held", "branch")),
        Movement.objects.count(),
        Change.objects.count(),
    )


def test_people_with_what_was_worth_a_warning(tmp_path):
    done = load(tmp_path, "p.csv", THREE)
    assert done.said == "p.csv: 3 read, 3 taken, 0 unchanged, 0 refused, 1 warnings.\n" + done.pointer("Warnings")
    assert list(Patient.objects.order_by("pk").values_list("family", "born", "nhs_number")) == [
        ("SMITH", "1952-03-01", "9990000018"), ("JONES", "1960", ""), ("BROWN", "", ""),
    ]  # fmt: skip
    assert written(tmp_path / "p.warnings.csv") == [
        ["LINE", "WARNING"], ["4", "NHS NUMBER: not a valid NHS number (check digit), not taken"],
    ]  # fmt: skip
    assert not list(tmp_path.glob("p.*refused.csv"))
    origins = Change.objects.order_by("pk").values_list("origin", "source")
    assert [origin.rpartition("p.csv:")[2] for origin, _ in origins] == ["2", "3", "4"]
    assert {source for _, source in origins} == {"feed"}
    assert Trunk.objects.filter(kind=Kind.PATIENT, held__name__family="SMITH", branch={}).count() == 1


def test_a_load_leaves_one_audit_row_a_lot_in_an_unbroken_chain(tmp_path):
    load(tmp_path, "p.csv", THREE)
    rows = list(AuditRow.objects.order_by("pk"))
    assert [row.action for row in rows] == [LOADED, LOADED]
    assert (rows[0].detail["read"], rows[0].detail["done"]) == (3, False)
    assert rows[1].detail["done"]
    assert "SMITH" not in str([row.detail for row in rows])
    assert audit.link() == 2
    assert audit.verify() == []


def test_a_second_run_changes_nothing_and_says_so(tmp_path):
    load(tmp_path, "p.csv", THREE)
    before = digest()
    again = load(tmp_path, "p.csv", THREE)
    assert again.said.startswith("p.csv: loaded already (3 read, 3 taken, 0 unchanged, 0 refused, 1 warnings).")
    other_name = load(tmp_path, "q.csv", THREE)
    assert "loaded already" in other_name.said, "it is what the file holds that counts"
    anew = load(tmp_path, "p.csv", THREE, again=True)
    assert "0 taken, 3 unchanged" in anew.said
    assert digest() == before


def test_what_is_refused_is_written_down_and_may_be_mended_and_loaded(tmp_path):
    wrong = f"{PATIENTS}\nP1,SMITH,Ann,soon,\nP2,JONES,Bob,1960,\n,BROWN,Cat,,\nP2,JONES,Rob,1960,\n"
    done = load(tmp_path, "p.csv", wrong)
    assert done.code == 1
    assert "4 read, 1 taken, 0 unchanged, 3 refused" in done.said
    refused = beside(tmp_path / "p.refused.csv")
    assert written(refused) == [
        ["REFUSED LINE", "REFUSED REASON", *PATIENTS.split(",")],
        ["2", "PERSON BIRTH DATE is not a date", "P1", "SMITH", "Ann", "soon", ""],
        ["4", "LOCAL PATIENT IDENTIFIER is empty", "", "BROWN", "Cat", "", ""],
        ["5", "Line 3 of this file says something else of the same number", "P2", "JONES", "Rob", "1960", ""],
    ]
    mended = refused.read_text("utf-8-sig").replace("soon", "1952").replace(",,BROWN", ",P3,BROWN")
    done = load(tmp_path, "mended.csv", mended)
    assert "3 read, 3 taken" in done.said
    assert sorted(Patient.objects.values_list("family", "given")) == [
        ("BROWN", "Cat"),
        ("JONES", "Rob"),
        ("SMITH", "Ann"),
    ]


def test_a_number_that_is_somebody_elses_is_refused(tmp_path):
    load(tmp_path, "p.csv", THREE)
    done = load(tmp_path, "q.csv", f"{PATIENTS}\nP1,TAYLOR,Zed,1999-09-09,\n")
    assert done.code == 1
    assert Patient.objects.filter(family="TAYLOR").count() == 0
    assert "birth date" in beside(tmp_path / "q.refused.csv").read_text()


def test_what_the_feed_told_after_the_extract_stays(tmp_path):
    load(tmp_path, "new.csv", f"{PATIENTS}\nP1,SMITH-JONES,Ann,1952-03-01,\n", as_of="2026-03-02T06:00")
    load(tmp_path, "old.csv", f"{PATIENTS}\nP1,SMITH,Ann,1952-03-01,\n", as_of="2026-03-01T06:00")
    assert Patient.objects.get().family == "SMITH-JONES"


def test_stays_and_appointments_of_people_who_are_known(tmp_path):
    load(tmp_path, "p.csv", THREE)
    stays = load(
        tmp_path, "s.csv",
        f"{STAYS}\nP1,V1,2026-02-20 10:00,,WA,1\nP2,V2,2026-02-01 10:00,2026-02-03 12:00,WB,2\nP9,V9,2026-02-01,,WA,\n",
    )  # fmt: skip
    assert "3 read, 2 taken, 0 unchanged, 1 refused" in stays.said
    assert written(tmp_path / "s.refused.csv")[1][:2] == ["4", "The patient is not known here"]
    assert list(Stay.objects.order_by("pk").values_list("status", "ward", "bed", "discharged_at")) == [
        ("in", "WA", "1", None), ("out", "WB", "2", datetime(2026, 2, 3, 12, tzinfo=UTC)),
    ]  # fmt: skip
    assert list(Movement.objects.order_by("pk").values_list("event", "ward")) == [
        ("admit", "WA"), ("admit", "WB"), ("discharge", "WB"),
    ]  # fmt: skip
    assert {tuple(line) for line in written(tmp_path / "s.warnings.csv")[1:]} == {
        ("2", "ward not in the site's list: taken as told"), ("3", "ward not in the site's list: taken as told"),
    }  # fmt: skip
    booked = load(tmp_path, "a.csv", f"{BOOKED}\nP1,A1,2026-04-01 09:00,CARD,0\nP1,A2,2026-04-02 09:00,CARD,2\n")
    assert "2 read, 2 taken" in booked.said
    assert list(Appointment.objects.order_by("pk").values_list("clinic", "status")) == [
        ("CARD", "booked"), ("CARD", "cancelled"),
    ]  # fmt: skip
    before = digest()
    for name in ("s.csv", "a.csv"):
        anew = Load.of(tmp_path / name, again=True)
        assert "0 taken, 2 unchanged" in anew.said
    assert digest() == before


def test_what_clerks_changed_is_kept_and_what_the_pas_holds_noted(tmp_path):
    load(tmp_path, "p.csv", THREE)
    patient = Patient.objects.get(family="SMITH")
    trunk = Trunk.objects.get(kind=Kind.PATIENT, object_id=patient.pk)
    change = Change.objects.get(patient=patient)
    Patient.objects.filter(pk=patient.pk).update(given="Anna")  # as a clerk's save leaves both
    Trunk.objects.filter(pk=trunk.pk).update(branch={"name": change.pk})
    done = load(tmp_path, "q.csv", f"{PATIENTS},POSTCODE OF USUAL ADDRESS\nP1,SMITH,Annie,1952-03-01,,LS1 4AP\n")
    patient.refresh_from_db()
    trunk.refresh_from_db()
    assert (patient.given, patient.postcode) == ("Anna", "LS1 4AP")
    assert trunk.held["name"]["given"] == "Annie"
    assert trunk.branch == {"name": change.pk}
    assert "1 taken" in done.said


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ({"as_of": None}, "When was p.csv taken out of the PAS?"),
        ({"as_of": "yesterday"}, "this is no date and time"),
        ({"as_of": "2199-01-01"}, "this is still to come"),
        ({"authority": ""}, "Whose numbers are these?"),
    ],
)
def test_what_cannot_be_seen_from_a_file_is_asked_for(tmp_path, words, reason):
    done = load(tmp_path, "p.csv", THREE, **words)
    assert reason in done.error
    assert not Patient.objects.exists()


def test_a_file_that_is_being_loaded_is_left_alone(tmp_path):
    import fcntl

    path = tmp_path / "p.csv"
    path.write_text(THREE)
    with path.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert "p.csv is being loaded already" in Load.of(path).error
    assert "3 taken" in Load.of(path).said


def test_places_and_who_works_there(tmp_path):
    load(tmp_path, "w.csv", "WARD CODE,WARD NAME,ORGANISATION SITE IDENTIFIER (OF TREATMENT)\nWA,Ward A,RXX01\n")
    beds = load(tmp_path, "b.csv", "WARD CODE,BAY CODE,BED CODE\nWA,B1,1\nWA,B1,2\nWX,,1\n")
    assert "3 read, 2 taken, 0 unchanged, 1 refused" in beds.said
    load(tmp_path, "c.csv", "CLINIC CODE,CLINIC NAME\nCARD,Cardiology\n")
    staff = "USER NAME,ROLE,WARD CODE,CLINIC CODE\np.taylor,clerk,WA,\np.taylor,clerk,,CARD\na.b,king,,\n"
    done = load(tmp_path, "s.csv", staff)
    assert "3 read, 2 taken, 0 unchanged, 1 refused" in done.said
    assert (Ward.objects.get().site, Bed.objects.count(), Clinic.objects.get().name) == ("RXX01", 2, "Cardiology")
    user = User.objects.get()
    assert (user.role, user.has_usable_password(), Assignment.objects.filter(user=user).count()) == ("clerk", False, 2)
    again = Load.of(tmp_path / "s.csv", again=True)
    assert "0 taken, 2 unchanged, 1 refused" in again.said
    assert AuditRow.objects.filter(action="account.added").count() == 1
    renamed = load(tmp_path, "w2.csv", "WARD CODE,WARD NAME\nWA,Alder\n")
    assert "1 taken" in renamed.said
    assert (Ward.objects.get().name, Ward.objects.get().site) == ("Alder", "RXX01"), "absent leaves"


def test_rows_are_written_down_as_csv_that_is_read_again(tmp_path):
    load(tmp_path, "p.csv", f'{PATIENTS}\nP1,"SMI""TH\nJr",Ann,never,\n')
    with beside(tmp_path / "p.refused.csv").open(encoding="utf-8-sig", newline="") as file:
        assert list(csv.reader(file))[1][3] == 'SMI"TH\nJr'

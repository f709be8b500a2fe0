"""The traps of HL7 v2 feeds about who somebody is: repeats, merges, changed numbers, newborns, each by its number."""

import pytest

from messaging.hl7.habits import FeedPolicy
from messaging.models import Channel, Inbound
from messaging.services import apply, intake
from messaging.services.intake import Frame
from patients.models import Change, Patient, PatientIdentifier, PatientLink, Stay
from tests.factories.identity import JONES, POLICY, SMITH, hear, hl7, mrg, patient, pid, pv1, store

pytestmark = pytest.mark.django_db


def receive(*texts):
    Channel.objects.get_or_create(code="pas", defaults={"policy": POLICY})
    return intake.store("pas", [Frame("127.0.0.1", text.encode()) for text in texts], policy=FeedPolicy.of(POLICY))


def test_trap_24_the_same_message_twice_is_one_and_another_body_is_another():
    first = hl7("A28", pid("A"))
    same_id_other_body = first.replace("SMITH", "SMYTHE")
    same_body_other_id = first.replace("|T", "|X")
    answers = receive(first, first, same_id_other_body, same_body_other_id)
    assert answers[0] == answers[1], "a repeat is given the same answer"
    assert Inbound.objects.count() == 3
    while apply.run_once():
        pass
    outcomes = list(Inbound.objects.order_by("number").values_list("outcome", flat=True))
    assert outcomes == ["applied", "applied", "applied"]
    assert Patient.objects.get().family == "SMITH"
    assert Change.objects.count() == 3


def test_trap_27_an_update_of_a_stranger_inserts_and_says_nothing_of_a_gap():
    assert hear(hl7("A31", pid("A"))) == [("applied", "")]
    assert not patient("A").provisional
    assert Inbound.objects.get().warnings == []


def test_trap_31_merge_a_into_b_then_b_into_c_and_a_is_c():
    hear(hl7("A28", pid("A")), hl7("A28", pid("B")), hl7("A28", pid("C")), hl7("A01", pid("A"), pv1("V1")))
    merges = [hl7("A40", pid("B"), mrg("A")), hl7("A40", pid("C"), mrg("B"))]
    assert hear(*merges) == [("applied", "")] * 2
    later = hl7("A31", pid("A", SMITH, "", "", "12 New St^^York"), at="20260302080000")
    assert hear(later) == [("applied", "")]
    c = PatientIdentifier.objects.get(value="C").patient
    assert (c.line1, patient("A").pk, Stay.objects.get().patient_id) == ("12 New St", c.pk, c.pk)
    assert "merged away" in Inbound.objects.latest("pk").warnings[-1]
    assert [row.merged_into_id is None for row in Patient.objects.order_by("pk")] == [False, False, True]


def test_trap_31_but_the_guard_stands_for_merged_away_numbers_too():
    """An unmerge comes as news for a retired number: it must never overwrite the person who has it now."""
    hear(hl7("A28", pid("A", "SMITH^Amy||19520301|F")), hl7("A28", pid("B")), hl7("A40", pid("B"), mrg("A")))
    unmerge = hl7("A31", pid("A", "SMITH^Amy||19520301|F"), at="20260302080000")
    assert hear(unmerge) == [("parked", "retired-number")]
    assert patient("B").given == "Ann"
    later = hear(
        hl7("A31", pid("B", SMITH, "", "", "1 High St"), at="20260302090000"),
        hl7("A31", pid("A", "SMITH^Amy||19520301|F"), at="20260302100000"),
        hl7("A31", pid("A"), at="20260302110000"),
    )
    assert later == [("applied", ""), ("parked", "waits"), ("parked", "waits")], "B is not in doubt, A is"
    assert Inbound.objects.get(code="retired-number").patient == patient("B").pk, "shown on B's banner"


def test_trap_32_b_into_a_after_a_into_b_and_a_into_a_are_refused():
    hear(hl7("A28", pid("A")), hl7("A28", pid("B")), hl7("A28", pid("D", JONES)))
    assert hear(hl7("A40", pid("B"), mrg("A")), hl7("A40", pid("A"), mrg("B"))) == [
        ("applied", ""),
        ("parked", "merge-loop"),
    ]
    assert hear(hl7("A40", pid("D", JONES), mrg("D"))) == [("parked", "merge-into-itself")]
    assert Patient.objects.filter(merged_into=None).count() == 2


def test_trap_33_an_unknown_loser_is_no_matter_and_an_unknown_survivor_a_new_number():
    hear(hl7("A28", pid("A")))
    assert hear(hl7("A40", pid("A"), mrg("NOBODY"))) == [("filed", "unknown-prior")]
    assert hear(hl7("A40", pid("N"), mrg("A"))) == [("applied", "")]
    only = Patient.objects.get()
    assert patient("N") == patient("A") == only
    assert list(only.identifiers.filter(until=None).values_list("value", flat=True)) == ["N"]
    assert hear(hl7("A40", pid("X"), mrg("Y"))) == [("filed", "unknown-prior")]
    assert Patient.objects.count() == 1


def test_trap_34_a_merge_told_again_after_recovery_is_seen_to_be_done():
    hear(hl7("A28", pid("A")), hl7("A28", pid("B")), hl7("A40", pid("B"), mrg("A")))
    changes, version = Change.objects.count(), patient("B").version
    assert hear(hl7("A40", pid("B"), mrg("A"), at="20260401080000")) == [("already", "already")]
    assert (Change.objects.count(), patient("B").version) == (changes, version)


@pytest.mark.parametrize("trigger", ["A47", "A34", "A35", "A36", "A40", "A44"])
@pytest.mark.parametrize("evn", [True, False])
def test_trap_35_without_mrg_it_waits_for_a_person_and_nobody_else_does(trigger, evn):
    hear(hl7("A28", pid("A")), hl7("A28", pid("B", JONES)))
    outcomes = hear(
        hl7(trigger, pid("A"), evn=evn),
        hl7("A31", pid("A"), at="20260302080000"),
        hl7("A31", pid("B", JONES, "", "", "1 Low St"), at="20260302080000"),
    )
    assert outcomes == [("parked", "no-mrg"), ("parked", "waits"), ("applied", "")]


def test_trap_35_a_new_number_without_mrg_holds_only_that_number():
    """A47 in the shape of an A28: nobody has the number yet, and what names it must not make a second record."""
    hear(hl7("A28", pid("A")))
    outcomes = hear(
        hl7("A47", pid("N"), "PV1|1|N"), hl7("A31", pid("N")), hl7("A31", pid("A")), hl7("A28", pid("M", JONES))
    )
    assert outcomes == [("parked", "no-mrg"), ("parked", "waits"), ("already", "already"), ("applied", "")]
    assert Patient.objects.count() == 2


def test_trap_36_a_bare_number_is_taken_only_where_one_patient_can_be_meant():
    hear(hl7("A28", pid("1234")), hl7("A28", pid("B")))
    assert hear(hl7("A40", pid("B"), "MRG|1234")) == [("applied", "")]
    assert patient("1234") == patient("B")
    hear(hl7("A28", pid("77^^^RXX^MR", JONES)), hl7("A28", pid("77^^^RYY^MR")))
    assert hear(hl7("A40", pid("B"), "MRG|77")) == [("parked", "ambiguous-number")]
    assert hear(hl7("A31", pid("B"))) == [("parked", "waits")]
    assert hear(hl7("A40", pid("Z", JONES), "MRG|77^^^RXX")) == [("parked", "waits")]
    assert Patient.objects.filter(merged_into=None).count() == 3


def test_trap_37_a_stay_of_another_patient_goes_where_it_belongs():
    hear(
        hl7("A28", pid("A")),
        hl7("A28", pid("B", JONES)),
        hl7("A01", pid("A"), pv1("V1")),
        hl7("A01", pid("A"), pv1("V2")),
    )
    moves = [
        hl7("A44", pid("B", JONES), mrg("A", "V1^^^RXX^VISITID")),
        hl7("A45", pid("B", JONES), mrg("A", "V2"), pv1("V9")),
    ]
    assert hear(*moves) == [("applied", "")] * 2
    assert set(Stay.objects.values_list("patient_id", flat=True)) == {patient("B").pk}
    assert hear(hl7("A02", pid("B", JONES), pv1("V9", "WB"), at="20260302080000")) == [("applied", "")]
    assert Stay.objects.filter(ward="WB").count() == 1
    again = [hl7("A44", pid("B", JONES), mrg("A", "V1^^^RXX^VISITID")), hl7("A02", pid("A"), pv1("V1", "WC"))]
    assert hear(*again) == [("already", "already"), ("parked", "number-of-another")]


def test_trap_39_twins_and_their_mother_are_three_linked_records():
    mother = hl7("A28", pid("M"))
    babies = [
        hl7("A28", pid(f"T{n}", f"SMITH^{name}||20260301|F") + "|" * 13 + f"M^^^RXX^MR|||Y|{n}")
        for n, name in ((1, "Baby One"), (2, "Baby Two"))
    ]
    assert hear(mother, *babies) == [("applied", "")] * 3
    assert len({patient(number).pk for number in ("M", "T1", "T2")}) == 3
    links = PatientLink.objects.filter(kind="mother", other=patient("M"))
    assert set(links.values_list("patient_id", flat=True)) == {patient("T1").pk, patient("T2").pk}
    assert list(patient("M").identifiers.values_list("value", flat=True)) == ["M"]
    assert hear(babies[0]) == [("already", "already")]


def test_trap_39_a_mothers_number_among_the_babys_is_not_the_babys():
    baby = pid("T1^^^RXX^MR~M^^^RXX^MR", "SMITH^Baby||20260301|F") + "|" * 13 + "M^^^RXX^MR"
    assert hear(hl7("A28", pid("M")), hl7("A28", baby)) == [("applied", "")] * 2
    assert patient("M").given == "Ann"
    assert patient("T1") != patient("M")
    only_hers = pid("M", "SMITH^Baby||20260301|F") + "|" * 13 + "M^^^RXX^MR"
    assert hear(hl7("A28", only_hers)) == [("parked", "no-identity")]


def test_trap_39_the_mother_may_be_told_as_next_of_kin():
    nk1 = "NK1|1|SMITH^Ann|MTH" + "|" * 30 + "M^^^RXX^MR"
    hear(hl7("A28", pid("M")), hl7("A28", pid("T1", "SMITH^Baby||20260301|F"), nk1))
    assert PatientLink.objects.get().other == patient("M")


@pytest.mark.parametrize("trigger", ["A47", "A40"])
@pytest.mark.parametrize("known", [True, False])
def test_trap_42_the_pas_gives_its_number_for_our_temporary_one_once(trigger, known):
    """The mirror registered somebody in an outage; the PAS comes back with its own number for that person."""
    hear(hl7("A28", pid("TMP1^^^PASMIRROR^MR")), hl7("A01", pid("TMP1^^^PASMIRROR^MR"), pv1("V1")))
    if known and trigger == "A40":
        hear(hl7("A28", pid("P1")))
    told = hl7(trigger, pid("P1"), mrg("TMP1^^^PASMIRROR^MR"))
    assert hear(told) == [("applied", "")]
    assert hear(told) == [("already", "already")]
    standing = patient("P1")
    assert [i.value for i in standing.identifiers.filter(until=None)] == ["P1"]
    assert Stay.objects.get().patient == standing
    assert hear(hl7("A02", pid("TMP1^^^PASMIRROR^MR"), pv1("V1", "WB"), at="20260302080000")) == [("applied", "")]
    assert Patient.objects.filter(merged_into=None).get() == standing


def test_a_message_about_two_holds_both():
    hear(hl7("A28", pid("A")), hl7("A28", pid("B", JONES)), hl7("A28", pid("C", JONES)))
    assert hear(hl7("A31", pid("A^^^RXX^MR~B^^^RXX^MR"))) == [("parked", "two-patients")]
    store(hl7("A31", pid("A")), hl7("A31", pid("B", JONES)), hl7("A31", pid("C", JONES)))
    while apply.run_once():
        pass
    assert list(Inbound.objects.order_by("-pk").values_list("code", flat=True)[:3]) == ["already", "waits", "waits"]

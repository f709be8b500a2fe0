"""Messages about who somebody is, as they are read: who stands, who ends, which stay; and what is too little to say."""

import pytest

from messaging.hl7.habits import Habits
from messaging.hl7.merges import FOLLOWED
from messaging.hl7.news import NotNews, news
from messaging.hl7.read import Message
from patients.facts import Named, News
from patients.identifiers import Identifier
from tests.factories.identity import SMITH, hl7, mrg, pid, pv1

HABITS = Habits(default_authority="RXX")
A, B = Identifier("MR", "RXX", "A"), Identifier("MR", "RXX", "B")
NHS = "9990000018"


def read(*segments: str, trigger: str = "A40") -> News | NotNews:
    return news(Message.of(hl7(trigger, *segments).encode()), habits=HABITS)


def told(*segments: str, trigger: str = "A40") -> News:
    said = read(*segments, trigger=trigger)
    assert isinstance(said, News), said
    return said


@pytest.mark.parametrize("trigger", [t[-3:] for t, event in FOLLOWED.items() if event == "merge" and t != "ADT^A36"])
def test_the_pid_stands_and_the_mrg_ends_whichever_merge_it_is(trigger):
    said = told(pid("B"), mrg("A"), trigger=trigger)
    assert (said.event, said.patient_ids, said.prior, said.other) == ("merge", (B,), Named((A,)), None)
    assert said.patient["name"]["family"] == "SMITH"


@pytest.mark.parametrize(
    ("field", "named"),
    [
        ("A^^^RXX^MR", Named((A,))),
        ("1234", Named((Identifier("", "", "1234"),))),
        ("1234^^^RXX", Named((Identifier("", "RXX", "1234"),))),
        ("1234^^^^MR", Named((Identifier("MR", "", "1234"),))),
        (f"{NHS}^^^NHS^NH", Named((), NHS)),
        (f"A^^^RXX^PI~{NHS}^^^NHSNBR", Named((A,), NHS)),
        ("A^^^RXX^MR~K^^^RYY^MR", Named((A, Identifier("MR", "RYY", "K")))),
        ("|||A^^^RXX^MR", Named((A,))),  # MRG-4, of version 2.3
    ],
)
def test_what_an_mrg_leaves_out_stays_blank(field, named):
    assert told(pid("B"), f"MRG|{field}").prior == named


def test_every_group_of_a_message_is_a_part():
    said = told(pid("B"), mrg("A"), pid("D"), mrg("C"), mrg("E"))
    parts = [(part.patient_ids[0].value, part.prior.patient_ids[0].value) for part in said.parts]
    assert parts == [("B", "A"), ("D", "C"), ("D", "E")]


def test_a_stay_moves_from_the_mrgs_patient_to_the_pids():
    said = told(pid("B"), mrg("A", "V1^^^RXX^VISITID"), pv1("V9"), trigger="A45")
    assert (said.event, said.prior) == ("move_stay", Named((A,)))
    assert said.prior_stay_ids == (Identifier("VN", "RXX", "V1"),)
    assert said.stay_ids == (Identifier("VN", "RXX", "V9"),)
    account = told(pid("B"), "MRG|A^^^RXX^MR||V3", trigger="A44")
    assert account.prior_stay_ids == (Identifier("VN", "", "V3"),)


def test_a36_is_a_merge_and_a_stay_and_a35_only_the_stay():
    segments = (pid("B", SMITH + "|" * 10 + "V2^^^RXX"), mrg("A", "V1^^^RXX"))
    both = told(*segments, trigger="A36")
    assert [part.event for part in both.parts] == ["merge", "renumber_stay"]
    for stay in (both.parts[1], told(*segments, trigger="A35")):
        assert (stay.prior_stay_ids[0].value, stay.stay_ids[0].value) == ("V1", "V2")


def test_links_and_removals():
    said = told(pid("A"), pid("B", "JONES^Eve||1980|F"), trigger="A24")
    assert (said.event, said.patient_ids, said.prior) == ("link", (A,), Named((B,)))
    assert said.prior_patient["name"]["family"] == "JONES"
    assert told(pid("A"), pid("B"), trigger="A37").event == "unlink"
    assert told(pid("A"), trigger="A29").event == "remove"


@pytest.mark.parametrize(
    ("trigger", "segments", "code", "named"),
    [
        ("A40", (), "no-pid", ""),
        ("A40", (pid("B"),), "no-mrg", "B"),
        ("A47", (pid("B"), "PD1|", "PV1|1|N"), "no-mrg", "B"),
        ("A40", (pid("B"), mrg("")), "no-prior-number", "B"),
        ("A40", (pid(""), mrg("A")), "no-identity", "A"),
        ("A40", (pid("B"), mrg("A"), pid("L" * 60), mrg("C")), "value-too-long", "BAC" + "L" * 60),
        ("A44", (pid("B"), mrg("A")), "no-visit-number", "BA"),
        ("A24", (pid("A"),), "no-second-pid", "A"),
        ("A37", (pid("A"), pid("B"), pid("C")), "no-second-pid", "ABC"),
        ("A40", (pid("B"), mrg("A"), pid("D")), "no-mrg", "BAD"),
    ],
)
def test_what_cannot_be_said_is_a_persons_and_names_everybody(trigger, segments, code, named):
    said = read(*segments, trigger=trigger)
    assert isinstance(said, NotNews)
    assert (said.code, said.parked) == (code, True)
    assert {letter for i in said.named.patient_ids for letter in i.value} == set(named)
    assert "RXX" not in said.reason


def test_without_a_time_anywhere_it_is_a_persons():
    bare = hl7("A40", pid("B"), mrg("A"), at="", evn=False)
    said = news(Message.of(bare.encode()), habits=HABITS)
    assert isinstance(said, NotNews)
    assert (said.code, {i.value for i in said.named.patient_ids}) == ("no-time", {"A", "B"})


@pytest.mark.parametrize(
    ("field", "mother"),
    [("M^^^RXX^MR", Named((Identifier("MR", "RXX", "M"),))), (f"{NHS}^^^NHS^NH", Named((), NHS)), ("", Named())],
)
def test_a_newborns_mother_is_in_pid_21_and_never_in_pid_3(field, mother):
    baby = pid(f"T~M^^^RXX^MR~{NHS}^^^NHS^NH", "SMITH^Baby||20260301|F") + "|" * 13 + field
    said = told(baby, trigger="A28")
    assert said.mother == mother
    left = {i.value for i in said.patient_ids} | {str(said.patient.get("nhs", {}).get("nhs_number", ""))}
    hers = {i.value for i in mother.patient_ids} | ({mother.nhs_number} - {""})
    assert left == {"T", "M", NHS} - hers or left == {"T", "M", NHS, ""} - hers
    assert bool(said.warnings) == (mother != Named())


def test_the_next_of_kin_called_mother_is_the_mother_where_pid_21_is_silent():
    kin = ["NK1|1|SMITH^Bob|FTH" + "|" * 30 + "F", "NK1|2|SMITH^Ann|MTH" + "|" * 30 + "M^^^RXX^MR"]
    assert told(pid("T"), *kin, trigger="A28").mother == Named((Identifier("MR", "RXX", "M"),))
    assert told(pid("T") + "|" * 13 + "P", *kin, trigger="A28").mother == Named((Identifier("MR", "RXX", "P"),))

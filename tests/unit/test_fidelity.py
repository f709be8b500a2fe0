"""Two messages compared by what they mean: what differs, how, and in which components."""

from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from messaging import fidelity
from messaging.fidelity import IGNORED, ORDER, UNORDERED, Compared, Verdict
from messaging.hl7.read import Message
from messaging.hl7.text import escape

LONDON = ZoneInfo("Europe/London")
HEAD = "MSH|^~\\&|PAS|RXX|ROUTE||20260301080000||ADT^A01|C1|P|2.4"


def message(*lines: str, head: str = HEAD) -> Message:
    return Message.of("\r".join([head, *lines]).encode())


def compared(theirs: Message, ours: Message) -> dict[str, Compared]:
    found = fidelity.compare(theirs, ours, zone=LONDON)
    assert len({one.field for one in found}) == len(found), "each field once"
    return {one.field: one for one in found}


def of(theirs: str, ours: str) -> tuple[Verdict, str]:
    """Compare two texts of PID-11, or of the field that the first begins with (`PV1-44:...`)."""
    field, _, text = theirs.partition(":")
    if "-" not in field:
        field, text = "PID-11", theirs
    name, number = field.split("-")
    lines = ["|".join([name, *[""] * (int(number) - 1), said]) for said in (text, ours)]
    one = compared(message(lines[0]), message(lines[1])).get(field)
    return (one.verdict, one.parts) if one else (Verdict.SAME, "neither says anything")


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("1 High St^^LEEDS", "1 High St^^LEEDS"),
        ("1 High St^^LEEDS^^", "1 High St^^LEEDS"),  # empty ends
        ("1 High St^^LEEDS~", "1 High St^^LEEDS"),
        ("1 High St&^^LEEDS", "1 High St^^LEEDS"),
        ("Smith \\T\\ Sons", "Smith \\X26\\ Sons"),  # two ways to escape one letter
        ('""', '""'),
        ('""^MOBILE~""^HOME', '""^MOBILE~""^HOME'),
        ("PID-3:1^^^A^MR~2^^^B^MR", "2^^^B^MR~1^^^A^MR"),  # a set
        ("PV1-44:202603010800", "20260301080000"),  # one moment
        ("PV1-44:20260701080000+0000", "20260701090000"),
        ("SCH-11:^^30^202603010800", "^^30^20260301080000"),
    ],
)
def test_what_means_the_same_is_the_same(theirs: str, ours: str) -> None:
    assert of(theirs, ours) == (Verdict.SAME, "")


@pytest.mark.parametrize(
    ("theirs", "ours", "verdict", "parts"),
    [
        ("1 High St^^LEEDS", "", Verdict.MISSING, ""),
        ("", "1 High St", Verdict.EXTRA, ""),
        ('""', "", Verdict.NOT_DELETED, ""),
        ('""^MOBILE~""^HOME', "", Verdict.NOT_DELETED, ""),
        ('""^MOBILE~0113 1^HOME', "", Verdict.MISSING, ""),
        ("", '""', Verdict.DELETES, ""),
        ('""', "1 High St", Verdict.OTHER, "1"),
        ("1 High St", '""', Verdict.OTHER, "1"),
        ("1 High St^^LEEDS^^LS1", "1 High St^^LEEDS", Verdict.LESS, "5"),
        ("1 High St", "1 High St^^^^^^HOME", Verdict.MORE, "7"),
        ("1 High St^^LEEDS", "1 High St^^YORK", Verdict.OTHER, "3"),
        ("1 High St^^LEEDS", "1 High St^Flat 2", Verdict.OTHER, "2,3"),
        ("1 High St^x~2 Low St", "1 High St^x", Verdict.LESS, "~"),
        ("1 High St", "1 High St~2 Low St", Verdict.MORE, "~"),
        ("A~B", "B~A", Verdict.OTHER, "1"),  # no set: the first is the home address
        ("A\\T\\B", "A&B", Verdict.OTHER, "1"),  # one text, or two subcomponents
        ("A^x", 'A^""', Verdict.OTHER, "2"),
        ("A", 'A^""', Verdict.OTHER, "2"),  # deletes what the PAS leaves
        ("PID-3:1^^^A^MR", "1^^^A^PI", Verdict.OTHER, "5"),
        ("PID-7:20241104144000", "20241104", Verdict.LESS, "1"),
        ("PID-7:20241104144000", "20241105", Verdict.OTHER, "1"),
        ("PV1-44:20260301", "20260301000000", Verdict.OTHER, "1"),  # a day is not its midnight
        ("PV1-44:20260701080000", "20260701090000", Verdict.OTHER, "1"),
    ],
)
def test_what_differs_is_named_with_its_way_and_its_components(
    theirs: str, ours: str, verdict: Verdict, parts: str
) -> None:
    assert of(theirs, ours) == (verdict, parts)


def test_absent_on_both_sides_is_no_field() -> None:
    assert of("", "") == (Verdict.SAME, "neither says anything")
    assert "PID-2" not in compared(message("PID|1||2"), message("PID|1||2"))


def test_other_separators_mean_the_same() -> None:
    theirs = Message.of(b"MSH#*!$%#PAS#RXX#ROUTE##20260301080000##ADT*A01#C1#P#2.4\rPID#1##7***A!8\r")
    found = compared(theirs, message("PID|1||7^^^A~8"))
    assert {one.verdict for one in found.values()} == {Verdict.SAME}


def test_segments_of_one_name_are_paired_in_their_order_and_one_too_many_is_missing_by_field() -> None:
    theirs = message("PID|1", "AL1|1|DA|PEN", "AL1|2|DA|LAT")
    found = fidelity.compare(theirs, message("PID|1", "AL1|1|DA|PEN"), zone=LONDON)
    allergies = [(one.field, one.verdict) for one in found if one.field.startswith("AL1")]
    same, gone = Verdict.SAME, Verdict.MISSING
    assert allergies == [(f"AL1-{n}", verdict) for verdict in (same, gone) for n in (1, 2, 3)]


def test_an_extra_segment_is_extra_and_a_z_segment_counts() -> None:
    found = compared(message("PID|1", "ZPI|1|LETTERS"), message("PID|1", "PD1||||G1"))
    assert (found["ZPI-2"].verdict, found["PD1-4"].verdict) == (Verdict.MISSING, Verdict.EXTRA)


def test_the_order_of_the_segments_is_one_more_field() -> None:
    theirs = message("PID|1", "PD1||||G1", "PV1|1|I", "AL1|1")
    assert compared(theirs, message("PID|1", "PV1|1|I"))[ORDER].verdict == Verdict.SAME
    assert compared(theirs, message("PD1||||G1", "PID|1"))[ORDER].verdict == Verdict.OTHER


def test_what_must_differ_is_left_out_and_says_why() -> None:
    other = "MSH|^~\\&|PAS|RXX|LAB|X|20260302090000|s|ADT^A01|C2|P|2.4|7||AL|NE|GBR|8859/1"
    found = compared(message("EVN|A01|20260301"), message("EVN|A01|20260302", head=other))
    different = {field for field, one in found.items() if one.verdict != Verdict.SAME}
    assert different == {"MSH-8", "MSH-17"}
    assert IGNORED.keys().isdisjoint(found)
    assert all(len(why) > 10 for why in {**IGNORED, **UNORDERED}.values())


def test_a_message_that_cannot_be_said_lacks_every_field() -> None:
    theirs = message("EVN|A01|20260301", "PID|1||7", "ZPI|x")
    found = fidelity.unsaid(theirs, Verdict.UNSAID)
    assert {one.verdict for one in found} == {Verdict.UNSAID}
    full = compared(theirs, theirs)
    assert {one.field for one in found} == full.keys()


TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1, max_size=12).filter(
    lambda text: text != '""'
)


@given(st.lists(st.lists(TEXT, min_size=1, max_size=4), min_size=1, max_size=3))
def test_every_text_is_the_same_as_itself_however_its_letters_are_escaped(parts: list[list[str]]) -> None:
    ours = "~".join("^".join(map(escape, components)) for components in parts)
    hexed = "~".join("^".join(f"\\X{text.encode().hex()}\\" for text in components) for components in parts)
    assert of(f"PID-11:{ours}", ours) == (Verdict.SAME, "")
    assert of(f"PID-11:{hexed}", ours) == (Verdict.SAME, "")


@given(st.lists(TEXT, min_size=2, max_size=5), st.data())
def test_a_component_left_out_is_always_found(parts: list[str], data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(parts) - 1))
    shorter = ["" if n == at else text for n, text in enumerate(parts)]
    verdict = of("PID-11:" + "^".join(map(escape, parts)), "^".join(map(escape, shorter)))
    assert verdict == (Verdict.LESS, str(at + 1))

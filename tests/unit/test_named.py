"""A message field by field: the standard's names, repetitions, deletions, local segments; and words for every code."""

import re
from pathlib import Path

from messaging.asides import WHY, why
from messaging.hl7 import named
from messaging.hl7.read import Message

ROOT = Path(__file__).resolve().parents[2]


def told(*segments):
    head = "MSH|^~\\&|DEMOPAS|RXX|ROUTE||20260301080000||ADT^A31|T1|P|2.4"
    return {one.name: one for one in named.told(Message.of("\r".join([head, *segments]).encode()))}


def fields(segment):
    return {field.path: field for field in segment.fields}


def test_components_bear_their_names_and_repetitions_stay_apart():
    pid = fields(told("PID|1||A^^^RXX^MR~9990000018^^^NHS^NH||SMITH^Ann^^^Mrs")["PID"])
    name = pid["PID-5"]
    assert name.name == "Patient name"
    assert [(part.name, part.text) for part in name.values[0]] == [
        ("Family name", "SMITH"), ("Given name", "Ann"), ("Prefix e g dr", "Mrs"),
    ]  # fmt: skip
    assert [[part.text for part in value] for value in pid["PID-3"].values] == [
        ["A", "RXX", "MR"],
        ["9990000018", "NHS", "NH"],
    ]
    assert pid["PID-1"].name == "Set ID"
    assert "PID-2" not in pid


def test_deletion_escapes_header_and_local_segments():
    one = told(r"PID|1||A||O\T\N^Ann||" + '""', "ZPI|x^y|z", "PV1|1|I|W1^B^2")
    assert fields(one["PID"])["PID-7"].deletes
    assert fields(one["PID"])["PID-5"].values[0][0].text == "O&N"
    assert fields(one["MSH"])["MSH-2"].values[0][0].text == "^~\\&"
    assert fields(one["MSH"])["MSH-10"].name == "Message control ID"
    assert one["ZPI"].words == "Local segment"
    assert fields(one["ZPI"])["ZPI-1"].values[0][1].text == "y"
    assert fields(one["PV1"])["PV1-3"].name == "Assigned patient location"
    assert one["PV1"].line == "PV1|1|I|W1^B^2"


def test_a_field_beyond_the_standard_is_shown_without_a_name():
    far = fields(told("EVN|" + "|" * 20 + "x")["EVN"])["EVN-21"]
    assert (far.name, far.values[0][0].text) == ("", "x")


def test_every_code_that_sets_aside_has_words():
    raised = re.compile(r'(?:Parked|Unclear|Torn|_parked|Aside)\(\s*(?:[\w.]+, )?"([a-z-]+)"')
    places = [*(ROOT / "messaging").rglob("*.py"), *(ROOT / "patients").rglob("*.py")]
    codes = {code for path in places for code in raised.findall(path.read_text())}
    assert len(codes) > 15
    assert codes <= set(WHY), codes - set(WHY)
    assert why("something-new").words == "Something new"

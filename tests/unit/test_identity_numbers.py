"""The NHS number and the hospital number in every shape in which UK systems have been seen to send them."""

import pytest

from messaging.hl7.habits import Habits
from messaging.hl7.identity import Person, person
from messaging.hl7.read import Message
from patients.identifiers import Identifier

NHS = "9449305552"
HABITS = Habits(default_authority="RXX")


def read(*fields: tuple[int, str]) -> Person:
    row = [""] * 33
    for place, text in fields:
        row[place - 1] = text
    message = Message.of(("MSH|^~\\&|X|Y|||2026||ADT^A31|1|P|2.4\rPID|" + "|".join(row) + "\r").encode())
    pid = message.first("PID")
    assert pid
    return person(pid, HABITS)


@pytest.mark.parametrize(
    ("where", "fields", "status"),
    [
        ("north-west genomics, PKB", ((3, f"P1^^^RXX^MR~{NHS}^^^NHS^NH"),), None),
        ("Epic at UCLH: CX.5 HN", ((3, f"P1^^^RXX^MR~{NHS}^^^^HN"),), None),
        ("Wales: CX.5 NI with a status in CX.2", ((3, f"P1^^^RXX^MR~{NHS}^06^^^NI"),), "06"),
        ("iPM: the authority alone", ((3, f"P1^^^RXX^MR~{NHS}^^^NHS"),), None),
        ("Barts, Renalware: CX.4 NHSNBR", ((3, f"{NHS}^^^NHSNBR~P1^^^RXX^MR"),), None),
        ("Homerton: PID-19", ((3, "P1^^^RXX^MR"), (19, NHS)), None),
        ("Homerton: PID-3 'NHS Number'", ((3, f"P1^^^RXX^MR~{NHS}^^^NHS Number"),), None),
        ("Medway: PID-2 with NSTS", ((2, f"{NHS}^NSTS03^^NHS^NHS"), (3, "P1^^^RXX^MR")), "03"),
        ("openMAXIMS: CX.2 V is verified", ((3, f"P1^^^RXX^MR~{NHS}^V^^NHS^NH"),), "01"),
        ("PKB: a status glued to CX.5", ((3, f"P1^^^RXX^MR~{NHS}^^^NHS^NH{{status:01}}"),), "01"),
        ("with blanks, as people write it", ((3, "P1^^^RXX^MR~944 930 5552^^^NHS^NH"),), None),
        ("the status in PID-32", ((3, f"P1^^^RXX^MR~{NHS}^^^NHS^NH"), (32, "NSTS08")), "08"),
        ("the status in PID-32, bare", ((3, f"P1^^^RXX^MR~{NHS}^^^NHS^NH"), (32, "01")), "01"),
    ],
)
def test_the_nhs_number_is_found_in_every_shape(where, fields, status):
    found = read(*fields)
    assert found.nhs["nhs_number"] == NHS, where
    assert found.nhs.get("nhs_status") == status
    assert found.ids == [Identifier("MR", "RXX", "P1")]
    assert not found.warnings


@pytest.mark.parametrize("order", [1, -1])
def test_numbers_are_told_apart_by_authority_and_type_never_by_place(order):
    numbers = ["P1^^^RXX^PI", "K7^^^RYY^MR", f"{NHS}^^^NHS^NH", "D4^^^DVLA^DL", "B9"]
    found = read((3, "~".join(numbers[::order])))
    assert set(found.ids) == {
        Identifier("MR", "RXX", "P1"),
        Identifier("MR", "RYY", "K7"),
        Identifier("DL", "DVLA", "D4"),
        Identifier("MR", "RXX", "B9"),
    }
    assert found.nhs["nhs_number"] == NHS


@pytest.mark.parametrize("text", ["9449305553", "94493055", "not known"])
def test_a_number_with_a_wrong_check_digit_is_no_nhs_number_and_no_hospital_number(text):
    found = read((3, f"P1^^^RXX^MR~{text}^^^NHS^NH"))
    assert "nhs_number" not in found.nhs
    assert found.ids == [Identifier("MR", "RXX", "P1")]
    assert [text in warning for warning in found.warnings] == [False]


def test_two_different_nhs_numbers_are_not_mixed():
    found = read((3, f"P1^^^RXX^MR~{NHS}^^^NHS^NH"), (19, "9990000018"))
    assert found.nhs["nhs_number"] == NHS
    assert found.warnings == ["PID-19: a second NHS number, not taken"]

"""Values too long for the record, and the table of lengths against the columns."""

from django.apps import apps

from messaging.hl7 import lengths
from patients.facts import GROUPS, MOMENTS, Kind
from tests.unit.test_hl7_news import good, none


def test_another_fact_too_long_is_left_out_with_a_warning_and_the_movement_is_taken():
    said = good("A03", "PV1|1|I|WA||||||||||||||||V1" + "|" * 17 + "X" * 21 + "|19")
    assert said.stay["discharge"] == {"discharge_destination": "19"}
    assert said.warnings == ("the stay fact discharge_method is longer than the record can hold: not taken",)


def test_a_value_too_long_is_named_by_its_fact():
    assert "family" in none("A28", pid="PID|1||P1||" + "X" * 101).reason


def test_the_table_of_lengths_is_the_columns():
    for kind, model in ((Kind.PATIENT, "Patient"), (Kind.STAY, "Stay"), (Kind.APPOINTMENT, "Appointment")):
        columns = apps.get_model("patients", model)
        for names in GROUPS[kind].values():
            for name in names:
                column = columns._meta.get_field(name)
                longest = None if name in MOMENTS or name == "status" else column.max_length
                assert lengths.LONGEST[kind].get(name) == longest, name
    number = apps.get_model("patients", "PatientIdentifier")._meta
    found = [number.get_field(name).max_length for name in ("type", "authority", "value")]
    assert found == [lengths.LONGEST_TYPE, lengths.LONGEST_AUTHORITY, lengths.LONGEST_NUMBER]

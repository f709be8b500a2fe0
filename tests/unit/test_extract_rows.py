"""CSV extracts row by row: which columns they have, what a row says, and why one is refused, in the user's words."""

import gzip
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from messaging.extracts import cells, files, rows
from messaging.extracts.cells import CellFault
from messaging.extracts.columns import COLUMNS, Extract
from messaging.extracts.files import FileFault
from messaging.extracts.rows import NOT_NHS, Taking
from messaging.extracts.sheets import Row, RowFault, Sheet
from pasmirror.lib import clock
from patients.facts import GROUPS
from patients.identifiers import Identifier

AS_OF = datetime(2026, 3, 1, 6, tzinfo=UTC)
TAKING = Taking(AS_OF, "RXX")
PATIENTS = "LOCAL PATIENT IDENTIFIER,PERSON FAMILY NAME"
STAYS = "LOCAL PATIENT IDENTIFIER,HOSPITAL PROVIDER SPELL IDENTIFIER,START DATE (HOSPITAL PROVIDER SPELL)"
BOOKED = "LOCAL PATIENT IDENTIFIER,APPOINTMENT IDENTIFIER,APPOINTMENT DATE"


@pytest.fixture
def sheet(tmp_path):
    def make(text, name="extract.csv", **more):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return Sheet(files.look(path), **more)

    return make


def told(sheet, number=0):
    return rows.stories(sheet, list(sheet.rows())[number], TAKING)


def why(sheet, number=0):
    with pytest.raises(RowFault) as fault:
        told(sheet, number)
    return str(fault.value)


def test_every_fact_has_at_most_one_column_of_a_kind_and_every_column_is_a_fact_that_exists():
    for extract, columns in COLUMNS.items():
        names = [column.name for column in columns]
        assert len(set(names)) == len(names), extract
        for column in columns:
            assert column.kind is None or column.key in GROUPS[column.kind][column.group]


@pytest.mark.parametrize("extract", list(Extract))
def test_a_file_is_known_by_its_columns(sheet, extract):
    header = ",".join(f'"{column.name}"' for column in COLUMNS[extract])
    assert sheet(header + "\n").extract == extract


def test_a_person_whole(sheet):
    text = (
        "local_patient_identifier;NHS NUMBER;Person Family Name;PERSON GIVEN NAME;PERSON BIRTH DATE;"
        "PERSON STATED GENDER CODE;POSTCODE OF USUAL ADDRESS;PERSON DEATH DATE\n"
        '  P1 ;999 000 0018;"O\'BRIEN; Mc";Zoë;03/11/1954;2;LS1 4AP;2020-01\n'
    )
    (news,) = told(sheet(text))
    assert news.patient_ids == (Identifier("MR", "RXX", "P1"),)
    assert (news.event, news.sent_at, news.occurred_at) == ("register", AS_OF, AS_OF)
    assert news.patient == {
        "name": {"family": "O'BRIEN; Mc", "given": "Zoë"},
        "birth": {"born": "1954-11-03"},
        "sex": {"sex": "F"},
        "nhs": {"nhs_number": "9990000018"},
        "address": {"postcode": "LS1 4AP"},
        "death": {"dead": True, "died_at": "2020-01"},
    }


def test_an_empty_cell_says_nothing_and_two_quotation_marks_delete(sheet):
    made = sheet(f'{PATIENTS},UK TELEPHONE NUMBER,EMAIL ADDRESS,NHS NUMBER\nP1,SMITH,,"""""",""""""\n')
    (news,) = told(made)
    assert news.patient == {"name": {"family": "SMITH"}, "phones": {"email": ""}, "nhs": {"nhs_number": ""}}


def test_a_wrong_nhs_number_is_left_out_with_a_warning(sheet):
    (news,) = told(sheet(f"{PATIENTS},NHS NUMBER\nP1,SMITH,9990000019\n"))
    assert "nhs" not in news.patient
    assert news.warnings == (NOT_NHS,)


@pytest.mark.parametrize(
    ("cell", "kept"),
    [("1954", "1954"), ("1954-11", "1954-11"), ("195411", "1954-11"), ("19541103", "1954-11-03"),
     ("3/11/1954", "1954-11-03"), ("1954-11-03 10:30", "1954-11-03")],
)  # fmt: skip
def test_a_date_is_no_more_precise_than_it_was_written(cell, kept):
    assert cells.date(cell) == kept


@pytest.mark.parametrize("cell", ["31/02/1954", "soon", "0000-00-00", "99991231", "11/54"])
def test_what_is_no_date_is_refused(cell):
    with pytest.raises(CellFault):
        cells.date(cell)


@given(st.datetimes(min_value=datetime(1900, 1, 1), max_value=datetime(2100, 1, 1)))  # noqa: DTZ001 - local on purpose
def test_a_moment_is_the_same_however_it_is_written(at):
    zone = clock.SITE
    spelt = {
        cells.moment(at.strftime("%Y-%m-%dT%H:%M"), "", zone),
        cells.moment(at.strftime("%d/%m/%Y %H:%M"), "", zone),
        cells.moment(at.strftime("%Y%m%d"), at.strftime("%H:%M"), zone),
        cells.moment(at.strftime("%d/%m/%Y"), at.strftime("%H%M"), zone),
    }
    assert len(spelt) == 1


def test_a_stay_that_has_ended_is_two_events(sheet):
    text = f"{STAYS},DISCHARGE DATE (HOSPITAL PROVIDER SPELL),WARD CODE,DISCHARGE METHOD CODE (HOSPITAL PROVIDER SPELL)"
    admitted, ended = told(sheet(f"{text}\nP1,V1,2026-02-01 10:00,2026-02-03 09:00,WA,1\n"))
    assert (admitted.event, ended.event) == ("admit", "discharge")
    assert admitted.stay == {"place": {"ward": "WA"}, "times": {"admitted_at": "2026-02-01T10:00:00+00:00"}}
    assert ended.stay["discharge"] == {"discharge_method": "1"}
    assert clock.iso(ended.occurred_at) == "2026-02-03T09:00:00+00:00"
    assert admitted.stay_ids == (Identifier("VN", "RXX", "V1"),)


def test_an_appointment_called_off_is_two_events(sheet):
    text = f"{BOOKED},APPOINTMENT TIME,CLINIC CODE,APPOINTMENT DURATION,ATTENDED OR DID NOT ATTEND CODE"
    booked, off = told(sheet(f"{text}\nP1,A1,01/07/2026,09:30,CARD,30,2\n"))
    assert (booked.event, off.event) == ("book", "cancel_appointment")
    assert booked.appointment["booking"] == {"clinic": "CARD", "minutes": 30, "starts_at": "2026-07-01T08:30:00+00:00"}


@pytest.mark.parametrize(
    ("header", "row", "reason"),
    [
        (PATIENTS, "P1", "It has 1 cells where the first line has 2"),
        (PATIENTS, ",SMITH", "LOCAL PATIENT IDENTIFIER is empty"),
        (f"{PATIENTS},PERSON BIRTH DATE", "P1,SMITH,1/2", "PERSON BIRTH DATE is not a date"),
        (f"{PATIENTS},PERSON STATED GENDER CODE", "P1,SMITH,Q", "PERSON STATED GENDER CODE must be one of"),
        (f"{PATIENTS},PERSON TITLE", f"P1,SMITH,{'x' * 36}", "PERSON TITLE is longer than 35 characters"),
        (STAYS, "P1,V1,yesterday", "START DATE (HOSPITAL PROVIDER SPELL) is not a date and time"),
        (f"{STAYS},DISCHARGE DATE (HOSPITAL PROVIDER SPELL)", "P1,V1,2026-02-02,2026-02-01",
         "DISCHARGE DATE (HOSPITAL PROVIDER SPELL) is before the start"),
        (f"{BOOKED},ATTENDED OR DID NOT ATTEND CODE", "P1,A1,2026-02-02,9", "ATTENDED OR DID NOT ATTEND CODE must be"),
    ],
)  # fmt: skip
def test_a_row_is_refused_with_the_column_and_never_the_value(sheet, header, row, reason):
    said = why(sheet(f"{header}\n{row}\n"))
    assert said.startswith(reason)
    assert "SMITH" not in said


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (f"{PATIENTS},SHOE SIZE\n", "has no column 'SHOE SIZE'"),
        (f"{PATIENTS},person-family-name\n", "stands there twice"),
        ("PERSON FAMILY NAME\n", "no extract known here"),
        (b"PK\x03\x04rest", "save it as CSV"),
        (b"", "is empty"),
    ],
)
def test_a_file_that_cannot_be_loaded_says_why(sheet, text, reason):
    with pytest.raises(FileFault, match=reason):
        sheet(text)


def test_a_missing_column_is_named(sheet):
    with pytest.raises(FileFault, match="needs a column LOCAL PATIENT IDENTIFIER"):
        sheet("PERSON FAMILY NAME\n", extract=Extract.PATIENTS)


def test_a_column_may_be_left_out_and_a_refused_file_loaded_as_it_is(sheet):
    made = sheet(f"REFUSED LINE,REFUSED REASON,{PATIENTS},SHOE SIZE\n7,why,P1,SMITH,9\n", ignored=["shoe size"])
    (news,) = told(made)
    assert news.patient_ids[0].value == "P1"
    (row,) = made.rows()
    assert made.own(row.cells) == ["P1", "SMITH", "9"]


def test_lines_are_counted_as_an_editor_counts_them(sheet):
    made = sheet(f'{PATIENTS}\r\nP1,"SMITH\r\nJONES"\r\n\r\nP2,BROWN\r\n')
    assert [row.line for row in made.rows()] == [2, 5]
    assert Row(2, ["P1", "SMITH\r\nJONES"]) in list(made.rows())


def test_packed_and_older_encodings_are_read(tmp_path):
    packed = tmp_path / "old.csv.gz"
    packed.write_bytes(gzip.compress(f"{PATIENTS}\nP1,M\u00dcLLER \u2019\n".encode("cp1252")))
    source = files.look(packed)
    assert (source.packed, source.encoding, source.stem) == (True, "cp1252", "old")
    (news,) = told(Sheet(source))
    assert news.patient["name"]["family"] == "MÜLLER \u2019"
    packed.write_bytes(packed.read_bytes()[:-9])
    with pytest.raises(FileFault, match="not whole"):
        files.look(packed)


def test_the_manual_names_every_column_and_no_other():
    manual = (Path(__file__).parents[2] / "docs" / "loading.md").read_text()
    said = [line.split("|")[1].strip(" `") for line in manual.splitlines() if line.startswith("| `")]
    assert said == [column.name for columns in COLUMNS.values() for column in columns]

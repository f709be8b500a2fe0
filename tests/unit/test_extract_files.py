"""How an extract is written is found out, or asked for: no letter is guessed at, and none comes in garbled."""

import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from messaging.extracts import files
from messaging.extracts.files import FileFault
from messaging.extracts.sheets import RowFault, Sheet

HEADER = "LOCAL PATIENT IDENTIFIER,PERSON FAMILY NAME\r\n"
PEOPLE = f"{HEADER}P1,O\u2019Neill\r\nP2,Kowal\u0142\r\n"
SPOILT = "It holds a character that cannot be read: --encoding says how the file is written"


@pytest.fixture
def read(tmp_path):
    def make(octets, encoding=""):
        path = tmp_path / "p.csv"
        path.write_bytes(octets)
        return names(Sheet(files.look(path, encoding)))

    return make


def names(sheet):
    found = []
    for row in sheet.rows():
        try:
            found.append(next(iter(sheet.read(row).facts.values()))["name"]["family"])
        except RowFault as fault:
            found.append(str(fault))
    return found


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_what_marks_itself_is_read_so(read, encoding):
    assert read(PEOPLE.encode(encoding)) == ["O\u2019Neill", "Kowal\u0142"]


def test_both_orders_of_utf_16(read):
    for mark, encoding in ((b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be")):
        assert read(mark + PEOPLE.encode(encoding)) == ["O\u2019Neill", "Kowal\u0142"]


def test_windows_own_latin_where_nothing_looks_like_utf_8(read):
    assert read(f"{HEADER}P1,Zo\u00eb\r\nP2,O\u2019Neill\r\n".encode("cp1252")) == ["Zo\u00eb", "O\u2019Neill"]


def test_a_stray_byte_in_utf_8_costs_its_row_and_no_other(read):
    octets = f"{HEADER}P5,Zo\u00eb\r\nP6,\u0141uk\r\n".encode() + b"P7,caf\xe9\r\nP8,SMITH\r\n"
    assert read(octets) == ["Zo\u00eb", "\u0141uk", SPOILT, "SMITH"]


def test_a_file_that_may_be_either_is_asked_for_and_read_as_said(read):
    octets = f"{HEADER}P1,ANDR\u00c9\u2019S\r\nP2,caf\u00e9\r\nP3,Zo\u00eb\r\n".encode("cp1252")
    with pytest.raises(FileFault, match="is UTF-8 in some places only: --encoding says how it is written"):
        read(octets)
    assert read(octets, "cp1252") == ["ANDR\u00c9\u2019S", "caf\u00e9", "Zo\u00eb"]
    assert read(octets, "utf-8")[1:] == [SPOILT, SPOILT]
    with pytest.raises(FileFault, match="--encoding klingon: this is no encoding known here"):
        read(octets, "klingon")
    with pytest.raises(FileFault, match="--encoding base64: this is no encoding known here"):
        read(octets, "base64")


def test_zero_bytes_are_never_dropped(read):
    assert read(HEADER.encode() + b"P1,SMI\0TH\r\nP2,JONES\r\n") == [SPOILT, "JONES"]
    for encoding in ("utf-16-le", "utf-16-be"):
        with pytest.raises(FileFault, match="is written in two bytes a character"):
            read(PEOPLE.encode(encoding))
        assert read(PEOPLE.encode(encoding), encoding) == ["O\u2019Neill", "Kowal\u0142"]


def test_messages_in_two_bytes_a_character_are_not_taken_for_rows(tmp_path):
    path = tmp_path / "day.hl7"
    path.write_bytes("MSH|^~\\&|PAS\rPID|1\r".encode("utf-16"))
    with pytest.raises(FileFault, match=r"day\.hl7 is written in two bytes a character: save it as UTF-8"):
        files.look(path)


@given(st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), max_size=60), st.integers(1, 7))
def test_utf_8_is_known_whatever_its_letters_and_however_it_arrives(text, size):
    octets, written = text.encode(), files._Written()
    for start in range(0, len(octets), size):
        written.read(octets[start : start + size])
    assert written.encoding() == "utf-8-sig"
    assert written.strays == 0


@pytest.mark.parametrize("end", [b"\r", b"\n", b"\r\n"])
def test_lines_are_counted_packed_or_not(tmp_path, end):
    text = end.join([b"a", b"b", b"c"])
    (tmp_path / "a.csv").write_bytes(text)
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(text))
    assert {files.look(tmp_path / name).length for name in ("a.csv", "a.csv.gz")} == {3}

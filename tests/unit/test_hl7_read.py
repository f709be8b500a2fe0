"""The reader: separators as declared, escapes, character sets, line ends; absent is not deleted."""

from pathlib import Path

import hl7
import pytest
from hypothesis import given
from hypothesis import strategies as st

from messaging.hl7.read import Message, Unreadable
from messaging.hl7.text import STANDARD, Separators, escape, unescape

SAMPLES = Path(__file__).resolve().parent.parent.parent.parent / "shared" / "samples"
HEADER = b"MSH|^~\\&|APP^x|FAC|TO|SITE|20260301120000||ADT^A01^ADT_A01|ID1|P|2.4\r"
PID = b'PID|1||123^^^RXX&1.2.3&ISO^MR~999^^^NHS^NH||O\\T\\Neil^""^^^Mr||""|\r'


def test_fields_components_subcomponents_and_repetitions():
    message = Message.of(HEADER + PID)
    assert message.get("PID-3.1") == "123"
    assert message.get("PID-3.4") == "RXX&1.2.3&ISO"
    assert message.get("PID-3.4.1") == "RXX"
    assert message.get("PID-3.4.2") == "1.2.3"
    assert message.get("PID-3.1", repetition=1) == "999"
    assert message.get("PID-3.1", repetition=2) is None
    assert message.get("PID-5.1") == "O&Neil"


def test_the_header_is_counted_as_the_standard_counts_it():
    message = Message.of(HEADER)
    assert [message.get(f"MSH-{n}") for n in (1, 2)] == ["|", "^~\\&"] or message.header.raw(2) == "^~\\&"
    assert (message.sender, message.control_id, message.trigger) == ("APP|FAC", "ID1", "ADT^A01")
    assert (message.processing_id, message.version, message.sent_at_text) == ("P", "2.4", "20260301120000")


def test_absent_says_nothing_and_two_quotes_delete():
    message = Message.of(HEADER + PID)
    assert message.get("PID-5.2") == ""
    assert message.get("PID-5.3") is None
    assert message.get("PID-7") == ""
    assert message.get("PID-7.1") == "", "a deleted field deletes its components"
    assert message.get("PID-8") is None
    assert message.get("PID-30") is None
    assert message.get("NK1-1") is None


def test_a_trigger_without_its_event_is_found_in_evn():
    assert Message.of(b"MSH|^~\\&|||||||ADT|1|P|2.3\rEVN|A08|2026\r").trigger == "ADT^A08"


@pytest.mark.parametrize("end", [b"\r", b"\n", b"\r\n", b"\r\r", b"\n\r"])
def test_every_line_end_is_read(end):
    message = Message.of((HEADER + PID).replace(b"\r", end))
    assert [segment.name for segment in message.segments] == ["MSH", "PID"]


def test_a_line_break_within_a_field_belongs_to_it():
    message = Message.of(HEADER + b"NTE|1||first\nMSH is mentioned here\nAND here|x\r")
    assert message.get("NTE-3") == "first\nMSH is mentioned here\nAND here"
    assert message.headers == 1


def test_two_headers_in_one_frame_are_counted():
    assert Message.of(HEADER + PID + HEADER).headers == 2
    assert Message.of(HEADER + b"EVN|MSH|fake\rNTE|1||MSH|x\r").headers == 1


def test_separators_as_declared():
    message = Message.of(b"MSH$%*!@$A$F$$$20260301$$ADT%A28$7$P$2.4\rPID$1$$1%%%RXX%MR*2%%%RXX%MR$$O!T!N%J@K\r")
    assert message.separators == Separators("$", "%", "*", "!", "@")
    assert message.trigger == "ADT^A28"
    assert message.get("PID-3.1", 1) == "2"
    assert message.get("PID-5.1") == "O@N"
    assert message.get("PID-5.2.2") == "K"
    pid = message.first("PID")
    assert pid is not None
    assert pid.standard() == "PID|1||1^^^RXX^MR~2^^^RXX^MR||O@N^J&K"


def test_a_separator_that_is_not_declared_splits_nothing():
    message = Message.of(b"MSH|^|A|B|||1||ADT^A28|7|P|2.4\rPID|1||1~2^^^R&X|\\T\\\r")
    assert message.get("PID-3.1") == "1~2"
    assert message.get("PID-3.4.1") == "R&X"
    assert message.get("PID-4") == "\\T\\"
    pid = message.first("PID")
    assert pid is not None
    assert pid.standard() == "PID|1||1\\R\\2^^^R\\T\\X|\\E\\T\\E\\"


def test_a_truncation_character_and_a_doubled_backslash_are_let_pass():
    assert Message.of(HEADER.replace(b"^~\\&", b"^~\\&#")).trigger == "ADT^A01"
    assert Message.of(HEADER.replace(b"^~\\&", b"^~\\\\&")).trigger == "ADT^A01"


@pytest.mark.parametrize(
    "raw",
    [b"", b"MSH", b"MSH|", b"MSHA^~\\&|x|y", b"PID|1", b"FHS|^~\\&|A\r", b"MSH||||||", b"MSH|^^^^|a|b|", b"\x00" * 50],
)
def test_what_is_no_message_is_unreadable_with_a_reason(raw):
    with pytest.raises(Unreadable) as fault:
        Message.of(raw)
    assert fault.value.reason


@pytest.mark.parametrize(
    ("declared", "octets", "text", "flags"),
    [
        (b"", "José".encode(), "José", ()),
        (b"UNICODE UTF-8", "José".encode(), "José", ()),
        (b"8859/1", "José".encode("latin-1"), "José", ()),
        (b"8859/15", "€5".encode("iso8859-15"), "€5", ()),
        (b"8859/1~UNICODE UTF-8", "José".encode("latin-1"), "José", ()),
        (b"", "José".encode("latin-1"), "José", ("charset-fallback",)),
        (b"UNICODE UTF-8", "José".encode("latin-1"), "José", ("charset-fallback",)),
        (b"KLINGON", "José".encode(), "José", ("charset-unknown",)),
        (b"8859/99", "José".encode("latin-1"), "José", ("charset-fallback",)),
    ],
)
def test_character_sets(declared, octets, text, flags):
    message = Message.of(HEADER.strip() + b"||||||" + declared + b"\rPID|1||1||" + octets + b"\r")
    assert (message.get("PID-5.1"), message.flags) == (text, flags)


def test_a_byte_order_mark_and_blank_lines_before_the_header_are_let_pass():
    assert Message.of(b"\xef\xbb\xbf\r\n" + HEADER).trigger == "ADT^A01"


def test_zero_bytes_are_left_out_and_flagged():
    message = Message.of(HEADER + b"PID|1||1\x002\r")
    assert message.get("PID-3.1") == "12"
    assert message.flags == ("nul-byte",)


@pytest.mark.parametrize(
    ("escaped", "plain"),
    [
        ("\\F\\\\S\\\\R\\\\E\\\\T\\", "|^~\\&"),
        ("a\\.br\\b", "a\nb"),
        ("\\H\\bold\\N\\", "bold"),
        ("\\X41\\\\XC3A9\\", "Aé"),
        ("\\XE9\\", "é"),
        ("lone \\ stays", "lone \\ stays"),
        ("C:\\temp\\file", "C:\\temp\\file"),
        ("\\Zxy\\ and \\T\\", "\\Zxy\\ and &"),
        ("\\X00\\", "\\X00\\"),
        ("\\", "\\"),
    ],
)
def test_escapes(escaped, plain):
    assert unescape(escaped) == plain


@given(st.text())
def test_what_is_escaped_reads_back_and_holds_no_separator(text):
    written = escape(text)
    assert unescape(written) == text or "\x00" in text
    assert not set("|^~&\r\n\x0b\x1c") & set(written)


@given(st.text(alphabet=st.characters(exclude_characters="\x00", exclude_categories=("Cs",))))
def test_python_hl7_reads_what_we_escape(text):
    raw = f"MSH|^~\\&|A|B|C|D|20260101||ADT^A28|1|P|2.4\rPID|1||{escape(text)}|x"
    field = hl7.parse(raw).segment("PID")
    assert len(field) == 5, "as many fields as we wrote"


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_unreadable(raw):
    for octets in (raw, b"MSH|^~\\&|" + raw, b"MSH" + raw, b"MSH|^|" + raw):
        try:
            message = Message.of(octets)
        except Unreadable:
            continue
        assert message.raw == octets
        assert message.trigger is not None
        assert [segment.standard() for segment in message.segments]


def test_every_published_sample_is_read_or_unreadable_with_a_reason():
    files = sorted(SAMPLES.rglob("*.hl7"))
    assert files, "the samples are missing"
    unreadable = []
    for file in files:
        try:
            message = Message.of(file.read_bytes())
        except Unreadable as fault:
            unreadable.append((file.name, fault.reason))
            continue
        assert message.segments[0].name == "MSH"
        assert all(segment.fields[0] == segment.name for segment in message.segments[1:])
    assert len(unreadable) <= 2, unreadable


def test_standard_segments_are_left_as_they_came():
    pid = Message.of(HEADER + PID).first("PID")
    assert pid is not None
    assert pid.separators == STANDARD
    assert pid.standard() == PID.decode().strip()

"""The traps of content that the reader meets, 13 to 15 and 21 to 23, each by its number."""

import pytest

from messaging.hl7 import ack
from messaging.hl7.habits import FeedPolicy, Habits
from messaging.hl7.identity import person
from messaging.hl7.news import kept_segments
from messaging.hl7.read import Message
from messaging.hl7.text import STANDARD, Separators, escape, unescape
from messaging.services import arrivals
from messaging.services.arrivals import Frame
from patients.identifiers import Identifier

HEADER = "MSH|^~\\&|APP|FAC|TO|SITE|20260301120000||ADT^A01|ID1|P|2.4\r"


def read(*lines, header=HEADER):
    return Message.of((header + "".join(line + "\r" for line in lines)).encode())


@pytest.mark.parametrize(
    ("escaped", "shown"),
    [
        ("a\\T\\b\\S\\c\\F\\d\\R\\e\\E\\f", "a&b^c|d~e\\f"),
        ("line one\\X0D\\line two", "line one\rline two"),
        ("line one\\.br\\line two\\.sp2\\three", "line one\nline two\n\nthree"),
        ("\\H\\bold\\N\\ plain\\.in+4\\", "bold plain"),
        ("a lone \\ and \\", "a lone \\ and \\"),
        ("\\Zown\\ stays", "\\Zown\\ stays"),
    ],
)
def test_trap_13_escapes_are_read_for_display_kept_raw_and_written_once(escaped, shown):
    message = read(f"NTE|1||{escaped}")
    assert message.get("NTE-3") == shown
    assert kept_segments(message) == (f"NTE|1||{escaped}",), "forwarded as it came"
    again = escape(shown)
    assert unescape(again) == shown
    assert read(f"NTE|1||{again}").get("NTE-3") == shown


def test_trap_14_what_a_clerk_types_is_escaped_on_its_way_out():
    typed = "Smith & Sons^x|y~z\\"
    written = escape(typed)
    assert written == "Smith \\T\\ Sons\\S\\x\\F\\y\\R\\z\\E\\"
    assert read(f"PID|1||1||{written}^Ann").get("PID-5.1") == typed


def test_trap_15_separators_as_declared_and_the_truncation_character():
    header = HEADER.translate(str.maketrans("|^~\\&", "$%*!@"))
    message = read("PID$1$$1%%%RXX@1.2%MR*2$$O!T!N%J$", header=header)
    assert message.separators == Separators("$", "%", "*", "!", "@")
    assert (message.get("PID-3.4.2"), message.get("PID-3.1", 1), message.get("PID-5.1")) == ("1.2", "2", "O@N")
    assert kept_segments(message) == ("PID|1||1^^^RXX&1.2^MR~2||O@N^J|",)
    cut = read("PID|1||1||A very long na#^J\\P\\", header=HEADER.replace("^~\\&", "^~\\&#"))
    assert cut.separators == (*STANDARD[:5], "#")
    assert (cut.get("PID-5.1"), cut.get("PID-5.2")) == ("A very long na#", "J#")
    assert ack.answer(message, "AA", control_id="K").startswith(b"MSH$%*!@$TO$SITE$APP$FAC$")


def test_trap_21_z_segments_unknown_segments_and_msh_in_a_note_are_kept():
    message = read(
        "ZAA|1", "PID|1||1^^^RXX^MR", "XYZ|odd", "NTE|1||first\nMSH|second\nMSH is third", "ZPI|1|a^b", "PV1|1|I"
    )
    assert [segment.name for segment in message.segments] == ["MSH", "ZAA", "PID", "XYZ", "NTE", "ZPI", "PV1"]
    assert message.headers == 1
    assert message.get("NTE-3") == "first\nMSH"
    assert kept_segments(message)[3] == "NTE|1||first\nMSH|second\nMSH is third", "kept whole"


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (1, 2, 0)])
def test_trap_21_numbers_are_known_by_authority_and_type_wherever_they_stand(order):
    numbers = ["P1^^^RXX^MR", "9990000018^^^NHS^NH", "X7^^^LAB^PI"]
    pid = read("PID|1||" + "~".join(numbers[place] for place in order)).first("PID")
    found = person(pid, Habits(hospital_types=("MR",)))
    assert set(found.ids) == {Identifier("MR", "RXX", "P1"), Identifier("PI", "LAB", "X7")}
    assert found.nhs["nhs_number"] == "9990000018"


@pytest.mark.parametrize("event", ["A01", "A04", "A08", "A11", "A13", "A28", "A31", "A34", "A40", "A47"])
def test_trap_22_a_message_type_of_two_components_is_understood(event):
    assert read(header=HEADER.replace("A01", event)).trigger == f"ADT^{event}"
    assert read(f"EVN|{event}", header=HEADER.replace("ADT^A01", "ADT")).trigger == f"ADT^{event}"


@pytest.mark.parametrize("version", ["2.5^FRA^2.5", "2.9", "", "2.3.1", "nonsense"])
def test_trap_23_any_version_is_taken_and_answered_in_kind(version):
    raw = HEADER.replace("|2.4", f"|{version}").encode()
    (arrival,) = arrivals.read(Frame("peer", raw), FeedPolicy()).arrivals
    assert (arrival.outcome, arrival.trigger) == ("stored", "ADT^A01")
    answer = Message.of(arrival.answered(1))
    assert answer.get("MSA-1") == "AA"
    assert answer.header.raw(12) == (version or "2.4")

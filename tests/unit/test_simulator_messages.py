"""The simulators' own reading and writing, held against python-hl7."""

import random

import hl7
import pytest

from messaging.simulators import people
from messaging.simulators.effects import Effect, event_key, events
from messaging.simulators.messages import Message, Unreadable, ack, encode, field, minute
from messaging.simulators.wire import END, START, Frames, address, wrap

NASTY = "Smith & Sons^x|y~z\\ O'Brien"


def message(*lines: str, trigger: str = "ADT^A28") -> Message:
    msh = f"MSH|^~\\&|TEST|RXX|ROUTE||20260105080000||{trigger}|T1|P|2.4"
    return Message("\r".join([msh, *lines]).encode())


def test_escapes_as_python_hl7_reads_them() -> None:
    raw = encode(["MSH|^~\\&|A|B|C|D|20260105||ADT^A28|1|P|2.4", f"PID|1||1||{field(NASTY, 'Zoë')}"])
    independent = hl7.parse(raw.decode())
    assert independent.unescape(str(independent.segment("PID")[5][0][0])) == NASTY
    assert Message(raw).component("PID", 5) == NASTY
    assert Message(raw).component("PID", 5, 2) == "Zoë"


def test_charset_is_declared_only_when_it_matters() -> None:
    plain = encode(["MSH|^~\\&|A|B|C|D|20260105||ADT^A28|1|P|2.4", "PID|1"])
    accented = encode(["MSH|^~\\&|A|B|C|D|20260105||ADT^A28|1|P|2.4", "PID|1||||É"])
    assert Message(plain).field("MSH", 18) == ""
    assert Message(accented).field("MSH", 18) == "UNICODE UTF-8"


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n"])
def test_reads_any_line_end_and_declared_separators(end: str) -> None:
    read = Message(end.join(["MSH$!*\\%$A$B$C$D$20260105$$ADT!A28$77$P$2.4", "PID$1$$1!!!X!MR*2$$A\\S\\B!C"]).encode())
    assert read.control_id == "77"
    assert read.trigger == "A28"
    assert read.patient_ids == ["1", "2"]
    assert read.component("PID", 5) == "A!B"


@pytest.mark.parametrize("raw", [b"", b"MSH", b"PID|1", b"\xff\xfe\x00", b"MSHABCDEFG"])
def test_unreadable_is_said_so(raw: bytes) -> None:
    with pytest.raises(Unreadable):
        Message(raw)


def test_latin_1_bytes_are_read() -> None:
    raw = "MSH|^~\\&|A|B|C|D|20260105||ADT^A28|1|P|2.4\rPID|1||1||É".encode("latin-1")
    assert Message(raw).component("PID", 5) == "É"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("20260705083059", "202607050830"),
        ("202607050830", "202607050830"),
        ("20260705073059+0000", "202607050830"),
        ("20260705083059.1234+0100", "202607050830"),
        ("2026", "2026"),
    ],
)
def test_times_to_the_minute_in_london(text: str, expected: str) -> None:
    assert minute(text) == expected


def test_ack_names_the_message_and_the_error_in_both_places() -> None:
    answer = hl7.parse(ack(message(), "AE", app="PAS", facility="RXX", err="204", text="unknown patient").decode())
    assert str(answer.segment("MSA")[2]) == "T1"
    assert str(answer.segment("MSA")[1]) == "AE"
    assert str(answer.segment("ERR")[3][0][0]) == "204"
    assert "204&Unknown key identifier" in str(answer.segment("ERR")[1])
    assert str(answer.segment("MSH")[5]) == "TEST"


def test_frames_whatever_the_packets() -> None:
    stream = b"junk\r" + wrap(b"one") + wrap(b"two\x1cstill two") + b"\n" + wrap(b"three")
    for size in (1, 2, 3, 7, len(stream)):
        frames = Frames()
        got = [raw for at in range(0, len(stream), size) for raw in frames.feed(stream[at : at + size])]
        assert got == [b"one", b"two\x1cstill two", b"three"]
        assert frames.junk == 6
    assert wrap(b"x") == START + b"x" + END


def test_nhs_numbers_are_test_numbers_with_a_check_digit() -> None:
    chance = random.Random(3)
    for _ in range(200):
        number = people.nhs_number(chance)
        assert number.startswith("999")
        assert people.check_digit(number[:9]) == int(number[9])
    assert people.check_digit("943476591") == 9  # 943 476 5919, the example of the NHS Data Dictionary


@pytest.mark.parametrize("text", ["", "host", "host:", "host:x"])
def test_a_bad_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="HOST:PORT"):
        address(text)


def keys(*messages: Message) -> list[str]:
    return [event_key(each) for each in messages]


def test_the_key_of_a_visit_is_the_same_whoever_spoke_it() -> None:
    ours = message(
        "EVN|A01|20260105090001||||20260105083010", "PID|1||M1^^^MIRROR", "PV1|1|I|WA^A^B01" + "|" * 16 + "V9^^^RXX"
    )
    ours.segments[0][9] = "ADT^A01"
    theirs = message(
        "EVN|A01|20260105113000||||20260105083059+0000",
        "PID|1||P1^^^RXX~M1^^^MIRROR",
        "PV1|1|I|WA^A^B01" + "|" * 16 + "V9",
    )
    theirs.segments[0][9] = "ADT^A01"
    assert keys(ours) == keys(theirs) == ["A01|V9|202601050830"]


def test_the_key_of_a_booking_is_its_number_and_start() -> None:
    both = message("SCH||A7^RXX|||||||||^^30^20260106090000^20260106093000", trigger="SIU^S12")
    assert event_key(both) == "S12|A7|202601060900"


def effect(key: str, *ids: str) -> Effect:
    return Effect(key, key.split("|")[0], "c", "S", ids, "")


def test_persons_are_one_when_they_share_a_number() -> None:
    found = events(
        [
            effect("A28|M1", "M1"),
            effect("A28|M2", "M2"),
            effect("A28|M1,P1", "P1", "M1"),
            effect("A31|P1|202601050830", "P1"),
            effect("A31|M1,P1|202601050830", "P1", "M1"),
            effect("A31|P1|202601050831", "P1"),
            effect("A03|V1|202601050831", "P1"),
        ]
    )
    assert sorted(len(members) for members in found.values()) == [1, 1, 1, 2, 2]

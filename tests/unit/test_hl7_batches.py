"""Batches: cut into their messages byte for byte, answered as a batch, and never a message lost or made up."""

import hl7
import pytest
from hypothesis import given
from hypothesis import strategies as st

from messaging.hl7.batches import Batch, is_batch
from messaging.hl7.read import Message, Unreadable


def message(number, end="\r"):
    return f"MSH|^~\\&|A|B|C|D|2026||ADT^A28|M{number}|P|2.4{end}PID|1||{number}{end}NTE|1||BTS and MSH|x{end}".encode()


FHS, BHS = b"FHS|^~\\&|A|B|C|D|2026||file||F1\r", b"BHS|^~\\&|A|B|C|D|2026||batch||B1\r"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (FHS + BHS, b"BTS|3\rFTS|1\r"),
        (b"\r\n" + BHS, b"BTS|3\r"),
        (BHS, b"BTS\r"),
        (b"\xef\xbb\xbf" + FHS, b"FTS|1"),
    ],
)
def test_the_messages_are_cut_out_byte_for_byte(before, after):
    raw = before + message(1) + message(2) + message(3) + after
    assert is_batch(raw)
    batch = Batch.of(raw)
    assert batch.messages == (message(1), message(2), message(3))
    assert batch.fault == ""
    assert [Message.of(each).control_id for each in batch.messages] == ["M1", "M2", "M3"]
    assert batch.sender == "A|B"


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_other_line_ends_are_read(end):
    raw = (BHS + b"BTS|2\r").replace(b"\r", end.encode()).replace(b"BTS", message(1, end) + message(2, end) + b"BTS")
    assert Batch.of(raw).messages == (message(1, end), message(2, end))


def test_two_batches_in_one_file():
    batch = Batch.of(FHS + BHS + message(1) + b"BTS|1\r" + BHS + message(2) + b"BTS|1\rFTS|2\r")
    assert len(batch.messages) == 2
    assert batch.fault == ""


def test_a_count_that_does_not_agree_and_a_missing_end_are_told():
    assert Batch.of(BHS + message(1) + b"BTS|2\r").fault == "BTS-1 counts 2 messages, 1 were there"
    assert Batch.of(BHS + message(1)).fault == "the batch has no end (BTS)"


def test_a_batch_of_nothing_is_unreadable():
    with pytest.raises(Unreadable):
        Batch.of(FHS + BHS + b"BTS|0\rFTS|1\r")
    assert not is_batch(message(1))


def test_the_answer_is_a_batch_that_names_theirs():
    batch = Batch.of(FHS + BHS + message(1) + b"BTS|1\rFTS|1\r")
    answer = batch.answer([b"MSH|^~\\&|C|D|A|B|||ACK|K|P|2.4\rMSA|AA|M1\r"], control_id="ACK1-1")
    (read,) = hl7.parse_file(answer.decode())
    assert [str(segment[0]) for segment in read[0]] == ["MSH", "MSA"]
    head = read.header
    assert [str(head[n]) for n in (3, 4, 5, 6, 11, 12)] == ["C", "D", "A", "B", "ACK1-1", "B1"]
    assert answer.splitlines()[0].startswith(b"FHS|^~\\&|C|D|A|B|2026||||ACK1-1|F1")
    assert answer.endswith(b"BTS|1\rFTS|1\r")


def test_custom_separators_of_envelope_and_message():
    raw = b"BHS$%*!@$A$B$C$D$2026$$$$B1\r" + message(1).replace(b"|", b"$") + b"BTS$1\r"
    batch = Batch.of(raw)
    assert (batch.control_id, len(batch.messages), batch.fault) == ("B1", 1, "")
    assert batch.answer([], control_id="K").startswith(b"BHS$%*!@$C$D$A$B$2026$$$$K$B1\r")


@given(st.binary(max_size=200))
def test_any_bytes_are_cut_or_unreadable_and_no_byte_is_lost(raw):
    for octets in (b"FHS" + raw, BHS + raw, BHS + message(1) + raw):
        try:
            batch = Batch.of(octets)
        except Unreadable:
            continue
        assert sum(map(len, (*batch.messages, *batch.envelope))) == len(octets)
        assert batch.answer([], control_id="K")
        assert batch.control_id is not None
        assert batch.sender is not None

"""A file of HL7 cut into messages, whatever the line ends and envelopes; refused ones written down; reading ahead."""

import io

import hl7
import pytest
from hypothesis import given
from hypothesis import strategies as st

from messaging.extracts import messages
from messaging.extracts.ahead import Ahead, lots
from messaging.extracts.beside import batch_of, csv_lines
from messaging.extracts.messages import Stream

A = b"MSH|^~\\&|PAS|RXX|||20260301||ADT^A28|1|P|2.4\rPID|1||P1\r"
B = b"MSH|^~\\&|PAS|RXX|||20260301||ADT^A28|2|P|2.4\rPID|1||P2\rNK1|1|MSH\r"


def cut(octets):
    stream = Stream(io.BytesIO(octets))
    return list(stream), stream.faults


@pytest.mark.parametrize("end", [b"\r", b"\n", b"\r\n"])
@pytest.mark.parametrize("blank", [b"", b"\r", b"\n\n"])
def test_bare_messages_whatever_ends_the_lines(end, blank):
    found, faults = cut((A + blank + B).replace(b"\r", end))
    assert [framed.raw for framed in found] == [A, B]
    assert not faults


def test_envelopes_are_left_out_and_lines_counted():
    text = b"FHS|^~\\&\nBHS|^~\\&\n" + (A + B).replace(b"\r", b"\n") + b"BTS|2\nFTS|1\n"
    found, faults = cut(text)
    assert [(framed.line, framed.raw) for framed in found] == [(3, A), (5, B)]
    assert faults == []


def test_trailers_that_count_otherwise_are_named():
    _, faults = cut(b"FHS|^~\\&\rBHS|^~\\&\r" + A + b"BTS|2\rFTS|3\r")
    assert faults == [
        "line 5: BTS-1 counts 2 messages, 1 were there",
        "line 6: FTS-1 counts 3 batches, 1 were there",
    ]


def test_mllp_marks_and_a_byte_order_mark_do_not_matter():
    found, _ = cut(b"\xef\xbb\xbf" + A + b"\x0b" + B + b"\x1c\r\x0b" + A + b"\x1c\r")
    assert [framed.raw for framed in found] == [A, B, A]


def test_a_message_without_end_is_given_as_a_line_only(monkeypatch):
    monkeypatch.setattr(messages, "LONGEST", 200)
    monkeypatch.setattr(messages, "CHUNK", 64)
    found, _ = cut(A + A[:46] + b"OBX|" + b"x" * 5000 + b"\r" + B)
    assert [framed.raw for framed in found] == [A, b"", B]


@given(st.lists(st.sampled_from([A, B]), max_size=6), st.integers(min_value=1, max_value=80))
def test_how_the_bytes_arrive_does_not_matter(told, size):
    class Dribble(io.BytesIO):
        def read(self, _=-1):
            return super().read(size)

    assert [framed.raw for framed in Stream(Dribble(b"".join(told)))] == told


def test_a_refused_message_is_a_batch_that_another_library_reads_and_we_load():
    batch = batch_of(B, 7, "PID|3 is\r^empty")
    parsed = hl7.parse_batch(batch.decode())
    assert str(parsed.header[10]) == "Line 7: PID 3 is  empty"
    assert len(parsed) == 1
    found, faults = cut(batch)
    assert [framed.raw for framed in found] == [B]
    assert not faults


def test_rows_have_a_header_once():
    first = csv_lines([["1", "a,b"]], header=["N", "M"], first=True)
    assert first == b'\xef\xbb\xbfN,M\r\n1,"a,b"\r\n'
    assert csv_lines([["2", "c"]], header=["N", "M"], first=False) == b"2,c\r\n"
    assert csv_lines([], header=["N"], first=True) == b""


def test_reading_ahead_gives_all_in_order_and_raises_where_it_is_asked():
    with Ahead(lots(range(10), 3)) as some:
        assert list(some) == [[0, 1, 2], [3, 4, 5], [6, 7, 8], [9]]

    def failing():
        yield [1]
        raise LookupError

    with Ahead(failing()) as some:
        assert next(some) == [1]
        with pytest.raises(LookupError):
            next(some)


def test_reading_ahead_ends_with_the_block_though_nobody_reads_on():
    read = []

    def endless():
        while True:
            read.append(1)
            yield [1]

    ahead = Ahead(endless())
    with ahead as some:
        assert next(some) == [1]
    assert not ahead.thread.is_alive()
    assert len(read) < 10, "it reads a little ahead, not without end"

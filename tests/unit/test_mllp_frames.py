"""Frames cut out of any stream: whole, in order, whatever the packets and whatever lies between them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from messaging.mllp.frames import HEAD, Framer, Junk, TooLong, frame

BODY = b"MSH|^~\\&|A\rPID|1\r"


def fed(*pieces, limit=1000):
    framer = Framer(limit)
    out = [each for piece in pieces for each in framer.feed(piece)]
    return framer, out


def test_two_frames_in_one_packet():
    assert fed(frame(b"one") + frame(b"two"))[1] == [b"one", b"two"]


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_one_frame_in_many_packets(size):
    raw = frame(BODY) + frame(b"two")
    assert fed(*(raw[n : n + size] for n in range(0, len(raw), size)))[1] == [BODY, b"two"]


def test_junk_is_counted_and_let_pass():
    assert fed(b"\r\nhello" + frame(b"one") + b"\r" + frame(b"two"))[1] == [Junk(7), b"one", Junk(1), b"two"]


def test_an_end_without_its_cr_is_taken_when_the_next_frame_begins():
    assert fed(b"\x0bone\x1c" + frame(b"two"))[1] == [b"one", b"two"]


def test_an_end_without_its_cr_is_taken_by_whoever_has_waited():
    framer, out = fed(b"\x0bone\x1c")
    assert out == []
    assert framer.pending
    assert framer.flush() == [b"one"]
    assert framer.feed(b"\r" + frame(b"two")) == [b"two"], "the late CR is no junk"
    assert framer.flush() == []


def test_an_end_byte_within_the_text_does_not_cut_it():
    assert fed(frame(b"a\x1cb"))[1] == [b"a\x1cb"]
    assert fed(b"\x0ba\x1c", b"b\x1c\r")[1] == [b"a\x1cb"]


def test_a_frame_torn_by_the_next_ones_beginning_is_junk():
    assert fed(b"\x0bMSH|^~\\&|half of it" + frame(BODY))[1] == [Junk(19, torn=True), BODY]


def test_a_start_byte_within_the_text_stays():
    assert fed(frame(b"MSH|^~\\&|a\x0bb"))[1] == [b"MSH|^~\\&|a\x0bb"]


def test_a_frame_beyond_the_limit_is_refused_before_it_is_whole():
    framer = Framer(100)
    out = []
    for _ in range(200):
        out += framer.feed(b"\x0bMSH|" if not out and not framer.begun else b"x" * 10)
        if out:
            break
    assert isinstance(out[0], TooLong)
    assert out[0].head.startswith(b"MSH|")
    assert len(out[0].head) <= 120


def test_a_long_frame_in_one_packet_is_refused_too():
    big = b"MSH|" + b"x" * 10_000
    (refused,) = fed(frame(big), limit=5000)[1]
    assert refused == TooLong(big[:HEAD])


def test_an_empty_frame_is_a_frame():
    assert fed(frame(b""))[1] == [b""]


BODIES = st.lists(st.binary(max_size=60).map(lambda b: b.replace(b"\x0b", b"").replace(b"\x1c", b"")), max_size=8)


@given(BODIES, st.lists(st.integers(1, 40), min_size=1))
def test_any_slicing_gives_the_same_frames(bodies, sizes):
    raw = b"".join(map(frame, bodies))
    framer, out, place, turn = Framer(), [], 0, 0
    while place < len(raw):
        size = sizes[turn % len(sizes)]
        out += framer.feed(raw[place : place + size])
        place, turn = place + size, turn + 1
    assert out == bodies


PIECES = st.sampled_from([b"\x0b", b"\x1c", b"\r", b"\n", b"\x1c\r", b"\x0bMSH|", b"MSH|^~\\&|", b"\x00", b"x" * 40])
STREAMS = st.lists(PIECES | st.binary(max_size=6), max_size=30).map(b"".join)


def told(pieces):
    """What a stream gave, as far as it can be read: adjacent junk as one, and nothing after a frame too long."""
    out = []
    for piece in pieces:
        if isinstance(piece, TooLong):
            return [*out, "too long"]
        if isinstance(piece, Junk) and not piece.torn and out and isinstance(out[-1], Junk) and not out[-1].torn:
            out[-1] = Junk(out[-1].octets + piece.octets)
        else:
            out.append(piece)
    return out


@given(STREAMS, st.lists(st.integers(1, 9), min_size=1, max_size=6))
def test_any_split_of_any_stream_gives_the_same_frames(stream, sizes):
    whole, split, out, place, turn = Framer(100), Framer(100), [], 0, 0
    while place < len(stream):
        size = sizes[turn % len(sizes)]
        out += split.feed(stream[place : place + size])
        place, turn = place + size, turn + 1
    assert told(out) == told(whole.feed(stream))
    assert split.pending == whole.pending or split.refused
    assert told(split.flush()) == told(whole.flush()) or split.refused


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_the_longest_frame_is_taken_however_it_comes(size):
    raw = frame(b"x" * 100)
    assert fed(*(raw[n : n + size] for n in range(0, len(raw), size)), limit=100)[1] == [b"x" * 100]
    assert isinstance(fed(*(raw[n : n + size] for n in range(0, len(raw), size)), limit=99)[1][0], TooLong)


def test_a_body_full_of_end_bytes_is_read_quickly():
    """Each of them may be the end; they are passed over without a step of ours for each."""
    framer = Framer(2_000_000)
    assert framer.feed(b"\x0b" + b"\x1c" * 1_000_000 + b"\x1c\r") == [b"\x1c" * 1_000_000]


@given(st.lists(st.binary(max_size=50), max_size=10))
def test_any_stream_is_survived(pieces):
    framer = Framer(64)
    for piece in pieces:
        for each in framer.feed(piece):
            assert isinstance(each, bytes | Junk | TooLong)
    framer.flush()

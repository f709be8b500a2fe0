"""Answers in the sender's own terms, read by an independent library; and peers' answers read."""

import hl7
import pytest

from messaging.hl7.ack import answer, read_answer
from messaging.hl7.read import Message, Unreadable


def message(version="2.4", control_id="ID\\T\\1", charset=""):
    return Message.of(
        f"MSH|^~\\&|PAS^x|RXX|ROUTE|TIE|20260301120000||ADT^A01^ADT_A01|{control_id}|P|{version}||||||{charset}\r"
        "PID|1\r".encode()
    )


def test_the_answer_is_turned_round_and_bears_their_own_id():
    parsed = hl7.parse(answer(message(), "AA", control_id="ACK1-1").decode())
    msh, msa = parsed.segment("MSH"), parsed.segment("MSA")
    assert [str(msh[n]) for n in (3, 4, 5, 6)] == ["ROUTE", "TIE", "PAS^x", "RXX"]
    assert [str(msh[n]) for n in (9, 10, 11, 12)] == ["ACK^A01^ACK", "ACK1-1", "P", "2.4"]
    assert [str(msa[n]) for n in (1, 2)] == ["AA", "ID\\T\\1"]


def test_the_answer_has_their_separators_and_character_set():
    raw = b"MSH$%*!@$A$F$T$G$20260301$$ADT%A28$id$P$2.5\r"
    assert answer(Message.of(raw), "AA", control_id="1").startswith(b"MSH$%*!@$T$G$A$F$20260301$$ACK%A28%ACK$1$P$2.5\r")
    latin = Message.of(message(charset="8859/1").raw.replace(b"PAS^x", "PÄS".encode("latin-1")))
    said = answer(latin, "AR", "né|e", control_id="1")
    assert "PÄS".encode("latin-1") in said
    assert "né\\F\\e".encode("latin-1") in said
    assert b"|8859/1\r" in said


@pytest.mark.parametrize("version", ["2.3", "2.4", "2.5", "2.5.1", "2.9", "2.5^FRA^2.5", ""])
def test_a_refusal_says_why_where_that_version_says_it(version):
    said = answer(message(version), "AR", "not for us", "202", control_id="1")
    parsed = read_answer(said)
    assert (parsed.code, parsed.control_id, parsed.err) == ("AR", "ID\\T\\1", "202")
    assert parsed.text == "not for us"
    assert hl7.parse(said.decode()).segment("MSH")[12] is not None


def test_what_could_not_be_read_is_answered_all_the_same():
    parsed = hl7.parse(answer(None, "AR", "Not readable", "207", control_id="ACK1-2").decode())
    assert str(parsed.segment("MSA")[1]) == "AR"


@pytest.mark.parametrize(
    ("raw", "code", "control_id", "err"),
    [
        (b"MSH|^~\\&|||||||ACK|1|P|2.4\rMSA|AA|X1\r", "AA", "X1", ""),
        (b"MSH|^~\\&|||||||ACK|1|P|2.4\nMSA|ca|X1\n", "CA", "X1", ""),
        (b"MSH|^~\\&|||||||ACK|1|P|2.5\rMSA|AE|X1|bed taken\rERR|||207^internal^HL70357|E\r", "AE", "X1", "207"),
        (b"MSH|^~\\&|||||||ACK|1|P|2.4\rMSA|AR|X1|no|||206^locked\r", "AR", "X1", "206"),
        (b"MSH|^~\\&|||||||ACK|1|P|2.4\rMSA|AA\r", "AA", "", ""),
    ],
)
def test_peers_answers(raw, code, control_id, err):
    said = read_answer(raw)
    assert (said.code, said.control_id, said.err) == (code, control_id, err)


@pytest.mark.parametrize(
    "raw",
    [b"", b"OK", b"MSH|^~\\&|||||||ACK|1|P|2.4\r", b"MSH|^~\\&|||||||ACK|1|P|2.4\rMSA|YES|X1\r", b"\x06"],
)
def test_what_is_no_answer(raw):
    with pytest.raises(Unreadable):
        read_answer(raw)

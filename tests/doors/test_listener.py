"""The feed's door, from outside: real sockets to the real process, well-behaved peers and others."""

import subprocess
import sys
import threading
from pathlib import Path

import hl7.client
import psycopg
import pytest
from django.db import connection

from messaging.models import Channel, Inbound
from pasmirror.lib.models import ProcessBeat
from tests.committed import committed  # noqa: F401
from tests.eventually import eventually
from tests.feed_door import END, VT, HandWritten, Listening, database_url, msa

pytestmark = [pytest.mark.usefixtures("committed"), pytest.mark.timeout(120)]


def message(control_id, family="SMITH"):
    return (
        f"MSH|^~\\&|DEMOPAS|RXX|ROUTE||20260301120000||ADT^A28^ADT_A05|{control_id}|P|2.4\r"
        f"EVN|A28|20260301120000\rPID|1||P{control_id}^^^RXX^MR||{family}^John||19520301|M\r"
    ).encode()


@pytest.fixture
def door(tmp_path, committed):  # noqa: F811
    with Listening(tmp_path / "listen.log", frame_seconds=1.0, connections=12, frame_limit=4096) as listening:
        yield listening


def stored():
    return list(Inbound.objects.order_by("number").values_list("control_id", flat=True))


def test_python_hl7s_client_is_answered(door):
    with hl7.client.MLLPClient("127.0.0.1", door.port) as client:
        for number in range(3):
            answer = hl7.parse(client.send_message(message(f"LIB{number}")).strip(VT + END).decode())
            assert str(answer.segment("MSA")[1]) == "AA"
            assert str(answer.segment("MSA")[2]) == f"LIB{number}"
            assert str(answer.segment("MSH")[9]) == "ACK^A28^ACK"
            assert [str(answer.segment("MSH")[n]) for n in (3, 5, 6)] == ["ROUTE", "DEMOPAS", "RXX"]
    assert stored() == ["LIB0", "LIB1", "LIB2"]


def test_mllp_send_of_python_hl7_is_answered(door, tmp_path):
    file = tmp_path / "one.hl7"
    file.write_bytes(message("CMD1"))
    script = Path(sys.executable).with_name("mllp_send")
    done = subprocess.run(
        [script, "--port", str(door.port), "--file", str(file), "--loose", "127.0.0.1"],
        capture_output=True,
        timeout=20,
        check=True,
    )
    assert b"MSA|AA|CMD1" in done.stdout


def test_several_frames_in_one_packet_are_answered_in_order(door):
    with HandWritten(door.port) as peer:
        peer.write(b"".join(VT + message(f"P{n}") + END for n in range(20)))
        assert [msa(peer.answer()) for _ in range(20)] == [("AA", f"P{n}") for n in range(20)]
    assert stored() == [f"P{n}" for n in range(20)]


def test_a_frame_in_many_packets_is_answered(door):
    raw = VT + message("SLICED") + END
    with HandWritten(door.port) as peer:
        peer.write(*(raw[n : n + 7] for n in range(0, len(raw), 7)))
        assert msa(peer.answer()) == ("AA", "SLICED")


def test_junk_before_a_frame_and_a_missing_cr_are_let_pass(door):
    with HandWritten(door.port) as peer:
        peer.write(b"\r\nhello" + VT + message("A") + b"\x1c")
        assert msa(peer.answer()) == ("AA", "A")
        peer.write(b"\r" + VT + message("B") + b"\x1c" + VT + message("C") + END)
        assert [msa(peer.answer()), msa(peer.answer())] == [("AA", "B"), ("AA", "C")]


def test_a_peer_that_closes_within_a_frame_leaves_nothing(door):
    with HandWritten(door.port) as peer:
        peer.write(VT + message("TORN")[:60])
    with HandWritten(door.port) as peer:
        assert msa(peer.ask(message("WHOLE"))) == ("AA", "WHOLE")
    assert stored() == ["WHOLE"]


def test_a_frame_too_long_is_refused_and_the_others_go_on(door):
    with HandWritten(door.port) as long, HandWritten(door.port) as other:
        long.write(VT + message("LONG", family="X" * 100_000)[:60_000])
        assert msa(long.answer()) == ("AR", "LONG")
        assert long.answer() == b"", "and the connection is closed"
        assert msa(other.ask(message("OTHER"))) == ("AA", "OTHER")
    assert Inbound.objects.get(control_id="LONG").outcome == "refused"


def test_a_byte_now_and_then_is_cut_off_by_the_frames_own_limit(door):
    with HandWritten(door.port) as slow, HandWritten(door.port) as quiet:
        ended = threading.Event()

        def trickle():
            for octet in VT + message("SLOW"):
                if ended.wait(0.1):
                    return
                try:
                    slow.socket.sendall(bytes([octet]))
                except OSError:
                    return

        trickling = threading.Thread(target=trickle)
        trickling.start()
        assert slow.answer() == b"", "begun, and not whole within a second"
        ended.set()
        trickling.join(5)
        assert msa(quiet.ask(message("QUIET"))) == ("AA", "QUIET"), "one that is only silent stays connected"
    assert stored() == ["QUIET"]


def test_a_frame_in_two_pieces_after_a_long_silence_is_waited_for(door):
    """The limit of a second is the frame's own: it runs from its first byte, not from the frame before."""
    first, rest = (VT + message("SPLIT") + END)[:40], (VT + message("SPLIT") + END)[40:]
    with HandWritten(door.port) as peer, HandWritten(door.port) as clock:
        assert msa(peer.ask(message("BEFORE"))) == ("AA", "BEFORE")
        clock.write(VT)
        assert clock.answer() == b"", "more than the limit has passed"
        peer.write(first)
        with HandWritten(door.port) as other:
            assert msa(other.ask(message("MEANWHILE")))[0] == "AA", "the first piece has been read by now"
        peer.write(rest)
        assert msa(peer.answer()) == ("AA", "SPLIT")


def test_unreadable_bytes_and_unknown_triggers_are_answered(door):
    with HandWritten(door.port) as peer:
        assert msa(peer.ask(b"this is no HL7"))[0] == "AR"
        assert msa(peer.ask(message("Z").replace(b"ADT^A28^ADT_A05", b"ZZZ^Z99"))) == ("AA", "Z")
        assert msa(peer.ask(message("T").replace(b"|P|2.4", b"|T|2.4"))) == ("AR", "T")
        assert msa(peer.ask(message("AFTER"))) == ("AA", "AFTER")


def test_a_repeat_gets_the_first_answer_again(door):
    with HandWritten(door.port) as peer:
        first = peer.ask(message("SAME"))
    with HandWritten(door.port) as peer:
        assert peer.ask(message("SAME")) == first
    assert stored() == ["SAME"]


def test_many_connections_at_once_lose_nothing_and_keep_each_ones_order(door):
    faults = []

    def talk(name):
        with HandWritten(door.port) as peer:
            for number in range(25):
                if msa(peer.ask(message(f"{name}-{number}"))) != ("AA", f"{name}-{number}"):
                    faults.append((name, number))

    talkers = [threading.Thread(target=talk, args=(name,)) for name in "ABCDEFGH"]
    for talker in talkers:
        talker.start()
    for talker in talkers:
        talker.join(60)
    assert not faults
    got = stored()
    assert len(got) == 200
    assert all([c for c in got if c[0] == name] == [f"{name}-{n}" for n in range(25)] for name in "ABCDEFGH")
    assert list(Inbound.objects.order_by("number").values_list("number", flat=True)) == list(range(1, 201))


def test_connections_beyond_the_limit_are_closed_and_the_others_served(door):
    peers: list[HandWritten] = []
    try:
        for number in range(12):
            peers.append(HandWritten(door.port))
            peer = peers[-1]
            assert msa(peer.ask(message(f"IN{number}"))) == ("AA", f"IN{number}")
        with HandWritten(door.port) as beyond:
            assert beyond.answer() == b""
        assert msa(peers[0].ask(message("STILL"))) == ("AA", "STILL")
    finally:
        for peer in peers:
            peer.socket.close()

    def let_in_again():
        with HandWritten(door.port) as later:
            return msa(later.ask(message("LATER"))) == ("AA", "LATER")

    eventually(let_in_again, within=10)


def test_a_peer_that_is_not_declared_is_turned_away(tmp_path):
    with Listening(tmp_path / "listen.log", peers=["192.0.2.7"]) as door:
        with HandWritten(door.port) as stranger:
            assert stranger.answer() == b""
        eventually(lambda: "listen.turned_away" in door.said(), within=5)
    assert stored() == []


def test_a_changed_declaration_takes_effect_without_a_restart(door):
    with HandWritten(door.port) as peer:
        assert msa(peer.ask(message("P1"))) == ("AA", "P1")
    Channel.objects.filter(code="pas").update(policy={"port": door.port, "processing_id": "T"})

    def training_is_taken():
        with HandWritten(door.port) as peer:
            return msa(peer.ask(message("T1").replace(b"|P|2.4", b"|T|2.4"))) == ("AA", "T1")

    eventually(training_is_taken, within=10, every=0.2)


def test_a_lost_database_gives_no_answer_at_all_and_service_comes_back_by_itself(door):
    name = connection.settings_dict["NAME"]
    with HandWritten(door.port) as peer:
        assert msa(peer.ask(message("BEFORE"))) == ("AA", "BEFORE")
    with psycopg.connect(database_url(), dbname="postgres", autocommit=True) as server:
        server.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
        try:
            ended = server.execute(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
                "WHERE application_name = 'pasmirror-listen' AND datname = %s",
                [name],
            ).fetchone()
            assert ended is not None
            assert ended[0] > 0, "the fault fired"
            with HandWritten(door.port, timeout=30) as peer:
                assert peer.ask(message("DURING")) == b"", "no false acknowledgement"
        finally:
            server.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')
    assert stored() == ["BEFORE"]

    def back():
        with HandWritten(door.port, timeout=30) as peer:
            return msa(peer.ask(message("DURING"))) == ("AA", "DURING")

    eventually(back, within=30, every=0.2)
    assert stored() == ["BEFORE", "DURING"]


def test_backends_ended_between_messages_cost_no_answer(door):
    with HandWritten(door.port) as peer:
        assert msa(peer.ask(message("ONE"))) == ("AA", "ONE")
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
                "WHERE application_name = 'pasmirror-listen'"
            )
            assert cursor.fetchone()[0] > 0
        assert msa(peer.ask(message("TWO"))) in {("AA", "TWO"), ("", "")}

    def taken():
        with HandWritten(door.port) as peer:
            return msa(peer.ask(message("TWO"))) == ("AA", "TWO")

    eventually(taken, within=10)
    assert stored() == ["ONE", "TWO"]


def test_sigterm_answers_what_is_whole_and_exits_clean(door):
    with HandWritten(door.port) as peer, HandWritten(door.port) as silent:
        peer.write(VT + message("LAST") + END + VT + message("HALF")[:50])
        assert msa(peer.answer()) == ("AA", "LAST")
        assert door.end() == 0
        assert peer.answer() == b""
        assert silent.answer() == b""
    assert stored() == ["LAST"]
    with pytest.raises(ConnectionRefusedError), HandWritten(door.port):
        pass


def test_it_beats(door):
    eventually(lambda: ProcessBeat.objects.filter(name="listen", pid=door.process.pid).exists(), within=10)
    assert "connections" in ProcessBeat.objects.get(name="listen").sentence


def test_the_log_holds_no_patients_name(door):
    with HandWritten(door.port) as peer:
        peer.ask(message("LOGGED", family="UNMISTAKABLE"))
        peer.ask(b"MSH|^~\\&|UNMISTAKABLE")
    door.end()
    assert "UNMISTAKABLE" not in door.said()

"""Receivers that answer wrongly, tear frames, are gone for long, or refuse one patient. Rows 34 to 37."""

import os
import re
import signal
import socket

import psutil
import pytest

from pasmirror.demo import cast
from tests.eventually import eventually
from tests.faults.conftest import LONG, Make
from tests.faults.drill import Drill
from tests.faults.prepared import CLERKS
from tests.faults.proxy import MllpProxy
from tests.faults.recorder.clerk import Clerk

pytestmark = pytest.mark.timeout(300)
OTHERS_WITHIN = 20.0  # seconds for everything to reach the receivers that are well, on a loaded machine
WRONG: dict[str, dict[str, object]] = {
    "wrong_msa": {},
    "garbage_ack": {},
    "no_msa": {},
    "unframed_ack": {},
    "two_acks": {"first": "AA"},
    "reset": {},
}
MIB = 1024 * 1024


def wrongly_taken(drill: Drill) -> list[tuple[object, ...]]:
    """Attempts counted as accepted whose answer is not AA for that very message."""
    return drill.ask(
        "SELECT o.control_id, encode(a.answer, 'escape') FROM messaging_attempt a "
        "JOIN messaging_outbound o ON o.id = a.outbound_id WHERE a.ending = 'accepted' "
        "AND position(('MSA|AA|' || o.control_id)::bytea in a.answer) = 0"
    )


def stands(drill: Drill, code: str) -> dict[str, int]:
    """How many of a lane's messages stand at each leg."""
    rows = drill.ask(
        "SELECT o.leg, count(*)::int FROM messaging_outbound o JOIN messaging_destination d ON d.id = o.lane_id "
        "WHERE d.code = %s GROUP BY o.leg",
        code,
    )
    return dict(rows)


def all_arrived(drill: Drill, code: str, *, changes: int) -> bool:
    """Whether a lane has at least so many messages, and all of them are accepted."""
    legs = stands(drill, code)
    return set(legs) == {"accepted"} and legs["accepted"] >= changes


@pytest.mark.long
def test_row_34_whatever_a_receiver_answers_only_aa_for_that_message_settles_it(drilled: Make) -> None:
    drill = drilled()
    drill.given_mirror()
    bad = drill.receivers["pathology"]
    for verb, how in [*WRONG.items(), ("two_acks", {"first": "AR"})]:
        had = int(bad.do("fired").get(verb, 0))  # type: ignore[attr-defined]
        bad.do(verb, times=2, **how)
        drill.some_saves(3)
        eventually(
            lambda verb=verb, had=had: bad.do("fired").get(verb, 0) == had + 2,  # type: ignore[attr-defined,misc]
            within=30,
            why=f"{verb} strikes twice",
        )
        drill.quiet(within=60)
        assert wrongly_taken(drill) == [], verb
    assert stands(drill, "pathology").keys() == {"accepted"}
    resends = drill.ask(
        "SELECT sum(attempts - 1)::int FROM messaging_outbound o JOIN messaging_destination d ON d.id = o.lane_id "
        "WHERE d.code = 'eprescribing'"
    )
    assert resends == [(0,)], "the other lane was touched"
    drill.judged(changes=21)


@pytest.mark.long
def test_row_35_torn_and_sliced_frames_and_floods_are_survived_and_nothing_is_lost(drilled: Make) -> None:
    drill = drilled(proxied=("feed", "pathology"))
    feed, door = drill.proxy["feed"], drill.proxy["pathology"]
    assert isinstance(feed, MllpProxy)
    assert isinstance(door, MllpProxy)
    listener = psutil.Process(drill.product.pid("listen"))
    before = listener.memory_info().rss
    users = drill.desk(pace=0.05)
    feed.slice(7, 0.001)
    feed.cut_after(90, direction="up", times=3)
    eventually(lambda: feed.fired()["cut_after"] == 3, within=60, why="frames of the feed are torn")
    for octets in floods():
        spill("127.0.0.1", drill.port("feed"), octets)
    eventually(lambda: users.done()["ok"] >= 15, within=60, why="the PAS's users work on")
    users.stop()
    feed.heal()
    drill.quiet(within=90)
    grown = (listener.memory_info().rss - before) / MIB
    assert grown < 64, f"the listener grew by {grown:.0f} MiB over frames it refused"
    assert listener.pid == drill.product.pid("listen"), "the listener did not survive"
    drill.given_mirror()
    door.slice(3, 0.001)
    door.cut_after(60, direction="up", times=3)
    drill.some_saves(6)
    eventually(lambda: door.fired()["cut_after"] == 3, within=60, why="our frames are torn")
    door.cut_after(20, direction="down", times=3)
    drill.some_saves(6)
    eventually(lambda: door.fired()["cut_after"] == 6, within=60, why="answers are torn")
    drill.quiet(within=60)
    assert wrongly_taken(drill) == []
    drill.judged(changes=12)


def floods() -> list[bytes]:
    """Frames that are none: 10 MB, marks of the framing in the text, another alphabet, no trailer, an end alone."""
    return [
        b"\x0b" + b"x" * (10 * MIB),
        b"\x0b\x0b\x1c\x1c\x0b text \x1c more \x0b",
        b"\x0b" + "ПАС ÄÖ".encode("utf-16") + b"\x1c\r",
        b"\x0bno segment at all",
        b"\x1c\r" * 1000,
    ]


def spill(host: str, port: int, octets: bytes) -> None:
    """Write to a door and go away; it may shut us out meanwhile."""
    with socket.create_connection((host, port), 10) as sock:
        sock.settimeout(10)
        try:
            sock.sendall(octets)
            sock.shutdown(socket.SHUT_WR)
            while sock.recv(65536):
                pass
        except OSError:
            return  # it has shut us out: that is its right


SAVES_WHILE_GONE = 120 if LONG else 30


@pytest.mark.long
def test_row_36_a_receiver_gone_for_long_gets_all_in_order_and_the_others_wait_for_nothing(drilled: Make) -> None:
    drill = drilled()
    drill.given_mirror()
    drill.outside.kill("pathology")
    assert not drill.outside.alive("pathology"), "the fault did not strike"
    drill.some_saves(SAVES_WHILE_GONE, within=200)
    eventually(
        lambda: all_arrived(drill, "eprescribing", changes=SAVES_WHILE_GONE),
        within=OTHERS_WITHIN,
        why="the other receiver has everything while the first is gone",
    )
    waiting = stands(drill, "pathology")
    assert waiting.keys() <= {"queued", "accepted"}, "nothing left while nobody was there, and nothing was given up"
    assert waiting["queued"] >= SAVES_WHILE_GONE
    assert drill.ask("SELECT count(*) FROM lib_alarm WHERE code = 'destination-silent' AND cleared_at IS NULL") == [
        (1,)
    ]
    drill.outside.start("pathology")
    eventually(lambda: all_arrived(drill, "pathology", changes=SAVES_WHILE_GONE), within=90, why="the queue drains")
    assert drill.ask("SELECT count(*) FROM lib_alarm WHERE code = 'destination-silent' AND cleared_at IS NULL") == [
        (0,)
    ]
    drill.judged(changes=SAVES_WHILE_GONE)


@pytest.mark.long
def test_row_36_a_receiver_that_takes_bytes_and_never_answers_costs_nobody_their_place(drilled: Make) -> None:
    """Frozen beyond the limit of silences of one message; when it wakes, all arrives and nobody stays held."""
    drill = drilled()
    drill.given_mirror()
    drill.ask(
        "UPDATE messaging_destination SET no_answer_limit = 3, timeout = 0.5 WHERE code = 'pathology' RETURNING 1"
    )
    frozen = drill.outside.pid("pathology")
    os.kill(frozen, signal.SIGSTOP)
    drill.some_saves(12)
    eventually(
        lambda: stands(drill, "pathology").get("held", 0) == 1
        and drill.ask("SELECT failures FROM messaging_lane l JOIN messaging_destination d ON d.id = l.destination_id "
                      "WHERE d.code = 'pathology'")[0][0] >= 4,
        within=60,
        why="one message is under suspicion, and another is tried",
    )  # fmt: skip
    assert psutil.Process(frozen).status() == psutil.STATUS_STOPPED, "the fault did not strike"
    assert all_arrived(drill, "eprescribing", changes=12)
    os.kill(frozen, signal.SIGCONT)
    eventually(lambda: all_arrived(drill, "pathology", changes=12), within=90, why="everything arrives")
    assert drill.ask("SELECT count(*) FROM lib_alarm WHERE code = 'message-unanswered' AND cleared_at IS NULL") == [
        (0,)
    ]
    drill.judged(changes=12)


@pytest.mark.long
def test_row_37_a_receiver_refuses_one_patient_for_ever_and_only_that_patient_waits_for_a_person(
    drilled: Make,
) -> None:
    drill = drilled()
    drill.given_mirror()
    with drill.log("row-37") as log:
        clerk = Clerk(log, "127.0.0.1", drill.port("web"), account=(CLERKS[0], cast.PASSWORD), number=9)
        assert clerk.sign_in()
        press = clerk.register()
        assert press is not None
        assert press.end == "ok"
        patient = press.patient
        drill.quiet()
        number = drill.ask(
            "SELECT value FROM patients_patientidentifier WHERE patient_id = %s AND type = 'MR' LIMIT 1", patient
        )[0][0]
        refusing = drill.receivers["pathology"]
        refusing.do("refuse", code="AE", err="", for_patient=number, times=0)
        for _ in range(2):
            amended = clerk.amend(patient)
            assert amended is not None
            assert amended.end == "ok"
    drill.some_saves(8)
    eventually(lambda: stands(drill, "pathology").get("held") == 1, within=20, why="it is held")
    eventually(lambda: drill.ask(_LEFT, patient) == [(0,)], within=OTHERS_WITHIN, why="everybody else is told")
    assert stands(drill, "pathology").get("queued") == 1, "that patient's later message waits behind"
    held, control_id = drill.ask("SELECT id, control_id FROM messaging_outbound WHERE leg = 'held'")[0]
    alarm = drill.ask("SELECT subject FROM lib_alarm WHERE code = 'message-refused' AND cleared_at IS NULL")
    assert alarm == [(control_id,)]
    why = ("--by", cast.OPERATOR, "--reason", "they say it is mended")
    sent = drill.product.manage("lane", "resend", str(held), *why)
    assert sent.returncode == 0, sent.stderr
    eventually(
        lambda: drill.ask("SELECT leg, attempts FROM messaging_outbound WHERE id = %s", held) == [("held", 2)],
        within=20,
        why="it is refused for ever",
    )
    parked = drill.product.manage("lane", "set-aside", str(held), *why)
    assert parked.returncode == 0, parked.stderr
    refusing.do("heal")
    drill.quiet()
    assert stands(drill, "pathology").get("set_aside") == 1
    assert "queued" not in stands(drill, "pathology")
    written = drill.ask("SELECT action FROM lib_auditrow WHERE subject = %s ORDER BY id", f"outbound:{held}")
    assert [action for (action,) in written] == ["outbound_resend", "outbound_set_aside"]
    took: list[dict[str, str]] = refusing.do("messages")  # type: ignore[assignment]
    bodies = {re.sub(r"\s", "", each["base64"]) for each in took if each["control_id"] == control_id}
    assert len(bodies) == 1, "what was sent again was the identical bytes"
    drill.judged(changes=10)


_LEFT = """
SELECT count(*) FROM messaging_outbound o JOIN messaging_destination d ON d.id = o.lane_id
WHERE d.code = 'pathology' AND o.leg <> 'accepted' AND o.patient <> %s
"""

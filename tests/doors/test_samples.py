"""A published London feed, sent whole to the real listener and applied: all answered, each with an outcome."""

import sys

import hl7.client
import pytest

from messaging.models import Inbound
from messaging.services import apply
from patients.models import Appointment, Patient
from tests.committed import committed  # noqa: F401
from tests.feed_door import END, ROOT, VT, HandWritten, Listening, msa

pytestmark = [pytest.mark.usefixtures("committed"), pytest.mark.timeout(120)]
SAMPLES = ROOT.parent / "shared" / "samples" / "airslie-renalware-core"
OUTCOMES = {"applied", "already", "filed", "parked", "refused"}


def samples():
    files = sorted(SAMPLES.glob("*.hl7"))
    assert files, f"the samples are missing: {SAMPLES.name}"
    return [(file.name, file.read_bytes()) for file in files]


def by_library(port, raws):
    with hl7.client.MLLPClient("127.0.0.1", port) as client:
        return [client.send_message(raw).strip(VT + END) for raw in raws]


def by_hand(port, raws):
    with HandWritten(port) as peer:
        return [peer.ask(raw) for raw in raws]


def told_of(row):
    why = "; ".join([row.reason, *row.warnings]).strip("; ")
    return f"{row.number:3} {row.trigger:8} {row.outcome:8} {row.code:20} {why}"


@pytest.mark.parametrize("send", [by_library, by_hand])
def test_every_message_of_a_published_feed_is_answered_and_settled(tmp_path, send, capsys):
    told = samples()
    with Listening(tmp_path / "listen.log", habits={"default_authority": "RXX"}) as door:
        answers = send(door.port, [raw for _, raw in told])
    assert len(answers) == len(told)
    for (name, raw), answer in zip(told, answers, strict=True):
        sent_id = raw.split(b"\r")[0].split(b"\n")[0].split(b"|")[9].decode()
        assert msa(answer) == ("AA", sent_id), name
    while apply.run_once():
        pass
    rows = list(Inbound.objects.order_by("number"))
    assert sorted(bytes(row.raw) for row in rows) == sorted({raw for _, raw in told}), "kept byte for byte"
    for row in rows:
        assert row.outcome in OUTCOMES, row.trigger
        assert row.outcome in ("applied", "already") or (row.code and row.reason), row.trigger
    with capsys.disabled():
        sys.stdout.write("\n" + "\n".join(map(told_of, rows)) + "\n")
    applied = {row.trigger for row in rows if row.outcome == "applied"}
    assert {"ADT^A01", "ADT^A02", "ADT^A03", "ADT^A28", "ADT^A31", "SIU^S12"} <= applied
    assert Patient.objects.filter(identifiers__value="10769845").get().stays.get().status == "out"
    assert Appointment.objects.get(identifiers__value="149549015").clinic == "RNJ Renal OPD"

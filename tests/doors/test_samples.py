"""Published messages, sent over a socket to the real listener and applied: all answered, each with an outcome.

`samples.tsv` beside this holds what is expected of each message alone, before an empty record, and why: its outcome,
the first words of its warnings, and what stands afterwards. It is judged by reading the message, so that a wrong
outcome is not made right by being written down.
"""

import csv
import re
import sys
from collections import Counter
from dataclasses import replace
from datetime import UTC

import hl7.client
import pytest
from django.db import transaction

from messaging.hl7.habits import FeedPolicy, Habits
from messaging.models import Channel, Inbound
from messaging.services import apply, intake
from patients.models import Appointment, Document, Patient, Stay
from tests.committed import committed  # noqa: F401
from tests.feed_door import END, ROOT, VT, HandWritten, Listening, msa

pytestmark = [pytest.mark.usefixtures("committed"), pytest.mark.timeout(300)]
ALL = ROOT.parent / "shared" / "samples"
SAMPLES = ALL / "airslie-renalware-core"
JUDGED = ROOT / "tests" / "doors" / "samples.tsv"
BOOKS_BY_ADT = "hl7-clinics-examples"
HABITS = Habits(default_authority="RXX")
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


def judged():
    with JUDGED.open() as lines:
        rows = list(csv.DictReader((line for line in lines if not line.startswith("#")), delimiter="\t"))
    known = {str(file.relative_to(ALL)) for file in ALL.glob("*/*.hl7")}
    assert known, f"the samples are missing: {ALL.name}"
    assert {row["file"] for row in rows} == known, "every sample has its judgement, and no judgement is of nothing"
    return rows


def habits_of(file):
    """One sender books outpatients by A05 and A38 (PV1-2 O, the time in PV2-8): its feed says so."""
    return replace(HABITS, a05="appointment") if BOOKS_BY_ADT in file else HABITS


def told_in_order(row):
    """Order by source, and those of one sender that come in pairs (an A05, its A38) as they were told."""
    source, _, name = row["file"].partition("/")
    return source, int(re.findall(r"\d+", name)[-2]) if BOOKS_BY_ADT in name else 0


def store(file, habits=None):
    """Store one sample as its feed would bring it, apply it, and give what became of it."""
    policy = FeedPolicy(habits=habits or habits_of(file))
    Channel.objects.update_or_create(code="pas", defaults={"policy": policy.as_json()})
    intake.store("pas", [intake.Frame("127.0.0.1", (ALL / file).read_bytes())], policy=policy)
    while apply.run_once():
        pass
    return Inbound.objects.order_by("number").last()


def standing():
    """Say what stands in the record: who is provisional, each stay and appointment, and documents."""
    found = ["provisional" if patient.provisional else "known" for patient in Patient.objects.order_by("pk")]
    found += [f"{stay.status}@{stay.ward}" for stay in Stay.objects.order_by("pk")]
    for each in Appointment.objects.order_by("pk"):
        at = each.starts_at.astimezone(UTC).strftime("%Y-%m-%d %H:%M") if each.starts_at else "no time"
        found.append(f"{each.status}@{at} {each.minutes} min {each.clinic}".rstrip())
    found += ["document"] * Document.objects.count()
    return "; ".join(found)


def is_as(told, words):
    """Whether warnings are those judged, by their first words: all of them, and no other."""
    judged = [each for each in words.split("; ") if each]
    pairs = list(zip(sorted(told), sorted(judged), strict=False))
    return len(told) == len(judged) and all(one.startswith(first) for one, first in pairs)


def test_every_published_message_over_a_socket_is_answered_stored_and_settled(tmp_path, capsys):
    expected = sorted(judged(), key=told_in_order)
    raws = [(ALL / row["file"]).read_bytes() for row in expected]
    with Listening(tmp_path / "listen.log", habits={"default_authority": "RXX"}) as door:
        answers = by_hand(door.port, raws)
    for row, raw, answer in zip(expected, raws, answers, strict=True):
        code = "AR" if row["outcome"] == "refused" else "AA"
        assert msa(answer)[0] == code, (row["file"], answer[:200])
        assert msa(answer)[1].encode() == [*raw.splitlines()[0].split(raw[3:4]), *[b""] * 9][9], row["file"]
    while apply.run_once():
        pass
    rows = list(Inbound.objects.order_by("number"))
    assert sorted(bytes(row.raw) for row in rows) == sorted(set(raws)), "each kept once, byte for byte"
    source = {raw: row["file"].partition("/")[0] for row, raw in zip(expected, raws, strict=True)}
    table = Counter((source[bytes(row.raw)], row.trigger, row.outcome, row.code) for row in rows)
    for row in rows:
        assert row.outcome in OUTCOMES, row.trigger
        assert row.outcome in ("applied", "already") or (row.code and row.reason), row.trigger
    pairs = {(ALL / row["file"]).read_bytes() for row in expected if BOOKS_BY_ADT in row["file"]}
    assert [row.outcome for row in rows if bytes(row.raw) in pairs] == ["applied"] * 18, "each A38 finds its A05"
    told = Stay.objects.filter(identifiers__value__regex="-OP21|-2108EN").values_list("status", flat=True)
    assert Counter(told) == {"expected": 6, "cancelled": 6}
    with capsys.disabled():
        lines = (
            f"{count:4}  {source:36} {trigger:9} {outcome:8} {code}"
            for (source, trigger, outcome, code), count in sorted(table.items())
        )
        sys.stdout.write(
            "\n" + "\n".join(lines) + f"\n{len(raws)} sent, {len(rows)} different, all answered and settled\n"
        )


def test_every_published_message_alone_has_the_outcome_that_reading_it_demands():
    wrong = []
    for row in judged():
        with transaction.atomic():
            told, stands = store(row["file"]), standing()
            transaction.set_rollback(True)
        same = (told.outcome, told.code, stands) == (row["outcome"], row["code"], row["stands"])
        if not same or not is_as(told.warnings, row["warnings"]):
            what = f"{told.outcome} {told.code} {told.reason}; {told.warnings}; {stands}"
            wrong.append(f"{row['file']}: {what}; but {row['why']}; {row['warnings']}; {row['stands']}")
    assert wrong == []


def test_outpatients_booked_by_a05_and_called_off_by_a38_in_the_order_they_were_told():
    rows = sorted((row for row in judged() if BOOKS_BY_ADT in row["file"]), key=told_in_order)
    outcomes = [(told.trigger, told.outcome) for told in (store(row["file"]) for row in rows)]
    assert Counter(outcomes) == {("ADT^A05", "applied"): 12, ("ADT^A38", "applied"): 6}
    assert Counter(Appointment.objects.values_list("status", flat=True)) == {"booked": 6, "cancelled": 6}
    assert not Stay.objects.exists()

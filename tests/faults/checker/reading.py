"""Reads a whole run: the recorder's logs, the product's tables by SQL, the peers' own stores; judges nothing."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import psycopg

from tests.faults.checker import peers as stores
from tests.faults.checker import rows
from tests.faults.checker.history import History
from tests.faults.recorder import log
from tests.faults.recorder.log import Op, Unjudgeable

Db = psycopg.Connection[Any]
Row = TypeVar("Row")


def read(db: Db, logs: Path, peers: Mapping[str, Any], sinks: Mapping[str, bytes]) -> History:
    """Read everything as it stands now, the tables in one snapshot.

    `peers` and `sinks` as the recorder gives them. Raises Unjudgeable where a log, a table or a store is missing.
    """
    ops = read_ops(logs)
    db.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
    try:
        found = tables(db)
    finally:
        db.execute("ROLLBACK")
    return History(
        ops=ops,
        receivers=stores.receivers(peers),
        pas=stores.pas(peers),
        anchors=anchors(sinks),
        sinks=tuple(sorted(sinks.items())),
        **found,
    )


def read_ops(logs: Path) -> tuple[Op, ...]:
    """Read every log of a folder, one client after the other. Raises Unjudgeable."""
    files = sorted(logs.glob("*.jsonl"))
    if not files:
        raise Unjudgeable(f"there is no log in {logs.name}")
    return tuple(op for file in files for op in log.read(file))


def tables(db: Db) -> dict[str, Any]:
    """Read every table in the caller's transaction. Raises Unjudgeable, naming the first that cannot be read."""
    try:
        return _tables(db)
    except psycopg.Error as fault:
        raise Unjudgeable(f"the database cannot be read: {fault}") from fault


def _tables(db: Db) -> dict[str, Any]:
    gates = _all(db, "SELECT mode, epoch, fenced FROM patients_gate WHERE scope = 'site'", rows.Gate)
    if not gates:
        raise Unjudgeable("the gate's row is missing")
    return {name: _all(db, _timed(sql), make) for name, (sql, make) in _QUERIES.items()} | {
        "gate": gates[0],
        "record": rows.Record(
            patients=_all(db, _PATIENTS, lambda pk, family, ids: rows.Patient(pk, family, frozenset(ids))),
            stays=_all(
                db,
                _STAYS,
                lambda who, ids, status, ward, bay, bed: rows.Stay(who, frozenset(ids), status, (ward, bay, bed)),
            ),
            appointments=_all(
                db, _APPOINTMENTS, lambda who, ids, status: rows.Appointment(who, frozenset(ids), status)
            ),
        ),
    }


def _all(db: Db, sql: str, make: Callable[..., Row]) -> tuple[Row, ...]:
    return tuple(make(*row) for row in db.execute(sql))


def _timed(sql: str) -> str:
    """Write each @column, a time, as seconds since 1970, and @committed as microseconds."""
    sql = sql.replace("@committed", _COMMITTED)
    return re.sub(r"@(\w+)", r"extract(epoch FROM \1)::float", sql)


def _destination(*values: Any) -> rows.Destination:
    pk, code, is_pas, declared, head, events, wards, clinics, sites, pas_copy = values
    return rows.Destination(
        pk, code, is_pas, declared, head, tuple(events), tuple(wards), tuple(clinics), tuple(sites), pas_copy
    )


def anchors(sinks: Mapping[str, bytes]) -> tuple[rows.Anchor, ...]:
    """The heads written outside the database; those of a life before a restore stand in files of another name."""
    found = []
    for name, content in sorted(sinks.items()):
        if name.startswith("anchor/") and "-before-" not in name:
            parts = [line.split() for line in content.decode("ascii", "replace").splitlines()]
            found += [rows.Anchor(int(p[0]), p[1]) for p in parts if len(p) == 3 and p[0].isdigit() and int(p[0])]
    return tuple(found)


_COMMITTED = "coalesce((extract(epoch FROM pg_xact_commit_timestamp(xmin)) * 1000000)::bigint, 0)"
"""Rows made before the server kept such times have 0: they were there before everything."""
_QUERIES: dict[str, tuple[str, Callable[..., Any]]] = {
    "changes": (
        "SELECT id, @committed, event, patient_id, stay, appointment, before, after, facts, source, origin, "
        "coalesce(actor->>'subject', ''), epoch, @occurred_at, @recorded_at FROM patients_change ORDER BY id",
        rows.Change,
    ),
    "forms": ("SELECT key::text, (result->>'change')::bigint FROM lib_idempotencykey ORDER BY at, key", rows.Form),
    "tail": ("SELECT change_id FROM patients_journaltail ORDER BY 1", int),
    "inbound": (
        "SELECT id, channel_id, number, @received_at, sender, control_id, @sent_at, outcome, patient, change, raw "
        "FROM messaging_inbound ORDER BY id",
        rows.Inbound,
    ),
    "destinations": (
        "SELECT d.id, d.code, d.is_pas, d.declared, coalesce(l.head, 0), d.events, d.wards, d.clinics, d.sites, "
        "d.pas_copy FROM messaging_destination d LEFT JOIN messaging_lane l ON l.destination_id = d.id ORDER BY d.id",
        _destination,
    ),
    "outbound": (
        "SELECT id, lane_id, seq, change, patient, epoch, leg, control_id, body, @settled_at, snapshot "
        "FROM messaging_outbound ORDER BY id",
        rows.Outbound,
    ),
    "attempts": (
        "SELECT id, @committed, outbound_id, @opened_at, @closed_at, ending, detail, answer, token "
        "FROM messaging_attempt ORDER BY id",
        rows.Attempt,
    ),
    "moves": (
        "SELECT id, @committed, before, after, epoch, @at FROM failover_modemove ORDER BY id",
        rows.Move,
    ),
    "incidents": (
        "SELECT id, first_epoch, @closed_at, closing, report FROM failover_incident ORDER BY id",
        rows.Incident,
    ),
    "replays": (
        'SELECT incident_id, change, patient, "end", forced FROM failover_replay ORDER BY change',
        rows.Replay,
    ),
    "signatures": (
        "SELECT incident_id, purpose, subject, coalesce(by->>'subject', ''), @at FROM failover_signature ORDER BY id",
        rows.Signature,
    ),
    "discrepancies": (
        "SELECT change, patient, @raised_at, decision FROM failover_discrepancy ORDER BY id",
        rows.Discrepancy,
    ),
    "audit": (
        "SELECT id, @committed, at, actor, action, subject, change, epoch, detail FROM lib_auditrow ORDER BY id",
        rows.AuditRow,
    ),
    "links": ("SELECT seq, row_id, digest FROM lib_auditlink ORDER BY seq", rows.Link),
    "audit_tail": ("SELECT row_id FROM lib_audittail ORDER BY 1", int),
}
_PATIENTS = """
SELECT p.id, p.family, array(SELECT i.authority || '^' || i.value FROM patients_patientidentifier i
                             WHERE i.patient_id = p.id AND i.until IS NULL)
FROM patients_patient p WHERE p.merged_into_id IS NULL ORDER BY p.id
"""
_STAYS = """
SELECT s.patient_id, array(SELECT i.value FROM patients_stayidentifier i WHERE i.stay_id = s.id AND i.until IS NULL),
       s.status, s.ward, s.bay, s.bed
FROM patients_stay s ORDER BY s.id
"""
_APPOINTMENTS = """
SELECT a.patient_id, array(SELECT i.value FROM patients_appointmentidentifier i
                           WHERE i.appointment_id = a.id AND i.until IS NULL), a.status
FROM patients_appointment a ORDER BY a.id
"""

"""The peers' own stores, as the recorder wrote them down, as rows: receivers, and the PAS; judges nothing.

`peers`: {"receivers": {code: {"messages": […], "effects": […]}}, "pas": {"patients": […], "stays": […],
"appointments": […], "spoken": […], "received": […]}}, each list as the peer's control port gives it; and with
"restored": true in "pas" where the PAS was brought back from a backup.
"""

import base64
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from tests.faults.checker import rows
from tests.faults.recorder.log import Unjudgeable

LONDON = ZoneInfo("Europe/London")
Peers = Mapping[str, Any]


def receivers(peers: Peers) -> tuple[rows.Receiver, ...]:
    """Each receiver's frames and effects in order. Raises Unjudgeable where there is no such store."""
    try:
        stores = peers["receivers"]
        return tuple(_receiver(code, stores[code]) for code in sorted(stores))
    except (KeyError, TypeError) as fault:
        raise Unjudgeable(f"a receiver's store cannot be read: {fault}") from fault


def pas(peers: Peers) -> rows.Pas:
    """The PAS's record, what it was told and what it said. Raises Unjudgeable where there is no such store."""
    try:
        store = peers["pas"]
        return rows.Pas(
            record=rows.Record(
                patients=tuple(map(_patient, store["patients"])),
                stays=tuple(map(_stay, store["stays"])),
                appointments=tuple(map(_appointment, store["appointments"])),
            ),
            heard=tuple(map(_heard, store["received"])),
            spoken=tuple(
                rows.Spoken(each["lane"], each["control_id"], int(each["attempts"]), bool(each["sent_at"]))
                for each in store["spoken"]
            ),
            restored=bool(store.get("restored")),
        )
    except (KeyError, TypeError) as fault:
        raise Unjudgeable(f"the PAS's store cannot be read: {fault}") from fault


def _receiver(code: str, store: Peers) -> rows.Receiver:
    return rows.Receiver(
        code,
        tuple(
            rows.Arrival(
                each["id"],
                datetime.fromisoformat(each["received_at"]).timestamp(),
                each["control_id"],
                each["trigger"],
                each["answer"],
                base64.b64decode(each["base64"]),
            )
            for each in store["messages"]
        ),
        tuple(rows.Effect(each["event"], each["control_id"]) for each in store["effects"]),
    )


def _patient(shown: Peers) -> rows.Patient:
    numbers = frozenset(
        f"{each['authority']}^{each['value']}" for each in shown["identifiers"] if each["authority"] != "NHS"
    )
    return rows.Patient(shown["id"], shown["family"], numbers)


def _stay(shown: Peers) -> rows.Stay:
    status = "out" if shown["discharged_at"] else "in"
    return rows.Stay(shown["patient"], frozenset({shown["visit"]}), status, (shown["ward"], shown["bay"], shown["bed"]))


def _appointment(shown: Peers) -> rows.Appointment:
    return rows.Appointment(shown["patient"], frozenset({shown["placer"]}), str(shown["status"]).lower())


def _heard(shown: Peers) -> rows.Heard:
    at = datetime.strptime(shown["received_at"][:14], "%Y%m%d%H%M%S").replace(tzinfo=LONDON).timestamp()
    change = int(shown["event"]) if str(shown["event"]).isdigit() else None
    return rows.Heard(shown["control_id"], change, shown["code"], bool(shown["repeat"]), at)

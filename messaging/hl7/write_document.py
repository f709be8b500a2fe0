"""A document with its content (MDM^T02): TXA, and the text as OBX; knows nothing of who may read it.

The facts of a document are the columns of patients.models.Document; its number and its text must be there.
"""

import re
from typing import Any

from messaging.hl7 import times
from messaging.hl7.names import person_parts
from messaging.hl7.telling import CannotSay
from messaging.hl7.text import components, escape, segment
from messaging.hl7.write_person import Draft, evn, no_visit, pid
from messaging.hl7.write_visit import pv1
from pasmirror.lib import clock

AUTHENTICATED = "AU"  # TXA-17, HL7 table 0271
IN_PROGRESS = "IP"
_LINES = re.compile(r"\r\n|\r|\n")


def document(draft: Draft) -> list[str]:
    """Give a document: one OBX for each line of its text, blank lines included; of the stay, where one is known."""
    told: dict[str, Any] = dict(draft.change.facts.get("document") or {})
    for name in ("number", "text"):
        if not told.get(name):
            raise CannotSay(f"the change does not say the document's {name}, which this message cannot do without")
    if told.get("withdrawn"):
        raise CannotSay("a withdrawn document has no message of its own")
    visit = pv1(draft) if draft.change.facts.get("stay_ids") else no_visit()
    kind, title = escape(str(told.get("kind") or "")), escape(str(told.get("title") or ""))
    lines = enumerate(_LINES.split(str(told["text"])), start=1)
    named = components(kind, title)
    return [
        evn(draft),
        pid(draft),
        visit,
        _txa(draft, told, kind),
        *(segment("OBX", {1: str(n), 2: "TX", 3: named, 5: escape(text), 11: "F"}) for n, text in lines),
    ]


def _txa(draft: Draft, told: dict[str, Any], kind: str) -> str:
    at = clock.moment(str(told.get("written_at") or "")) or draft.change.occurred_at
    written = times.stamp(at, draft.dialect.zone)
    family, given, title, code = map(escape, person_parts(str(told.get("author") or "")))
    return segment(
        "TXA",
        {
            1: "1",
            2: kind,
            3: "TX",
            4: written,
            6: written,
            9: components(code, family, given, "", "", title),
            12: _entity(told["number"]),
            13: _entity(told.get("replaces") or ""),
            17: escape(str(told.get("status") or AUTHENTICATED)),
        },
    )


def _entity(number: str) -> str:
    """Give an EI from a number kept with its authority ("D1^RXX")."""
    return components(*map(escape, str(number).split("^")))

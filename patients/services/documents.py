"""Keeps the documents the PAS sends: one row each in its newest version; knows nothing of who may read them."""

from collections.abc import Sequence
from typing import Any

from pasmirror.lib import clock
from patients.facts import News
from patients.models import Document, Patient

_FIELDS = [f.name for f in Document._meta.concrete_fields if f.name not in ("id", "patient", "number")]
_SAID = ("replaces", "kind", "title", "author", "status", "form", "text", "withdrawn")
_LONGEST = {f.name: f.max_length for f in Document._meta.concrete_fields if f.name in _SAID}


class Documents:
    """The documents a batch speaks of, loaded at once and written at once."""

    def __init__(self, batch: Sequence[News], patients: Sequence[int]) -> None:
        """`patients`: those the batch names, locked by the caller."""
        numbers = {str(news.document["number"]) for news in batch if news.document}
        self.numbers = {number[:200] for number in numbers}
        known = Document.objects.filter(patient__in=patients, number__in=self.numbers) if numbers else ()
        self.rows = {(row.patient_id, row.number): row for row in known}
        self.changed: dict[tuple[int, str], Document] = {}

    def take(self, news: News, patient: Patient, message: int) -> dict[str, Any] | None:
        """Take one version; gives what is journalled of it, None if it is older than or the same as what is kept.

        A field that did not come stays, as everywhere.
        """
        said = news.document
        key = (patient.pk, str(said["number"])[:200])
        row = self.rows.get(key) or Document(patient_id=patient.pk, number=key[1])
        if row.sent_at and news.sent_at and news.sent_at < row.sent_at:
            return None
        was = [getattr(row, name) for name in (*_SAID, "written_at")]
        for name in _SAID:
            if name in said:
                value = said[name]
                setattr(row, name, value[: _LONGEST[name]] if isinstance(value, str) else value)
        if "written_at" in said:
            row.written_at = clock.moment(str(said["written_at"]))
        if key in self.rows and was == [getattr(row, name) for name in (*_SAID, "written_at")]:
            return None
        row.sent_at, row.message = news.sent_at, message
        self.rows[key] = self.changed[key] = row
        return {"number": row.number, "kind": row.kind, "status": row.status, "withdrawn": row.withdrawn}

    def follow(self, loser: int, survivor: int) -> None:
        """Let a merged record's documents be the survivor's; of one that both have, the newer version stands there."""
        self.flush()
        theirs = Document.objects.filter(patient=survivor)
        for mine in Document.objects.filter(patient=loser, number__in=theirs.values("number")):
            other = theirs.get(number=mine.number)
            if mine.sent_at and (other.sent_at is None or other.sent_at < mine.sent_at):
                for name in _FIELDS:
                    setattr(other, name, getattr(mine, name))
                other.save()
        Document.objects.filter(patient=loser).exclude(number__in=list(theirs.values_list("number", flat=True))).update(
            patient=survivor
        )
        numbers = {number for _, number in self.rows} | self.numbers
        known = Document.objects.filter(patient__in=(loser, survivor), number__in=numbers)
        self.rows = {key: row for key, row in self.rows.items() if key[0] not in (loser, survivor)}
        self.rows |= {(row.patient_id, row.number): row for row in known}

    def flush(self) -> None:
        """Write what changed, in one statement."""
        Document.objects.bulk_create(
            self.changed.values(), update_conflicts=True, unique_fields=["patient", "number"], update_fields=_FIELDS
        )
        self.changed.clear()

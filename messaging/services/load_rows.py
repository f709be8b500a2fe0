"""Loads CSV: each row as the news the PAS would have told, by the feed's rules; places and staff into their lists."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from messaging.extracts import rows
from messaging.extracts.beside import csv_lines
from messaging.extracts.columns import OF_PLACES, Extract
from messaging.extracts.rows import Taking
from messaging.extracts.sheets import OURS, Row, RowFault, Sheet
from messaging.selectors import holds
from messaging.services.loading import Item, Outcome, origin, without
from pasmirror.lib.actor import Actor
from patients.services import bulk, places, strangers
from patients.services.strangers import Drafted
from patients.services.taken import Entry, Taken

KEPT_OURS = "changed here: ours stays, what the file says is noted as what the PAS holds"
APPLIED = Outcome("applied")


@dataclass(slots=True)
class Rows:
    """The rows of one sheet; `taking` is not asked for places and staff."""

    sheet: Sheet
    taking: Taking | None
    by: Actor
    _unchanged: bulk.Told = field(default_factory=dict)
    _origin: str = field(init=False)

    def __post_init__(self) -> None:
        self._origin = origin(self.sheet.source)

    @property
    def name(self) -> str:
        """As the audit trail calls it."""
        return self.sheet.extract.value

    def items(self, skipped: int) -> Iterator[Item]:
        """Read row after row."""
        for row in without(self.sheet.rows(), skipped):
            yield self._item(row)

    def _item(self, row: Row) -> Item:
        try:
            if self.sheet.extract in OF_PLACES:
                return Item(row.line, row.cells, self.sheet.read(row).others)
            assert self.taking is not None  # noqa: S101 - the door has asked for it
            stories = rows.stories(self.sheet, row, self.taking)
        except RowFault as fault:
            return Item(row.line, row.cells, fault=str(fault))
        told = f"{self._origin}{row.line}"
        if self.sheet.extract != Extract.PATIENTS:
            return Item(row.line, row.cells, [Entry(0, news, park_unknown=True, origin=told) for news in stories])
        drafts = [Drafted(0, news, origin=told, draft=strangers.draft(news, origin=told)) for news in stories]
        return Item(row.line, row.cells, drafts)

    def take(self, items: list[Item]) -> list[Outcome]:
        """Take rows as news, or into the lists of wards, beds, clinics or staff."""
        if self.sheet.extract in OF_PLACES:
            return [Outcome(*each) for each in places.put(self.name, [item.read for item in items], by=self.by)]
        entries: list[Entry] = [entry for item in items for entry in item.read]
        taken = iter(
            bulk.take(entries, by=self.by, load=self._origin, blocked=holds.standing(), unchanged=self._unchanged)
        )
        return [_outcome([next(taken) for _ in item.read]) for item in items]

    def refused(self, lines: list[tuple[Item, str]], *, first: bool) -> bytes:
        """Give the rows as they were, with line and reason before them."""
        header = [*OURS, *self.sheet.own(self.sheet.header)]
        return csv_lines(
            ([str(item.line), reason, *self.sheet.own(item.raw)] for item, reason in lines), header=header, first=first
        )

    def faults(self) -> list[str]:
        """Nothing of a sheet shows only at its end."""
        return []


def _outcome(taken: Sequence[Taken]) -> Outcome:
    """Give one outcome for a row: that of its events which says most."""
    if len(taken) == 1 and taken[0].outcome == "applied" and not taken[0].code and not taken[0].warnings:
        return APPLIED
    warnings = tuple(dict.fromkeys(warning for each in taken for warning in each.warnings))
    for each in taken:
        if each.outcome in ("parked", "filed"):
            return Outcome("refused", each.reason, warnings)
    if any(each.code == "beside-ours" for each in taken):
        warnings = (*warnings, KEPT_OURS)
    return Outcome("applied" if any(each.outcome == "applied" for each in taken) else "already", "", warnings)

"""Writes what became of a change at each destination; called by the apps above."""

from collections.abc import Iterable

from django.db import connection

from pasmirror.lib import clock
from patients.models import Fate

LONGEST = 200  # characters of a reason


def telling(rows: str) -> str:
    """Give the SQL that tells what the query `rows` gives: change id, destination code, fate, time, reason each.

    For a caller who tells it in the statement that moves the message, since that is done for every one.
    """
    return f"""INSERT INTO patients_changefate (change_id, destination, fate, at, reason) {rows}
ON CONFLICT (change_id, destination) DO UPDATE SET fate = excluded.fate, at = excluded.at, reason = excluded.reason"""


_TELL = telling("""SELECT change, destination, fate, %s, reason
FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::text[]) AS told (change, destination, fate, reason)""")


def tell(rows: Iterable[tuple[int, str, Fate, str]]) -> None:
    """Upsert fates: (change id, destination code, fate, reason) each; the reason holds no patient's particulars.

    Of several of one change at one destination the last stands: what is sent again by order follows its original.
    """
    last = {row[:2]: row for row in rows}
    told = [(change, destination, fate.value, reason[:LONGEST]) for change, destination, fate, reason in last.values()]
    if told:
        with connection.cursor() as cursor:
            cursor.execute(_TELL, [clock.now(), *(list(column) for column in zip(*told, strict=True))])

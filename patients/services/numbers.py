"""Takes downtime numbers from the pools reserved with the PAS; a temporary number when a pool is empty."""

from django.conf import settings
from django.db import connection

from pasmirror.lib import alarms
from patients.facts import Kind
from patients.identifiers import HOSPITAL, PLACER, VISIT, Identifier
from patients.models import NumberPool
from patients.services.rows import IDENTIFIERS

TEMPORARY = "PASMIRROR-TEMP"
NEWEST = 500  # numbers that are looked at to see whose they usually are
TYPES = {Kind.PATIENT: HOSPITAL, Kind.STAY: VISIT, Kind.APPOINTMENT: PLACER}
_NEXT = """
UPDATE patients_numberpool SET next = next + 1 WHERE id = (
  SELECT id FROM patients_numberpool WHERE kind = %s AND use = 'screen' AND node = ANY(%s) AND next <= last
  ORDER BY id LIMIT 1 FOR UPDATE)
RETURNING next - 1, last - next + 1, low_water, width, check_digit, type, authority, prefix
"""
_WEIGHTS = range(2, 100)


def take(kind: Kind) -> Identifier:
    """Take the next number for `kind`, once for ever, in the caller's transaction (last in the lock order)."""
    while identifier := _from_pool(kind):
        if not _in_use(kind, identifier):
            return identifier
        alarms.sound("pool-overlap", f"A {kind} number of a pool is in use already: it was passed over.", subject=kind)
    alarms.sound("pool-empty", f"No {kind} numbers are left: temporary numbers are given.", subject=kind)
    return Identifier(TYPES[kind], TEMPORARY, f"T{_temporary():08d}")


def valid(kind: Kind, object_id: int) -> list[Identifier]:
    """Give an object's valid numbers, the oldest first."""
    found = IDENTIFIERS[kind].objects.filter(**{kind.value: object_id}, until=None).order_by("id")  # type: ignore[attr-defined]
    return [Identifier(i.type, i.authority, i.value) for i in found]


def _from_pool(kind: Kind) -> Identifier | None:
    with connection.cursor() as cursor:
        cursor.execute(_NEXT, [kind, ["", settings.NODE]])
        row = cursor.fetchone()
    if row is None:
        return None
    number, left, low_water, width, scheme, *said = row
    if left < low_water:
        alarms.sound("pool-low", f"Few {kind} numbers are left.", subject=kind)
    type_, authority, prefix = said
    digits = f"{number:0{width}d}"
    return Identifier(type_, authority, prefix + digits + check_digit(digits, scheme))


def _in_use(kind: Kind, identifier: Identifier) -> bool:
    rows = IDENTIFIERS[kind].objects.filter(type=identifier.type, authority=identifier.authority, until=None)  # type: ignore[attr-defined]
    in_use: bool = rows.filter(value=identifier.value).exists()
    return in_use


def authorities(kind: Kind, type_: str) -> list[str]:
    """Give who gave the newest numbers of `kind` and type, in order: the PAS, without what this mirror gives itself."""
    ours = {TEMPORARY, *NumberPool.objects.values_list("authority", flat=True)}
    rows = IDENTIFIERS[kind].objects.filter(type=type_, until=None).exclude(authority__in=ours).order_by("-id")  # type: ignore[attr-defined]
    return sorted(set(rows.values_list("authority", flat=True)[:NEWEST]))


def check_digit(digits: str, scheme: str) -> str:
    """Give the check digit of `digits` ("" for no scheme); mod11 with weights from the right, 10 written X."""
    if scheme != "mod11":
        return ""
    total = sum(int(d) * w for d, w in zip(reversed(digits), _WEIGHTS, strict=False))
    return "0123456789X0"[11 - total % 11]


def _temporary() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT nextval('patients_temporary_number')")
        row = cursor.fetchone()
    return int(row[0])

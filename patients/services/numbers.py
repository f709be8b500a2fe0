"""Takes downtime numbers from the pools reserved with the PAS; a temporary number when a pool is empty."""

from django.db import connection
from django.db.models import F

from pasmirror.lib import alarms
from patients.facts import Kind
from patients.identifiers import HOSPITAL, PLACER, VISIT, Identifier
from patients.models import NumberPool

TEMPORARY = "PASMIRROR-TEMP"
TYPES = {Kind.PATIENT: HOSPITAL, Kind.STAY: VISIT, Kind.APPOINTMENT: PLACER}
_WEIGHTS = range(2, 100)


def take(kind: Kind) -> Identifier:
    """Take the next number for `kind`, once for ever, in the caller's transaction (last in the lock order)."""
    pool = (
        NumberPool.objects.select_for_update()
        .filter(kind=kind, use="screen", next__lte=F("last"))
        .order_by("id")
        .first()
    )
    if pool is None:
        alarms.sound("pool-empty", f"No {kind} numbers are left: temporary numbers are given.", subject=kind)
        return Identifier(TYPES[kind], TEMPORARY, f"T{_temporary():08d}")
    number, pool.next = pool.next, pool.next + 1
    pool.save(update_fields=["next"])
    if pool.last - number < pool.low_water:
        alarms.sound("pool-low", f"Few {kind} numbers are left.", subject=kind)
    digits = f"{number:0{pool.width}d}"
    return Identifier(pool.type, pool.authority, pool.prefix + digits + check_digit(digits, pool.check_digit))


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

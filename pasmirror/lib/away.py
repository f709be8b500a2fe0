"""Knows by which faults the database is away: lost, too busy, or it gave our transaction up; knows no work."""

from django.db import InterfaceError, InternalError, OperationalError
from psycopg import errors

# What PostgreSQL counts among the invalid states of a transaction, and Django among internal errors, though the fault
# is not in the statement: the transaction was too old or idle for too long, or the server takes no writing.
_GAVE_UP = (errors.TransactionTimeout, errors.IdleInTransactionSessionTimeout, errors.ReadOnlySqlTransaction)


def is_away(fault: BaseException | None) -> bool:
    """Say whether a fault means that the database was away, or too busy to answer in time."""
    if isinstance(fault, InternalError):
        return isinstance(fault.__cause__, _GAVE_UP)
    return isinstance(fault, OperationalError | InterfaceError)

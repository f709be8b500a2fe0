"""Tables of the bottom."""

from pasmirror.lib.models.alarm import Alarm
from pasmirror.lib.models.audit import AuditLink, AuditRow, AuditTail
from pasmirror.lib.models.idempotency import IdempotencyKey
from pasmirror.lib.models.process import ProcessBeat
from pasmirror.lib.models.user import Role, User

__all__ = ["Alarm", "AuditLink", "AuditRow", "AuditTail", "IdempotencyKey", "ProcessBeat", "Role", "User"]

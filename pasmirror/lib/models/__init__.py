"""Tables of the bottom."""

from pasmirror.lib.models.alarm import Alarm
from pasmirror.lib.models.audit import AuditLink, AuditRow, AuditTail
from pasmirror.lib.models.idempotency import IdempotencyKey
from pasmirror.lib.models.notice import Hook, Notice
from pasmirror.lib.models.process import ProcessBeat
from pasmirror.lib.models.user import Role, User

__all__ = [
    "Alarm",
    "AuditLink",
    "AuditRow",
    "AuditTail",
    "Hook",
    "IdempotencyKey",
    "Notice",
    "ProcessBeat",
    "Role",
    "User",
]

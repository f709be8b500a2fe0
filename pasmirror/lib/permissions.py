"""What each role may do, in one table; views ask here and nowhere else."""

from collections.abc import Callable
from enum import StrEnum
from functools import wraps
from typing import Any, cast

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseBase

from pasmirror.lib.actor import Actor
from pasmirror.lib.models import Role, User


class Permission(StrEnum):
    """One thing a person may be allowed to do."""

    READ = "read"  # find and look at records
    WRITE = "write"  # register, book, admit, transfer, discharge
    WATCH = "watch"  # see the console
    OPERATE = "operate"  # flip, hold, pause, release, hand back
    RESEND = "resend"  # send to a destination again, or set aside what it is not told
    SETTLE = "settle"  # settle discrepancies, sign holds
    EXCEPTIONS = "exceptions"  # read and settle messages of the feed that were set aside
    MESSAGES = "messages"  # find and read any message of the feed as it came, with a reason
    PROBE = "probe"  # send a destination messages of nobody, to learn how it answers
    AUDIT = "audit"  # read the audit trail


MAY: dict[str, frozenset[Permission]] = {
    Role.CLERK: frozenset({Permission.READ, Permission.WRITE}),
    Role.OPERATOR: frozenset({Permission.WATCH, Permission.OPERATE, Permission.RESEND, Permission.PROBE}),
    Role.DATA_QUALITY: frozenset({Permission.READ, Permission.WATCH, Permission.SETTLE, Permission.EXCEPTIONS}),
    Role.INTEGRATION: frozenset(
        {Permission.WATCH, Permission.EXCEPTIONS, Permission.MESSAGES, Permission.RESEND, Permission.PROBE}
    ),
    Role.AUDITOR: frozenset({Permission.READ, Permission.WATCH, Permission.AUDIT}),
}


def may(user: User, permission: Permission) -> bool:
    """Say whether `user` may; an inactive account may nothing, a superuser everything."""
    return user.is_active and (user.is_superuser or permission in MAY.get(user.role, frozenset()))


def actor_of(user: User, *, how: str = "password", reason: str = "") -> Actor:
    """Name a signed-in person as the actor of what follows."""
    return Actor(subject=user.get_username(), role=user.role, how=how, reason=reason)


def needs(permission: Permission) -> Callable[[Callable[..., HttpResponseBase]], Callable[..., HttpResponseBase]]:
    """Guard a view: not signed in goes to sign-in, signed in without the permission gets 403."""

    def guard(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if not may(cast(User, request.user), permission):
                raise PermissionDenied
            return view(request, *args, **kwargs)

        guarded_in = login_required(guarded)
        guarded_in.permission = permission  # type: ignore[attr-defined]
        return cast(Callable[..., HttpResponseBase], guarded_in)

    return guard

"""Accounts of this mirror: made, locked and given passwords, each with its audit row; knows nothing of requests."""

import getpass
import os

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import transaction

from pasmirror.lib import audit
from pasmirror.lib.actor import Actor
from pasmirror.lib.models import Role, User


class AccountRefused(Exception):
    """The account cannot be made or changed; the text is for the person at the keyboard."""


def at_the_shell() -> Actor:
    """Name whoever runs a command on this machine as the actor."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):
        name = f"uid {os.getuid()}"
    return Actor(subject=name, role="shell", how="shell")


def add(*, name: str, role: str, password: str, by: Actor) -> User:
    """Make an account; AccountRefused if the name is taken or the password too weak."""
    if role not in Role.values:
        raise AccountRefused(f"There is no role {role!r}; choose one of {', '.join(Role.values)}.")
    user = User(username=name, role=role)
    try:
        User.username_validator(name)
        user.clean_fields(exclude=["password"])
    except ValidationError:
        raise AccountRefused(f"{name!r} is no user name: letters, digits and @ . + - _ only, at most 150.") from None
    with transaction.atomic():
        if User.objects.filter(username__iexact=name).exists():
            raise AccountRefused(f"There is an account {name!r} already.")
        _give_password(user, password)
        user.save()
        audit.record(action="account.added", by=by, subject=f"account:{user.pk}", detail={"role": role})
    return user


def lock(*, name: str, by: Actor) -> User:
    """Lock an account: it cannot sign in, and where it is signed in it is so no longer."""
    return _set_active(name, by=by, active=False)


def unlock(*, name: str, by: Actor) -> User:
    """Let a locked account sign in again."""
    return _set_active(name, by=by, active=True)


def set_password(*, name: str, password: str, by: Actor) -> User:
    """Give an account a new password; whoever is signed in with the old one is so no longer."""
    with transaction.atomic():
        user = _locked_row(name)
        _give_password(user, password)
        user.save(update_fields=["password"])
        audit.record(action="account.password", by=by, subject=f"account:{user.pk}")
    return user


def confirm(user: User, password: str, *, subject: str) -> bool:
    """Say whether `password` is that of who is signed in; a refusal is written to the audit trail."""
    if user.is_active and user.check_password(password):
        return True
    by = Actor(user.get_username(), role="", how="not confirmed")
    with transaction.atomic():
        audit.record(action="confirmation_refused", by=by, subject=subject)
    return False


def every() -> list[User]:
    """Give all accounts by name."""
    return list(User.objects.order_by("username"))


def _set_active(name: str, *, by: Actor, active: bool) -> User:
    with transaction.atomic():
        user = _locked_row(name)
        if user.is_active != active:
            user.is_active = active
            user.save(update_fields=["is_active"])
            audit.record(action=f"account.{'un' if active else ''}locked", by=by, subject=f"account:{user.pk}")
    return user


def _locked_row(name: str) -> User:
    user = User.objects.select_for_update().filter(username=name).first()
    if user is None:
        raise AccountRefused(f"There is no account {name!r}.")
    return user


def _give_password(user: User, password: str) -> None:
    try:
        validate_password(password, user)
    except ValidationError as fault:
        raise AccountRefused(" ".join(fault.messages)) from None
    user.set_password(password)

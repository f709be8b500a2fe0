"""What the pages about the feed share: who asks, and decisions done once; knows no page."""

from collections.abc import Callable
from typing import Any, cast

from django.contrib import messages
from django.http import HttpRequest

from messaging.forms.feed import DecideForm
from messaging.services.once import once
from pasmirror.lib.actor import Actor
from pasmirror.lib.models import User
from pasmirror.lib.permissions import actor_of
from patients.refusals import Refused


def who(request: HttpRequest) -> Actor:
    """Name the signed-in person."""
    return actor_of(cast(User, request.user))


def decided(request: HttpRequest, form: DecideForm, asked: dict[str, Any], work: Callable[[], str]) -> bool:
    """Carry out a decision once and tell what was done on the next page; False if refused, and the form says why."""
    try:
        said = once(form.idempotency_key, who(request), {**asked, "reason": form.cleaned_data["reason"]}, work)
    except Refused as refused:
        form.refuse(refused)
        return False
    messages.success(request, said)
    return True

"""What the pages about the feed share: decisions done once; knows no page."""

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.http import HttpRequest

from messaging.forms.feed import DecideForm
from messaging.services.once import once
from patients.refusals import Refused
from patients.views.desk import who


def decided(request: HttpRequest, form: DecideForm, asked: dict[str, Any], work: Callable[[], str]) -> bool:
    """Carry out a decision once and tell what was done on the next page; False if refused, and the form says why."""
    try:
        said = once(form.idempotency_key, who(request), {**asked, "reason": form.cleaned_data["reason"]}, work)
    except Refused as refused:
        form.refuse(refused)
        return False
    messages.success(request, said)
    return True

"""Messages of the feed that were set aside: the list, one of them field by field, and what a person decides."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect

from messaging.asides import why
from messaging.forms.feed import DecideForm, ExceptionsForm
from messaging.models import Inbound
from messaging.selectors import exceptions, gaps, messages
from messaging.services import parking, reading
from messaging.views.desk import decided
from pasmirror.lib import pages
from pasmirror.lib.permissions import Permission, needs
from patients.selectors import patients
from patients.services.taken import WAITS
from patients.views.desk import who

PAGE = 50


@dataclass(frozen=True, slots=True)
class Verb:
    """One decision: the button's words, what it will do, and the service that does it."""

    words: str
    says: str
    done: str
    do: Callable[..., int]
    key: str  # the letter that opens it


VERBS = {
    "release": Verb(
        "Apply again",
        "The message is applied again, and what waits behind it follows in order. If it still cannot be applied, it is "
        "set aside again. Do this once the record or the site's mapping is mended.",
        "Message {message} is being applied again",
        parking.release,
        "a",
    ),
    "release-alike": Verb(
        "Apply all such again",
        "All messages that are set aside as this one is, of the same sender, with the same trigger and for the same "
        "reason, are applied again, and what waits behind them follows in order. What still cannot be applied is set "
        "aside again. Do this once the site's mapping is mended.",
        "Message {message} and all that were set aside as it was are being applied again",
        parking.release_alike,
        "g",
    ),
    "same-person": Verb(
        "It is the same person",
        "The message is applied as news of the patient who has this number here, although name, birth date or NHS "
        "number say otherwise, and what it says of them is taken. That holds for this message alone; what waits behind "
        "it follows in order. Do this only when somebody who knows has confirmed it.",
        "Message {message} is being applied as news of the same person",
        parking.same_person,
        "m",
    ),
    "skip": Verb(
        "Skip this message",
        "The message is never applied. It is kept, and what waits behind it follows in order.",
        "Message {message} is skipped",
        parking.skip,
        "s",
    ),
}


@needs(Permission.EXCEPTIONS)
def listed(request: HttpRequest) -> HttpResponse:
    """Show what is set aside; what is sought travels in the body, never in an address."""
    form = ExceptionsForm(request.POST if request.method == "POST" else {})
    found: list[exceptions.Parked] = []
    if form.is_valid():
        found = exceptions.find(form.sought(), limit=PAGE, before=form.cleaned_data["before"])
        if form.asked:
            reading.searched(by=who(request), page="exceptions", fields=form.asked, hits=len(found))
    context = {
        "form": form,
        "found": [(row, why(row.code)) for row in found],
        "older": found[-1].message if len(found) == PAGE else None,
        "reach": messages.REACH if form.is_valid() and form.sought().state == "settled" else None,
        "rules": [(rule, why(rule.code)) for rule in exceptions.rulings()],
        "feeds": gaps.standing(),
    }
    if request.headers.get("HX-Target") == "found":
        return pages.part(request, "messaging/exceptions.html", "found", context)
    return pages.page(request, "messaging/exceptions.html", context)


@needs(Permission.EXCEPTIONS)
def one(request: HttpRequest, message_id: int) -> HttpResponse:
    """Show one message field by field, why it was set aside, and what waits behind it.

    What it holds is shown while it is set aside; afterwards only what became of it.
    """
    found = _found(message_id)
    parked = exceptions.was_set_aside(found)
    if parked:
        by = who(request)
        reading.looked(message=found.pk, patient=found.patient, by=by, page="exception", reason="it is set aside")
    around = _around(found)
    context = around | {
        "content": messages.content(found.pk) if parked else None,
        "record": patients.record(found.patient) if parked and found.patient else None,
        "behind": exceptions.waiting_behind(found.pk) if parked else [],
        "ahead": exceptions.ahead_of(found.pk) if parked and found.code == WAITS else [],
        "decisions": messages.decisions(found.pk),
        "verbs": _verbs(found, around["alike"]),
        "may_rule": not parking.why_no_rule(sender=found.sender, trigger=found.trigger, code=found.code),
    }
    return pages.page(request, "messaging/exception.html", context)


@needs(Permission.EXCEPTIONS)
def act(request: HttpRequest, message_id: int, verb: str) -> HttpResponse:
    """Ask the reason, then apply again or skip."""
    chosen = VERBS.get(verb)
    if chosen is None:
        raise Http404
    found = _found(message_id)
    form = DecideForm(request.POST if request.method == "POST" else None)
    if form.is_bound and form.is_valid():

        def work() -> str:
            following = chosen.do(message=found.pk, by=who(request), reason=form.cleaned_data["reason"])
            return chosen.done.format(message=found.pk) + _following(following)

        if decided(request, form, {"verb": verb, "message": found.pk}, work):
            return redirect("exception", found.pk)
    return pages.page(request, "messaging/decide.html", _around(found) | {"form": form, "verb": chosen, "name": verb})


def _found(message_id: int) -> Inbound:
    found = messages.one(message_id)
    if found is None:
        raise Http404
    return found


def _around(found: Inbound) -> dict[str, Any]:
    """Give what every page of one message set aside shows."""
    return {"m": found, "why": why(found.code), "waits": found.code == WAITS, "alike": exceptions.alike(found)}


def _verbs(found: Inbound, alike: int) -> dict[str, Verb]:
    """Give what may be decided about a message; `alike`: how many are set aside as it is."""
    idle = set() if parking.is_doubted(found) else {"same-person"}
    idle |= set() if alike > 1 else {"release-alike"}
    return {name: verb for name, verb in VERBS.items() if name not in idle}


def _following(count: int) -> str:
    if not count:
        return "; nothing waited behind it."
    return f"; {count} that waited behind it {'follows' if count == 1 else 'follow'}."

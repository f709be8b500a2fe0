"""The destination pages: how each lane stands, its pause, one message's life, and decisions about it.

They show ids and codes, so whoever may watch may see them and operators act on them. What a message says is shown to
the integration engineer only, with a reason.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.http import urlencode

from messaging.forms.destinations import NamedForm
from messaging.forms.feed import DecideForm
from messaging.selectors import destinations as reading
from messaging.selectors import messages, probes
from messaging.selectors import resending as again
from messaging.services import lanes, outbox, resending
from messaging.services import reading as looks
from messaging.states import Leg
from messaging.views.desk import decided
from pasmirror.lib import alarms, pages
from pasmirror.lib.permissions import Permission, needs
from patients.views.desk import who


@dataclass(frozen=True, slots=True)
class Verb:
    """One decision: the button's words, what it will do, what is said afterwards, and the service that does it."""

    words: str
    says: str
    done: str
    do: Callable[..., object]


SWITCHES = {
    "pause": Verb(
        "Pause",
        "Nothing more is sent to it until it is resumed. What is being sent just now is finished, and everything else "
        "is kept in order.",
        "Nothing more is sent to {name}.",
        lanes.pause,
    ),
    "resume": Verb("Resume", "It is sent to again, from where it stopped.", "{name} is sent to again.", lanes.resume),
}
VERBS = {
    "send-again": Verb(
        "Send it again",
        "The same bytes are sent once more, and that patient's later messages follow. Do this once the receiver has "
        "mended what it refused.",
        "Message {seq} is waiting to be sent again.",
        outbox.resend,
    ),
    "write-again": Verb(
        "Write it again and send it",
        "It could not be written, so it was never sent. It is written anew, sent, and that patient's later messages "
        "follow. Do this once the site's mapping or the record is mended.",
        "Message {seq} is written and waiting to be sent.",
        outbox.resend,
    ),
    "order-again": Verb(
        "Send it again",
        "It was received before. The same bytes, under the same MSH-10, are sent once more at the end of the lane: a "
        "receiver that still has it recognises it, one that has lost it takes it.",
        "Message {seq} is ordered to be sent again.",
        resending.one,
    ),
    "send-current": Verb(
        "Send the current state",
        "A later message of this patient was or may have been received, so this one would turn the clock back. What is "
        "so now of the patient is sent instead, at the end of the lane; if this message is held, it is set aside.",
        "The current state of message {seq}'s patient is ordered to be sent.",
        resending.one,
    ),
    "set-aside": Verb(
        "Set it aside",
        "This destination is not told of it, and that patient's later messages follow. If it was sent and never "
        "answered it may have arrived all the same: ask the receiver first, and say here what they found.",
        "Message {seq} is set aside.",
        outbox.set_aside,
    ),
}
MAY_BE_SET_ASIDE = (Leg.HELD, Leg.QUEUED, Leg.SENDING)


@needs(Permission.WATCH)
def listed(request: HttpRequest) -> HttpResponse:
    """Show how every destination stands."""
    return pages.page(request, "messaging/destinations.html", _all())


@needs(Permission.WATCH)
def live(request: HttpRequest) -> HttpResponse:
    """Give the part of the list that is asked for again and again."""
    return pages.part(request, "messaging/destinations.html", "destinations-live", _all())


@needs(Permission.WATCH)
def one(request: HttpRequest, code: str) -> HttpResponse:
    """Show how one destination stands and some of its messages; a number or control id leads to its message."""
    context = _one(request, code)
    form = NamedForm(request.POST if request.method == "POST" else None)
    if form.is_bound and form.is_valid():
        found = reading.named(code, form.cleaned_data["wanted"])
        if found is not None:
            return redirect("outbound", found)
        form.refuse("No message has that number on this lane, or that control id")
    return pages.page(request, "messaging/destination.html", context | {"form": form})


@needs(Permission.WATCH)
def one_live(request: HttpRequest, code: str) -> HttpResponse:
    """Give the part of that page that is asked for again and again."""
    return pages.part(request, "messaging/destination.html", "destination-live", _one(request, code))


@needs(Permission.OPERATE)
def switch(request: HttpRequest, code: str, verb: str) -> HttpResponse:
    """Ask the reason, then pause or resume a destination."""
    chosen, seen = SWITCHES.get(verb), reading.standing(code)
    if chosen is None or seen is None:
        raise Http404
    form = DecideForm(request.POST if request.method == "POST" else None)
    if form.is_bound and form.is_valid():

        def work() -> str:
            chosen.do(code, by=who(request), reason=form.cleaned_data["reason"])
            return chosen.done.format(name=seen.to.name)

        if decided(request, form, {"lane": verb, "to": code}, work):
            return redirect("destination", code)
    context = {"form": form, "verb": chosen, "s": seen, "l": None}
    return pages.page(request, "messaging/destination-decide.html", context)


@needs(Permission.WATCH)
def message(request: HttpRequest, message_id: int) -> HttpResponse:
    """Show one message's life: the change, where it stands, every attempt and its ending; not what it says."""
    found = _life(message_id)
    why = outbox.why_not_resend(found.row)
    if found.to.is_pas and not found.written:
        why = why or outbox.UNMARKED
    stuck = found.row.leg in (Leg.HELD, Leg.SET_ASIDE)
    verbs = _by_order(found) if why else ["send-again" if found.written else "write-again"]
    verbs += ["set-aside"] if found.row.leg in MAY_BE_SET_ASIDE else []
    context = {"l": found, "verbs": {name: VERBS[name] for name in verbs}, "why_not": why if stuck else None}
    context["alike"] = urlencode({"what": "unwritten", "alike": found.row.reason})
    return pages.page(request, "messaging/destination-message.html", context)


@needs(Permission.MESSAGES)
def content(request: HttpRequest, message_id: int) -> HttpResponse:
    """Show what a message says and what was answered, once a reason is given."""
    found = _life(message_id)
    form = DecideForm(request.POST if request.method == "POST" else None)
    context: dict[str, Any] = {"l": found, "form": form, "shown": False}
    if form.is_bound and form.is_valid():
        reason, row = form.cleaned_data["reason"], found.row
        by, page = who(request), "destination"
        looks.looked(message=row.pk, patient=row.patient, by=by, page=page, reason=reason, which="outbound")
        body, answers = reading.held_bytes(row.pk)
        context |= {
            "shown": True,
            "reason": reason,
            "content": None if body is None else messages.content_of(body),
            "answers": [(attempt, messages.content_of(answer)) for attempt, answer in answers],
        }
    return pages.page(request, "messaging/destination-content.html", context)


@needs(Permission.RESEND)
def decide(request: HttpRequest, message_id: int, verb: str) -> HttpResponse:
    """Ask the reason, then send a message again, write it again, send what is so now, or set it aside."""
    chosen = VERBS.get(verb)
    if chosen is None:
        raise Http404
    found = _life(message_id)
    form = DecideForm(request.POST if request.method == "POST" else None)
    if form.is_bound and form.is_valid():

        def work() -> str:
            chosen.do(found.row.pk, by=who(request), reason=form.cleaned_data["reason"])
            return chosen.done.format(seq=found.row.seq)

        if decided(request, form, {"outbound": verb, "message": found.row.pk}, work):
            return redirect("outbound", found.row.pk)
    return pages.page(
        request, "messaging/destination-decide.html", {"form": form, "verb": chosen, "l": found, "s": None}
    )


def _all() -> dict[str, Any]:
    return {"rows": reading.standings(), "reach": reading.REACH}


def _one(request: HttpRequest, code: str) -> dict[str, Any]:
    """Give what the page of one destination shows; which list, and from where, is asked in the address."""
    seen = reading.standing(code)
    if seen is None:
        raise Http404
    show = request.GET.get("show", "waiting")
    show = show if show in reading.LISTS else "waiting"
    asked = request.GET.get("past", "")
    past = int(asked) if asked.isdecimal() and len(asked) <= 18 else None
    return {
        "s": seen,
        "show": show,
        "query": urlencode({"show": show} | ({} if past is None else {"past": past})),
        "found": reading.LISTS[show](seen.to.pk, past=past),
        "probe": probes.newest(seen.to),
        "alarms": [alarm for alarm in alarms.standing() if alarm.subject == code],
        "reach": reading.REACH,
    }


def _by_order(found: reading.Life) -> list[str]:
    """Name how a message that cannot be queued again itself may be sent again by order; none where it may not."""
    row = found.row
    if row.order_id or row.leg not in (Leg.ACCEPTED, Leg.HELD, Leg.SET_ASIDE) or resending.why_not_order(found.to):
        return []
    seen = again.foreseen(found.to, again.only(row))
    return ["order-again"] if seen.same else ["send-current"] if seen.current else []


def _life(message_id: int) -> reading.Life:
    found = reading.life(message_id)
    if found is None:
        raise Http404
    return found

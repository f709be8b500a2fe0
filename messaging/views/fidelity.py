"""The fidelity pages: how well we say what the PAS says to each destination, and what an engineer accepts of it.

Figures hold no patient data. What the two sides said in an example is shown with a reason only, as in the message
browser.
"""

from collections.abc import Callable
from dataclasses import dataclass

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect

from messaging.fidelity import IGNORED, UNORDERED, Verdict
from messaging.forms.feed import DecideForm
from messaging.hl7.named import field_name
from messaging.models import Destination
from messaging.selectors import fidelity as reading
from messaging.services import fidelity
from messaging.services import reading as looks
from messaging.views.desk import decided
from pasmirror.lib import pages
from pasmirror.lib.permissions import Permission, needs
from patients.views.desk import who

WORDS: dict[Verdict, str] = {
    Verdict.SAME: "The same",
    Verdict.MISSING: "The PAS says it, we say nothing",
    Verdict.NOT_DELETED: "The PAS deletes it, we say nothing",
    Verdict.LESS: "We leave out a part",
    Verdict.EXTRA: "We say it, the PAS says nothing",
    Verdict.DELETES: "We delete it, the PAS says nothing",
    Verdict.MORE: "We say a part that the PAS does not",
    Verdict.OTHER: "We say something else",
    Verdict.UNSAID: "Cannot be said: the dialect has no such message",
    Verdict.FAILED: "Could not be written",
}


@dataclass(frozen=True, slots=True)
class Decision:
    """What can be decided about a difference: the words on the page, what it does, and what is said afterwards."""

    words: str
    helps: str
    do: Callable[..., None]
    done: str


DECISIONS = {
    "accept": Decision(
        "Accept this difference",
        "It counts as if it were the same, at this destination, until somebody withdraws that.",
        fidelity.accept,
        "The difference is accepted.",
    ),
    "withdraw": Decision(
        "Withdraw the acceptance", "It counts as a difference again.", fidelity.withdraw, "It counts as a difference."
    ),
}


@needs(Permission.MESSAGES)
def listed(request: HttpRequest) -> HttpResponse:
    """Show every destination with its worst event, and whether emission may open for it."""
    failing = reading.failing()
    rows = []
    for to in reading.peers():
        told = [one for one in reading.events(to) if one.told]
        rows.append((to, min(told, key=lambda one: one.percent, default=None), failing.get(to.code)))
    return pages.page(request, "messaging/fidelities.html", {"rows": rows, "window": reading.WINDOW})


@needs(Permission.MESSAGES)
def one(request: HttpRequest, code: str) -> HttpResponse:
    """Show a destination's fidelity by event, and every difference by event and field."""
    to = _peer(code)
    context = {
        "to": to,
        "events": reading.events(to),
        "differences": reading.differences(to),
        "words": WORDS,
        "failing": reading.failing().get(to.code),
        "ignored": [(field, field_name(field), why) for field, why in {**IGNORED, **UNORDERED}.items()],
        "window": reading.WINDOW,
    }
    return pages.page(request, "messaging/fidelity.html", context)


@needs(Permission.MESSAGES)
def difference(request: HttpRequest, point_id: int) -> HttpResponse:
    """Show one difference and its examples by message; what the two sides said only once a reason is given."""
    to, found = _difference(point_id)
    form = DecideForm(request.POST if request.method == "POST" else None)
    shown, kept = False, reading.examples(point_id)
    if form.is_bound and form.is_valid():
        reason, by = form.cleaned_data["reason"], who(request)
        for example in kept:
            looks.looked(message=example.message, patient=example.patient, by=by, page="fidelity", reason=reason)
        shown = True
    context = {"to": to, "d": found, "words": WORDS, "form": form, "examples": kept, "shown": shown}
    return pages.page(request, "messaging/fidelity-difference.html", context)


@needs(Permission.MESSAGES)
def decide(request: HttpRequest, point_id: int, verb: str) -> HttpResponse:
    """Ask the reason, then accept a difference or withdraw that."""
    chosen = DECISIONS.get(verb)
    if chosen is None:
        raise Http404
    to, found = _difference(point_id)
    form = DecideForm(request.POST if request.method == "POST" else None)
    if form.is_bound and form.is_valid():

        def work() -> str:
            chosen.do(point=point_id, by=who(request), reason=form.cleaned_data["reason"])
            return chosen.done

        if decided(request, form, {"fidelity": verb, "point": point_id}, work):
            return redirect("fidelity", to.code)
    context = {"to": to, "d": found, "words": WORDS, "form": form, "verb": chosen}
    return pages.page(request, "messaging/fidelity-decide.html", context)


@needs(Permission.MESSAGES)
def anew(request: HttpRequest, code: str) -> HttpResponse:
    """Ask the reason, then forget what was counted for a destination, after its dialect was mended."""
    to = _peer(code)
    form = DecideForm(request.POST if request.method == "POST" else None)
    if form.is_bound and form.is_valid():

        def work() -> str:
            fidelity.count_anew(destination=to.pk, by=who(request), reason=form.cleaned_data["reason"])
            return "Counted anew from now on. What was accepted stays accepted."

        if decided(request, form, {"fidelity": "anew", "to": to.code}, work):
            return redirect("fidelity", to.code)
    chosen = Decision(
        "Count anew",
        "What was counted so far is forgotten. Where a fidelity is agreed, emission cannot open for this destination "
        "until messages have been compared again.",
        fidelity.count_anew,
        "",
    )
    return pages.page(request, "messaging/fidelity-decide.html", {"to": to, "d": None, "form": form, "verb": chosen})


def _peer(code: str) -> Destination:
    to = reading.peer(code)
    if to is None:
        raise Http404
    return to


def _difference(point: int) -> tuple[Destination, reading.Difference]:
    found = reading.difference(point)
    if found is None:
        raise Http404
    return found

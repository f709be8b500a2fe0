"""The IT console: everything that is known of mode, evidence, lanes, feed and incident, and the switches."""

from collections.abc import Callable
from typing import cast

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect

from failover.forms.console import VerbForm
from failover.selectors.status import status
from failover.services import handback, switch
from failover.verbs import VERBS, Verb, offered
from pasmirror.lib import pages
from pasmirror.lib.actor import Actor
from pasmirror.lib.models import User
from pasmirror.lib.permissions import Permission, actor_of, needs
from patients.refusals import Refused

DO: dict[str, Callable[[Actor, VerbForm], object]] = {
    "open-mirror": lambda by, form: switch.open_mirror(by=by, reason=form.cleaned_data["reason"]),
    "open-emission": lambda by, form: switch.open_emission(by=by, reason=form.cleaned_data["reason"]),
    "hold-emission": lambda by, form: switch.hold_emission(by=by, reason=form.cleaned_data["reason"]),
    "release": lambda by, form: switch.release(by=by, reason=form.cleaned_data["reason"], checklist=form.checklist()),
    "hand-back": lambda by, form: handback.begin(by=by, reason=form.cleaned_data["reason"]),
    "fall-back": lambda by, form: switch.fall_back(by=by, reason=form.cleaned_data["reason"]),
    "stand-down": lambda by, form: switch.stand_down(by=by, reason=form.cleaned_data["reason"]),
    "attest-down": lambda by, form: switch.attest(by=by, verdict="down", reason=form.cleaned_data["reason"]),
    "attest-up": lambda by, form: switch.attest(by=by, verdict="up", reason=form.cleaned_data["reason"]),
    "pause": lambda by, form: switch.pause(by=by, reason=form.cleaned_data["reason"]),
    "resume": lambda by, form: switch.resume(by=by, reason=form.cleaned_data["reason"]),
    "acknowledge": lambda by, form: switch.acknowledge(by=by),
}


@needs(Permission.WATCH)
def console(request: HttpRequest) -> HttpResponse:
    """Show the whole state."""
    seen = status()
    return pages.page(request, "failover/console.html", {"s": seen, "verbs": offered(seen)})


@needs(Permission.WATCH)
def live(request: HttpRequest) -> HttpResponse:
    """Give the part that is asked for every two seconds."""
    seen = status()
    return pages.part(request, "failover/console.html", "console-live", {"s": seen, "verbs": offered(seen)})


@needs(Permission.OPERATE)
def act(request: HttpRequest, verb: str) -> HttpResponse:
    """Ask what a switch needs, then throw it."""
    chosen = VERBS.get(verb)
    if chosen is None:
        raise Http404
    form = VerbForm(request.POST if request.method == "POST" else None, verb=chosen)
    if form.is_bound and form.is_valid():
        try:
            DO[verb](_person(request, chosen, form), form)
        except Refused as refused:
            form.refuse(refused)
        else:
            return redirect("console")
    return pages.page(request, "failover/act.html", {"form": form, "verb": chosen, "s": status()})


@needs(Permission.OPERATE)
def sign_holds(request: HttpRequest) -> HttpResponse:
    """Sign for what is held open at hand-back: one of two people."""
    chosen = Verb("sign-holds", "Sign for what is held", "Control may be handed back with these open.", password=True)
    form = VerbForm(request.POST if request.method == "POST" else None, verb=chosen)
    if form.is_bound and form.is_valid():
        try:
            handback.sign_holds(by=_person(request, chosen, form), reason=form.cleaned_data["reason"])
        except Refused as refused:
            form.refuse(refused)
        else:
            return redirect("console")
    return pages.page(request, "failover/act.html", {"form": form, "verb": chosen, "s": status()})


def _person(request: HttpRequest, verb: Verb, form: VerbForm) -> Actor:
    """Name the signed-in person; by their password once more where the verb asks for it."""
    user = cast(User, request.user)
    if verb.password:
        return switch.confirm_person(user.get_username(), form.cleaned_data["password"])
    return actor_of(user)

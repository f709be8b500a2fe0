"""Sending again: what of a destination's messages, how many that would be and how, then the order; and its course."""

from typing import Any, cast

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.http import urlencode

from messaging.forms.resending import OrderForm, StopForm, WhichForm
from messaging.models import Destination
from messaging.selectors import destinations
from messaging.selectors import resending as reading
from messaging.services import resending
from messaging.views.desk import decided
from pasmirror.lib import accounts, pages
from pasmirror.lib.models import User
from pasmirror.lib.permissions import Permission, needs
from patients.views.desk import who


@needs(Permission.RESEND)
def chosen(request: HttpRequest, code: str) -> HttpResponse:
    """Ask what is to be sent again; count what that would come to, and ask for the order. The orders so far."""
    to = _destination(code)
    which = WhichForm(request.GET if "what" in request.GET else None, initial=_offered(to))
    context: dict[str, Any] = {"which": which, "form": None, "seen": None}
    if which.is_bound and which.is_valid():
        context["seen"] = reading.foreseen(to, which.asked())
        context["form"] = OrderForm(initial={name: value or "" for name, value in which.cleaned_data.items()})
    return _page(request, to, context)


@needs(Permission.RESEND)
def ordered(request: HttpRequest, code: str) -> HttpResponse:
    """Take an order to send again, with reason and password; asked for without one, lead to where it is chosen."""
    to = _destination(code)
    if request.method != "POST":
        return redirect("resend", code)
    form = OrderForm(request.POST)
    if form.is_valid() and _confirmed(request, form):

        def work() -> str:
            made = resending.order(code, form.asked(), by=who(request), reason=form.cleaned_data["reason"])
            return f"Order {made.pk} to send again to {to.name} is being worked off."

        if decided(request, form, {"resend": code}, work):
            return redirect("resend", code)
    asked = {name: request.POST.get(name, "") for name in ("what", "first", "last", "epoch", "alike")}
    which = WhichForm(asked)
    if not which.is_valid():
        return redirect(f"{reverse('resend', args=[code])}?{urlencode(asked)}")
    return _page(request, to, {"which": which, "form": form, "seen": reading.foreseen(to, which.asked())})


@needs(Permission.RESEND)
def stopped(request: HttpRequest, order_id: int) -> HttpResponse:
    """Ask the reason, then end an order before all of it is worked off."""
    order = reading.order(order_id)
    if order is None:
        raise Http404
    code = order.destination.code
    form = StopForm(request.POST if request.method == "POST" else None)
    if form.is_bound and form.is_valid():

        def work() -> str:
            resending.stop(order_id, by=who(request), reason=form.cleaned_data["reason"])
            return f"Order {order_id} is stopped. What it has put on the lane is still sent."

        if decided(request, form, {"stop": order_id}, work):
            return redirect("resend", code)
    return pages.page(request, "messaging/resend-stop.html", {"order": order, "form": form})


def _page(request: HttpRequest, to: Destination, context: dict[str, Any]) -> HttpResponse:
    head = destinations.standing(to.code)
    context |= {
        "to": to,
        "s": head,
        "why_not": resending.why_not_order(to),
        "orders": reading.orders(to.pk),
        "resync": reading.on_resync_list(to.pk).count(),
    }
    return pages.page(request, "messaging/resend.html", context)


def _offered(to: Destination) -> dict[str, Any]:
    epochs = reading.epochs(to.pk)
    return {"epoch": epochs[0]} if epochs else {}


def _confirmed(request: HttpRequest, form: OrderForm) -> bool:
    """Say whether the password is that of who is signed in; a refusal is audited and said in the form."""
    if accounts.confirm(cast(User, request.user), form.cleaned_data["password"], subject="resend"):
        return True
    form.add_error("password", "The password is wrong. Nothing was done")
    return False


def _destination(code: str) -> Destination:
    seen = destinations.standing(code)
    if seen is None:
        raise Http404
    return seen.to

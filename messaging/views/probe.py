"""The page that orders a probe of a destination; what came of it is on the destination's own page."""

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect

from messaging.conformance import ASKED
from messaging.forms.probe import ProbeForm
from messaging.selectors import destinations as reading
from messaging.services import probing
from messaging.views.desk import decided
from pasmirror.lib import pages
from pasmirror.lib.permissions import Permission, needs
from patients.views.desk import who


@needs(Permission.PROBE)
def ordered(request: HttpRequest, code: str) -> HttpResponse:
    """Say what a probe sends, ask the reason, and order it."""
    seen = reading.standing(code)
    if seen is None:
        raise Http404
    why = probing.why_confirm(seen.to)
    form = ProbeForm(request.POST if request.method == "POST" else None, why_confirm=why)
    if form.is_bound and form.is_valid():

        def work() -> str:
            said = form.cleaned_data
            probing.order(code, by=who(request), reason=said["reason"], confirmed=said.get("confirmed", False))
            return f"A probe of {seen.to.name} is ordered: its answers appear below."

        if decided(request, form, {"probe": code, "confirmed": form.cleaned_data.get("confirmed", False)}, work):
            return redirect("destination", code)
    context = {"form": form, "s": seen, "asked": ASKED, "why": why, "why_not": probing.why_not(seen.to)}
    return pages.page(request, "messaging/probe.html", context)

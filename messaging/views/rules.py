"""Rules: such messages of a sender need nobody until a day; made from one that is set aside, and ended."""

from typing import cast

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect

from messaging.asides import WHY, why
from messaging.forms.feed import DecideForm, RuleForm, rule_until
from messaging.selectors import exceptions, messages
from messaging.services import parking
from messaging.views.desk import decided
from pasmirror.lib import accounts, pages
from pasmirror.lib.models import User
from pasmirror.lib.permissions import Permission, needs
from patients.views.desk import who


@needs(Permission.EXCEPTIONS)
def make(request: HttpRequest, message_id: int) -> HttpResponse:
    """Ask last day, reason and password, then rule on all such messages."""
    found = messages.one(message_id)
    if found is None or found.code not in WHY:
        raise Http404
    first = {"until": rule_until()}
    form = RuleForm(request.POST if request.method == "POST" else None, initial=first)
    if form.is_bound and form.is_valid() and _confirmed(request, form):
        said = form.cleaned_data
        meant = {"sender": found.sender, "trigger": found.trigger, "code": found.code}

        def work() -> str:
            by = who(request)
            made = parking.rule(**meant, until=said["until"], by=by, reason=said["reason"])
            return f"Rule {made.pk} is in force: such messages are set aside for good until its last day."

        if decided(request, form, {"rule": meant, "until": said["until"].isoformat()}, work):
            return redirect("exceptions")
    context = {"form": form, "m": found, "why": why(found.code), "alike": exceptions.alike(found)}
    return pages.page(request, "messaging/rule.html", context)


@needs(Permission.EXCEPTIONS)
def end(request: HttpRequest, ruling_id: int) -> HttpResponse:
    """Ask the reason, then end a rule before its day."""
    ruling = exceptions.ruling(ruling_id)
    if ruling is None:
        raise Http404
    form = DecideForm(request.POST if request.method == "POST" else None)
    if form.is_bound and form.is_valid():

        def work() -> str:
            parking.end_rule(ruling=ruling_id, by=who(request), reason=form.cleaned_data["reason"])
            return f"Rule {ruling_id} has ended: such messages are set aside for a person again."

        if decided(request, form, {"end": ruling_id}, work):
            return redirect("exceptions")
    return pages.page(request, "messaging/end-rule.html", {"form": form, "rule": ruling, "why": why(ruling.code)})


def _confirmed(request: HttpRequest, form: RuleForm) -> bool:
    """Say whether the password is that of who is signed in; a refusal is audited and said in the form."""
    if accounts.confirm(cast(User, request.user), form.cleaned_data["password"], subject="ruling"):
        return True
    form.add_error("password", "The password is wrong. Nothing was done")
    return False

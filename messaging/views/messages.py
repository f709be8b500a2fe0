"""The message browser: find what came, and read one with a reason; what is sought and why travel in the body."""

from django.http import Http404, HttpRequest, HttpResponse

from messaging.forms.feed import DecideForm, MessagesForm
from messaging.models import Inbound
from messaging.selectors import messages
from messaging.services import reading
from pasmirror.lib import pages
from pasmirror.lib.permissions import Permission, needs
from patients.views.desk import who


@needs(Permission.MESSAGES)
def listed(request: HttpRequest) -> HttpResponse:
    """Show the newest messages, or those sought."""
    form = MessagesForm(request.POST if request.method == "POST" else {})
    found: list[Inbound] = []
    if form.is_valid():
        found = messages.find(form.sought(), before=form.cleaned_data["before"])
        if form.asked:
            reading.searched(by=who(request), page="messages", fields=form.asked, hits=len(found))
    context = {
        "form": form,
        "found": found,
        "older": found[-1].pk if len(found) == messages.PAGE else None,
        "reach": messages.REACH if form.is_valid() and form.asked and not form.sought().narrow else None,
    }
    if request.headers.get("HX-Target") == "found":
        return pages.part(request, "messaging/messages.html", "found", context)
    return pages.page(request, "messaging/messages.html", context)


@needs(Permission.MESSAGES)
def one(request: HttpRequest, message_id: int) -> HttpResponse:
    """Show what became of a message; what it holds only once a reason is given."""
    found = messages.one(message_id)
    if found is None:
        raise Http404
    form = DecideForm(request.POST if request.method == "POST" else None)
    context = {"m": found, "form": form, "repeats": messages.repeats(found.pk), "content": None}
    if form.is_bound and form.is_valid():
        reason = form.cleaned_data["reason"]
        reading.looked(message=found.pk, patient=found.patient, by=who(request), page="message", reason=reason)
        context |= {
            "content": messages.content(found.pk),
            "answer": messages.answer(found.pk),
            "changes": [(change, messages.altered(change)) for change in messages.changes(found)],
            "decisions": messages.decisions(found.pk),
            "reason": reason,
        }
    return pages.page(request, "messaging/message.html", context)

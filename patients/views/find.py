"""Find a patient: one box. What is sought travels in the body, never in an address."""

from django.http import HttpRequest, HttpResponse

from pasmirror.lib import pages
from pasmirror.lib.permissions import Permission, needs
from patients.forms.find import FindForm
from patients.selectors import patients
from patients.services import looking
from patients.views.desk import ward_names, who, writable


@needs(Permission.READ)
def find(request: HttpRequest) -> HttpResponse:
    """Show the box; on POST also what was found."""
    form = FindForm(request.POST if request.method == "POST" else None)
    found = None
    if form.is_bound and form.is_valid():
        found = patients.find(form.cleaned_data["sought"], limit=LIMIT)
        looking.searched(by=who(request), fields=["sought"], hits=len(found))
    context = {
        "form": form, "found": found, "limit": LIMIT, "twins": twins(found or []), "ward_names": ward_names(),
        "writable": writable(),
    }  # fmt: skip
    if request.headers.get("HX-Target") == "results":
        return pages.part(request, "patients/find.html", "results", context)
    return pages.page(request, "patients/find.html", context)


LIMIT = 25


def twins(found: list[patients.Found]) -> set[tuple[str, str]]:
    """Give the names borne by more than one of those found: they are highlighted (CUI PAL-0540)."""
    names = [(f.patient.family.upper(), f.patient.given.upper()) for f in found]
    return {name for name in names if names.count(name) > 1}

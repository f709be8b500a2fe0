"""The clerk's forms as their pages show them, filled in; knows the pages' addresses, and asserts that they open."""

from datetime import timedelta

from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from pasmirror.lib import clock
from patients.models import Clinic, Patient, Slot, Stay
from tests.factories.desk import Fields, ada


def text_of(answer: HttpResponse) -> str:
    """The page's source in one line."""
    return " ".join(answer.content.decode().split())


def filled(clerk: Client, address: str, **said: str) -> dict[str, str]:
    """The form at `address` as it opens, with what a clerk would put in."""
    page = clerk.get(address)
    assert page.status_code == 200
    return {**Fields(page.content.decode()).values, **said}


def registered(clerk: Client, **other: str) -> Patient:
    """A patient whom the clerk has just registered."""
    answer = clerk.post(reverse("register"), ada(**other))
    assert answer.status_code == 302, text_of(answer)
    return Patient.objects.latest("pk")


def admit_form(clerk: Client, patient: Patient, **said: str) -> dict[str, str]:
    """The form that admits to ward A."""
    first = {"ward": "WA", "bed": "A^WA1", "admission_method": "21", "admission_source": "19", **said}
    return filled(clerk, reverse("admit", args=[patient.pk]), **first)


def admitted(clerk: Client, patient: Patient, **said: str) -> Stay:
    """The stay of a patient whom the clerk has just admitted."""
    answer = clerk.post(reverse("admit", args=[patient.pk]), admit_form(clerk, patient, **said))
    assert answer.status_code == 302, text_of(answer)
    return Stay.objects.latest("pk")


def free_slot() -> Slot:
    """A time for one, tomorrow at ten in the cardiology clinic."""
    clinic = Clinic.objects.create(code="CARD", name="Cardiology")
    at = (clock.now() + timedelta(days=1)).replace(hour=10, minute=0, second=0, microsecond=0)
    return Slot.objects.create(clinic=clinic, starts_at=at, minutes=30, places=1)


def book_form(clerk: Client, patient: Patient, slot: Slot, **said: str) -> dict[str, str]:
    """The form that books that time."""
    day = slot.starts_at.astimezone(clock.SITE).strftime("%d/%m/%Y")
    first = {"clinic": "CARD", "day": day, "starts_at": clock.iso(slot.starts_at), "appointment_type": "NEW", **said}
    return filled(clerk, reverse("book", args=[patient.pk]), **first)

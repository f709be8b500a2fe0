"""Wards and beds as a save takes them: the bed's row is locked before the patient is put there."""

from collections.abc import Mapping
from typing import Any

from patients.facts import Value
from patients.models import Bed, Clinic, Stay, Ward
from patients.refusals import Refused
from patients.states import StayStatus

Place = Mapping[str, Value]


def sited(place: Place) -> dict[str, Value]:
    """Give the place with the site of its ward or clinic, and what it does not name as empty."""
    code = place.get("ward", "")
    known = (model.objects.filter(code=code).values_list("site", flat=True).first() for model in (Ward, Clinic))
    site = next((site for site in known if site is not None), "")
    return {"ward": "", "bay": "", "bed": "", **place, "site": site}


def take(place: Place, *, field: str = "") -> None:
    """Lock the bed named by `place` and refuse it if it is unknown, closed or taken; no bed named is no bed taken.

    `field`: what the fields' names begin with in the clerk's form.
    """
    if not place.get("ward"):
        raise Refused("Choose a ward", f"{field}ward")
    if not place.get("bed"):
        return
    bed = _locked(place)
    if bed is None:
        raise Refused("There is no such bed on this ward", f"{field}bed")
    if bed.closed:
        raise Refused("This bed is closed", f"{field}bed")
    if _taken(place):
        raise Refused("This bed has just been taken: choose another", f"{field}bed")


def take_again(place: Place) -> None:
    """Lock the bed a patient is put back into, since a step was taken back; refused if another patient has it now.

    It may be one that only the PAS has named, or closed since: the patient was in it.
    """
    if place.get("bed"):
        _locked(place)
        if _taken(place):
            raise Refused("Another patient has the bed now: say where the patient is instead", "bed")


def why_not_named(place: Place, *, field: str = "", clinics: bool = False) -> None:
    """Refuse a place whose ward nobody knows, or, where a bed is named, whose bed; `clinics`: it may be a clinic."""
    code = place.get("ward", "")
    if not code:
        raise Refused("Choose a ward or clinic" if clinics else "Choose a ward", f"{field}ward")
    known = Ward.objects.filter(code=code).exists() or (clinics and Clinic.objects.filter(code=code).exists())
    if not known:
        raise Refused("There is no such ward or clinic" if clinics else "There is no such ward", f"{field}ward")
    if place.get("bed") and not Bed.objects.filter(**_where(place)).exists():
        raise Refused("There is no such bed on this ward", f"{field}bed")


def _where(place: Place) -> dict[str, Any]:
    return {"ward__code": place["ward"], "bay": place.get("bay", ""), "bed": place["bed"]}


def _locked(place: Place) -> Bed | None:
    return Bed.objects.select_for_update(of=("self",)).filter(**_where(place)).first()


def _taken(place: Place) -> bool:
    where = {name: place.get(name, "") for name in ("ward", "bay", "bed")}
    return Stay.objects.filter(status=StayStatus.IN, **where).exists()

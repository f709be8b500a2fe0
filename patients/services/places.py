"""Wards, beds, clinics and staff from a load: what is new is added, what is there is brought up to date, none deleted.

The site file has the last word: what it declares it declares again when it is applied.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Model

from pasmirror.lib import audit
from pasmirror.lib.actor import Actor
from pasmirror.lib.models import Role, User
from patients.models import Assignment, Bed, Clinic, Ward

Row = Mapping[str, str]
Put = tuple[str, str, tuple[str, ...]]  # outcome (applied, already, refused), the reason, warnings
ADDED: Put = ("applied", "", ())
THERE: Put = ("already", "", ())


def put(what: str, rows: Sequence[Row], *, by: Actor) -> list[Put]:
    """Put rows of `what` (wards, beds, clinics, staff) into their list, in one transaction; say what became of each."""
    puts: dict[str, Callable[[Row, Actor], Put]] = {
        "wards": lambda row, _: _place(Ward, row),
        "clinics": lambda row, _: _place(Clinic, row),
        "beds": lambda row, _: _bed(row),
        "staff": _person,
    }
    with transaction.atomic():
        return [puts[what](row, by) for row in rows]


def _place(model: type[Ward] | type[Clinic], row: Row) -> Put:
    told = {"name": row["name"], "listed": True} | {k: row[k] for k in ("site", "specialty") if k in row}
    return _brought(model, {"code": row["code"]}, told)


def _bed(row: Row) -> Put:
    ward = Ward.objects.filter(code=row["ward"]).first()
    if ward is None:
        return _refused("There is no such ward: load the wards first")
    return _brought(Bed, {"ward": ward, "bay": row.get("bay", ""), "bed": row["bed"]}, {"closed": False})


def _person(row: Row, by: Actor) -> Put:
    """Put an account there, without a password until it is given one, and the ward or clinic it works in."""
    if row["role"] not in Role.values:
        return _refused(f"There is no such role: choose one of {', '.join(Role.values)}")
    user = User.objects.filter(username__iexact=row["name"]).first()
    if user and user.role != row["role"]:
        return _refused("There is an account of this name with another role")
    places, missing = _places(row)
    if missing:
        return _refused(f"There is no such {missing}: load the {missing}s first")
    new = user is None
    if user is None:
        try:
            User.username_validator(row["name"])
        except ValidationError:
            return _refused("USER NAME may hold letters, digits and @ . + - _ only")
        user = User(username=row["name"], role=row["role"])
        user.set_unusable_password()
        user.save()
        audit.record(action="account.added", by=by, subject=f"account:{user.pk}", detail={"role": user.role})
    made = [Assignment.objects.get_or_create(user=user, **place)[1] for place in places]
    return ADDED if new or any(made) else THERE


def _places(row: Row) -> tuple[list[dict[str, Any]], str]:
    """Give the places a row names, or the word for one that is not there."""
    found: list[dict[str, Any]] = []
    for model, word in ((Ward, "ward"), (Clinic, "clinic")):
        if code := row.get(word):
            place = model.objects.filter(code=code).first()
            if place is None:
                return [], word
            found.append({word: place})
    return found, ""


def _brought(model: type[Model], key: dict[str, Any], told: dict[str, Any]) -> Put:
    row, new = model.objects.get_or_create(**key, defaults=told)  # type: ignore[attr-defined]
    differing = [name for name, value in told.items() if getattr(row, name) != value]
    for name in differing:
        setattr(row, name, told[name])
    if differing:
        row.save(update_fields=differing)
    return ADDED if new or differing else THERE


def _refused(reason: str) -> Put:
    return "refused", reason, ()

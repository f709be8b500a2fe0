"""The record's part of the site file: organisation, sites, wards and beds, clinics and hours, number blocks.

What the file no longer names is marked so and never deleted; only a clinic's weekly hours are replaced as a whole.
"""

from dataclasses import asdict
from typing import Any

from django.db.models import Model

from pasmirror.lib import clock
from pasmirror.lib.sections import Fault, SiteText
from patients.declared import Clinic as DeclaredClinic
from patients.declared import Pool, read
from patients.declared import Ward as DeclaredWard
from patients.models import Bed, Clinic, NumberPool, Organisation, Session, Site, Ward

WITHDRAWN = "withdrawn"  # the `use` of a block the site file no longer names: no number is taken from it


def check(file: SiteText) -> list[Fault]:
    """Check this app's sections; gives every fault of `file` so far."""
    read(file)
    return file.faults()


def apply(file: SiteText, text: str) -> None:
    """Put this app's sections in force, in the caller's transaction; a clash with what is in use becomes a fault."""
    places = read(file)
    organisation = Organisation.objects.first() or Organisation()
    organisation.ods, organisation.name, organisation.authority = places.ods, places.name, places.authority
    organisation.site_file, organisation.applied_at = text, clock.now()
    organisation.save()
    for ods, name in places.sites.items():
        Site.objects.update_or_create(ods=ods, defaults={"name": name})
    _wards(places.wards)
    _clinics(places.clinics)
    _pools(file, places.pools)


def _wards(declared: tuple[DeclaredWard, ...]) -> None:
    Ward.objects.exclude(code__in=[ward.code for ward in declared]).filter(listed=True).update(listed=False)
    for wanted in declared:
        ward, _ = Ward.objects.update_or_create(
            code=wanted.code,
            defaults={"name": wanted.name, "site": wanted.site, "specialty": wanted.specialty, "listed": True},
        )
        there = {(bed.bay, bed.bed): bed for bed in Bed.objects.filter(ward=ward)}
        Bed.objects.bulk_create(Bed(ward=ward, bay=bay, bed=bed) for bay, bed in wanted.beds if (bay, bed) not in there)
        for place, bed in there.items():
            _set(bed, closed=place not in wanted.beds)


def _clinics(declared: tuple[DeclaredClinic, ...]) -> None:
    Clinic.objects.exclude(code__in=[clinic.code for clinic in declared]).filter(listed=True).update(listed=False)
    for wanted in declared:
        clinic, _ = Clinic.objects.update_or_create(
            code=wanted.code,
            defaults={"name": wanted.name, "site": wanted.site, "specialty": wanted.specialty, "listed": True},
        )
        new = {tuple(asdict(hours).values()) for hours in wanted.hours}
        for session in Session.objects.filter(clinic=clinic):
            old = (session.weekday, session.starts, session.ends, session.minutes, session.places)
            if old in new:
                new.discard(old)
            else:
                session.delete()
        for weekday, starts, ends, minutes, places in sorted(new):
            Session.objects.create(
                clinic=clinic, weekday=weekday, starts=starts, ends=ends, minutes=minutes, places=places
            )


def _pools(file: SiteText, declared: tuple[Pool, ...]) -> None:
    """Declare the blocks. A number once given is never given again, whatever is written in the file."""
    rows = list(NumberPool.objects.select_for_update().order_by("id"))
    kept: set[int] = set()
    named = {_name(pool) for pool in declared}
    for index, pool in enumerate(declared):
        described = {
            "kind": pool.kind,
            "width": pool.width,
            "low_water": pool.low_water,
            "check_digit": pool.check_digit,
            "node": pool.node,
            "use": pool.use,
        }
        same = [row for row in rows if _name(row)[:3] == _name(pool)[:3]]
        row = next((row for row in same if row.last == pool.last), None)
        if row is not None:
            kept.add(row.pk)
            _set(row, **described, next=max(row.next, pool.first))
            continue
        start = _free_from(pool, [row for row in same if _name(row) not in named])
        if start is None:
            file.fault(
                ("pool", index, "first"),
                f"numbers up to {pool.last} may have been given already, out of a block declared before",
            )
            continue
        kept.add(
            NumberPool.objects.create(
                **described,
                type=pool.type,
                authority=pool.authority,
                prefix=pool.prefix,
                next=start,
                last=pool.last,
            ).pk
        )
    for row in rows:
        if row.pk not in kept:
            _set(row, use=WITHDRAWN)


def _name(block: Pool | NumberPool) -> tuple[str, str, str, int]:
    return block.authority, block.type, block.prefix, block.last


def _free_from(pool: Pool, before: list[NumberPool]) -> int | None:
    """The first number of a new block that no earlier block of the same name can have given; None if unsure."""
    start = pool.first
    for row in before:
        if row.next <= pool.first or row.last < pool.first:
            continue
        if row.next > pool.last + 1:
            return None
        start = max(start, row.next)
    return start


def _set(row: Model, **values: Any) -> None:
    """Write the columns that differ, and nothing if none does."""
    differing = [name for name, value in values.items() if getattr(row, name) != value]
    for name in differing:
        setattr(row, name, values[name])
    if differing:
        row.save(update_fields=differing)

"""Makes a clinic's bookable slots of a day from its weekly sessions; harmless to repeat."""

from datetime import date, datetime, timedelta

from pasmirror.lib import clock
from patients.models import Session, Slot


def make_slots(clinic_code: str, day: date) -> None:
    """Make the slots of `day` (local) that are not there yet."""
    slots = []
    for session in Session.objects.filter(clinic__code=clinic_code, weekday=day.weekday()):
        at = datetime.combine(day, session.starts, tzinfo=clock.SITE)
        end = datetime.combine(day, session.ends, tzinfo=clock.SITE)
        while at + timedelta(minutes=session.minutes) <= end:
            slots.append(
                Slot(clinic_id=session.clinic_id, starts_at=at, minutes=session.minutes, places=session.places)
            )
            at += timedelta(minutes=session.minutes)
    Slot.objects.bulk_create(slots, ignore_conflicts=True)

"""Which events there are, and which moves a stay or an appointment allows; pure, one table each."""

from enum import StrEnum


class Event(StrEnum):
    """A thing that happens to a patient, named as staff say it; the HL7 trigger is `messaging.hl7`'s affair."""

    REGISTER = "register"  # a new person (A28)
    UPDATE = "update"  # a person's details (A31)
    ADMIT = "admit"  # a stay begins (A01)
    TRANSFER = "transfer"  # to another ward or bed (A02)
    DISCHARGE = "discharge"  # a stay ends (A03)
    BOOK = "book"  # an appointment is made (S12)
    CANCEL_APPOINTMENT = "cancel_appointment"  # and called off (S15)


class StayStatus(StrEnum):
    """Where a stay stands."""

    NONE = ""  # not begun
    IN = "in"  # the patient is in
    OUT = "out"  # discharged
    CANCELLED = "cancelled"  # never was: withdrawn by a person


class AppointmentStatus(StrEnum):
    """Where an appointment stands."""

    NONE = ""  # not booked
    BOOKED = "booked"
    CANCELLED = "cancelled"


class Mode(StrEnum):
    """Who is master (design section 3)."""

    NORMAL = "normal"  # the PAS
    MIRROR = "mirror"  # this mirror; clerks write
    RECOVERY = "recovery"  # the PAS is being told everything; clerks still write
    HANDBACK = "handback"  # writes frozen, the last entries drain


WRITABLE = frozenset({Mode.MIRROR, Mode.RECOVERY})

STAY_MOVES: dict[tuple[StayStatus, Event], StayStatus] = {
    (StayStatus.NONE, Event.ADMIT): StayStatus.IN,
    (StayStatus.IN, Event.TRANSFER): StayStatus.IN,
    (StayStatus.IN, Event.DISCHARGE): StayStatus.OUT,
}
APPOINTMENT_MOVES: dict[tuple[AppointmentStatus, Event], AppointmentStatus] = {
    (AppointmentStatus.NONE, Event.BOOK): AppointmentStatus.BOOKED,
    (AppointmentStatus.BOOKED, Event.CANCEL_APPOINTMENT): AppointmentStatus.CANCELLED,
}
STAY_EVENTS = frozenset({Event.ADMIT, Event.TRANSFER, Event.DISCHARGE})
APPOINTMENT_EVENTS = frozenset({Event.BOOK, Event.CANCEL_APPOINTMENT})

_WHY: dict[tuple[StayStatus | AppointmentStatus, Event], str] = {
    (StayStatus.IN, Event.ADMIT): "The patient is already admitted",
    (StayStatus.OUT, Event.ADMIT): "This stay has already ended",
    (StayStatus.CANCELLED, Event.ADMIT): "This stay was withdrawn",
    (StayStatus.CANCELLED, Event.TRANSFER): "This stay was withdrawn",
    (StayStatus.CANCELLED, Event.DISCHARGE): "This stay was withdrawn",
    (StayStatus.NONE, Event.TRANSFER): "The patient is not admitted",
    (StayStatus.OUT, Event.TRANSFER): "The patient has already been discharged",
    (StayStatus.NONE, Event.DISCHARGE): "The patient is not admitted",
    (StayStatus.OUT, Event.DISCHARGE): "The patient has already been discharged",
    (AppointmentStatus.BOOKED, Event.BOOK): "This appointment is already booked",
    (AppointmentStatus.CANCELLED, Event.BOOK): "This appointment was cancelled",
    (AppointmentStatus.NONE, Event.CANCEL_APPOINTMENT): "There is no such appointment",
    (AppointmentStatus.CANCELLED, Event.CANCEL_APPOINTMENT): "This appointment is already cancelled",
}


def stay_after(status: StayStatus, event: Event) -> StayStatus | None:
    """Give where a stay stands after `event`; None if the event is not allowed there."""
    return STAY_MOVES.get((status, event))


def appointment_after(status: AppointmentStatus, event: Event) -> AppointmentStatus | None:
    """Give where an appointment stands after `event`; None if the event is not allowed there."""
    return APPOINTMENT_MOVES.get((status, event))


def why_not(status: StayStatus | AppointmentStatus, event: Event) -> str | None:
    """Say why `event` cannot happen now, in a clerk's words; None if it can."""
    after = stay_after(status, event) if isinstance(status, StayStatus) else appointment_after(status, event)
    if after is not None:
        return None
    return _WHY.get((status, event), "That cannot be done now")

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
    MERGE = "merge"  # two records turn out to be one person (A40, A34)
    RENUMBER = "renumber"  # a person's number is changed (A47)
    MOVE_STAY = "move_stay"  # a stay was another person's (A44, A45)
    RENUMBER_STAY = "renumber_stay"  # a stay's number is changed, or two stays are one (A35)
    LINK = "link"  # two records belong together (A24)
    UNLINK = "unlink"  # and do not (A37)
    REMOVE = "remove"  # the PAS no longer keeps the record (A29); ours is marked
    # of a stay
    ATTEND = "attend"  # an outpatient or emergency attendance begins (A04)
    PREADMIT = "preadmit"  # expected: on the list (A05)
    PLAN_ADMIT = "plan_admit"  # expected: the admission is planned (A14)
    TO_INPATIENT = "to_inpatient"  # an attendance becomes an admission (A06)
    TO_OUTPATIENT = "to_outpatient"  # and the reverse (A07)
    UPDATE_STAY = "update_stay"  # details of the visit, or of the person with it (A08)
    PLAN_TRANSFER = "plan_transfer"  # another bed is planned (A15)
    PLAN_DISCHARGE = "plan_discharge"  # A16
    LEAVE = "leave"  # on leave, the bed is kept (A21)
    RETURN = "return"  # back from it (A22)
    DEPART = "depart"  # away for an hour, to theatre or imaging (A09)
    ARRIVE = "arrive"  # there, or back (A10)
    CHANGE_DOCTOR = "change_doctor"  # another attending doctor (A54)
    CANCEL_ADMIT = "cancel_admit"  # A11: an A01 or A04 (or A06) that should not have been
    CANCEL_TRANSFER = "cancel_transfer"  # A12
    CANCEL_DISCHARGE = "cancel_discharge"  # A13
    CANCEL_PREADMIT = "cancel_preadmit"  # A38
    CANCEL_PLAN_ADMIT = "cancel_plan_admit"  # A27
    CANCEL_PLAN_TRANSFER = "cancel_plan_transfer"  # A26
    CANCEL_PLAN_DISCHARGE = "cancel_plan_discharge"  # A25
    CANCEL_LEAVE = "cancel_leave"  # A52
    CANCEL_RETURN = "cancel_return"  # A53
    CANCEL_DEPART = "cancel_depart"  # A33
    CANCEL_ARRIVE = "cancel_arrive"  # A32
    CANCEL_CHANGE_DOCTOR = "cancel_change_doctor"  # A55
    DELETE_STAY = "delete_stay"  # A23: it never was
    # of an appointment
    RESCHEDULE = "reschedule"  # the same booking at another time (S13)
    MODIFY_APPOINTMENT = "modify_appointment"  # its details; the patient has arrived, or has not (S14)
    DISCONTINUE_APPOINTMENT = "discontinue_appointment"  # S16
    DELETE_APPOINTMENT = "delete_appointment"  # S17: it never was
    MISS_APPOINTMENT = "miss_appointment"  # did not attend (S26)
    DOCUMENT = "document"  # a letter or report, anew or another version of it (MDM)


class StayStatus(StrEnum):
    """Where a stay stands."""

    NONE = ""  # not begun
    EXPECTED = "expected"  # pre-admitted: on the list, or a bed planned
    ATTENDING = "attending"  # an outpatient or emergency attendance: in no bed of a ward
    IN = "in"  # the patient is in
    OUT = "out"  # discharged
    CANCELLED = "cancelled"  # never was: withdrawn by a person, or by the PAS


class Away(StrEnum):
    """Whether a patient who is in is out of the bed."""

    NO = ""
    LEAVE = "leave"  # on leave, for a night or longer
    TEMPORARY = "temporary"  # in theatre, imaging, another department


class AppointmentStatus(StrEnum):
    """Where an appointment stands."""

    NONE = ""  # not booked
    BOOKED = "booked"
    ARRIVED = "arrived"
    ATTENDED = "attended"
    MISSED = "did_not_attend"
    CANCELLED = "cancelled"


class Mode(StrEnum):
    """Who is master (design section 3)."""

    NORMAL = "normal"  # the PAS
    MIRROR = "mirror"  # this mirror; clerks write
    RECOVERY = "recovery"  # the PAS is being told everything; clerks still write
    HANDBACK = "handback"  # writes frozen, the last entries drain


WRITABLE = frozenset({Mode.MIRROR, Mode.RECOVERY})

STAY_MOVES: dict[tuple[StayStatus, Event], StayStatus] = {
    (StayStatus.NONE, Event.PREADMIT): StayStatus.EXPECTED,
    (StayStatus.NONE, Event.ATTEND): StayStatus.ATTENDING,
    (StayStatus.EXPECTED, Event.ATTEND): StayStatus.ATTENDING,
    (StayStatus.NONE, Event.ADMIT): StayStatus.IN,
    (StayStatus.EXPECTED, Event.ADMIT): StayStatus.IN,
    (StayStatus.ATTENDING, Event.ADMIT): StayStatus.IN,
    (StayStatus.ATTENDING, Event.TO_INPATIENT): StayStatus.IN,
    (StayStatus.IN, Event.TO_OUTPATIENT): StayStatus.ATTENDING,
    (StayStatus.IN, Event.TRANSFER): StayStatus.IN,
    (StayStatus.IN, Event.DISCHARGE): StayStatus.OUT,
    (StayStatus.ATTENDING, Event.DISCHARGE): StayStatus.OUT,
    (StayStatus.EXPECTED, Event.UPDATE_STAY): StayStatus.EXPECTED,
    (StayStatus.ATTENDING, Event.UPDATE_STAY): StayStatus.ATTENDING,
    (StayStatus.IN, Event.UPDATE_STAY): StayStatus.IN,
    (StayStatus.OUT, Event.UPDATE_STAY): StayStatus.OUT,
    (StayStatus.ATTENDING, Event.CHANGE_DOCTOR): StayStatus.ATTENDING,
    (StayStatus.IN, Event.CHANGE_DOCTOR): StayStatus.IN,
    (StayStatus.IN, Event.PLAN_TRANSFER): StayStatus.IN,
    (StayStatus.IN, Event.PLAN_DISCHARGE): StayStatus.IN,
    (StayStatus.IN, Event.LEAVE): StayStatus.IN,
    (StayStatus.IN, Event.RETURN): StayStatus.IN,
}
CANCELLED_IN: dict[Event, frozenset[StayStatus]] = {  # where a stay stands when a clerk takes a step of it back
    Event.CANCEL_PREADMIT: frozenset({StayStatus.EXPECTED}),
    Event.CANCEL_ADMIT: frozenset({StayStatus.IN, StayStatus.ATTENDING}),
    Event.CANCEL_TRANSFER: frozenset({StayStatus.IN}),
    Event.CANCEL_DISCHARGE: frozenset({StayStatus.OUT}),
    Event.CANCEL_PLAN_TRANSFER: frozenset({StayStatus.IN}),
    Event.CANCEL_PLAN_DISCHARGE: frozenset({StayStatus.IN}),
    Event.CANCEL_LEAVE: frozenset({StayStatus.IN}),
    Event.CANCEL_RETURN: frozenset({StayStatus.IN}),
    Event.CANCEL_CHANGE_DOCTOR: frozenset({StayStatus.IN, StayStatus.ATTENDING}),
}
APPOINTMENT_MOVES: dict[tuple[AppointmentStatus, Event], AppointmentStatus] = {
    (AppointmentStatus.NONE, Event.BOOK): AppointmentStatus.BOOKED,
    (AppointmentStatus.BOOKED, Event.RESCHEDULE): AppointmentStatus.BOOKED,
    (AppointmentStatus.BOOKED, Event.MODIFY_APPOINTMENT): AppointmentStatus.ARRIVED,
    (AppointmentStatus.ARRIVED, Event.MODIFY_APPOINTMENT): AppointmentStatus.BOOKED,
    (AppointmentStatus.MISSED, Event.MODIFY_APPOINTMENT): AppointmentStatus.BOOKED,
    (AppointmentStatus.BOOKED, Event.MISS_APPOINTMENT): AppointmentStatus.MISSED,
    (AppointmentStatus.BOOKED, Event.CANCEL_APPOINTMENT): AppointmentStatus.CANCELLED,
    (AppointmentStatus.ARRIVED, Event.CANCEL_APPOINTMENT): AppointmentStatus.CANCELLED,
    (AppointmentStatus.BOOKED, Event.DELETE_APPOINTMENT): AppointmentStatus.CANCELLED,
    (AppointmentStatus.MISSED, Event.DELETE_APPOINTMENT): AppointmentStatus.CANCELLED,
}
CANCELS: dict[Event, tuple[Event, ...]] = {  # which step each of them undoes
    Event.CANCEL_ADMIT: (Event.ADMIT, Event.ATTEND, Event.TO_INPATIENT, Event.TO_OUTPATIENT),
    Event.CANCEL_TRANSFER: (Event.TRANSFER,),
    Event.CANCEL_DISCHARGE: (Event.DISCHARGE,),
    Event.CANCEL_PREADMIT: (Event.PREADMIT, Event.PLAN_ADMIT),
    Event.CANCEL_PLAN_ADMIT: (Event.PLAN_ADMIT,),
    Event.CANCEL_PLAN_TRANSFER: (Event.PLAN_TRANSFER,),
    Event.CANCEL_PLAN_DISCHARGE: (Event.PLAN_DISCHARGE,),
    Event.CANCEL_LEAVE: (Event.LEAVE,),
    Event.CANCEL_RETURN: (Event.RETURN,),
    Event.CANCEL_DEPART: (Event.DEPART,),
    Event.CANCEL_ARRIVE: (Event.ARRIVE,),
    Event.CANCEL_CHANGE_DOCTOR: (Event.CHANGE_DOCTOR,),
    Event.DELETE_STAY: (
        Event.PREADMIT,
        Event.PLAN_ADMIT,
        Event.ATTEND,
        Event.ADMIT,
        Event.TO_INPATIENT,
        Event.TRANSFER,
    ),
}
STAY_STEPS = frozenset(
    {
        Event.ADMIT,
        Event.TRANSFER,
        Event.DISCHARGE,
        Event.ATTEND,
        Event.PREADMIT,
        Event.PLAN_ADMIT,
        Event.TO_INPATIENT,
        Event.TO_OUTPATIENT,
        Event.UPDATE_STAY,
        Event.PLAN_TRANSFER,
        Event.PLAN_DISCHARGE,
        Event.LEAVE,
        Event.RETURN,
        Event.DEPART,
        Event.ARRIVE,
        Event.CHANGE_DOCTOR,
    }
)
IDENTITY_EVENTS = frozenset(  # say who somebody is, and nothing else
    {
        Event.MERGE,
        Event.RENUMBER,
        Event.MOVE_STAY,
        Event.RENUMBER_STAY,
        Event.LINK,
        Event.UNLINK,
        Event.REMOVE,
    }
)
STAY_EVENTS = STAY_STEPS | frozenset(CANCELS)
APPOINTMENT_STATUS: dict[Event, AppointmentStatus | None] = {  # None: stays as it is
    Event.BOOK: AppointmentStatus.BOOKED,
    Event.RESCHEDULE: AppointmentStatus.BOOKED,
    Event.MODIFY_APPOINTMENT: None,
    Event.CANCEL_APPOINTMENT: AppointmentStatus.CANCELLED,
    Event.DISCONTINUE_APPOINTMENT: AppointmentStatus.CANCELLED,
    Event.DELETE_APPOINTMENT: AppointmentStatus.CANCELLED,
    Event.MISS_APPOINTMENT: AppointmentStatus.MISSED,
}
APPOINTMENT_EVENTS = frozenset(APPOINTMENT_STATUS)
LIVE_APPOINTMENTS = frozenset({AppointmentStatus.BOOKED, AppointmentStatus.ARRIVED})  # these hold their slot
CLERKS_EVENTS = frozenset(  # what a clerk can make happen, and so what must be told to others
    {Event.REGISTER, Event.UPDATE, Event.MERGE, Event.RENUMBER, Event.RENUMBER_STAY, Event.DOCUMENT}
    | {event for _, event in STAY_MOVES}
    | set(CANCELLED_IN)
    | {event for _, event in APPOINTMENT_MOVES}
)

_WHY: dict[tuple[StayStatus | AppointmentStatus, Event], str] = {
    (StayStatus.IN, Event.ADMIT): "The patient is already admitted",
    (StayStatus.OUT, Event.ADMIT): "This stay has already ended",
    (StayStatus.EXPECTED, Event.PREADMIT): "The patient is expected already",
    (StayStatus.ATTENDING, Event.ATTEND): "The patient attends already",
    (StayStatus.EXPECTED, Event.TO_INPATIENT): "The patient is expected: admit them instead",
    (StayStatus.IN, Event.TO_INPATIENT): "The patient is an inpatient already",
    (StayStatus.ATTENDING, Event.TO_OUTPATIENT): "The patient is no inpatient",
    (AppointmentStatus.BOOKED, Event.BOOK): "This appointment is already booked",
    (AppointmentStatus.CANCELLED, Event.BOOK): "This appointment was cancelled",
    (AppointmentStatus.ARRIVED, Event.MISS_APPOINTMENT): "The patient has arrived: take that back first",
    (AppointmentStatus.ARRIVED, Event.DELETE_APPOINTMENT): "The patient has arrived: take that back first",
    (AppointmentStatus.CANCELLED, Event.CANCEL_APPOINTMENT): "This appointment is already cancelled",
    (AppointmentStatus.CANCELLED, Event.DELETE_APPOINTMENT): "This appointment is already cancelled",
    (AppointmentStatus.MISSED, Event.MISS_APPOINTMENT): "It is already noted that the patient did not attend",
    **dict.fromkeys(
        ((StayStatus.IN, Event.PREADMIT), (StayStatus.IN, Event.ATTEND), (StayStatus.IN, Event.CANCEL_PREADMIT)),
        "The patient is already admitted",
    ),
    **dict.fromkeys(
        ((StayStatus.ATTENDING, Event.PREADMIT), (StayStatus.ATTENDING, Event.CANCEL_PREADMIT)),
        "The patient attends already",
    ),
    **dict.fromkeys(((status, Event.CANCEL_DISCHARGE) for status in StayStatus), "The patient has not been discharged"),
}
_WHY_STAY: dict[StayStatus, str] = {  # whatever the event
    StayStatus.NONE: "The patient is not admitted",
    StayStatus.EXPECTED: "The patient is expected, and not admitted yet",
    StayStatus.ATTENDING: "The patient attends, and is not admitted",
    StayStatus.IN: "The patient is admitted",
    StayStatus.OUT: "The patient has already been discharged",
    StayStatus.CANCELLED: "This stay was withdrawn",
}
_WHY_APPOINTMENT: dict[AppointmentStatus, str] = {
    AppointmentStatus.NONE: "There is no such appointment",
    AppointmentStatus.BOOKED: "The patient has not arrived for this appointment",
    AppointmentStatus.ARRIVED: "The patient has arrived for this appointment",
    AppointmentStatus.ATTENDED: "The patient has attended this appointment",
    AppointmentStatus.MISSED: "The patient did not attend this appointment",
    AppointmentStatus.CANCELLED: "This appointment was cancelled",
}


def stay_after(status: StayStatus, event: Event) -> StayStatus | None:
    """Give where a stay stands after `event`; None if the event is not allowed there."""
    return STAY_MOVES.get((status, event))


def appointment_after(status: AppointmentStatus, event: Event) -> AppointmentStatus | None:
    """Give where an appointment stands after `event`; None if the event is not allowed there."""
    return APPOINTMENT_MOVES.get((status, event))


def why_not(status: StayStatus | AppointmentStatus, event: Event) -> str | None:
    """Say why `event` cannot happen now, in a clerk's words; None if it can."""
    if isinstance(status, AppointmentStatus):
        if appointment_after(status, event) is not None:
            return None
        return _WHY.get((status, event), _WHY_APPOINTMENT[status])
    if stay_after(status, event) is not None or status in CANCELLED_IN.get(event, ()):
        return None
    if status is StayStatus.CANCELLED:
        return _WHY_STAY[status]
    return _WHY.get((status, event), _WHY_STAY[status])


def why_stands(status: AppointmentStatus) -> str:
    """Say where an appointment stands, to somebody who would put it where it cannot go from there."""
    return _WHY_APPOINTMENT[status]


def why_not_away(away: Away, event: Event) -> str | None:
    """Say why `event` cannot happen to a patient who is in and away, or not; None if it can."""
    if event == Event.LEAVE and away is not Away.NO:
        return "The patient is on leave already" if away is Away.LEAVE else "The patient is away from the ward"
    if event == Event.RETURN and away is not Away.LEAVE:
        return "The patient is not on leave"
    return None

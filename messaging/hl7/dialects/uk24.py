"""HL7 v2.4 as UK PASs speak it (HL7 UK A.3): what each event looks like; knows no fact.

A.3 puts A03, A21 and A22 into ADT_A02, A05 into ADT_A01, A28 and A31 into ADT_A28; where it has no event, 2.4 decides.
Neither has a place for next of kin or allergies in an A02 or A03, but PASs send them there, and receivers that read
each message as a snapshot would delete them.
"""

from messaging.hl7.dialects import Dialect, Layout
from patients.states import Event

LAYOUTS = {
    Event.REGISTER: Layout("ADT", "A28", "ADT_A28", "person"),
    Event.UPDATE: Layout("ADT", "A31", "ADT_A28", "person"),
    Event.REMOVE: Layout("ADT", "A29", "ADT_A21", "person"),
    Event.PREADMIT: Layout("ADT", "A05", "ADT_A01", "visit"),
    Event.PLAN_ADMIT: Layout("ADT", "A14", "ADT_A05", "visit"),
    Event.ADMIT: Layout("ADT", "A01", "ADT_A01", "visit"),
    Event.ATTEND: Layout("ADT", "A04", "ADT_A01", "visit"),
    Event.TRANSFER: Layout("ADT", "A02", "ADT_A02", "visit"),
    Event.TO_INPATIENT: Layout("ADT", "A06", "ADT_A06", "visit"),
    Event.TO_OUTPATIENT: Layout("ADT", "A07", "ADT_A06", "visit"),
    Event.UPDATE_STAY: Layout("ADT", "A08", "ADT_A01", "visit"),
    Event.DISCHARGE: Layout("ADT", "A03", "ADT_A02", "visit"),
    Event.DEPART: Layout("ADT", "A09", "ADT_A09", "visit"),
    Event.ARRIVE: Layout("ADT", "A10", "ADT_A09", "visit"),
    Event.LEAVE: Layout("ADT", "A21", "ADT_A02", "visit"),
    Event.RETURN: Layout("ADT", "A22", "ADT_A02", "visit"),
    Event.PLAN_TRANSFER: Layout("ADT", "A15", "ADT_A15", "visit"),
    Event.PLAN_DISCHARGE: Layout("ADT", "A16", "ADT_A16", "visit"),
    Event.CHANGE_DOCTOR: Layout("ADT", "A54", "ADT_A54", "visit"),
    Event.CANCEL_ADMIT: Layout("ADT", "A11", "ADT_A11", "visit"),
    Event.CANCEL_TRANSFER: Layout("ADT", "A12", "ADT_A11", "visit"),
    Event.CANCEL_DISCHARGE: Layout("ADT", "A13", "ADT_A01", "visit"),
    Event.CANCEL_PREADMIT: Layout("ADT", "A38", "ADT_A38", "visit"),
    Event.CANCEL_PLAN_ADMIT: Layout("ADT", "A27", "ADT_A21", "visit"),
    Event.CANCEL_PLAN_TRANSFER: Layout("ADT", "A26", "ADT_A21", "visit"),
    Event.CANCEL_PLAN_DISCHARGE: Layout("ADT", "A25", "ADT_A21", "visit"),
    Event.CANCEL_LEAVE: Layout("ADT", "A52", "ADT_A52", "visit"),
    Event.CANCEL_RETURN: Layout("ADT", "A53", "ADT_A52", "visit"),
    Event.CANCEL_DEPART: Layout("ADT", "A33", "ADT_A21", "visit"),
    Event.CANCEL_ARRIVE: Layout("ADT", "A32", "ADT_A21", "visit"),
    Event.CANCEL_CHANGE_DOCTOR: Layout("ADT", "A55", "ADT_A52", "visit"),
    Event.DELETE_STAY: Layout("ADT", "A23", "ADT_A21", "visit"),
    Event.MERGE: Layout("ADT", "A40", "ADT_A40", "merged"),
    Event.RENUMBER: Layout("ADT", "A47", "ADT_A30", "merged"),
    Event.RENUMBER_STAY: Layout("ADT", "A50", "ADT_A50", "renumbered_stay"),
    Event.LINK: Layout("ADT", "A24", "ADT_A24", "linked"),
    Event.UNLINK: Layout("ADT", "A37", "ADT_A37", "linked"),
    Event.BOOK: Layout("SIU", "S12", "SIU_S12", "booking"),
    Event.RESCHEDULE: Layout("SIU", "S13", "SIU_S12", "booking"),
    Event.MODIFY_APPOINTMENT: Layout("SIU", "S14", "SIU_S12", "booking"),
    Event.CANCEL_APPOINTMENT: Layout("SIU", "S15", "SIU_S12", "booking"),
    Event.DISCONTINUE_APPOINTMENT: Layout("SIU", "S16", "SIU_S12", "booking"),
    Event.DELETE_APPOINTMENT: Layout("SIU", "S17", "SIU_S12", "booking"),
    Event.MISS_APPOINTMENT: Layout("SIU", "S26", "SIU_S12", "booking"),
    Event.DOCUMENT: Layout("MDM", "T02", "MDM_T02", "document"),
}
BY_VISIT = {  # of a PAS that registers people by A04 and updates them by A08
    Event.REGISTER: Layout("ADT", "A04", "ADT_A01", "person"),
    Event.UPDATE: Layout("ADT", "A08", "ADT_A01", "person"),
}
OUTPATIENTS = {  # of a PAS that books outpatients by A05 and A38; it has no message for what else becomes of them
    Event.BOOK: Layout("ADT", "A05", "ADT_A01", "outpatient"),
    Event.CANCEL_APPOINTMENT: Layout("ADT", "A38", "ADT_A38", "outpatient"),
}

DIALECT = Dialect(
    code="uk24",
    version="2.4",
    layouts=LAYOUTS,
    alike={"ADT_A11": "ADT_A09", "ADT_A28": "ADT_A05", "ADT_A40": "ADT_A39"},  # the same order, with less in it
    sending_app="PASMIRROR",
    nhs_status_in_pid32=True,
    snapshots=True,
)

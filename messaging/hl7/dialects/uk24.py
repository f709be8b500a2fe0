"""HL7 v2.4 as UK PASs speak it (HL7 UK A.3): what each event looks like; knows no fact."""

from messaging.hl7.dialects import Dialect, Layout
from patients.states import Event

PERSON = ("ROL", "NK1", "DB1", "AL1", "GT1", "IN1", "IN2", "IN3")
VISIT = ("ROL", "NK1", "PV2", "DB1", "OBX", "AL1", "DG1", "DRG", "PR1", "GT1", "IN1", "IN2", "IN3", "ACC", "UB1", "UB2")

DIALECT = Dialect(
    code="uk24",
    version="2.4",
    layouts={
        Event.REGISTER: Layout("ADT", "A28", "ADT_A05", "person", PERSON),
        Event.UPDATE: Layout("ADT", "A31", "ADT_A05", "person", PERSON),
        Event.ADMIT: Layout("ADT", "A01", "ADT_A01", "visit", VISIT),
        Event.TRANSFER: Layout("ADT", "A02", "ADT_A02", "visit", VISIT),
        Event.DISCHARGE: Layout("ADT", "A03", "ADT_A03", "visit", VISIT),
        Event.BOOK: Layout("SIU", "S12", "SIU_S12", "booking", ()),
        Event.CANCEL_APPOINTMENT: Layout("SIU", "S15", "SIU_S12", "booking", ()),
    },
    sending_app="PASMIRROR",
    nhs_status_in_pid32=True,
)

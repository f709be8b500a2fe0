"""HL7 v2.5 as IHE Patient Administration Management has it (ITI-30, ITI-31), with historic movements; knows no fact.

Appointments and documents are none of PAM's: those are plain HL7 2.5.
"""

from messaging.hl7.dialects import Dialect, Layout
from messaging.hl7.dialects.uk24 import LAYOUTS as UK24
from patients.states import Event

STRUCTURES = {  # where A.3 has another
    Event.REGISTER: "ADT_A05",
    Event.UPDATE: "ADT_A05",
    Event.PREADMIT: "ADT_A05",
    Event.DISCHARGE: "ADT_A03",
    Event.LEAVE: "ADT_A21",
    Event.RETURN: "ADT_A21",
    Event.CANCEL_ADMIT: "ADT_A09",
    Event.CANCEL_TRANSFER: "ADT_A12",
    Event.MERGE: "ADT_A39",
}
LAYOUTS = {
    event: Layout(each.type, each.trigger, STRUCTURES.get(event, each.structure), each.shape)
    for event, each in UK24.items()
}

DIALECT = Dialect(
    code="ihe25",
    version="2.5",
    layouts=LAYOUTS,
    sending_app="PASMIRROR",
    movements=True,
    timing_in_tq1=True,
)

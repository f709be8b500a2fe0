"""Tables of the record, the journal and the gate."""

from patients.models.appointment import Appointment, AppointmentIdentifier, Clinic, Session, Slot
from patients.models.document import Document
from patients.models.gate import Gate
from patients.models.journal import Change, ChangeFate, Fate, JournalTail
from patients.models.patient import Alert, LastSegments, Patient, PatientIdentifier, PatientLink
from patients.models.places import Assignment, Bed, Organisation, Site, Ward
from patients.models.pool import NumberPool
from patients.models.stay import Movement, Stay, StayIdentifier
from patients.models.trunk import Trunk

__all__ = [
    "Alert",
    "Appointment",
    "AppointmentIdentifier",
    "Assignment",
    "Bed",
    "Change",
    "ChangeFate",
    "Clinic",
    "Document",
    "Fate",
    "Gate",
    "JournalTail",
    "LastSegments",
    "Movement",
    "NumberPool",
    "Organisation",
    "Patient",
    "PatientIdentifier",
    "PatientLink",
    "Session",
    "Site",
    "Slot",
    "Stay",
    "StayIdentifier",
    "Trunk",
    "Ward",
]

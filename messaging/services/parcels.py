"""What travels between opening an attempt and settling it: one message, and what is told of it afterwards."""

from dataclasses import dataclass

from patients.models import Fate

Told = tuple[int, str, Fate, str]  # a change's fate at a destination, and why, as patients.services.fates takes it


@dataclass(frozen=True, slots=True)
class Parcel:
    """One message with its open attempt, ready to leave. `sent_before`: bytes of it may have left already."""

    outbound: int
    attempt: int
    change: int
    patient: int
    seq: int
    control_id: str
    body: bytes
    rejects: int
    silences: int
    sent_before: bool
    in_doubt: bool

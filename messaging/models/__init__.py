"""Tables of the feed, the lanes and the emission switch."""

from messaging.models.destination import Destination, Lane
from messaging.models.emission import Emission, Incarnation
from messaging.models.fidelity import (
    FidelityAcceptance,
    FidelityDay,
    FidelityExample,
    FidelityPoint,
    FidelitySample,
)
from messaging.models.gaps import FeedHour, FeedNumbers
from messaging.models.inbound import Channel, Inbound, MessageKey
from messaging.models.outbound import Attempt, Outbound
from messaging.models.parking import Hold, NumberNamed, Ruling
from messaging.models.probe import Probe
from messaging.models.resending import ResendOrder, ResyncPatient

__all__ = [
    "Attempt",
    "Channel",
    "Destination",
    "Emission",
    "FeedHour",
    "FeedNumbers",
    "FidelityAcceptance",
    "FidelityDay",
    "FidelityExample",
    "FidelityPoint",
    "FidelitySample",
    "Hold",
    "Inbound",
    "Incarnation",
    "Lane",
    "MessageKey",
    "NumberNamed",
    "Outbound",
    "Probe",
    "ResendOrder",
    "ResyncPatient",
    "Ruling",
]

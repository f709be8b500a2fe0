"""Reads frames as far as the door needs: header, key, whether to refuse; a batch into its messages. No tables."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from messaging.hl7 import ack, times
from messaging.hl7.batches import Batch, is_batch
from messaging.hl7.habits import FeedPolicy
from messaging.hl7.read import Message, Unreadable
from messaging.states import Outcome

ENVELOPE = "batch"  # the code of the row that keeps what stands around a batch's messages


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame as received; `fault` says why it cannot be taken, if the door has seen that already.

    Frames of one `connection` (0: each stands for itself) are stored in their order or not at all.
    """

    peer: str
    raw: bytes
    fault: str = ""
    connection: int = 0


@dataclass(slots=True)
class Arrival:
    """One message read as far as its header, and what is to be stored of it."""

    peer: str
    raw: bytes
    message: Message | None
    outcome: Outcome = Outcome.STORED
    code: str = ""  # why it is refused or filed: code and reason
    reason: str = ""
    sender: str = ""  # MSH-3 and MSH-4, as long as the column
    control_id: str = ""  # MSH-10, likewise
    trigger: str = ""
    sent_at: datetime | None = None
    key: tuple[str, str, bytes] = ("", "", b"")
    id: int = 0
    number: int = 0
    other_body: bool = False  # the sender has given this MSH-10 to another message
    answer: bytes = b""

    def answered(self, channel: int) -> bytes:
        """Give its answer under our own control id, once it has its number in the channel."""
        own = f"ACK{channel}-{self.number}"
        if self.code == ENVELOPE:
            return own.encode()  # the reply batch's own id
        if self.outcome == Outcome.REFUSED:
            err = "202" if self.code == "processing-id" else "207"
            return ack.answer(self.message, "AR", self.reason, err, control_id=own)
        return ack.answer(self.message, "AA", control_id=own)


@dataclass(slots=True)
class Received:
    """What one frame brought: a message, or those of a batch and then its envelope."""

    arrivals: list[Arrival]
    _answer: Callable[[list[Arrival]], bytes] = field(default=lambda arrivals: arrivals[0].answer)

    def answer(self) -> bytes:
        """Give the answer to the frame, once its arrivals have theirs."""
        return self._answer(self.arrivals)


def read(frame: Frame, policy: FeedPolicy) -> Received:
    """Read one frame; never raises."""
    if frame.fault or not is_batch(frame.raw):
        return Received([_arrival(frame, policy)])
    try:
        batch = Batch.of(frame.raw)
    except Unreadable as fault:
        return Received([_unreadable(frame, fault)])
    if len(batch.messages) > policy.segment_limit:
        reason = f"More than {policy.segment_limit} messages in one batch"
        return Received([_refused(frame, None, "too-many-messages", reason)])
    arrivals = [_arrival(Frame(frame.peer, raw), policy) for raw in batch.messages]
    return Received([*arrivals, _envelope(frame, batch)], batch_answer(batch))


def batch_answer(batch: Batch) -> Callable[[list[Arrival]], bytes]:
    """Give how a batch's arrivals are answered: each for itself, in order, and the envelope by the reply's own."""

    def answer(arrivals: list[Arrival]) -> bytes:
        *messages, envelope = arrivals
        own = envelope.answer.decode() or "ACK"
        return batch.answer([message.answer for message in messages], control_id=own)

    return answer


def _arrival(frame: Frame, policy: FeedPolicy) -> Arrival:
    if _segments(frame.raw) > policy.segment_limit:
        head = Frame(frame.peer, frame.raw, f"More than {policy.segment_limit} segments in one message")
        return _refused(head, _header(frame.raw), "too-many-segments", head.fault)
    try:
        message = Message.of(frame.raw)
    except Unreadable as fault:
        return _unreadable(frame, fault)
    if frame.fault:
        return _refused(frame, message, "unreadable", frame.fault, policy)
    if message.headers > 1:
        return _refused(frame, message, "two-messages", "Two messages in one frame", policy)
    if message.processing_id and message.processing_id != policy.processing_id:
        reason = f"MSH-11 is not {policy.processing_id}, which is what this feed carries"
        return _refused(frame, message, "processing-id", reason, policy)
    arrival = _named(Arrival(frame.peer, frame.raw, message), policy)
    arrival.key = (arrival.sender, arrival.control_id, hashlib.sha256(frame.raw).digest())
    return arrival


def _segments(raw: bytes) -> int:
    """Count line ends; CRLF is one."""
    return max(raw.count(b"\r"), raw.count(b"\n"))


def _header(raw: bytes) -> Message | None:
    """Read the first segment alone, so that a monster can be answered under its own id."""
    try:
        return Message.of(raw.lstrip(b"\r\n")[:4096].replace(b"\n", b"\r").split(b"\r")[0])
    except Unreadable:
        return None


def _unreadable(frame: Frame, fault: Unreadable) -> Arrival:
    return _refused(frame, None, "unreadable", frame.fault or f"Not readable as HL7: {fault.reason}")


def _refused(
    frame: Frame, message: Message | None, code: str, reason: str, policy: FeedPolicy | None = None
) -> Arrival:
    """One refused is the same again only while it is refused for the same reason."""
    arrival = Arrival(frame.peer, frame.raw, message, Outcome.REFUSED, code, reason)
    arrival.key = (f"refused: {code}", "", hashlib.sha256(frame.raw).digest())
    return _named(arrival, policy or FeedPolicy())


def _named(arrival: Arrival, policy: FeedPolicy) -> Arrival:
    if message := arrival.message:
        arrival.sender, arrival.control_id = message.sender[:120], message.control_id[:60]
        arrival.trigger = message.trigger[:20]
        arrival.sent_at = times.moment(message.sent_at_text, policy.habits.clock())
    return arrival


def _envelope(frame: Frame, batch: Batch) -> Arrival:
    raw = b"".join(batch.envelope)
    reason = f"The envelope of a batch of {len(batch.messages)} messages"
    arrival = Arrival(frame.peer, raw, None, Outcome.FILED, ENVELOPE, f"{reason}; {batch.fault}".rstrip("; "))
    arrival.sender, arrival.control_id = batch.sender[:120], batch.control_id[:60]
    arrival.key = (f"batch: {arrival.sender}"[:120], arrival.control_id, hashlib.sha256(raw).digest())
    return arrival

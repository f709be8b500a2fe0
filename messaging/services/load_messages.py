"""Loads a file of HL7 messages: each read and taken as if the feed had brought it, many at once."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from messaging.extracts.beside import batch_of
from messaging.extracts.files import Source
from messaging.extracts.messages import LONGEST, Framed, Stream
from messaging.hl7 import ahead
from messaging.hl7.habits import FeedPolicy
from messaging.hl7.news import news
from messaging.hl7.read import Message, Unreadable
from messaging.selectors import holds
from messaging.services.loading import Item, Outcome, origin, without
from pasmirror.lib import clock
from pasmirror.lib.actor import Actor
from patients.facts import News
from patients.identifiers import Identifier
from patients.services import feed
from patients.services.taken import WAITS, Aside, Entry, Taken


@dataclass(slots=True)
class Messages:
    """The messages of one file, read with the habits of a declared feed."""

    source: Source
    policy: FeedPolicy
    by: Actor
    _found: list[str] = field(default_factory=list)
    _waiting: dict[int | Identifier, int] = field(default_factory=dict)  # who waits behind which refused line

    @property
    def name(self) -> str:
        """As the audit trail calls it."""
        return "hl7"

    def items(self, skipped: int) -> Iterator[Item]:
        """Read message after message."""
        with self.source.open() as file:
            stream = Stream(file)
            for framed in without(iter(stream), skipped):
                yield self._item(framed)
            self._found = stream.faults

    def _item(self, framed: Framed) -> Item:
        if not framed.raw:
            return Item(framed.line, b"", fault=f"The message is longer than {LONGEST >> 20} MB")
        try:
            message = Message.of(framed.raw)
            if message.processing_id and message.processing_id != self.policy.processing_id:
                why = f"MSH-11 is not {self.policy.processing_id}, which is what this feed carries"
                return Item(framed.line, framed.raw, fault=why)
            told = news(message, habits=self.policy.habits)
        except Unreadable as fault:
            return Item(framed.line, framed.raw, fault=f"Not readable as HL7: {fault.reason}")
        except Exception as fault:  # noqa: BLE001 - one message that trips the reader must not end the load
            return Item(framed.line, framed.raw, fault=f"It could not be read ({type(fault).__name__})")
        if isinstance(told, News):
            park = self.policy.unknown_patient == "park"
            told = ahead.bounded(told, clock.now())
            entry = Entry(0, told, park_unknown=park, origin=f"{origin(self.source)}{framed.line}")
            return Item(framed.line, framed.raw, entry)
        if told.parked:
            aside = Aside(0, told.code, told.reason, told.named, told.warnings)
            return Item(framed.line, framed.raw, aside)
        return Item(framed.line, framed.raw, Outcome("filed", told.reason, told.warnings))

    def take(self, items: list[Item]) -> list[Outcome]:
        """Take what is news; what is none is filed. Behind a refused one waits what follows of the same patient."""
        entries = [item.read for item in items if isinstance(item.read, Entry | Aside)]
        blocked = holds.standing()
        waiting = [who for who, line in self._waiting.items() if line < items[0].line]
        blocked.add(0, (who for who in waiting if isinstance(who, int)), (w for w in waiting if not isinstance(w, int)))
        taken = iter(feed.take(entries, by=self.by, blocked=blocked, audited=False) if entries else ())
        return [
            self._outcome(next(taken), item.line) if isinstance(item.read, Entry | Aside) else item.read
            for item in items
        ]

    def _outcome(self, taken: Taken, line: int) -> Outcome:
        if taken.outcome != "parked":
            return Outcome(taken.outcome, taken.reason, taken.warnings)
        held: set[int | Identifier] = {*taken.patients, *taken.numbers}
        first = min((self._waiting[who] for who in held if self._waiting.get(who, line) < line), default=0)
        if taken.code == WAITS and not first:
            return Outcome("refused", taken.reason, taken.warnings)
        for who in held:
            self._waiting[who] = min(first or line, self._waiting.get(who, line))
        reason = f"Line {first} of this file, of the same patient, is refused" if taken.code == WAITS else taken.reason
        return Outcome("refused", reason, taken.warnings)

    def refused(self, lines: list[tuple[Item, str]], *, first: bool) -> bytes:
        """Give each message as a batch of its own, the reason as its comment."""
        return b"".join(batch_of(item.raw, item.line, reason) for item, reason in lines)

    def faults(self) -> list[str]:
        """Name trailers that count what was not there."""
        return self._found

"""One hospital's habits in HL7: what a message that we write looks like, a small file each.

Every file in this folder with a `DIALECT` is one a site may name; docs/dialects.md says how to add one.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from importlib import import_module
from pathlib import Path
from zoneinfo import ZoneInfo

from messaging.hl7 import structures
from messaging.hl7.habits import FeedPolicy, Habits
from pasmirror.lib.clock import SITE
from patients.states import Event

KNOWN = tuple(sorted(path.stem for path in Path(__file__).parent.glob("[a-z]*.py")))
SHAPES = ("person", "visit", "booking", "outpatient", "merged", "renumbered_stay", "linked", "document")
FULLEST = "ADT_A01"  # holds whatever any message of a visit may hold, in the same order
NEEDED = {  # the segments without which a shape says nothing
    "person": {"EVN", "PID", "PV1"},
    "visit": {"EVN", "PID", "PV1"},
    "booking": {"SCH", "PID", "RGS", "AIL"},
    "outpatient": {"EVN", "PID", "PV1", "PV2"},
    "merged": {"EVN", "PID", "MRG"},
    "renumbered_stay": {"EVN", "PID", "MRG", "PV1"},
    "linked": {"EVN", "PID"},
    "document": {"EVN", "PID", "PV1", "TXA", "OBX"},
}


@dataclass(frozen=True, slots=True)
class Layout:
    """One event as a message: type, trigger and structure (MSH-9), and its shape (one of `SHAPES`).

    Of the segments the PAS last sent, those that the structure holds are carried along, Z segments always, last.
    `also`: further ones that this PAS sends though the structure does not hold them; they come after the others.
    """

    type: str
    trigger: str
    structure: str
    shape: str
    also: tuple[str, ...] = ()

    @property
    def message_type(self) -> str:
        """MSH-9."""
        return f"{self.type}^{self.trigger}^{self.structure}"


@dataclass(frozen=True, slots=True)
class Dialect:
    """How messages are written for one kind of peer."""

    code: str
    version: str
    layouts: Mapping[Event, Layout]
    alike: Mapping[str, str] = field(default_factory=dict)  # its names of structures: those of the standard meant
    sending_app: str = ""  # MSH-3 and MSH-4, the PAS's own
    sending_facility: str = ""
    receiving_app: str = "ROUTE"
    receiving_facility: str = ""
    processing_id: str = "P"
    country: str = "GBR"
    authority: str = ""  # whose numbers are written first
    nhs_status_in_pid32: bool = False
    movements: bool = False  # each step of a stay has a number of its own (ZBE, IHE PAM historic movements)
    snapshots: bool = False  # each message of a visit carries all the PAS's segments, whatever its structure holds
    timing_in_tq1: bool = False  # when an appointment is stands in TQ1 as well as in SCH-11 (2.5)
    zone: ZoneInfo = SITE
    habits: Habits = field(default_factory=Habits)  # how the PAS's last segments are to be read

    def places(self, layout: Layout) -> Mapping[str, int]:
        """Give the segments that may stand in a message, each with its place; KeyError for an unknown structure."""
        return structures.places(self.version, self.alike.get(layout.structure, layout.structure))

    def carries(self, layout: Layout) -> Mapping[str, int]:
        """Give the segments of the PAS's that a message carries along, each with its place."""
        if self.snapshots and layout.shape == "visit":
            return structures.places(self.version, FULLEST)
        return self.places(layout)

    def unsaid(self, events: Iterable[Event]) -> list[Event]:
        """Name those of `events` that this dialect has no message for."""
        return [event for event in events if event not in self.layouts]

    def faults(self) -> list[str]:
        """Name everything in it that could not be written, one sentence each."""
        return [fault for event, layout in self.layouts.items() for fault in self._faults(event, layout)]

    def _faults(self, event: Event, layout: Layout) -> Iterator[str]:
        if layout.shape not in SHAPES:
            yield f"{event}: there is no shape {layout.shape!r}"
            return
        try:
            places = self.places(layout)
        except KeyError:
            yield f"{event}: HL7 {self.version} has no structure {layout.structure!r}: say in `alike` which it is"
            return
        if lacking := sorted(NEEDED[layout.shape] - set(places)):
            yield f"{event}: {layout.structure} has no {', '.join(lacking)}, which the shape {layout.shape!r} needs"


class UnknownDialect(KeyError):
    """The site names a dialect that is not among `KNOWN`."""


def get(code: str, policy: FeedPolicy | None = None) -> Dialect:
    """Give a dialect, speaking under the name and authority of the feed where its policy is given."""
    if code not in KNOWN:
        raise UnknownDialect(code)
    dialect: Dialect = import_module(f"messaging.hl7.dialects.{code}").DIALECT
    if policy is None:
        return dialect
    return replace(
        dialect,
        sending_app=policy.sending_app or dialect.sending_app,
        sending_facility=policy.sending_facility or dialect.sending_facility,
        processing_id=policy.processing_id,
        authority=policy.habits.default_authority or policy.sending_facility,
        zone=policy.habits.clock(),
        habits=policy.habits,
    )

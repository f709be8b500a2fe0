"""One hospital's habits in HL7: what a message that we write looks like, a small file each."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from importlib import import_module
from zoneinfo import ZoneInfo

from messaging.hl7.habits import FeedPolicy, Habits
from pasmirror.lib.clock import SITE

KNOWN = ("uk24",)


@dataclass(frozen=True, slots=True)
class Layout:
    """One event as a message: type, trigger and structure (MSH-9), its shape, and the segments carried along."""

    type: str
    trigger: str
    structure: str
    shape: str  # person, visit or booking
    carried: tuple[str, ...]  # segments of the PAS that belong here, in order; Z segments always do, last

    @property
    def message_type(self) -> str:
        """MSH-9."""
        return f"{self.type}^{self.trigger}^{self.structure}"


@dataclass(frozen=True, slots=True)
class Dialect:
    """How messages are written for one kind of peer."""

    code: str
    version: str
    layouts: Mapping[str, Layout]  # by event (patients.states.Event)
    sending_app: str = ""  # MSH-3 and MSH-4, the PAS's own
    sending_facility: str = ""
    receiving_app: str = "ROUTE"
    receiving_facility: str = ""
    processing_id: str = "P"
    country: str = "GBR"
    authority: str = ""  # whose numbers are written first
    nhs_status_in_pid32: bool = False
    zone: ZoneInfo = SITE
    habits: Habits = field(default_factory=Habits)  # how the PAS's last segments are to be read


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

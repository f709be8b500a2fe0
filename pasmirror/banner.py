"""The mode banner: what every page says of who is master, and of the age of what it shows."""

from dataclasses import dataclass
from datetime import datetime

from failover.selectors import incidents, ledger
from messaging.selectors import age
from messaging.services import emission
from messaging.states import Valve
from pasmirror.lib import clock
from patients import cui
from patients.selectors import gate
from patients.states import Mode


@dataclass(frozen=True, slots=True)
class Banner:
    """`state` is the mode; headline and detail are one sentence each; `age` says how old the data are."""

    state: str
    headline: str
    detail: str
    age: str


def now() -> Banner:
    """Compose the banner from what is committed now."""
    stand = gate.now()
    mode = Mode(stand.mode)
    headline, detail = _WORDS[mode]
    if mode is Mode.MIRROR:
        headline = headline.format(since=when(stand.since))
        detail = _EMISSION[Valve(emission.now().valve)]
    elif mode is Mode.RECOVERY:
        detail = _way_back()
    return Banner(mode.value, headline, detail, _age())


def _way_back() -> str:
    incident = incidents.current()
    if incident is None:
        return ""
    now = ledger.ledger(incident)
    waiting = f"{now.waiting + now.sent} waiting to be told to it, {now.held} need a person."
    return f"{waiting} Go on using PAS Mirror."


def _age() -> str:
    """Say how old the data are, and which feed makes them so where the others are newer."""
    data = age.data()
    if data.at is None:
        return "Nothing heard from the PAS yet" + (f" on feed {data.late}" if data.late else "")
    return f"Data as at {when(data.at)}" + (f" (feed {data.late})" if data.late else "")


def when(at: datetime) -> str:
    """Give the time, with its date if that is not today's."""
    same = cui.day(at) == cui.day(clock.now())
    return cui.time(at) if same else cui.moment(at)


_WORDS = {
    Mode.NORMAL: ("PAS is up: look-up only, use the PAS.", ""),
    Mode.MIRROR: ("PAS DOWN since {since}: you are using PAS Mirror.", ""),
    Mode.RECOVERY: ("PAS is back:", ""),
    Mode.HANDBACK: ("Hand-back to the PAS:", "saving is frozen for a moment. Keep what you have typed."),
}
_EMISSION = {
    Valve.HELD: "Other systems are not being told yet: entries are kept and queued.",
    Valve.OPEN: "Other systems are being told.",
}

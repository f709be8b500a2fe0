"""Messages as a PAS would write them, read and taken into the record as the feed does; for tests of what they mean."""

from typing import Any

from messaging.hl7.habits import Habits
from messaging.hl7.news import NotNews, news
from messaging.hl7.read import Message
from pasmirror.lib.actor import system
from patients.services import feed
from patients.services.feed import Entry, Taken

HABITS = Habits(default_authority="RXX")
PID = "PID|1||P1^^^RXX^MR||SMITH^John||19520301|M"
WA, WB, WC = "WA^A^A1^RXX", "WB^B^B2^RXX", "WC^C^C3^RXX"


def clock(minute: int) -> str:
    """Give the HL7 time so many minutes after ten o'clock of one day in July."""
    return f"202607{1 + (600 + minute) // 1440:02}{(600 + minute) // 60 % 24:02}{minute % 60:02}00"


def pv1(place: str = "", *, visit: str = "V1", **fields: str) -> str:
    """Give a PV1; other fields by number: `pv1(WA, f7="C1^SMITH")`."""
    said = {1: "1", 2: "I", 3: place, 19: f"{visit}^^^RXX^VN" if visit else ""}
    said |= {int(name[1:]): text for name, text in fields.items()}
    return "PV1|" + "|".join(said.get(number, "") for number in range(1, max(said) + 1))


def adt(
    trigger: str,
    at: int | None,
    *lines: str,
    sent: int | None = None,
    pid: str = PID,
    evn3: str = "",
    evn6: str | None = None,
) -> bytes:
    """Give an ADT message of what happened at minute `at`, sent then or at minute `sent`."""
    made = clock(sent if sent is not None else at or 0)
    happened = evn6 if evn6 is not None else clock(at) if at is not None else ""
    head = f"MSH|^~\\&|DEMOPAS|RXX|ROUTE||{made}||ADT^{trigger}|C{made}{trigger}|P|2.4"
    return "\r".join([head, f"EVN|{trigger}|{made}|{evn3}|||{happened}", pid, *lines]).encode()


def siu(
    trigger: str, at: int, *, number: str = "A1", starts: str = "20260715090000", status: str = "", **more: str
) -> bytes:
    """Give an SIU message sent at minute `at`."""
    sch = f"SCH|{number}^RXX||||||^{more.get('reason', 'Review')}|FUP|||^^30^{starts}" + "|" * 14 + status
    head = f"MSH|^~\\&|DEMOPAS|RXX|ROUTE||{clock(at)}||SIU^{trigger}|S{at}{trigger}|P|2.4"
    return "\r".join([head, sch, PID, "RGS|1", f"AIL|1||{more.get('clinic', 'CARD')}"]).encode()


def entry(raw: bytes, number: int = 1, habits: Habits = HABITS) -> Entry | NotNews:
    """Read one message."""
    said = news(Message.of(raw), habits=habits)
    return said if isinstance(said, NotNews) else Entry(number, said)


def tell(*messages: bytes, habits: Habits = HABITS) -> list[Taken]:
    """Take messages one after another, each in a batch of its own."""
    return [one for raw in messages for one in tell_together(raw, habits=habits)]


def tell_together(*messages: bytes, habits: Habits = HABITS) -> list[Taken]:
    """Take messages in one batch; every one of them must be news."""
    entries: list[Any] = [entry(raw, number, habits) for number, raw in enumerate(messages, 1)]
    assert not [one for one in entries if isinstance(one, NotNews)], entries
    return feed.take(entries, by=system("apply"))

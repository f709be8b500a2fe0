"""Dialects: what a site's own file may change, and what cannot be said is refused when it is set up."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from messaging.hl7 import dialects, structures
from messaging.hl7.dialects import Layout, uk24
from messaging.hl7.habits import FeedPolicy, Habits
from messaging.hl7.news import news
from messaging.hl7.read import Message
from messaging.hl7.write import write
from pasmirror import site
from patients.facts import News
from patients.identifiers import FILLER, Identifier
from patients.states import Event
from tests.factories import changes as make

EXAMPLE = Path("docs/site.example.toml").read_text()
POLICY = FeedPolicy(sending_app="DEMOPAS", sending_facility="RXX", habits=Habits(default_authority="RXX"))
BASE = dialects.get("uk24", POLICY)


def told(event: str, dialect: dialects.Dialect) -> Message:
    return Message.of(write(make.scene(event).change, dialect=dialect, control_id="1", now=make.NOW))


@pytest.mark.parametrize("code", dialects.KNOWN)
def test_the_dialects_we_ship_can_be_written(code):
    dialect = dialects.get(code)
    assert dialect.code == code
    assert dialect.faults() == []


def test_a_pas_that_registers_by_visit():
    dialect = replace(BASE, layouts={**BASE.layouts, **uk24.BY_VISIT})
    for event, message_type in (("register", "ADT^A04^ADT_A01"), ("update", "ADT^A08^ADT_A01")):
        message = told(event, dialect)
        assert message.header.raw(9) == message_type
        assert message.first("PV1").line == "PV1|1|N"  # type: ignore[union-attr]


def test_a_pas_that_books_outpatients_by_a05_and_a38():
    dialect = replace(BASE, layouts={**uk24.OUTPATIENTS})
    habits = replace(POLICY.habits, a05="appointment")
    for event, message_type in (("book", "ADT^A05^ADT_A01"), ("cancel_appointment", "ADT^A38^ADT_A38")):
        message = told(event, dialect)
        assert message.header.raw(9) == message_type
        said = news(message, habits=habits)
        assert isinstance(said, News)
        assert said.event == event
        assert said.appointment_ids == (Identifier(FILLER, "RXX", "A9"),)
        booking = make.BOOKING["booking"]
        assert said.appointment["booking"] == {name: booking[name] for name in ("clinic", "starts_at")}
    assert dialect.unsaid([Event.BOOK, Event.RESCHEDULE]) == [Event.RESCHEDULE]


LAST = ("PID|1||P1^^^RXX^MR||X", "NK1|1|Y", "PV1|1|I" + "|" * 17 + "V1^^^RXX^VN", "AL1|1|DA|^Nuts", "ZPI|1")


@pytest.mark.parametrize(
    ("snapshots", "also", "expected"),
    [
        (False, (), ["PV1", "ZPI"]),
        (False, ("AL1",), ["PV1", "AL1", "ZPI"]),
        (True, (), ["NK1", "PV1", "AL1", "ZPI"]),
    ],
)
def test_segments_a_pas_sends_beyond_its_structure(snapshots, also, expected):
    transfer = replace(BASE.layouts[Event.TRANSFER], also=also)
    dialect = replace(BASE, layouts={Event.TRANSFER: transfer}, snapshots=snapshots)
    raw = write(make.scene("transfer").change, dialect=dialect, control_id="1", now=make.NOW, last_segments=LAST)
    assert [s.name for s in Message.of(raw).segments][4:] == expected


@pytest.mark.parametrize(
    ("layout", "fault"),
    [
        (Layout("ADT", "A01", "ADT_A01", "vist"), "admit: there is no shape 'vist'"),
        (Layout("ADT", "A01", "ADT_X99", "visit"), "admit: HL7 2.4 has no structure 'ADT_X99': say in `alike`"),
        (Layout("ADT", "A40", "ADT_A39", "document"), "ADT_A39 has no OBX, TXA, which the shape 'document' needs"),
    ],
)
def test_a_layout_that_could_not_be_written_is_named(layout, fault):
    (said,) = replace(BASE, layouts={Event.ADMIT: layout}).faults()
    assert fault in said


def test_a_structure_is_compiled_once_from_the_tables():
    assert structures.places("2.4", "ADT_A01") is structures.places("2.4", "ADT_A01")
    assert list(structures.places("2.4", "MDM_T02")) == ["MSH", "EVN", "PID", "PV1", "TXA", "OBX"]
    for version, structure in (("2.4", "ADT_X99"), ("9.9", "ADT_A01")):
        with pytest.raises(KeyError):
            structures.places(version, structure)


# At set-up


@pytest.fixture
def own(monkeypatch, tmp_path):
    """Put a site's own dialect beside ours, as its engineer would."""
    code = "zz_of_a_site"

    def write_file(text: str) -> None:
        (tmp_path / f"{code}.py").write_text(f'"""A site\'s own."""\n\n{text}')

    known = (*dialects.KNOWN, code)
    monkeypatch.setattr(dialects, "__path__", [*dialects.__path__, str(tmp_path)])
    monkeypatch.setattr(dialects, "KNOWN", known)
    monkeypatch.setattr("messaging.site.KNOWN", known)
    yield write_file
    sys.modules.pop(f"messaging.hl7.dialects.{code}", None)


SILENT = """
from dataclasses import replace
from messaging.hl7.dialects import uk24
from patients.states import Event
LEFT_OUT = (Event.MERGE, Event.DOCUMENT)
LAYOUTS = {event: layout for event, layout in uk24.LAYOUTS.items() if event not in LEFT_OUT}
DIALECT = replace(uk24.DIALECT, code="zz_of_a_site", layouts=LAYOUTS)
"""


def at_pathology(*lines: str) -> str:
    return EXAMPLE.replace('code = "pathology"', "\n".join(['code = "pathology"', *lines]))


def faults(text: str) -> list[tuple[str, str]]:
    lines = text.splitlines()
    return [(lines[fault.line - 1].split("#")[0].strip(), str(fault)) for fault in site.check(text, {})]


def test_what_a_dialect_cannot_say_is_refused_with_its_line(own):
    own(SILENT)
    ((line, said),) = faults(at_pathology('dialect = "zz_of_a_site"'))
    assert line == 'dialect = "zz_of_a_site"'
    assert "'zz_of_a_site' has no message for merge, document: name in events those it has one for" in said
    ((line, said),) = faults(at_pathology('dialect = "zz_of_a_site"', 'events = ["admit", "merge"]'))
    assert line == 'events = ["admit", "merge"]'
    assert "has no message for merge" in said
    assert faults(at_pathology('dialect = "zz_of_a_site"', 'events = ["admit", "transfer"]')) == []


def test_the_pas_is_told_everything_so_its_dialect_must_say_everything(own):
    own(SILENT)
    ((line, said),) = faults(EXAMPLE.replace('# dialect = "uk24"', 'dialect = "zz_of_a_site"', 1))
    assert line == 'dialect = "zz_of_a_site"'
    assert "pas.dialect" in said
    assert "no message for merge, document" in said


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("DIALECT = uk24", "cannot be read: NameError"),
        ("import nowhere", "cannot be read: ModuleNotFoundError"),
        ("X = 1", "cannot be read: AttributeError"),
        (SILENT + 'DIALECT = replace(DIALECT, version="2.9")', "HL7 2.9 has no structure"),
    ],
)
def test_a_file_that_is_no_dialect_is_refused_with_its_line(own, text, reason):
    own(text)
    ((line, said),) = faults(at_pathology('dialect = "zz_of_a_site"'))
    assert line == 'dialect = "zz_of_a_site"'
    assert reason in said


def test_the_example_of_the_page_is_a_dialect(own):
    page = Path("docs/dialects.md").read_text()
    own(page.split("```python\n")[1].split("```")[0])
    assert faults(at_pathology('dialect = "zz_of_a_site"')) == []
    dialect = dialects.get("zz_of_a_site", POLICY)
    assert told("register", dialect).header.raw(9) == "ADT^A04^ADT_A01"
    assert dialect.layouts[Event.TRANSFER].also == ("AL1",)
    assert all(f"`{code}`" in page for code in dialects.KNOWN if not code.startswith("zz"))

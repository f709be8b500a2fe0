"""Our reader beside two libraries, where they are right, and by example where they are not.

python-hl7 0.4.5 is not right in these: it ends segments at CR alone (a message with LF is one segment, with CRLF each
name begins with LF, CR CR gives an empty one); it decodes no bytes but UTF-8 and reads no MSH-18; a lone backslash
swallows text (`C:\\temp\\file` becomes `C:file`), an unknown escape is dropped, `\\XC3A9\\` is two letters, and
highlighting becomes underlines.

hl7apy 1.3.5 is not right in these: escapes are left as they are in values and escaped a second time when written
(`\\.br\\`, `\\X0D\\`, a lone backslash); what is empty at the end of a field is lost; a truncation character in MSH-2,
MSH-12 of 2.9 or empty, an unknown segment and LF are refused; most ADT events have no structure without MSH-9.3; it
reads no bytes.
"""

import hl7
import pytest
from hl7apy.exceptions import HL7apyException
from hl7apy.parser import parse_message
from hypothesis import given, settings
from hypothesis import strategies as st

from messaging.hl7.read import Message
from messaging.hl7.text import STANDARD, Separators, escape

HEADER = "MSH|^~\\&|APP|FAC|TO|SITE|20260301120000||ADT^A28^ADT_A05|ID1|P|2.4\r"
LETTERS = st.text(st.characters(min_codepoint=32, max_codepoint=0x24F, exclude_characters="\x7f"), min_size=1)
TEXT = LETTERS.map(str.strip).filter(lambda text: text and text != '""')
TREE = st.lists(  # fields of repetitions of components of subcomponents
    st.lists(st.lists(st.lists(TEXT, min_size=1, max_size=3), min_size=1, max_size=4), min_size=1, max_size=3),
    min_size=1,
    max_size=6,
)


def written(tree, marks=STANDARD, spell=escape):
    own = marks
    fields = (
        own.repetition.join(
            own.component.join(own.subcomponent.join(spell(text, own) for text in subs) for subs in repeat)
            for repeat in field
        )
        for field in tree
    )
    return own.field.join(["ZZ1", *fields])


def places(tree):
    for number, field in enumerate(tree, 1):
        for repetition, components in enumerate(field):
            for place, subs in enumerate(components, 1):
                for sub, text in enumerate(subs, 1):
                    yield number, repetition, place, sub, text


@given(TREE)
def test_every_piece_is_read_as_python_hl7_reads_it(tree):
    raw = HEADER + written(tree) + "\r"
    ours, theirs = Message.of(raw.encode()).first("ZZ1"), hl7.parse(raw)
    for number, repetition, place, sub, text in places(tree):
        assert ours.get(number, place, sub, repetition) == text
        assert theirs.extract_field("ZZ1", 1, number, repetition + 1, place, sub) == text


@settings(max_examples=40)
@given(TREE)
def test_every_piece_without_escapes_is_read_as_hl7apy_reads_it(tree):
    plain = written(tree, spell=lambda text, own: "".join(letter for letter in text if letter not in own) or "x")
    raw = HEADER + plain + "\r"
    ours = Message.of(raw.encode()).first("ZZ1")
    (theirs,) = parse_message(raw, find_groups=False).children.get("ZZ1")
    assert theirs.value == ours.line
    for number, repetition, place, sub, _ in places(tree):
        field = theirs.children.get(f"ZZ1_{number}")[repetition]
        component = field.children[place - 1]
        assert component.children[sub - 1].to_er7() == ours.get(number, place, sub, repetition)


@given(TREE)
def test_what_is_written_again_reads_the_same(tree):
    """Encode(decode(x)) keeps the content, whatever the separators it came in."""
    own = Separators("$", "%", "*", "!", "@")
    raw = HEADER.translate(str.maketrans("|^~\\&", "$%*!@")) + written(tree, own) + "\r"
    segment = Message.of(raw.encode()).first("ZZ1")
    assert segment.standard() == written(tree)
    again = Message.of((HEADER + segment.standard() + "\r").encode()).first("ZZ1")
    for number, repetition, place, sub, text in places(tree):
        assert segment.get(number, place, sub, repetition) == text
        assert again.get(number, place, sub, repetition) == text


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r\r"])
def test_line_ends_that_python_hl7_does_not_read(end):
    raw = (HEADER + "PID|1||7\r").replace("\r", end)
    assert [str(segment[0]) for segment in hl7.parse(raw)] != ["MSH", "PID"]
    assert [segment.name for segment in Message.of(raw.encode()).segments] == ["MSH", "PID"]


@pytest.mark.parametrize(
    ("escaped", "theirs", "right"),
    [
        ("C:\\temp\\file", "C:file", "C:\\temp\\file"),
        ("\\Zx\\ \\T\\", " &", "\\Zx\\ &"),
        ("\\XC3A9\\", "Ã©", "é"),
        ("\\H\\x\\N\\", "_x_", "x"),
        ("\\.br\\", "\r", "\n"),
    ],
)
def test_escapes_that_python_hl7_does_not_read(escaped, theirs, right):
    raw = HEADER + f"NTE|1||{escaped}\r"
    assert hl7.parse(raw).unescape(escaped) == theirs
    assert Message.of(raw.encode()).get("NTE-3") == right


def test_bytes_that_python_hl7_does_not_read():
    raw = HEADER.strip().encode() + b"||||||8859/1\rPID|1||7||Jos\xe9\r"
    with pytest.raises(UnicodeDecodeError):
        hl7.parse(raw)
    assert Message.of(raw).get("PID-5") == "José"


@pytest.mark.parametrize("text", ["a\\.br\\b", "a\\X0D\\b", "a\\b", "a&^", "a||"])
def test_what_hl7apy_changes_when_it_writes_again(text):
    raw = HEADER + f"PID|1||7||{text}\r"
    assert parse_message(raw).to_er7() != raw.strip()
    assert Message.of(raw.encode()).first("PID").standard() == f"PID|1||7||{text}"


def test_escapes_that_hl7apy_leaves_in_a_value():
    raw = HEADER + "PID|1||7||O\\T\\Neil\r"
    assert parse_message(raw).pid.pid_5.value == "O\\T\\Neil"
    assert Message.of(raw.encode()).get("PID-5.1") == "O&Neil"


@pytest.mark.parametrize(
    ("old", "new"),
    [("^~\\&", "^~\\&#"), ("|2.4", "|2.9"), ("|2.4", "|"), ("\r", "\rXYZ|1\r"), ("\r", "\n")],
    ids=["truncation", "2.9", "no version", "unknown segment", "LF"],
)
def test_what_hl7apy_refuses(old, new):
    raw = (HEADER + "PID|1||7^x\r").replace(old, new)
    with pytest.raises(HL7apyException):
        parse_message(raw, find_groups=False)
    message = Message.of(raw.encode())
    assert (message.trigger, message.get("PID-3.1")) == ("ADT^A28", "7")


@pytest.mark.parametrize("event", ["A04", "A08", "A11", "A13", "A28", "A31", "A40", "A47"])
def test_events_that_have_no_structure_for_hl7apy_without_the_third_component(event):
    raw = HEADER.replace("A28^ADT_A05", event)
    assert parse_message(raw, find_groups=False).name is None
    assert Message.of(raw.encode()).trigger == f"ADT^{event}"

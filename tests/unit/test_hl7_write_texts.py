"""Any text a clerk can type comes back as it was, whoever reads it."""

import hl7
from hypothesis import given, settings
from hypothesis import strategies as st

from messaging.hl7 import dialects
from messaging.hl7.names import person_line, person_parts, practice_line, practice_parts
from messaging.hl7.read import Message
from messaging.hl7.write import write
from patients.facts import GROUPS, Kind
from tests.factories.written import LAST, NOW, PATIENT, POLICY, change, heard, known

REPEATING = (
    "PID|1||P1^^^RXX^MR||O'BRIEN^Zoë^Ann^Jr^Mrs^BSc^L~MAIDEN^Zoë^^^^^M||195203|F|||9 Hotel^^Bath^^^GBR^TEMP~1 High St^^"
    "York^^^GBR^H||111^WPN^PH~01632 960001^PRN^PH~112|z@example.org^NET~07700 900001^^CP",
    "PV1|1|I|WB^B^B2^RXX^^BED" + "|" * 16 + "V1^^^RXX^VN",
)


DIALECTS = {code: dialects.get(code, POLICY) for code in dialects.KNOWN}
PLAIN = st.characters(exclude_categories=("Cs", "Cc", "Zs", "Zl", "Zp"))
AWKWARD = st.sampled_from([*"&^|~\\\"'éßЖ漢😀 ,()[]", "\r", "\n", "\x0b", "\x1c", "\\T\\", "MSH|", '""x'])
SHORTEST = 20  # the shortest column of all those filled below
TEXTS = (
    st.lists(st.one_of(PLAIN, AWKWARD), max_size=12)
    .map(lambda parts: "".join(parts)[:SHORTEST].strip())
    .filter(lambda text: text != '""')
)


@settings(max_examples=200)
@given(st.data())
def test_any_text_a_clerk_can_type_survives_the_round_trip(data):
    patient = {
        group: {name: data.draw(TEXTS, label=name) for name in GROUPS[Kind.PATIENT][group]}
        for group in ("name", "address", "phones", "background")
    }
    stay = {group: {name: data.draw(TEXTS) for name in GROUPS[Kind.STAY][group]} for group in ("place", "consultant")}
    last = data.draw(st.sampled_from([(), LAST, REPEATING]))
    dialect = DIALECTS[data.draw(st.sampled_from(dialects.KNOWN))]
    told = change("transfer", patient=patient, stay=stay)
    body = write(told, dialect=dialect, control_id="1", now=NOW, last_segments=last)
    assert b"\x0b" not in body
    assert b"\x1c" not in body
    said = heard(Message.of(body))
    nhs = PATIENT["nhs"] if dialect.nhs_status_in_pid32 else {**PATIENT["nhs"], "nhs_status": ""}
    assert known(Kind.PATIENT, said.patient) == {**PATIENT, **patient, "nhs": nhs}
    got = known(Kind.STAY, said.stay)
    assert {group: got[group] for group in stay} == stay
    parsed = hl7.parse(body.decode())
    assert [str(s[0]) for s in parsed][:3] == ["MSH", "EVN", "PID"]


@given(TEXTS)
def test_lines_of_names_come_back(text):
    assert person_line(*person_parts(text)) == text
    assert practice_line(*practice_parts(text)) == text

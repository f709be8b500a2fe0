"""One field at a time: what a clerk changed is ours, and everything else in it stays as the PAS sent it."""

import pytest

from patients.facts import Kind
from tests.factories.written import LAST, PATIENT, field, heard, known, written


def test_what_a_clerk_deleted_is_said_to_be_deleted():
    gone = {"phones": {"phone": "", "mobile": "", "email": ""}}
    without_base = written(patient=gone, before={"patient": {"phones": PATIENT["phones"]}})
    assert field(without_base, "PID", 13) == '""'
    with_base = written(patient=gone, last=LAST)
    assert field(with_base, "PID", 13) == '""'
    never_known = written(patient=gone)
    assert field(never_known, "PID", 13) == ""
    middle = written(patient={"name": {**PATIENT["name"], "middle": ""}}, last=LAST)
    assert field(middle, "PID", 5) == 'O\'BRIEN^Zoë^""^^Mrs^^CURRENT'
    assert heard(middle).patient["name"]["middle"] == ""


def pid(number: int, text: str) -> tuple[str, ...]:
    return ("PID|" + "|".join({3: "P1^^^RXX^MR", number: text}.get(n, "") for n in range(1, 31)),)


NAME = {"family": "BRIEN", "given": "Zoe", "middle": "", "title": "Mrs"}


@pytest.mark.parametrize(
    ("theirs", "name", "expected"),
    [
        ("OLD^Zoe^^^Mrs^^L~MAIDEN^Zoe^^^^^M", NAME, "BRIEN^Zoe^^^Mrs^^L~MAIDEN^Zoe^^^^^M"),
        ("OLD^Zoe^^Jr^Mrs^BSc^L^A", NAME, "BRIEN^Zoe^^Jr^Mrs^BSc^L^A"),
        ("OLD&van^Zoe^^^Mrs", NAME, "BRIEN^Zoe^^^Mrs"),
        ('""~MAIDEN^Zoe', NAME, "BRIEN^Zoe^^^Mrs~MAIDEN^Zoe"),
        ("BRIEN^Zoe^Ann^^Mrs^^L~M^Z", NAME, 'BRIEN^Zoe^""^^Mrs^^L~M^Z'),
        ("BRIEN^Zoe^^^Mrs^^L~M^Z", dict.fromkeys(NAME, ""), '""^""^^^""^^L~M^Z'),
        ("BRIEN^Zoe^^^Mrs^^L", dict.fromkeys(NAME, ""), '""'),
    ],
)
def test_a_changed_name_leaves_the_pas_s_other_names_and_parts(theirs, name, expected):
    message = written(last=pid(5, theirs), patient={"name": name})
    assert field(message, "PID", 5) == expected
    assert known(Kind.PATIENT, heard(message).patient)["name"] == name


HOME = {**PATIENT["address"], "line1": "2 New Rd"}
NO_HOME = {**dict.fromkeys(HOME, ""), "gp": HOME["gp"], "practice": HOME["practice"]}


@pytest.mark.parametrize(
    ("theirs", "address", "expected"),
    [
        ("1 Old Rd^^York^^YO1 1AA^GBR^HOME", HOME, "2 New Rd^^York^^YO1 1AA^GBR^HOME"),
        ("1 Old^^York^^YO1 1AA^GBR^H~9 Inn^^Bath^^^^TEMP", HOME, "2 New Rd^^York^^YO1 1AA^GBR^H~9 Inn^^Bath^^^^TEMP"),
        ("9 Inn^^Bath^^^GBR^TEMP~1 Old^^York^^YO1 1AA^^H", HOME, "9 Inn^^Bath^^^GBR^TEMP~2 New Rd^^York^^YO1 1AA^^H"),
        ("1 Old Rd^^York^^YO1 1AA", HOME, "2 New Rd^^York^^YO1 1AA^^HOME"),
        ("1 Old Rd&Old Rd&1^^York", HOME, "2 New Rd^^York^^YO1 1AA^^HOME"),
        ("9 Hotel^^Bath^^^GBR^TEMP~1 Old Rd^^York^^^^H", NO_HOME, '9 Hotel^^Bath^^^GBR^TEMP~""^^""^^^^H'),
        ("1 Old Rd^^York^^^GBR^H", NO_HOME, '""'),
    ],
)  # fmt: skip
def test_a_changed_address_leaves_the_pas_s_other_addresses_and_parts(theirs, address, expected):
    message = written(last=pid(11, theirs), patient={"address": address})
    assert field(message, "PID", 11) == expected
    assert known(Kind.PATIENT, heard(message).patient)["address"] == address


@pytest.mark.parametrize(
    ("theirs", "phones", "expected"),
    [
        ("111^PRN^PH~999^WPN^PH", ("222", "", ""), "222^PRN^PH~999^WPN^PH"),
        ("999^WPN^PH~111^PRN^PH", ("222", "", ""), "999^WPN^PH~222^PRN^PH"),
        ("111~077^MOBILE~999^WPN", ("111", "088", ""), "111~088^MOBILE~999^WPN"),
        ("999^WPN^PH", ("222", "088", "a@b"), "222^PRN^PH~999^WPN^PH~088^PRN^CP~^NET^Internet^a@b"),
        ("~999^WPN^PH", ("222", "", ""), "222^PRN^PH~999^WPN^PH"),
        ("111^PRN^PH~077^PRN^CP~999^WPN^PH", ("111", "", ""), '111^PRN^PH~""^PRN^CP~999^WPN^PH'),
        ("111^PRN^PH~077^PRN^CP~999^WPN^PH", ("", "", ""), '""^PRN^PH~""^PRN^CP~999^WPN^PH'),
        ("111^PRN^PH~077^PRN^CP", ("", "", ""), '""'),
        ("111^PRN^PH^^44^1^11~112^PRN^PH", ("222", "", ""), "222^PRN^PH~112^PRN^PH"),
        ("^PRN^PH^^^^^^^^^111", ("222", "", ""), "222^PRN^PH"),
        ("a@b^NET^Internet", ("", "", "c@d"), "^NET^Internet^c@d"),
        ('""', ("222", "", ""), "222^PRN^PH"),
    ],
)
def test_a_changed_telephone_leaves_the_pas_s_others(theirs, phones, expected):
    ours = dict(zip(("phone", "mobile", "email"), phones, strict=True))
    message = written(last=pid(13, theirs), patient={"phones": ours})
    assert field(message, "PID", 13) == expected
    assert known(Kind.PATIENT, heard(message).patient)["phones"] == ours


def test_a_mobile_the_pas_keeps_in_pid_14_is_changed_there():
    last = ("PID|1||P1^^^RXX^MR" + "|" * 10 + "111^PRN^PH|999^WPN^PH~077^WPN^CP",)
    message = written(last=last, patient={"phones": {"phone": "111", "mobile": "088", "email": ""}})
    assert field(message, "PID", 13) == "111^PRN^PH"
    assert field(message, "PID", 14) == "999^WPN^PH~088^WPN^CP"
    assert heard(message).patient["phones"]["mobile"] == "088"


def test_a_new_nhs_number_replaces_the_pas_s_wherever_it_stood():
    last = ("PID|1|9990000026^^^NHS|P1^^^RXX^MR||O'BRIEN" + "|" * 14 + "9990000026",)
    message = written(last=last)
    assert "9990000026" not in message.text
    assert heard(message).patient["nhs"]["nhs_number"] == "9990000018"


def test_a_death():
    dead = {"death": {"dead": True, "died_at": "2026-07-01T09:00:00+00:00"}}
    message = written("discharge", patient=dead, last=LAST)
    assert (field(message, "PID", 29), field(message, "PID", 30)) == ("20260701100000", "Y")
    day = written("discharge", patient={"death": {"dead": True, "died_at": "2026-07"}})
    assert (field(day, "PID", 29), field(day, "PID", 30)) == ("202607", "Y")
    alive = written(before={"patient": {"death": {"dead": True, "died_at": "2026-07"}}})
    assert (field(alive, "PID", 29), field(alive, "PID", 30)) == ('""', "N")

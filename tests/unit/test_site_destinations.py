"""What the site file may say of a destination: answers, waiting, pace, TLS; each fault with its line."""

from pathlib import Path
from typing import Any

import pytest

import messaging.site
from messaging.endings import Policy
from messaging.mllp.tls import ClientTls
from messaging.models import Destination
from pasmirror.lib.sections import SiteText
from tests.unit.test_site import SOUND, faults

ALL = """\
tls = { ca = "ca.crt", cert = "a.crt", key = "a.key", name = "path.example", fingerprints = [] }
ack_mode = "enhanced"
application_timeout = 5.0
min_interval = 0.5
on_ae = "set_aside"
on_ar = "hold"
at_limit = "hold"
on_unknown_answer = "hold"
on_no_application_answer = "accept"
no_answer_limit = 0
holds = "lane"
shadow = true
"""


def columns(more: str = "", *, code: str = "pathology") -> dict[str, Any]:
    return messaging.site.read(SiteText(SOUND + more, {})).destinations[code]


def test_every_key_of_a_destination_is_read() -> None:
    assert faults(SOUND + ALL) == []
    read = columns(ALL)
    assert ClientTls.of(read["tls"]) == ClientTls("ca.crt", "a.crt", "a.key", "path.example")
    said = {name: read[name] for name in ("ack_mode", "application_timeout", "min_interval", "holds", "shadow")}
    assert said == {
        "ack_mode": "enhanced",
        "application_timeout": 5.0,
        "min_interval": 0.5,
        "holds": "lane",
        "shadow": True,
    }
    policies = ("on_ae", "on_ar", "at_limit", "on_unknown_answer", "on_no_application_answer", "no_answer_limit")
    assert [read[name] for name in policies] == ["set_aside", "hold", "hold", "hold", "accept", 0]


def test_what_is_not_said_is_what_the_table_and_the_policy_have_for_it() -> None:
    read = columns()
    for name, value in read.items():
        field = Destination._meta.get_field(name)
        if field.has_default():
            assert value == (field.default() if callable(field.default) else field.default) or name == "wards", name
    usual = Policy()
    assert {name: read[name] for name in ("on_ae", "on_ar", "at_limit", "no_answer_limit", "holds")} == {
        name: getattr(usual, name) for name in ("on_ae", "on_ar", "at_limit", "no_answer_limit", "holds")
    }


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ('on_ae = "ignore"', "destination[1].on_ae: must be one of hold, retry, set_aside, not 'ignore'"),
        ('holds = "ward"', "destination[1].holds: must be one of patient, lane, not 'ward'"),
        ('ack_mode = "none"', "destination[1].ack_mode: must be one of original, enhanced, not 'none'"),
        ("min_interval = -1", "destination[1].min_interval: must be from 0 to 3600, not -1"),
        ("no_answer_limit = 0.5", "destination[1].no_answer_limit: must be a whole number"),
        ('on_as = "hold"', "destination[1].on_as: there is no such key here; did you mean 'on_a"),
        ('tls = { cert = "a.crt", key = "a.key" }', "destination[1].tls.ca: is missing"),
        ('tls = { ca = "ca.crt", cert = "a.crt" }', "destination[1].tls.key: cert and key come together, or neither"),
        ('tls = { ca = "ca.crt", fingerprints = ["AB"] }', "destination[1].tls.fingerprints[1]: is no SHA-256"),
        (
            'tls = { ca = "ca.crt", nme = "x" }',
            "destination[1].tls.nme: there is no such key here; did you mean 'name'",
        ),
    ],
)
def test_a_fault_is_named_with_its_line(more: str, told: str) -> None:
    found = faults(SOUND + more + "\n")
    assert len(found) == 1, found
    line, _, sentence = found[0].partition(": ")
    assert line == f"line {SOUND.count(chr(10)) + 1}"
    assert sentence.startswith(told)


@pytest.mark.parametrize("key", ['on_ae = "retry"', "shadow = true", 'holds = "lane"', "no_answer_limit = 3"])
def test_the_pass_own_lane_keeps_the_rules_of_the_replay(key: str) -> None:
    text = SOUND.replace('name = "The PAS"', f'name = "The PAS"\n{key}')
    assert len(faults(text)) == 1
    assert "there is no such key here" in faults(text)[0]


def test_the_pas_too_may_be_spoken_to_over_tls_and_answer_twice() -> None:
    more = 'name = "The PAS"\ntls = { ca = "ca.crt" }\nack_mode = "enhanced"\nmin_interval = 1.0'
    text = SOUND.replace('name = "The PAS"', more)
    assert faults(text) == []
    read = messaging.site.read(SiteText(text, {})).destinations["pas"]
    assert (read["tls"]["ca"], read["ack_mode"], read["min_interval"]) == ("ca.crt", "enhanced", 1.0)


def test_the_example_file_explains_every_key() -> None:
    example = Path("docs/site.example.toml").read_text()
    text = example[example.index("\n[[destination]]") :]
    missing = [name for name in columns() if name != "is_pas" and f"{name} = " not in text]
    assert missing == []

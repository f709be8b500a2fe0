"""The site file's feeds: one or several, limits, TLS; what the listener would trip over is refused with its line."""

import re
from pathlib import Path

import pytest

import messaging.site
from messaging.hl7.habits import FeedPolicy, Tls
from pasmirror import site
from pasmirror.lib.sections import SiteText

EXAMPLE = Path("docs/site.example.toml").read_text()
ONE = EXAMPLE.index("[feed]"), EXAMPLE.index("[pas]")
TWO = """\
[[feed]]
channel = "adt"
port = 2575
sending_app = "PAS"
grace = 5

[[feed]]
channel = "siu"
port = 2576
sending_app = "CLINICS"

[feed.tls]
cert = "a.crt"
key = "a.key"
ca = "ca.crt"
names = ["tie.example"]

"""


def with_feeds(text: str) -> str:
    return EXAMPLE[: ONE[0]] + text + EXAMPLE[ONE[1] :]


def faults(text: str) -> list[str]:
    return [str(fault) for fault in site.check(with_feeds(text), {})]


def test_several_feeds_each_with_its_own_policy():
    assert faults(TWO) == []
    adt, siu = messaging.site.read(SiteText(with_feeds(TWO), {})).feeds
    assert (adt.channel, adt.port, adt.place, adt.grace, adt.tls) == ("adt", 2575, 0, 5.0, None)
    assert (siu.channel, siu.port, siu.place, siu.sending_app) == ("siu", 2576, 1, "CLINICS")
    assert siu.tls == Tls("a.crt", "a.key", "ca.crt", ("tie.example",))
    assert (adt.habits.default_authority, siu.habits.default_authority) == ("RXX", "RXX")
    for policy in (adt, siu):
        assert FeedPolicy.of(policy.as_json()) == policy
        assert policy.faults() == []


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('channel = "siu"', 'channel = "adt"', "feed[2].channel: the channel 'adt' is declared in line"),
        ("port = 2576", "port = 2575", "feed[2].port: port 2575 is that of the channel 'adt' already"),
        ("port = 2576", "connections = 0", "feed[2].connections: must be from 1 to 10000, not 0"),
        (
            "port = 2576",
            "memory_limit = 1048576",
            "feed[2].memory_limit: memory_limit (1048576) must be at least twice",
        ),
        (
            "port = 2576",
            "frame_limit = 90000000",
            "feed[2].frame_limit: memory_limit (67108864) must be at least twice",
        ),
        ("port = 2576", 'oids = ["1.2.3"]', "feed[2].oids[1]: '1.2.3' is not as '1.2.3=RXX'"),
        ("port = 2576", "segment_limit = 1", "feed[2].segment_limit: must be from 10"),
        ("port = 2576", "idle_seconds = -1", "feed[2].idle_seconds: must be from 0"),
        ('key = "a.key"', "", "feed[2].tls.key: is missing"),
        ('key = "a.key"', 'key = "a.key"\nnmes = []', "feed[2].tls.nmes: there is no such key here; did you mean"),
        ('names = ["tie.example"]', 'fingerprints = ["AB:CD"]', "feed[2].tls.fingerprints[1]: is no SHA-256"),
    ],
)
def test_what_is_wrong_with_a_feed_is_named_with_its_line(old: str, new: str, told: str):
    assert TWO.count(old) == 1
    found = [fault for fault in faults(TWO.replace(old, new)) if told in fault]
    assert found, faults(TWO.replace(old, new))
    assert int(re.match(r"line (\d+)", found[0])[1]) > EXAMPLE[: ONE[0]].count("\n") + 6


def test_no_feed_at_all():
    assert any("the section [feed] is missing" in fault for fault in faults(""))
    none = [str(fault) for fault in site.check("feed = []\n" + with_feeds(""), {})]
    assert "line 1: feed: there must be at least one [[feed]]" in none
    assert len(none) == 1


def test_two_without_a_port_share_the_environments():
    text = TWO.replace("port = 2575\n", "").replace("port = 2576\n", "")
    assert any("the port of PASMIRROR_MLLP_PORT is that of the channel 'adt'" in fault for fault in faults(text))


def test_a_destination_at_the_second_feeds_own_port_is_refused():
    text = TWO + '[[destination]]\ncode = "us"\nname = "Us"\nhost = "127.0.0.1"\nport = 2576\n\n'
    assert any("our own feed's" in fault for fault in faults(text))


@pytest.mark.parametrize(
    ("names", "fingerprint", "taken"),
    [
        (["tie.example"], "ab" * 32, True),
        (["TIE.example", "x"], "AB:" * 31 + "AB", True),
        (["other.example"], "ab" * 32, False),
        ([], "ab" * 32, False),
        (["tie.example"], "cd" * 32, False),
    ],
)
def test_which_certificate_is_taken(names: list[str], fingerprint: str, taken: bool):
    tls = Tls("", "", "", ("tie.example",), ("AB" * 32,))
    assert (tls.why_not(names, fingerprint) is None) == taken
    assert Tls("", "", "").why_not(names, fingerprint) is None

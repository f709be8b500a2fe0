"""The site file's checks: every fault at once, each with its line; no database."""

import re
from pathlib import Path

import pytest

import failover.site
import messaging.site
from messaging.hl7.habits import FeedPolicy
from pasmirror import site
from pasmirror.lib.sections import SiteText

SOUND = """\
[organisation]
ods = "RXX"
name = "A Hospital"
authority = "RXX"

[[site]]
ods = "RXX01"
name = "Main site"

[[ward]]
code = "WA"
name = "Ward A"
site = "RXX01"
bays = [{ bay = "A", beds = ["A1", "A2"] }]

[[clinic]]
code = "CARD"
name = "Cardiology"
sessions = [{ days = ["mon", "tue"], from = "09:00", to = "12:00", minutes = 30, places = 1 }]

[[pool]]
kind = "stay"
type = "VN"
authority = "RXX"
prefix = "V9"
first = 1
last = 999

[feed]
port = 2575
peers = ["127.0.0.1", "10.1.0.0/16"]

[pas]
name = "The PAS"
host = "pas.example"
port = 6000
probes = [{ kind = "tcp" }, { kind = "http", url = "https://pas.example/health" }]

[switching]

[[destination]]
code = "pathology"
name = "Pathology"
host = "path.example"
port = 6001
wards = ["WA"]
"""


def faults(text: str, **environment: str) -> list[str]:
    return [str(fault) for fault in site.check(text, environment)]


def changed(old: str, new: str) -> tuple[str, int]:
    """The sound text with one change, and the line of the change."""
    assert SOUND.count(old) == 1, old
    return SOUND.replace(old, new), SOUND[: SOUND.index(old)].count("\n") + 1


def test_a_sound_file_has_no_fault() -> None:
    assert faults(SOUND) == []


@pytest.mark.parametrize("path", ["pasmirror/demo/site.toml", "docs/site.example.toml"])
def test_our_own_files_are_sound_with_nothing_in_the_environment(path: str) -> None:
    assert faults(Path(path).read_text()) == []


def test_every_key_shown_in_the_example_exists() -> None:
    text = re.sub(r"(?m)^# (\w+ = )", r"\1", Path("docs/site.example.toml").read_text())
    assert text.count("\n#") < Path("docs/site.example.toml").read_text().count("\n#") - 30
    assert faults(text) == []


def test_the_feeds_own_checks_agree_with_ours() -> None:
    policy = messaging.site.read(SiteText(SOUND, {})).policy
    assert policy.faults() == []
    assert FeedPolicy.of(policy.as_json()) == policy
    assert (policy.port, policy.habits.default_authority) == (2575, "RXX")


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('ods = "RXX01"', "ods = 5", "site[1].ods: must be a text"),
        ('ods = "RXX01"', 'odds = "RXX01"', "site[1].odds: there is no such key here; did you mean 'ods'?"),
        ('site = "RXX01"', 'site = "RYY"', "ward[1].site: no [[site]] has the ODS code 'RYY'"),
        ('code = "WA"', 'code = "W A"', "ward[1].code: is a code and may hold no blank"),
        ('code = "WA"', 'code = ""', "ward[1].code: may not be empty"),
        ('["A1", "A2"]', '["A1", "A1"]', "ward[1].bays[1].beds[2]: 'A1' is there twice"),
        ('["mon", "tue"]', '["mon", "tues"]', "days[2]: must be one of mon"),
        ('from = "09:00"', 'from = "9 am"', "sessions[1].from: must be a time of day"),
        ('to = "12:00"', 'to = "08:00"', "sessions[1].to: the session ends at 08:00"),
        ("minutes = 30", "minutes = 240", "sessions[1].minutes: no slot of 240 minutes fits"),
        ('type = "VN"', 'type = "MR"', "pool[1].type: must be one of VN, not 'MR'"),
        ("last = 999", "last = 0", "pool[1].last: the block ends at 0, before its first number 1"),
        ("last = 999", "last = 12345678", "pool[1].width: the last number 12345678 does not fit in 6 digits"),
        ("port = 2575", "port = 70000", "feed.port: must be from 1 to 65535, not 70000"),
        ("port = 2575", 'port = "2575"', "feed.port: must be a whole number"),
        ('"10.1.0.0/16"', '"10.1.0.0/99"', "feed.peers[2]: '10.1.0.0/99' is no IP address or network"),
        ("port = 2575", 'zone = "Europe/Lundon"', "feed.zone: there is no time zone 'Europe/Lundon'"),
        ('host = "pas.example"', "", "pas.host: is missing"),
        ('kind = "tcp"', 'kind = "ping"', "pas.probes[1].kind: must be one of tcp, mllp, http, not 'ping'"),
        ('"https://pas.example/health"', '"pas.example"', "pas.probes[2].url: must look like"),
        ('wards = ["WA"]', 'wards = ["WX"]', "destination[1].wards[1]: must be one of WA, not 'WX'"),
        ('wards = ["WA"]', 'pas_copy = "filter"', "destination[1].pas_copy: must be one of"),
        ('wards = ["WA"]', "retry_after = 90", "destination[1].retry_after: retry_most (60 s) must be at least"),
        ('wards = ["WA"]', 'paused = "yes"', "destination[1].paused: must be true or false"),
        ('code = "pathology"', 'code = "pas"', "destination[1].code: the code 'pas' is taken by the PAS itself"),
        ('host = "path.example"', 'host = "a b"', "destination[1].host: 'a b' is no host name"),
        ("[switching]", "[swiching]", "swiching: there is no such key here; did you mean 'switching'?"),
    ],
)
def test_a_fault_is_named_with_its_line(old: str, new: str, told: str) -> None:
    text, line = changed(old, new)
    found = faults(text)
    mine = [fault for fault in found if told in fault]
    assert mine, found
    if new:
        known = [n + 1 for n, row in enumerate(text.splitlines()) if mine[0].startswith(f"line {n + 1}:")]
        assert abs(known[0] - line) <= 6


def test_the_line_is_that_of_the_key() -> None:
    text, line = changed("port = 6001", "port = 0")
    assert faults(text) == [f"line {line}: destination[1].port: must be from 1 to 65535, not 0"]


def test_what_is_missing_is_named_where_its_section_stands() -> None:
    text, line = changed('[pas]\nname = "The PAS"', "[pas]")
    assert faults(text) == [f"line {line}: pas.name: is missing"]


def test_an_empty_file_names_the_sections_that_are_missing() -> None:
    assert [fault.split(": ")[-1] for fault in faults("")] == [
        f"the section [{name}] is missing" for name in ("feed", "organisation", "pas", "switching")
    ]


def test_five_faults_are_told_at_once_in_the_order_of_their_lines() -> None:
    text = SOUND
    for old, new in [
        ("port = 6001", "port = 99999"),
        ('site = "RXX01"', 'site = "NOWHERE"'),
        ("[switching]", '[switching]\ncapture = "sometimes"'),
        ("port = 2575", "prot = 2575"),
        ("last = 999", "last = -1"),
    ]:
        assert text.count(old) == 1
        text = text.replace(old, new)
    found = site.check(text, {})
    assert [fault.key for fault in found] == [
        "ward[1].site", "pool[1].last", "feed.prot", "switching.capture", "destination[1].port",
    ]  # fmt: skip
    assert [fault.line for fault in found] == sorted(fault.line for fault in found)


def test_a_syntax_fault_is_one_fault_with_its_line() -> None:
    text, line = changed('ods = "RXX01"', 'ods = "RXX01')
    assert [(fault.line, fault.key) for fault in site.check(text, {})] == [(line, "")]
    assert faults("[a")[0].startswith("line 1: this is not TOML")


def test_a_table_where_a_value_should_be_and_the_reverse() -> None:
    assert "line 1: feed: must be a table of keys and values" in faults("feed = 3\n" + SOUND.replace("[feed]", "[x]"))
    assert "line 1: ward: must be a list of tables, as [[ward]]" in faults('ward = "WA"')
    assert any("ward[1]: must be a table" in fault for fault in faults("ward = [1]"))


@pytest.mark.parametrize(
    ("first", "second", "overlap"),
    [
        ('prefix = "V9"\nfirst = 1\nlast = 500', 'prefix = "V9"\nfirst = 500\nlast = 900', True),
        ('prefix = "V9"\nfirst = 1\nlast = 499', 'prefix = "V9"\nfirst = 500\nlast = 900', False),
        (
            'prefix = "V9"\nwidth = 5\nfirst = 1\nlast = 500',
            'prefix = "V"\nwidth = 6\nfirst = 900499\nlast = 900600',
            True,
        ),
        ('prefix = "V9"\nwidth = 5\nfirst = 1\nlast = 500', 'prefix = "V"\nwidth = 6\nfirst = 1\nlast = 899999', False),
        ('prefix = "V9"\nwidth = 5\nfirst = 1\nlast = 500', 'prefix = "V9"\nwidth = 6\nfirst = 1\nlast = 500', False),
        ('prefix = "VA"\nfirst = 1\nlast = 500', 'prefix = "VB"\nfirst = 1\nlast = 500', False),
    ],
)
def test_blocks_that_share_a_number_are_refused(first: str, second: str, overlap: bool) -> None:
    pool = '[[pool]]\nkind = "stay"\ntype = "VN"\nauthority = "RXX"\n'
    rest = SOUND.replace(
        '[[pool]]\nkind = "stay"\ntype = "VN"\nauthority = "RXX"\nprefix = "V9"\nfirst = 1\nlast = 999\n', ""
    )
    found = faults(f"{rest}\n{pool}{first}\nnode = 'a'\n{pool}{second}\nnode = 'b'\n")
    assert bool(found) is overlap
    assert all("overlaps the one in line" in fault for fault in found)


@pytest.mark.parametrize(
    ("switching", "told"),
    [
        ("down_after = 5", "switching.down_after: down_after must be at least 6 s"),
        ("probe_timeout = 2", "switching.probe_timeout: probe_timeout must be less than probe_every"),
        ("well_after = 1", "switching.well_after: well_after must be at least probe_every"),
        ('emission = "automatic"\nemission_kinds = 3', "needs 3 kinds of evidence, and only 2 can be had here"),
        ('emission = "automatic"\nemission_kinds = 1', "automatic emission needs at least 2 independent kinds"),
        ('capture = "auto"', "must be one of automatic, confirm, manual, not 'auto'; did you mean 'automatic'?"),
        ('profile = "quick"', "switching.profile: must be one of site, fast"),
        ("down_after = true", "switching.down_after: must be a number"),
        ("down_after = inf", "switching.down_after: must be from 0.5 to 3600"),
        ("down_after = nan", "switching.down_after: must be from 0.5 to 3600"),
    ],
)
def test_numbers_of_the_policy_are_held_against_each_other(switching: str, told: str) -> None:
    found = faults(SOUND.replace("[switching]", f"[switching]\n{switching}"))
    assert len(found) == 1
    assert told in found[0]


def test_automatic_emission_without_a_probe_cannot_find_two_kinds() -> None:
    text = SOUND.replace("probes = ", "# probes = ").replace("[switching]", '[switching]\nemission = "automatic"')
    assert [fault.split(": ")[1] for fault in faults(text)] == ["switching", "switching.emission"]


def test_the_fast_profile_gives_the_numbers_and_a_written_one_wins() -> None:
    text = SOUND.replace("[switching]", '[switching]\nprofile = "fast"\ndown_after = 4')
    policy = failover.site.read(SiteText(text, {}))
    assert (policy["probe_every"], policy["down_after"], policy["well_after"]) == (0.5, 4.0, 3.0)


def test_a_probe_is_at_the_address_of_the_pas_unless_said_otherwise() -> None:
    text = SOUND.replace('{ kind = "tcp" }', '{ kind = "tcp" }, { kind = "mllp", port = 6009 }')
    assert failover.site.read(SiteText(text, {}))["probes"] == [
        {"kind": "tcp", "host": "pas.example", "port": 6000},
        {"kind": "mllp", "host": "pas.example", "port": 6009},
        {"kind": "http", "url": "https://pas.example/health"},
    ]


WEIRD = (
    "1",
    "-1",
    "1e400",
    "nan",
    "true",
    '""',
    "' '",
    '"|^~"',
    "[]",
    "[[]]",
    "[1]",
    '[""]',
    "{}",
    "[{}]",
    "{ a = 1 }",
)
WEIRD += ("2026-01-02", "09:30:00", "9223372036854775807", f'"{"x" * 300}"', '"${UNSET}"', '"${UNSET:-}"', '"${N}"')


@pytest.mark.parametrize("number", [n for n, row in enumerate(SOUND.splitlines()) if " = " in row])
def test_whatever_stands_at_a_key_is_answered_with_faults_and_never_breaks_the_check(number: int) -> None:
    rows = SOUND.splitlines()
    for weird in WEIRD:
        changed_row = f"{rows[number].split(' = ')[0]} = {weird}"
        for fault in site.check("\n".join([*rows[:number], changed_row, *rows[number + 1 :]]), {"N": "7"}):
            assert 1 <= fault.line <= len(rows)


def test_two_destinations_at_one_address_and_one_at_our_own() -> None:
    same = SOUND + '\n[[destination]]\ncode = "x"\nname = "X"\nhost = "path.example"\nport = 6001\n'
    assert "path.example port 6001 is the address of 'pathology' already" in faults(same)[0]
    ours = SOUND.replace('"path.example"\nport = 6001', '"127.0.0.1"\nport = 2575')
    assert "our own feed's" in faults(ours)[0]


def test_values_come_from_the_environment() -> None:
    text = SOUND.replace("port = 6001", 'port = "${PATH_PORT:-6001}"').replace('"path.example"', '"${PATH_HOST}"')
    assert faults(text, PATH_HOST="path.example") == []
    assert faults(text, PATH_HOST="pas.example", PATH_PORT="6000")[0].endswith("is the address of 'pas' already")
    unset = faults(text)
    assert "destination[1].host: the environment variable PATH_HOST is not set" in unset[0]
    assert "destination[1].port: must be a whole number" in faults(text, PATH_HOST="h", PATH_PORT="six")[0]

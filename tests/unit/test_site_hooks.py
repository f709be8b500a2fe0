"""The site file's hooks: read whole, and every fault named without repeating an address that may hold a secret."""

import pytest

import pasmirror.lib.site
from pasmirror.lib.sections import SiteText
from tests.unit.test_site import SOUND, faults

DESK = '\n[[hook]]\ncode = "desk"\nkind = "webhook"\nurl = "https://alarms.example/${HOOK_PATH:-in}"\n'
MAIL = '\n[[hook]]\ncode = "mail"\nkind = "mail"\nto = ["desk@example.org"]\nalarms = ["tilt", "pas-down"]\n'


def test_both_kinds_are_read() -> None:
    assert faults(SOUND + DESK + MAIL) == []
    assert pasmirror.lib.site.read(SiteText(SOUND + DESK + MAIL, {"HOOK_PATH": "x9"})) == {
        "desk": {"kind": "webhook", "url": "https://alarms.example/x9", "to": [], "alarms": []},
        "mail": {"kind": "mail", "url": "", "to": ["desk@example.org"], "alarms": ["tilt", "pas-down"]},
    }


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (DESK.replace("https", "ftp"), "hook[1].url: must look like https://host/path"),
        (DESK.replace("https://", "https://a.."), "hook[1].url: must look like https://host/path"),
        (DESK.replace("alarms.example", "me:hidden@alarms.example"), "hook[1].url: may hold no user name"),
        (DESK.replace("alarms.example", "alarms.example:99999"), "hook[1].url: must look like"),
        (DESK.replace("in}", "in put}"), "hook[1].url: must look like"),
        (DESK.replace('url = "', 'to = "'), "hook[1].url: is missing"),
        (DESK.replace("webhook", "pager"), "hook[1].kind: must be one of webhook, mail, not 'pager'"),
        (DESK + DESK, "hook[2].code: the code 'desk' is taken by another hook"),
        (MAIL.replace("desk@", "desk "), "hook[1].to: 'desk example.org' is no mail address"),
        (MAIL.replace('["desk@example.org"]', "[]"), "hook[1].to: must name somebody to write to"),
        (MAIL.replace("to = ", "too = "), "hook[1].to: is missing"),
    ],
)
def test_a_fault_is_named(text: str, told: str) -> None:
    found = faults(SOUND + text)
    assert any(told in fault for fault in found), found
    assert not any("hidden" in fault for fault in found)

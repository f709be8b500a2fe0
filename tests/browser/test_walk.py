"""Every page in each mode: no request leaves this machine, no patient in an address, a title or the browser's store."""

import re
from urllib.parse import unquote_plus

import pytest

from pasmirror.demo.cast import PASSWORD
from pasmirror.demo.clerk import Clerk
from tests.browser.conftest import Visitor
from tests.browser.person import Person
from tests.hospital import MIRROR, NORMAL, RECOVERY, Hospital

pytestmark = pytest.mark.timeout(180)

MARKED = {
    "family": "Zzmarker", "given": "Qqgiven", "born": "7 aug 1933", "sex": "F", "nhs_number": "999 000 0018",
    "postcode": "ZZ99 9ZZ", "phone": "0200 987 654",
}  # fmt: skip
TRACES = re.compile(r"zzmarker|qqgiven|1933|9990000018|999 000 0018|zz99|987 ?654|M\d{6}|P\d{6}", re.IGNORECASE)


@pytest.fixture(scope="module")
def marked(hospital: Hospital) -> int:
    """A patient whose particulars are easily recognised: admitted, and booked for tomorrow."""
    hospital.given_mirror()
    clerk = Clerk("127.0.0.1", hospital.screens, name="clerk", password=PASSWORD)
    clerk.register(**MARKED)
    clerk.book("CARD", "tomorrow")
    clerk.admit("WB")
    return clerk.patient


@pytest.mark.parametrize("mode", [MIRROR, RECOVERY, NORMAL])
def test_every_page_keeps_patients_to_itself(hospital: Hospital, visitor: Visitor, marked: int, mode: str) -> None:
    {MIRROR: hospital.given_mirror, RECOVERY: hospital.given_recovery, NORMAL: hospital.given_normal}[mode]()
    clerk, operator, quality = visitor("clerk"), visitor("itops"), visitor("quality")
    when_the_clerk_walks(clerk, marked, writable=mode != NORMAL)
    operator.opens("/console/")
    quality.opens("/discrepancies/")
    quality.opens("/console/")
    for person in (clerk, operator, quality):
        then_nothing_left_the_machine(person)
        then_no_trace_of_the_patient(person)
    assert clerk.page.locator(f'#mode-banner [data-mode="{mode}"]').count() == 1


def when_the_clerk_walks(clerk: Person, marked: int, *, writable: bool) -> None:
    clerk.opens("/patients/")
    clerk.finds_it_accessible()
    for sought in ("zzmarker, qqgiven", "999 000 0018", "ZZ99 9ZZ", "7 aug 1933"):
        clerk.fills(sought=sought)
        clerk.page.press("#sought", "Enter")
        clerk.page.wait_for_selector("#results [data-row]:focus")
    clerk.page.click(f"#patient-{marked}")
    clerk.sees("#patient-banner", "ZZMARKER, Qqgiven")
    clerk.finds_it_accessible()
    stay = clerk.page.locator("#transfer").get_attribute("href") if writable else None
    for path in [f"/patients/{marked}/edit", f"/patients/{marked}/book", stay, "/patients/register"]:
        if path:
            clerk.opens(path)
            clerk.sees("#save" if writable else "#look-up-only")
            clerk.finds_it_accessible()
    if writable:
        when_a_form_is_sent_back(clerk)
    for kind, name in (("wards", "Ward B"), ("clinics", "Cardiology")):
        clerk.opens(f"/{kind}/")
        clerk.finds_it_accessible()
        clerk.page.click(f"main a:has-text('{name}')")
        if kind == "clinics":
            clerk.page.click("#day-after")
        clerk.sees(f"#patient-{marked}", "ZZMARKER")
        clerk.finds_it_accessible()


def when_a_form_is_sent_back(clerk: Person) -> None:
    clerk.fills(**{**MARKED, "nhs_number": "999 000 0019"})
    clerk.sees("#matches", "ZZMARKER")
    clerk.sends()
    clerk.sees("#error-summary")


def then_nothing_left_the_machine(person: Person) -> None:
    assert person.walk.requests
    assert person.walk.hosts() == {"127.0.0.1"}


def then_no_trace_of_the_patient(person: Person) -> None:
    for text in (*person.walk.requests, *person.walk.titles):
        assert not TRACES.search(unquote_plus(text)), text
    kept = person.page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie])")
    assert not TRACES.search(kept)

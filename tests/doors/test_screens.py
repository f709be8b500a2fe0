"""The screens over plain HTTP: what every answer carries, who may open what, the story without JavaScript."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from http.cookies import SimpleCookie

import pytest

from pasmirror.demo.browser import Browser, PageRefused
from pasmirror.demo.cast import ACCOUNTS, PASSWORD
from pasmirror.demo.clerk import Clerk
from tests.eventually import eventually
from tests.hospital import Hospital

pytestmark = pytest.mark.timeout(120)

READ, WRITE, WATCH = {"clerk", "quality", "auditor"}, {"clerk"}, {"itops", "quality", "auditor", "engine"}
MAY_OPEN = {
    "/patients/": READ,
    "/wards/": READ,
    "/clinics/": READ,
    "/patients/register": WRITE,
    "/console/": WATCH,
    "/console/live": WATCH,
    "/console/do/pause": {"itops"},
    "/console/sign-holds": {"itops"},
    "/discrepancies/": {"quality"},
    "/exceptions/": {"quality", "engine"},
    "/messages/": {"engine"},
    "/fidelity/": {"engine"},
    "/fidelity/to/pathology": {"engine"},
}
FOR_EVERYONE = ["/sign-in", "/banner", "/health"]


@pytest.fixture(scope="module")
def hospital(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hospital]:
    with Hospital(tmp_path_factory.mktemp("screens") / "var") as running:
        running.given_mirror()
        yield running


@pytest.fixture(scope="module")
def people(hospital: Hospital) -> dict[str, Browser]:
    return {name: hospital.signed_in(name) for name in ACCOUNTS}


def cookies_of(browser: Browser) -> str:
    return "; ".join(f"{name}={value}" for name, value in browser.cookies.items())


@pytest.mark.parametrize("path", ["/sign-in", "/patients/", "/console/", "/banner", "/nowhere"])
def test_every_page_carries_the_headers_that_protect_it(
    hospital: Hospital, people: dict[str, Browser], path: str
) -> None:
    cookies = cookies_of(people["itops" if "console" in path else "clerk"]) if path != "/sign-in" else ""
    _, headers, text = hospital.fetch("GET", path, Cookie=cookies)
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self'" in policy
    assert "style-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert not re.search(r"<script(?![^>]*\bsrc=)|\son\w+=|<style|\sstyle=", text), "inline script or style"
    assert not re.findall(r'(?:src|href|action)="(?:https?:)?//', text)


def test_static_files_of_the_pages_are_all_there(hospital: Hospital) -> None:
    _, _, text = hospital.fetch("GET", "/sign-in")
    addresses = re.findall(r'(?:src|href)="(/static/[^"]+)"', text)
    assert len(addresses) >= 5
    for address in addresses:
        status, headers, _ = hospital.fetch("GET", address)
        assert status == 200, address
        assert headers["X-Content-Type-Options"] == "nosniff"


def test_cookies_are_out_of_reach_of_scripts_and_of_other_sites(hospital: Hospital) -> None:
    _, headers, text = hospital.fetch("GET", "/sign-in")
    first = SimpleCookie("; ".join(headers.get_all("Set-Cookie") or []))
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', text)
    assert token
    said = {"username": "clerk", "password": PASSWORD, "csrfmiddlewaretoken": token[1]}
    status, headers, _ = hospital.fetch("POST", "/sign-in", said, Cookie=f"csrftoken={first['csrftoken'].value}")
    assert status == 302
    given = headers.get_all("Set-Cookie") or []
    assert any(cookie.startswith("sessionid=") for cookie in given)
    for cookie in given:
        assert "HttpOnly" in cookie
        assert "SameSite=Lax" in cookie
    session = next(cookie for cookie in given if cookie.startswith("sessionid="))
    assert "expires" not in session.lower(), "the session must end with the browser: wards share their PCs"


def test_cookies_are_for_https_alone_unless_told_otherwise() -> None:
    """The product of these tests runs without TLS and says so; the default is the other way round."""
    asks = "from django.conf import settings as s; print(s.SESSION_COOKIE_SECURE, s.CSRF_COOKIE_SECURE, s.HTTPS)"
    without = {name: value for name, value in os.environ.items() if name != "PASMIRROR_HTTPS"}
    asked = subprocess.run(
        [sys.executable, "-c", asks], env=without, capture_output=True, text=True, check=True, timeout=30
    )
    assert asked.stdout.split() == ["True"] * 3


@pytest.mark.parametrize("path", MAY_OPEN)
@pytest.mark.parametrize("name", ACCOUNTS)
def test_each_role_opens_its_own_pages_and_no_others(
    hospital: Hospital, people: dict[str, Browser], name: str, path: str
) -> None:
    status, _, text = hospital.fetch("GET", path, Cookie=cookies_of(people[name]))
    assert status == (200 if name in MAY_OPEN[path] else 403)
    if status == 403:
        assert "Traceback" not in text


@pytest.mark.parametrize("path", [*MAY_OPEN, "/", "/patients/1/", "/patients/1/edit", "/wards/1"])
def test_nobody_signed_in_is_sent_to_sign_in_and_told_nothing(hospital: Hospital, path: str) -> None:
    status, headers, text = hospital.fetch("GET", path)
    assert status == 302
    assert headers["Location"].startswith("/sign-in")
    assert not text


@pytest.mark.parametrize("path", FOR_EVERYONE)
def test_what_anybody_may_see_names_nobody(hospital: Hospital, path: str) -> None:
    status, _, text = hospital.fetch("GET", path)
    assert status == 200
    assert not re.search(r"P\d{6}|NHS No|\d{3} \d{3} \d{4}", text)


def test_a_part_asked_for_after_the_session_ended_leads_to_sign_in(hospital: Hospital) -> None:
    status, headers, _ = hospital.fetch("GET", "/console/live", HX_Request="true")
    assert status == 204
    assert headers["HX-Redirect"] == "/sign-in"


def test_a_form_without_its_token_is_refused(hospital: Hospital, people: dict[str, Browser]) -> None:
    said = {"family": "FORGED", "given": "X", "born": "1970", "sex": "M"}
    status, _, text = hospital.fetch("POST", "/patients/register", said, Cookie=cookies_of(people["clerk"]))
    assert status == 403
    assert "FORGED" not in text
    _, _, found = found_by(hospital, "forged")
    assert "Nobody found" in found


def test_a_stranger_to_the_host_is_refused(hospital: Hospital) -> None:
    status, _, text = hospital.fetch("GET", "/sign-in", Host="elsewhere.example")
    assert status == 400
    assert "Traceback" not in text


@pytest.mark.parametrize("path", ["/patients/999999/", "/wards/999999", "/console/do/explode", "/discrepancies/999999"])
def test_what_is_not_there_is_said_plainly(hospital: Hospital, people: dict[str, Browser], path: str) -> None:
    who = "itops" if "console" in path else "quality" if "discrep" in path else "clerk"
    status, _, text = hospital.fetch("GET", path, Cookie=cookies_of(people[who]))
    assert status == 404
    assert "Traceback" not in text
    assert "nhsuk" in text


def test_signing_out_ends_the_session_and_needs_a_post(hospital: Hospital) -> None:
    browser = hospital.signed_in("clerk")
    with pytest.raises(PageRefused, match="405"):
        browser.open("/sign-out")
    before = cookies_of(browser)
    page = browser.open("/patients/")
    token = page.fields["csrfmiddlewaretoken"]
    status, headers, _ = hospital.fetch("POST", "/sign-out", {"csrfmiddlewaretoken": token}, Cookie=before)
    assert (status, headers["Location"]) == (302, "/sign-in")
    status, _, _ = hospital.fetch("GET", "/patients/", Cookie=before)
    assert status == 302


def test_the_clerks_story_needs_no_javascript(hospital: Hospital) -> None:
    clerk = Clerk("127.0.0.1", hospital.screens, name="clerk", password=PASSWORD)
    clerk.register(family="PLAINHTML", given="Eve", born="1 mar 1952", sex="F", postcode="AB1 2CD")
    clerk.book("CARD", "tomorrow")
    clerk.admit("WA")
    clerk.transfer("WB")
    clerk.discharge()
    _, _, found = found_by(hospital, "plainhtml, eve")
    assert f'href="/patients/{clerk.patient}/"' in found

    def told() -> bool:
        _, _, text = hospital.fetch("GET", f"/patients/{clerk.patient}/", Cookie=cookies_of(clerk.browser))
        fates = re.findall(r'data-destination="(\w+)" data-fate="(\w+)"', text)
        return all(fates.count((name, "accepted")) == 5 for name in hospital.receivers)

    eventually(told, within=20, every=0.3, why="both receivers have accepted five entries")


def test_what_is_sought_is_never_in_an_address(hospital: Hospital, people: dict[str, Browser]) -> None:
    _, _, text = hospital.fetch("GET", "/patients/?sought=plainhtml", Cookie=cookies_of(people["clerk"]))
    assert "data-row" not in text.replace("data-rows", "")
    assert re.search(r'<form method="post" action="/patients/"', text)


def found_by(hospital: Hospital, sought: str) -> tuple[int, object, str]:
    """Find as a browser without JavaScript does; gives the whole page."""
    browser = hospital.signed_in("clerk")
    page = browser.open("/patients/")
    said = {"sought": sought, "csrfmiddlewaretoken": page.fields["csrfmiddlewaretoken"]}
    return hospital.fetch("POST", "/patients/", said, Cookie=cookies_of(browser))

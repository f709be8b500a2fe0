"""A person at a browser: pages opened, looked at and checked, and every key counted. Knows the pages by their ids."""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from pasmirror.demo.cast import PASSWORD

WCAG = {
    "runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa"]},
    "resultTypes": ["violations"],
}
NOBODY = re.compile(r"net::ERR|Failed to load resource|^htmx:(afterRequest|timeout|sendError|responseError)")
MOST_TABS = 60
# What shows the focus: the NHS yellow on the control itself, on its label's picture of it, or as an outline.
FOCUS = """() => {
  const at = document.activeElement;
  if (!at || at === document.body) return {name: "nothing", seen: false, why: "nothing has the focus"};
  const name = at.id || at.textContent.trim().slice(0, 40) || at.tagName;
  const label = at.labels && at.labels[0];
  const styles = [getComputedStyle(at), getComputedStyle(at, "::before")];
  if (label) styles.push(getComputedStyle(label), getComputedStyle(label, "::before"));
  const yellow = styles.some((s) => [s.backgroundColor, s.boxShadow, s.outlineColor, s.borderColor]
    .some((v) => v.includes("255, 235, 59")));
  const ring = styles.some((s) => s.outlineStyle !== "none" && parseFloat(s.outlineWidth) >= 2);
  const box = (label && at.matches("[type=radio], [type=checkbox]") ? label : at).getBoundingClientRect();
  const x = Math.min(box.left + 5, innerWidth - 1), y = box.top + Math.min(box.height / 2, 20);
  const hit = document.elementFromPoint(x, y);
  const around = hit && hit !== document.body && hit.contains(at);
  const shown = !!hit && (at.contains(hit) || around || (label && label.contains(hit)));
  const hidden = shown ? "" : "hidden behind " + (hit ? hit.className : "the edge");
  const why = yellow || ring ? hidden : "no mark of focus";
  return {name, seen: !why, why};
}"""


@dataclass
class Walk:
    """What one person's browser did: every request and every page's title."""

    requests: list[str] = field(default_factory=list)
    titles: list[str] = field(default_factory=list)

    def hosts(self) -> set[str]:
        """Everywhere that was asked for something."""
        return {str(urlsplit(url).hostname) for url in self.requests if urlsplit(url).scheme in ("http", "https")}


class Person:
    """One person with one page open."""

    def __init__(self, page: Page, address: str) -> None:
        self.page, self.address = page, address
        self.keys = 0
        self.walk = Walk()
        self.faults: list[str] = []
        page.on("request", lambda request: self.walk.requests.append(request.url))
        page.on("load", lambda loaded: self.walk.titles.append(loaded.title()))
        page.on("pageerror", lambda fault: self.faults.append(str(fault)))
        page.on("console", lambda said: self.faults.append(said.text) if _is_fault(said) else None)

    # With the mouse and the address bar, where a test is about something else

    def opens(self, path: str) -> None:
        """Go to a page by its address."""
        self.page.goto(self.address + path)

    def signs_in(self, name: str, password: str = PASSWORD) -> None:
        """Sign in with the mouse."""
        self.opens("/sign-in")
        self.page.fill("#username", name)
        self.page.fill("#password", password)
        self.page.click("#sign-in")

    def sends(self, button: str = "#save", **typed: str) -> None:
        """Fill fields by their ids and press a button, waiting for the answer."""
        self.fills(**typed)
        with self.page.expect_navigation():
            self.page.click(button)

    def fills(self, **typed: str) -> None:
        """Fill fields by their ids; a select by its value."""
        for name, value in typed.items():
            control = self.page.locator(f"#{name}")
            if control.evaluate("e => e.tagName") == "SELECT":
                control.locator(f'option[value="{value}"]').wait_for(state="attached")
                control.select_option(value)
            else:
                control.fill(value)

    # With the keyboard alone

    def presses(self, *keys: str) -> None:
        """Press keys one after another."""
        for key in keys:
            self.page.keyboard.press(key)
            self.keys += 1

    def types(self, text: str) -> None:
        """Type text, a key a character."""
        self.page.keyboard.type(text)
        self.keys += len(text)

    def goes(self, *keys: str) -> None:
        """Press keys that lead to another page, and wait until it is there."""
        with self.page.expect_navigation():
            self.presses(*keys)

    def tabs_to(self, name: str) -> None:
        """Press Tab until the control `name` has the focus; each stop on the way must be visible."""
        for _ in range(MOST_TABS):
            if self.at() == name:
                return
            self.presses("Tab")
            self.sees_the_focus()
        raise AssertionError(f"{name} is not reached by {MOST_TABS} tabs; at {self.at()}")

    def moves_on_to(self, name: str) -> None:
        """Press Enter, which moves on to the next field, until it is `name`."""
        for _ in range(MOST_TABS):
            if self.at() == name:
                return
            self.presses("Enter")
            self.sees_the_focus()
        raise AssertionError(f"{name} is not reached by Enter; at {self.at()}")

    def at(self) -> str:
        """The id of what has the focus."""
        found: str = self.page.evaluate("document.activeElement.id")
        return found

    @contextmanager
    def task(self, name: str, counted: dict[str, tuple[int, float]]) -> Iterator[None]:
        """Count the keys and the seconds of one task."""
        keys, began = self.keys, time.monotonic()
        yield
        counted[name] = (self.keys - keys, time.monotonic() - began)

    # What must be so

    def sees(self, selector: str, text: str = "", *, within: float = 10.0) -> None:
        """Something is to be seen, with that text in it."""
        found = self.page.locator(selector)
        (found.filter(has_text=text) if text else found).first.wait_for(timeout=within * 1000)

    def sees_the_focus(self) -> None:
        """What has the focus is marked as such, and nothing hides it."""
        found: dict[str, Any] = self.page.evaluate(FOCUS)
        assert found["seen"], f"focus on {found['name']} at {urlsplit(self.page.url).path}: {found['why']}"

    def finds_it_accessible(self) -> None:
        """No violation of WCAG 2.2 AA that axe can find, and no fault in the page's scripts."""
        response = Axe().run(self.page, options=WCAG).response
        told = [
            f"{v['id']}: {v['help']}: {[node['target'] for node in v['nodes']][:5]}" for v in response["violations"]
        ]
        assert not told, f"{urlsplit(self.page.url).path}: {told}"
        assert not self.faults, f"{urlsplit(self.page.url).path}: {self.faults}"


def _is_fault(said: Any) -> bool:
    """An error in the console; that a request found nobody is what some tests are about."""
    return said.type == "error" and not NOBODY.search(said.text)

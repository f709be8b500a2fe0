"""A very small browser for scripts: cookies, forms with their hidden fields, redirects; knows no page of ours."""

import http.client
import urllib.parse
from dataclasses import dataclass, field
from html.parser import HTMLParser
from http.cookies import SimpleCookie

TIMEOUT = 20.0  # seconds
REDIRECTS = {301, 302, 303}


class PageRefused(Exception):
    """A page answered with an error, or showed one; the text is what it said."""


@dataclass(slots=True)
class Page:
    """One page as fetched: its path, the values of its form's fields, its error summary, its links."""

    path: str
    fields: dict[str, str] = field(default_factory=dict)
    options: dict[str, list[str]] = field(default_factory=dict)
    links: list[str] = field(default_factory=list)
    errors: str = ""


class Browser:
    """One person's browser at `host`:`port`."""

    def __init__(self, host: str, port: int) -> None:
        self.host, self.port = host, port
        self.cookies: dict[str, str] = {}

    def open(self, path: str) -> Page:
        """Fetch a page, following redirects."""
        return self._fetch("GET", path)

    def send(self, page: Page, **values: str) -> Page:
        """Send the page's form with `values` typed in; PageRefused with the error summary if it comes back."""
        body = urllib.parse.urlencode({**page.fields, **values})
        answer = self._fetch("POST", page.path, body)
        if answer.errors:
            raise PageRefused(answer.errors)
        return answer

    def _fetch(self, method: str, path: str, body: str | None = None) -> Page:
        connection = http.client.HTTPConnection(self.host, self.port, timeout=TIMEOUT)
        headers = {"Cookie": "; ".join(f"{k}={v}" for k, v in self.cookies.items()), "Host": f"{self.host}:{self.port}"}
        if body is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            text = answer.read().decode("utf-8", "replace")
        finally:
            connection.close()
        for header in answer.headers.get_all("Set-Cookie", []):
            self.cookies.update({name: morsel.value for name, morsel in SimpleCookie(header).items()})
        if answer.status in REDIRECTS:
            return self._fetch("GET", answer.headers["Location"])
        if answer.status >= 400:
            raise PageRefused(f"{path} answered {answer.status}")
        reader = _Reader(Page(path))
        reader.feed(text)
        return reader.page


class _Reader(HTMLParser):
    """Reads fields, choices, links and the error summary of the page's main form (the last one with a key)."""

    def __init__(self, page: Page) -> None:
        super().__init__()
        self.page = page
        self._select = ""
        self._summary = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = {name: value or "" for name, value in attrs}
        name, value = said.get("name", ""), said.get("value", "")
        if tag == "div" and (self._summary or "nhsuk-error-summary" in said.get("class", "").split()):
            self._summary += 1
        elif tag == "input" and said.get("type") in ("radio", "checkbox"):
            self.page.options.setdefault(name, []).append(value)
            if "checked" in said:
                self.page.fields[name] = value
        elif tag == "input" and name:
            self.page.fields[name] = value
        elif tag == "select":
            self._select = name
            self.page.fields.setdefault(name, "")
        elif tag == "option" and self._select:
            self.page.options.setdefault(self._select, []).append(value)
            if "selected" in said:
                self.page.fields[self._select] = value
        elif tag == "a" and said.get("href"):
            self.page.links.append(said["href"])

    def handle_endtag(self, tag: str) -> None:
        if tag == "select":
            self._select = ""
        if tag == "div" and self._summary:
            self._summary -= 1

    def handle_data(self, data: str) -> None:
        if self._summary and data.strip():
            self.page.errors = f"{self.page.errors} {data.strip()}".strip()

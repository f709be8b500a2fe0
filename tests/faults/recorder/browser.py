"""A clerk's browser that loses nothing: every status, every address, and whether the answer came whole; knows no page.

Nothing is sent twice: a request without a whole answer stays without one.
"""

import urllib.parse
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from http.cookies import SimpleCookie

from tests.faults.recorder.screens import Screen, Torn

PATIENCE = 10.0  # seconds for each wait of one request
REDIRECTS = (301, 302, 303)
MOST_REDIRECTS = 5


@dataclass(slots=True)
class Visit:
    """One act of a browser, redirects followed.

    `answered` is the status of the first answer and `status` that of the page landed on, 0 where none came whole;
    `fault` names what came instead.
    """

    answered: int = 0
    status: int = 0
    screen: Screen | None = None
    paths: list[str] = field(default_factory=list)
    fault: str = ""


class Browser:
    """One person's browser: cookies, forms, redirects; never raises for what a network or a server does."""

    def __init__(self, host: str, port: int, *, patience: float = PATIENCE) -> None:
        self.host, self.port, self.patience = host, port, patience
        self.cookies: dict[str, str] = {}

    def open(self, path: str) -> Visit:
        """Fetch a page."""
        return self._visit("GET", path, None)

    def send(self, path: str, fields: dict[str, str]) -> Visit:
        """Send a form."""
        return self._visit("POST", path, urllib.parse.urlencode(fields))

    def _visit(self, method: str, path: str, body: str | None) -> Visit:
        visit = Visit()
        for _ in range(MOST_REDIRECTS):
            visit.paths.append(path)
            try:
                status, onward, text = self._fetch(method, path, body)
                visit.answered = visit.answered or status
                if status not in REDIRECTS:
                    visit.screen = Screen.of(path, status, text)
                    visit.status = status
                    return visit
            except (OSError, HTTPException, Torn) as fault:
                visit.fault = type(fault).__name__
                return visit
            method, path, body = "GET", onward, None
        visit.fault = "redirected without end"
        return visit

    def _fetch(self, method: str, path: str, body: str | None) -> tuple[int, str, str]:
        connection = HTTPConnection(self.host, self.port, timeout=self.patience)
        headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())}
        if body is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            text = answer.read().decode("utf-8", "replace")
            for header in answer.headers.get_all("Set-Cookie", []):
                self.cookies.update({name: morsel.value for name, morsel in SimpleCookie(header).items()})
            return answer.status, answer.headers.get("Location", ""), text
        finally:
            connection.close()

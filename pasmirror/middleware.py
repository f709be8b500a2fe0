"""What holds for every answer: nothing kept by a browser, an absent database said plainly, a lost sign-in met."""

from collections.abc import Callable

import structlog
from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import resolve_url
from django.utils.cache import patch_vary_headers

from pasmirror.lib import pages
from pasmirror.lib.away import is_away

log = structlog.get_logger()
Answer = Callable[[HttpRequest], HttpResponseBase]


class NoStore:
    """Keep every page out of caches and of the back button's memory; static files are served before this."""

    def __init__(self, get_response: Answer) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Say no-store on whatever comes back."""
        response = self.get_response(request)
        response["Cache-Control"] = "no-store"
        patch_vary_headers(response, ["HX-Request"])
        return response


class DatabaseAway:
    """Turn "the database does not answer" into a page that says so; any other fault stays a 500."""

    def __init__(self, get_response: Answer) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Pass on; a fault outside of a view is met by the 500 handler, which asks `is_away` too."""
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, fault: Exception) -> HttpResponse | None:
        """Answer 503 where a view needed the database and it was away."""
        return away(request, fault) if is_away(fault) else None


def away(request: HttpRequest, fault: BaseException) -> HttpResponse:
    """Say that the database is away; for htmx as well, so that the page shows its last state as old."""
    log.warning("database.away", fault=type(fault).__name__)
    response = pages.bare(request, "503.html", status=503)
    response["Retry-After"] = "5"
    return response


class SignInAgain:
    """Send a part's request whose session has ended to the sign-in page whole, not into the part."""

    def __init__(self, get_response: Answer) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Let htmx move the page."""
        response = self.get_response(request)
        there = response.get("Location", "").split("?")[0]
        if request.headers.get("HX-Request") and there == resolve_url(settings.LOGIN_URL):
            moved = HttpResponse(status=204)
            moved["HX-Redirect"] = resolve_url(settings.LOGIN_URL)
            return moved
        return response

"""How an act of a clerk ended, by nothing but what the screen says to him; pure.

What the screen says decides, true or not: a page that says that nothing was saved ends in `refused`, and if it was
saved after all, that is for the checker to find.
"""

from typing import Any

from tests.faults.recorder.browser import Visit
from tests.faults.recorder.log import End
from tests.faults.recorder.screens import RECORD, Screen

NOTHING_SAVED = "Nothing you typed just now has been saved"
SIGN_IN = "/sign-in"


def of_press(visit: Visit) -> tuple[End, dict[str, Any]]:
    """How sending a form ended, and what was told."""
    end = _of_press(visit)
    told = _told(visit)
    screen = visit.screen
    if screen is not None and end != "ok":
        told["sentence"] = screen.sentence
    if end == "refused":
        told["signed_out"] = signed_out(visit)
    return end, told


def of_look(visit: Visit) -> tuple[End, dict[str, Any]]:
    """How opening a page ended, and what was shown."""
    told = _told(visit)
    screen = visit.screen
    if screen is None or (visit.status >= 500 and NOTHING_SAVED not in screen.text):
        return "unknown", told
    if visit.status == 200 and not signed_out(visit):
        return "ok", told
    return "refused", told | {"sentence": screen.sentence, "signed_out": signed_out(visit)}


def signed_out(visit: Visit) -> bool:
    """Whether the page landed on is the sign-in page, or says that the form is older than the session."""
    screen = visit.screen
    return screen is not None and (
        _is_sign_in(screen) or (visit.status == 403 and "This page is too old" in screen.text)
    )


def _of_press(visit: Visit) -> End:
    screen = visit.screen
    if screen is None:
        return "unknown"
    if visit.status == 200 and screen.patient and visit.answered == 302:
        return "ok"
    if visit.status == 503 and NOTHING_SAVED in screen.text:
        return "refused"
    if any(RECORD.fullmatch(path) for path in visit.paths[1:]):
        return "unknown"  # sent on to the record, and the record did not open: who sees that knows nothing
    if visit.status in (403, 404) or (visit.status == 200 and (screen.errors or screen.refusal or _is_sign_in(screen))):
        return "refused"
    return "unknown"


def _is_sign_in(screen: Screen) -> bool:
    return screen.path.partition("?")[0] == SIGN_IN


def _told(visit: Visit) -> dict[str, Any]:
    told: dict[str, Any] = {"answered": visit.answered, "status": visit.status, "paths": visit.paths, "sentence": ""}
    if visit.fault:
        told["fault"] = visit.fault
    if visit.screen is not None:
        told |= visit.screen.shown()
    return told

"""The pages as a browser gets them from the real web processes, one after the other; knows their addresses."""

import time
from collections.abc import Callable
from uuid import uuid4

from django.conf import settings

from pasmirror.bench.product import NotMeasured, Product
from pasmirror.bench.report import Figure, at
from pasmirror.demo import cast
from pasmirror.demo.browser import Browser, PageRefused
from patients.models import Patient, Ward

PART = "pages"
RECORDS = 50  # different patients whose pages are opened in turn


def measure(product: Product, count: int) -> list[Figure]:
    """Ask for each page `count` times, in turns, in mirror mode."""
    product.mirror()
    clerk, operator = _signed_in(cast.clerk_name()), _signed_in(cast.OPERATOR)
    patients = list(Patient.objects.order_by("-pk")[:RECORDS])
    ward = Ward.objects.order_by("code").values_list("pk", flat=True).first()
    if not patients or ward is None:
        raise NotMeasured("There is no patient or no ward to show.")
    found = clerk.open("/patients/")
    pages: dict[str, Callable[[int], object]] = {
        "find by family name": lambda n: clerk.send(found, sought=patients[n % len(patients)].family),
        "patient": lambda n: clerk.open(f"/patients/{patients[n % len(patients)].pk}/"),
        "ward list": lambda _: clerk.open(f"/wards/{ward}"),
        "console": lambda _: operator.open("/console/"),
    }
    taken: dict[str, list[float]] = {name: [] for name in (*pages, FORM)}
    try:
        for number in range(count):
            for name, ask in pages.items():
                taken[name].append(_timed(lambda ask=ask: ask(number)))  # type: ignore[misc]  # noqa: B023
            taken[FORM].append(_registered(clerk))
    except PageRefused as refused:
        raise NotMeasured(f"A page was refused: {refused}") from refused
    return [
        Figure(PART, f"{name}, {word}", at(times, share) * 1000, "ms")
        for name, times in taken.items()
        for word, share in (("p50", 0.5), ("p95", 0.95))
    ]


FORM = "register, and the page it leads to"


def _registered(clerk: Browser) -> float:
    form = clerk.open("/patients/register")
    family = "BENCH" + "".join(chr(ord("A") + int(digit, 16)) for digit in uuid4().hex[:8])
    typed = {"family": family, "given": "Anna", "born": "1 mar 1952", "sex": "F", "postcode": "LS1 1AA"}
    return _timed(lambda: clerk.send(form, **typed))


def _timed(ask: Callable[[], object]) -> float:
    began = time.perf_counter()
    ask()
    return time.perf_counter() - began


def _signed_in(name: str) -> Browser:
    browser = Browser(settings.HTTP_HOST, settings.HTTP_PORT)
    page = browser.send(browser.open("/sign-in"), username=name, password=cast.PASSWORD)
    if "/sign-in" in page.path:
        raise NotMeasured(f"{name} could not sign in.")
    return browser

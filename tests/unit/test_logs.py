"""The log: whatever is logged, and however it fails, no value of a patient gets in."""

import io
import json
import logging
import sys
import threading

import pytest
import structlog
from django.conf import settings

from pasmirror import logs

PATIENT = "9990000018 O'Brien"


@pytest.fixture
def written():
    """What our formatter makes of records, as parsed lines."""
    stream = io.StringIO()
    formatter = logging.config.DictConfigurator({**settings.LOGGING}).configure_formatter(
        dict(settings.LOGGING["formatters"]["json"])
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    root.handlers = [handler]
    root.setLevel(logging.INFO)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    root.handlers = before
    root.setLevel(level)


def failing() -> None:
    nhs_number = PATIENT
    raise ValueError(f"bad value {nhs_number}")


def test_an_exception_is_logged_by_class_and_place_only(written) -> None:
    try:
        failing()
    except ValueError:
        structlog.get_logger("ours").exception("save.failed", change=7)
        logging.getLogger("django.request").exception("Internal Server Error: %s", PATIENT)
    ours, theirs = written()
    assert ours["event"] == "save.failed"
    assert ours["change"] == 7
    assert ours["fault"] == theirs["fault"] == "builtins.ValueError"
    assert any("failing" in place for place in ours["at"])
    assert theirs["event"] == "Internal Server Error: %s"
    assert PATIENT not in json.dumps([ours, theirs])


def test_a_constraint_is_named() -> None:
    class Diagnosis:
        constraint_name = "one_open_stay"

    class Refused(Exception):
        diag = Diagnosis()

    try:
        try:
            raise Refused(PATIENT)
        except Refused as cause:
            raise ValueError(PATIENT) from cause
    except ValueError as fault:
        event = logs.exception_by_class(None, "error", {"event": "x", "exc_info": fault})
    assert event["constraint"] == "one_open_stay"
    assert PATIENT not in json.dumps(event)


def test_loggers_that_see_no_patient_keep_their_sentences(written) -> None:
    logging.getLogger("gunicorn.error").info("Listening at: %s", "http://127.0.0.1:8000")
    assert written()[0]["event"] == "Listening at: http://127.0.0.1:8000"


def test_what_nobody_caught_is_logged_like_the_rest(written, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    logs.take_over_uncaught()
    try:
        failing()
    except ValueError as fault:
        sys.excepthook(type(fault), fault, fault.__traceback__)
        threading.excepthook(threading.ExceptHookArgs((type(fault), fault, fault.__traceback__, None)))
    assert [line["event"] for line in written()] == ["process.uncaught", "thread.uncaught"]
    assert PATIENT not in json.dumps(written())

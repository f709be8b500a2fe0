"""How everything is logged: one JSON event a line on stderr, with ids; an exception by its class and constraint only.

Knows no app. What an exception says, and what its frames held, is never written: both may hold a patient's data.
"""

import logging
import sys
import threading
import traceback
from types import TracebackType

import structlog
from structlog.typing import EventDict, WrappedLogger

WITHOUT_PATIENTS = ("gunicorn", "celery.worker.consumer", "celery.apps")
"""Loggers of other people that never see a patient's data: their sentences are kept whole."""


def exception_by_class(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Put class, constraint and place of an exception where its text and traceback would have been."""
    fault = event.pop("exc_info", None)
    if isinstance(fault, tuple):
        fault = fault[1]
    elif fault and not isinstance(fault, BaseException):
        fault = sys.exc_info()[1]
    event.pop("exception", None)
    event.pop("stack_info", None)
    if isinstance(fault, BaseException):
        event["fault"] = f"{type(fault).__module__}.{type(fault).__qualname__}"
        if constraint := constraint_of(fault):
            event["constraint"] = constraint
        event["at"] = places_of(fault)
    return event


def places_of(fault: BaseException, most: int = 5) -> list[str]:
    """The innermost places a fault came through, as file:line function; nothing of what the frames held."""
    frames = [frame for frame in traceback.extract_tb(fault.__traceback__) if not frame.filename.startswith("<")]
    return [f"{'/'.join(frame.filename.split('/')[-2:])}:{frame.lineno} {frame.name}" for frame in frames[-most:]]


def constraint_of(fault: BaseException) -> str | None:
    """The database constraint behind a fault, if there is one."""
    cause: BaseException | None = fault
    while cause is not None:
        name = getattr(getattr(cause, "diag", None), "constraint_name", None)
        if name:
            return str(name)
        cause = cause.__cause__
    return None


def text_of_foreign(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Other people's loggers: the sentence as written in their source, without the values they would put in it."""
    record: logging.LogRecord | None = event.get("_record")
    if record is not None and not record.name.startswith(WITHOUT_PATIENTS):
        event["event"] = str(record.msg) if isinstance(record.msg, str) else type(record.msg).__name__
    return event


def take_over_uncaught() -> None:
    """Log what nobody caught like everything else, instead of printing its text and frames."""
    log = structlog.get_logger("uncaught")

    def of_process(kind: type[BaseException], fault: BaseException, _trace: TracebackType | None) -> None:
        if issubclass(kind, KeyboardInterrupt):
            return
        log.error("process.uncaught", exc_info=fault)

    def of_thread(fault: threading.ExceptHookArgs) -> None:
        log.error("thread.uncaught", exc_info=fault.exc_value, thread=fault.thread.name if fault.thread else None)

    sys.excepthook = of_process
    threading.excepthook = of_thread

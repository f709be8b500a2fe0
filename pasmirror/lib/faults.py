"""A fault that was caught, so that other work could go on, is an alarm until the same work succeeds; knows no work."""

import structlog
from django.db import DatabaseError, InterfaceError

from pasmirror.lib import alarms

log = structlog.get_logger()


class Faults:
    """What of one process's work fails just now; `alarm` is sounded for each piece of work by its name."""

    def __init__(self, alarm: str) -> None:
        self.alarm = alarm
        self._well: set[str] = set()  # works of which no alarm can stand: they succeeded since we began

    def caught(self, work: str, fault: BaseException) -> None:
        """Log that `work` failed by a fault of our own, and sound the alarm; never raises."""
        log.error("fault.caught", work=work, exc_info=fault)
        self._well.discard(work)
        sentence = f"{work} failed by a fault of the program ({type(fault).__name__}); other work goes on."
        try:
            alarms.sound(self.alarm, sentence, subject=work[:60])
        except (DatabaseError, InterfaceError) as away:
            log.warning("fault.not_alarmed", work=work, error=type(away).__name__)

    def went_well(self, work: str) -> None:
        """Clear the alarm of `work`, also one that an earlier run of this process has left."""
        if work not in self._well:
            alarms.clear(self.alarm, subject=work[:60])
            self._well.add(work)

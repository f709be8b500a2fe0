"""Counts how often in a row a message could not be applied, and sounds an alarm for one that stays stuck."""

from collections.abc import Collection

from pasmirror.lib import alarms

ALARM = "apply-stuck"
MOST = 5  # tries before somebody is told


class Tries:
    """The messages that were refused at the last try, and how often in a row."""

    def __init__(self) -> None:
        self.counts: dict[int, int] = {}
        self._quiet = False  # no alarm of ours stands

    def note(self, refused: Collection[int]) -> None:
        """Count one try after which `refused` could not be applied; whatever went on is no longer stuck."""
        self.counts = {message: self.counts.get(message, 0) + 1 for message in refused}
        if self._quiet and not self.counts:
            return
        stuck = {_subject(message): message for message, count in self.counts.items() if count >= MOST}
        for subject, message in stuck.items():
            sentence = f"Message {message} of the feed cannot be applied, and its channel waits behind it."
            alarms.sound(ALARM, sentence, subject=subject)
        refused_now = {_subject(message) for message in refused}
        for alarm in alarms.standing():
            if alarm.code == ALARM and alarm.subject not in refused_now:
                alarms.clear(ALARM, subject=alarm.subject)
        self._quiet = not self.counts


def _subject(message: int) -> str:
    return f"inbound:{message}"

"""Refusals: why a save was not done, in a clerk's words; nothing was written when one is raised."""

from patients.facts import Groups, Kind


class Refused(Exception):
    """The save is refused; `reason` is for the person, `field` the form field it concerns ("" for none)."""

    def __init__(self, reason: str, field: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.field = field


class NotWritable(Refused):
    """The PAS is master, or hand-back has frozen saving for a moment."""


class Stale(Refused):
    """Somebody else saved since this form was opened; `now` is what stands there now."""

    def __init__(self, kind: Kind, now: Groups, version: int) -> None:
        super().__init__("Somebody else has changed this record since you opened it. Check both and save again.")
        self.kind = kind
        self.now = now
        self.version = version

"""Who did something: a person or a system, with role and how they proved it; knows nothing of requests."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Actor:
    """Subject (user name or system name), role, how authenticated, and the reason given, if one was."""

    subject: str
    role: str = "system"
    how: str = "process"
    reason: str = ""

    def as_json(self) -> dict[str, str]:
        """Give the four fields as a JSON object, as stored beside every change and audit row."""
        return {"subject": self.subject, "role": self.role, "how": self.how, "reason": self.reason}

    def because(self, reason: str) -> "Actor":
        """Give the same actor with a reason."""
        return Actor(self.subject, self.role, self.how, reason)


def system(name: str, reason: str = "") -> Actor:
    """Name one of our own processes as the actor."""
    return Actor(subject=name, reason=reason)

"""Reads the newest probe of a destination, as its page shows it; writes nothing."""

from dataclasses import dataclass

from messaging import conformance
from messaging.conformance import Answer
from messaging.models import Destination, Probe
from messaging.services.settling import policy_of


@dataclass(frozen=True, slots=True)
class Probed:
    """A probe with its answers, each with what was asked in words, and what they show."""

    row: Probe
    answers: list[tuple[str, Answer]]
    findings: list[str]

    @property
    def under_way(self) -> bool:
        """Whether it has not ended."""
        return self.row.ended_at is None


def newest(to: Destination) -> Probed | None:
    """Give the newest probe of a destination; None if it was never probed."""
    row = Probe.objects.filter(destination=to).order_by("-pk").first()
    return probed(row) if row else None


def probed(row: Probe) -> Probed:
    """Read one probe."""
    answers = [Answer(**kept) for kept in row.answers]
    return Probed(
        row,
        [(conformance.ASKED[answer.asked], answer) for answer in answers],
        conformance.findings(answers, policy_of(row.destination)) if row.ended_at else [],
    )


def lines(found: Probed) -> list[str]:
    """Give a probe as lines for a person at a terminal: codes and times, no texts."""
    said = [
        f"{words}: {answer.code or conformance.PHASES.get(answer.phase, 'no answer')} {answer.err}".rstrip()
        + f" ({answer.ms} ms)"
        for words, answer in found.answers
    ]
    return [*said, *found.findings, *([f"Ended early: {found.row.ending.rstrip('.')}."] if found.row.ending else [])]

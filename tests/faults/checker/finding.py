"""What the checker may find: a kind for each invariant of the design, a sentence, and what proves it."""

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What is wrong; I1 to I13 are the invariants in section 5 of the design."""

    LOST_WRITE = "lost_write"  # I1: acknowledged, and nowhere to be found
    ABORTED_READ = "aborted_read"  # I9: seen downstream, never committed
    INVERSION = "inversion"  # I3: of one patient, told or applied in another order than committed
    DUPLICATE_EFFECT = "duplicate_effect"  # I2: more than one effect of one event, or other bytes under one MSH-10
    LANE_GAP = "lane_gap"  # I1: a number missing from a lane, given twice, or left lying
    FENCED_EMISSION = "fenced_emission"  # I4: sent for an epoch that hand-back had ended
    TWO_MASTERS = "two_masters"  # I4: written or spoken while another was master
    SCREEN_LIED = "screen_lied"  # I8: the screen said what was not so
    UNBALANCED_LEDGER = "unbalanced_ledger"  # I7: handed back with entries unaccounted for
    BROKEN_CHAIN = "broken_chain"  # I10: the audit chain does not verify, or a change has no audit row
    PATIENT_DATA_IN_SINK = "patient_data_in_sink"  # I11: a name, number or birth date where none may be
    DIVERGENCE = "divergence"  # I13: after all is healed and quiet, mirror, PAS and receivers differ


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One thing that is wrong. `evidence`: row ids, control ids and times that show it, as name=value."""

    kind: Kind
    sentence: str
    evidence: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.kind}: {self.sentence}" + (f" [{', '.join(self.evidence)}]" if self.evidence else "")


def finding(kind: Kind, sentence: str, **evidence: object) -> Finding:
    """Make a finding; the evidence in the order given."""
    return Finding(kind, sentence, tuple(f"{name}={value}" for name, value in evidence.items()))

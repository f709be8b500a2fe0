"""Chooses messages of the feed to compare with what we would have said, and keeps what was known before they came.

In the feed's transaction, so that the two cannot disagree; compared later and elsewhere (messaging.services.fidelity).
"""

from collections.abc import Iterable

from messaging.models import FidelitySample
from patients.selectors import gate
from patients.services.taken import Taken
from patients.states import Mode

_SPREAD, _WHOLE = 2_654_435_761, 2**32  # multiplying by an odd number near the golden ratio scatters neighbours


def wanted(message: int, share: float) -> bool:
    """Say whether a message is among the share (0 to 1) that is compared; the same answer every time it is asked."""
    return share > 0 and (message * _SPREAD) % _WHOLE < share * _WHOLE


def keep(taken: Iterable[tuple[int, Taken]]) -> None:
    """Keep what was known before each sampled message (its id, and what became of it), while the PAS is master."""
    samples = [
        FidelitySample(message=message, change=one.change, ground=list(one.ground))
        for message, one in taken
        if one.ground is not None and one.change
    ]
    if samples and gate.now().mode == Mode.NORMAL:
        FidelitySample.objects.bulk_create(samples, ignore_conflicts=True)

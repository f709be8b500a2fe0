"""The states of messages, in and out, and when one may leave; pure."""

from django.db.models import TextChoices

from patients.states import Mode


class Outcome(TextChoices):
    """What became of an inbound message."""

    STORED = "stored", "received, not yet applied"
    APPLIED = "applied", "applied to the record"
    ALREADY = "already", "already so, nothing to change"
    FILED = "filed", "kept, not acted on"
    PARKED = "parked", "set aside for a person"
    REFUSED = "refused", "refused (AR)"


SAME_PERSON = "same-person"  # the code of a stored message of which a person has said so: not to be doubted again


class Leg(TextChoices):
    """Where an outbound message stands on its lane."""

    UNRELEASED = "unreleased", "waits for the comparison with the PAS"
    QUEUED = "queued", "waiting to be sent"
    SENDING = "sending", "sent, or may have been; no answer yet"
    ACCEPTED = "accepted", "accepted"
    HELD = "held", "refused; this patient waits for a person"
    SET_ASIDE = "set_aside", "given up, by policy or by a person"
    LEFT_TO_PAS = "left_to_pas", "never sent by us; the PAS tells it"
    SKIPPED = "skipped", "nothing to send"
    SHADOWED = "shadowed", "rehearsed: written and never sent"


OPEN_LEGS = (Leg.UNRELEASED, Leg.QUEUED, Leg.SENDING, Leg.HELD)  # a patient's later messages wait behind these


class OnRefusal(TextChoices):
    """What a destination's policy does with a message the peer refused."""

    HOLD = "hold", "hold that patient for a person"
    RETRY = "retry", "send the same bytes again, to a limit"
    SET_ASIDE = "set_aside", "give the message up and go on"


class AtLimit(TextChoices):
    """What becomes of a message that was refused as often as the policy allows."""

    SET_ASIDE = "set_aside", "give it up and go on"
    HOLD = "hold", "hold that patient for a person"


class OnUnknownAnswer(TextChoices):
    """What is done when the answer is none: garbage, without MSA, or about another message."""

    RETRY = "retry", "send the same bytes again, as after silence"
    HOLD = "hold", "hold that patient for a person"


class OnNoApplicationAnswer(TextChoices):
    """What is done when a peer has committed to a message (CA) and never says what it made of it."""

    RETRY = "retry", "send the same bytes again"
    ACCEPT = "accept", "the commit is enough"
    HOLD = "hold", "hold that patient for a person"


class AckMode(TextChoices):
    """Which acknowledgements a destination gives (HL7 chapter 2, 2.9.2 and 2.9.3)."""

    ORIGINAL = "original", "one answer: AA, AE or AR"
    ENHANCED = "enhanced", "CA when it is stored, then AA, AE or AR"


class Holds(TextChoices):
    """What waits behind a message that is held or tried again."""

    PATIENT = "patient", "that patient's later messages"
    LANE = "lane", "the whole lane"


class Valve(TextChoices):
    """The emission switch."""

    HELD = "held", "captured and queued, nothing leaves"
    OPEN = "open", "the mirror speaks for the PAS"


def why_not_send(*, to_pas: bool, mode: str, valve: str, attempted: bool, epoch: int, fenced: int) -> str | None:
    """Say why a message of `epoch` may not leave now; None if it may.

    To receivers: while emission is open; a message that may already have left is finished during the way back as
    well. To the PAS: only on the way back. For a fenced epoch: never.
    """
    if epoch <= fenced:
        return "its epoch was ended by hand-back"
    if to_pas:
        return None if mode in (Mode.RECOVERY, Mode.HANDBACK) else "the PAS is told only on the way back"
    if valve == Valve.OPEN and mode in (Mode.MIRROR, Mode.RECOVERY):
        return None
    if attempted and mode in (Mode.RECOVERY, Mode.HANDBACK):
        return None
    return "emission is held"

"""What goes out: one row per change and lane, one for each time it is sent again by order, and one per attempt."""

from django.db import models

from messaging.models.destination import Lane
from messaging.models.resending import ResendOrder
from messaging.states import Leg


class Outbound(models.Model):
    """One message of one lane: its number, its bytes (the same at every resend) and where it stands.

    One with an `order` is sent again for `again`: the identical bytes under the same MSH-10, or, as a `snapshot`, what
    is so now, under one of its own. An original is never changed by that.
    """

    class Speaker(models.TextChoices):
        """Who tells this destination of the event."""

        NOBODY = "", "not decided"
        MIRROR = "mirror", "we do: an attempt was made"
        PAS = "pas", "the PAS does"

    lane = models.ForeignKey(Lane, on_delete=models.PROTECT, db_index=False)  # the numbers' index serves
    seq = models.BigIntegerField()
    change = models.BigIntegerField()
    patient = models.BigIntegerField()
    event = models.CharField(max_length=30)
    epoch = models.IntegerField()
    leg = models.CharField(max_length=12, choices=Leg, default=Leg.QUEUED)
    speaker = models.CharField(max_length=6, choices=Speaker, default=Speaker.NOBODY, blank=True)
    control_id = models.CharField(max_length=20, blank=True, default="")
    body = models.BinaryField(null=True)
    attempts = models.IntegerField(default=0)
    rejects = models.IntegerField(default=0)
    silences = models.IntegerField(default=0, db_default=0)  # attempts that may have left and had no answer
    queued_at = models.DateTimeField()
    due_at = models.DateTimeField()
    settled_at = models.DateTimeField(null=True)
    reason = models.CharField(max_length=300, blank=True, default="")
    order = models.ForeignKey(ResendOrder, on_delete=models.PROTECT, null=True, db_index=False)
    again = models.ForeignKey("self", on_delete=models.PROTECT, null=True, db_index=False)  # None: of the list
    snapshot = models.BooleanField(default=False, db_default=False)

    class Meta:
        """Gapless per lane; one original per change and lane; MSH-10 names one message for ever."""

        constraints = [
            models.UniqueConstraint(fields=["lane", "seq"], name="outbound_number_once"),
            models.UniqueConstraint(
                fields=["lane", "change"], condition=models.Q(order=None), name="outbound_change_once"
            ),
            models.UniqueConstraint(
                fields=["control_id"],
                condition=~models.Q(control_id="") & (models.Q(order=None) | models.Q(snapshot=True)),
                name="outbound_control_id_once",
            ),
            models.UniqueConstraint(
                fields=["order", "again"],
                condition=models.Q(order__isnull=False, snapshot=False),
                name="outbound_again_once",
            ),
            models.CheckConstraint(
                condition=models.Q(order__isnull=False) | models.Q(again=None, snapshot=False),
                name="outbound_again_by_order",
            ),
        ]
        indexes = [
            models.Index(
                fields=["lane", "seq"],
                name="outbound_open",
                condition=models.Q(leg__in=["unreleased", "queued", "sending", "held"]),
                include=["leg", "queued_at", "attempts"],
            ),
            models.Index(
                fields=["lane", "seq"],
                name="outbound_accepted",
                condition=models.Q(leg="accepted"),
                include=["leg", "settled_at"],
            ),
            models.Index(
                fields=["lane", "patient", "seq"],
                name="outbound_open_patient",
                condition=models.Q(leg__in=["unreleased", "queued", "sending", "held"]),
            ),
            models.Index(fields=["change"], name="outbound_change"),
            models.Index(
                fields=["lane", "leg"],
                name="outbound_ended_otherwise",
                condition=models.Q(leg__in=["set_aside", "left_to_pas", "skipped", "shadowed"]),
            ),
            models.Index(
                fields=["lane"], name="outbound_repeated", condition=models.Q(attempts__gt=1), include=["attempts"]
            ),
            models.Index(fields=["order"], name="outbound_of_order", condition=models.Q(order__isnull=False)),
            models.Index(fields=["again"], name="outbound_again", condition=models.Q(again__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"outbound {self.lane_id}/{self.seq}"


class Attempt(models.Model):
    """One try: committed before the first byte leaves, closed when it has ended."""

    class Ending(models.TextChoices):
        """How a send ended; exactly one of these."""

        OPEN = "", "not ended"
        ACCEPTED = "accepted", "accepted"
        REFUSED = "refused", "refused"
        NO_ANSWER = "no_answer", "no answer"

    outbound = models.ForeignKey(Outbound, on_delete=models.PROTECT, related_name="tries")
    token = models.BigIntegerField()
    opened_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True)
    ending = models.CharField(max_length=10, choices=Ending, default=Ending.OPEN, blank=True)
    detail = models.CharField(max_length=200, blank=True, default="")  # AE, AR, phase of no answer
    answer = models.BinaryField(null=True)

    class Meta:
        """At most one open attempt per message."""

        constraints = [
            models.UniqueConstraint(fields=["outbound"], condition=models.Q(closed_at=None), name="attempt_open_once")
        ]

    def __str__(self) -> str:
        return f"attempt {self.pk}"

"""What a person has ordered to be sent again, how far it has got; and whom a receiver was never told of."""

from django.db import models

from messaging.models.destination import Destination
from messaging.resends import Scope


class ResendOrder(models.Model):
    """One order to tell a destination again, worked off in lots; `next` is the first number not looked at yet.

    `upto`: the lane's head when it was ordered. What is sent by it bears its key (`Outbound.order`).
    """

    destination = models.ForeignKey(Destination, on_delete=models.PROTECT)
    scope = models.CharField(max_length=10, choices=Scope)
    first = models.BigIntegerField(default=0)  # numbers on the lane, both included
    last = models.BigIntegerField(default=0)
    epoch = models.IntegerField(default=0)
    alike = models.CharField(max_length=300, blank=True, default="")  # of what could not be written: only for this
    by = models.JSONField()
    reason = models.CharField(max_length=300)
    at = models.DateTimeField()
    next = models.BigIntegerField(default=0)
    upto = models.BigIntegerField()
    same = models.IntegerField(default=0)  # messages sent again as they were
    current = models.IntegerField(default=0)  # patients whose current state goes instead
    left_out = models.IntegerField(default=0)  # messages on their way, never ours to tell, or not to be said
    ended_at = models.DateTimeField(null=True)
    ending = models.CharField(max_length=300, blank=True, default="")

    class Meta:
        """One at a time for each destination; each with its reason."""

        constraints = [
            models.UniqueConstraint(
                fields=["destination"], condition=models.Q(ended_at=None), name="resend_order_open_once"
            ),
            models.CheckConstraint(condition=~models.Q(reason=""), name="resend_order_with_reason"),
        ]

    def __str__(self) -> str:
        return f"resend order {self.pk}"


class ResyncPatient(models.Model):
    """A patient of whom a destination was not told everything before hand-back; `order`: the one that tells it."""

    destination = models.ForeignKey(Destination, on_delete=models.PROTECT)
    patient = models.BigIntegerField()
    epoch = models.IntegerField()  # with which that outage began
    at = models.DateTimeField()
    order = models.ForeignKey(ResendOrder, on_delete=models.PROTECT, null=True)

    class Meta:
        """On the list once."""

        constraints = [
            models.UniqueConstraint(
                fields=["destination", "patient"], condition=models.Q(order=None), name="resync_patient_once"
            )
        ]

    def __str__(self) -> str:
        return f"patient {self.patient} at {self.destination_id}"

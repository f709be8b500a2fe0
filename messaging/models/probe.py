"""Probes: messages of a made-up patient sent to a destination to learn how it answers; never a row of its lane."""

from django.db import models

from messaging.models.destination import Destination


class Probe(models.Model):
    """One probe of one destination: who ordered it and why, each answer, or why there is none."""

    destination = models.ForeignKey(Destination, on_delete=models.PROTECT, related_name="probes")
    by = models.JSONField()
    reason = models.CharField(max_length=300)
    confirmed = models.BooleanField(default=False)  # it was said that it may be sent while others are spoken to
    ordered_at = models.DateTimeField()
    begun_at = models.DateTimeField(null=True)
    until = models.DateTimeField(null=True)  # by then it has ended, or whoever did it is gone; the database's clock
    ended_at = models.DateTimeField(null=True)
    answers = models.JSONField(default=list)  # as messaging.conformance.Answer
    ending = models.CharField(max_length=200, blank=True, default="")  # why it ended without all answers

    class Meta:
        """One at a time for each destination; the newest is shown."""

        constraints = [
            models.UniqueConstraint(
                fields=["destination"], condition=models.Q(ended_at=None), name="probe_one_at_a_time"
            ),
            models.CheckConstraint(condition=~models.Q(reason=""), name="probe_with_reason"),
        ]

    def __str__(self) -> str:
        return f"probe {self.pk}"

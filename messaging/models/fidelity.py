"""How well the mirror says what the PAS says: samples, counts by event and field, examples, what is accepted.

Nothing holds a foreign key into message bodies: examples name messages by id and keep what they show themselves.
"""

from django.db import models

from messaging.fidelity import Verdict
from messaging.models.destination import Destination


class FidelitySample(models.Model):
    """One applied message of the feed still to be compared, with what was known of the patient before it came."""

    message = models.BigIntegerField(unique=True)
    change = models.BigIntegerField()
    ground = models.JSONField()  # the PAS's last segments of patient and stay before this message, older first

    def __str__(self) -> str:
        return f"sample of inbound {self.message}"


class FidelityPoint(models.Model):
    """One way in which one field of one event compares, at one destination: "PID-11", "less", its components "7"."""

    destination = models.ForeignKey(Destination, on_delete=models.CASCADE)
    event = models.CharField(max_length=30)
    field = models.CharField(max_length=12)
    verdict = models.CharField(max_length=12, choices=[(verdict.value, verdict.value) for verdict in Verdict])
    parts = models.CharField(max_length=40, blank=True, default="")

    class Meta:
        """One row for each."""

        constraints = [
            models.UniqueConstraint(
                fields=["destination", "event", "field", "verdict", "parts"], name="fidelity_point_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.event} {self.field} {self.verdict}"


class FidelityDay(models.Model):
    """How often that was so on one day, at the site."""

    point = models.ForeignKey(FidelityPoint, on_delete=models.CASCADE, related_name="days")
    day = models.DateField(db_index=True)
    count = models.IntegerField()

    class Meta:
        """One row per day."""

        constraints = [models.UniqueConstraint(fields=["point", "day"], name="fidelity_day_once")]

    def __str__(self) -> str:
        return f"{self.point_id} on {self.day}"


class FidelityExample(models.Model):
    """A message in which it was so, and what each side said; a patient's particulars, shown with a reason only."""

    point = models.ForeignKey(FidelityPoint, on_delete=models.CASCADE, related_name="examples")
    message = models.BigIntegerField()
    patient = models.BigIntegerField(null=True)
    theirs = models.CharField(max_length=500, blank=True, default="")
    ours = models.CharField(max_length=500, blank=True, default="")
    at = models.DateTimeField()

    def __str__(self) -> str:
        return f"example {self.pk}"


class FidelityAcceptance(models.Model):
    """An engineer's word that a difference does no harm at a destination, until it is withdrawn."""

    point = models.ForeignKey(FidelityPoint, on_delete=models.CASCADE, related_name="acceptances")
    reason = models.CharField(max_length=300)
    by = models.JSONField()
    at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    ended_by = models.JSONField(default=dict)

    class Meta:
        """One at a time."""

        constraints = [
            models.UniqueConstraint(
                fields=["point"], condition=models.Q(ended_at=None), name="fidelity_acceptance_once"
            ),
        ]

    def __str__(self) -> str:
        return f"acceptance {self.pk}"

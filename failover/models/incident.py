"""One downtime from opening to closing, every move of the mode within it, and who signed what."""

from django.db import models


class Incident(models.Model):
    """One downtime. While it is open `closed_at` is null; at most one is open."""

    scope = models.CharField(max_length=20, default="site")  # which gate it is about
    opened_at = models.DateTimeField()
    opened_by = models.JSONField()
    reason = models.CharField(max_length=300)
    first_epoch = models.IntegerField()
    acknowledged_at = models.DateTimeField(null=True)  # a person has seen the flip; automatic flips may count again
    emission_opened_at = models.DateTimeField(null=True)  # first, if ever
    closed_at = models.DateTimeField(null=True)
    closing = models.CharField(max_length=20, blank=True, default="")  # handback or stood_down
    report = models.JSONField(default=dict)

    class Meta:
        """One open incident at a time."""

        constraints = [
            models.UniqueConstraint(fields=["scope"], condition=models.Q(closed_at=None), name="one_open_incident")
        ]

    def __str__(self) -> str:
        return f"incident {self.pk}"


class ModeMove(models.Model):
    """One change of mode: from, to, the epoch it began, who, why, on what evidence. Append-only."""

    incident = models.ForeignKey(Incident, on_delete=models.PROTECT, related_name="moves", null=True)
    before = models.CharField(max_length=10)
    after = models.CharField(max_length=10)
    epoch = models.IntegerField()
    at = models.DateTimeField()
    by = models.JSONField()
    sentence = models.TextField()
    evidence = models.JSONField(default=list)

    class Meta:
        """In order."""

        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.before} to {self.after}"


class Signature(models.Model):
    """A named person's word: release, hand-back, a hold. Append-only."""

    incident = models.ForeignKey(Incident, on_delete=models.PROTECT, related_name="signatures")
    purpose = models.CharField(max_length=20)  # release, handback, hold
    subject = models.CharField(max_length=60, blank=True, default="")  # "change:17" for a hold
    by = models.JSONField()
    at = models.DateTimeField()
    statement = models.JSONField(default=dict)  # the checklist or the ledger as it was signed

    def __str__(self) -> str:
        return f"{self.purpose} of incident {self.incident_id}"
